//! Finds a deployed stack. CloudFormation returns its tables, its keyring and its parameters; the
//! caller's identity comes from the AWS configuration of this machine (profile, environment, SSO).

use std::collections::BTreeMap;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_cloudformation::{Client, error::ProvideErrorMetadata, types};
use hallpass_runtime::settings;
use hallpass_store::{Failure, connect::SharedHttpClient};

use super::{NoStack, Reach, Stack};
use crate::trust;

/// The outputs of the template that a command needs, and the variable of each.
const OUTPUTS: [(&str, &str); 4] = [
    ("UsersTable", "HALLPASS_USERS_TABLE"),
    ("TokensTable", "HALLPASS_TOKENS_TABLE"),
    ("AttemptsTable", "HALLPASS_ATTEMPTS_TABLE"),
    ("KeyRingSecret", "HALLPASS_KEYS_SECRET"),
];

/// The outputs of a stack that keeps an audit log.
const OUTPUTS_OF_AUDIT: [(&str, &str); 2] =
    [("AuditBucket", "HALLPASS_AUDIT_BUCKET"), ("AuditKeyArn", "HALLPASS_AUDIT_KEY")];

/// Variables on which the SDK panics if they are set but empty.
const ENDPOINTS: [&str; 6] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_CLOUDFORMATION",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_KMS",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
];

pub(super) async fn find(reach: &Reach) -> Result<Stack, NoStack> {
    if let Some(name) = ENDPOINTS
        .into_iter()
        .find(|name| settings::environment(name).is_some_and(|url| url.is_empty()))
    {
        return Err(NoStack::Aws(format!("{name} is set but empty; unset it")));
    }
    // Settings without a template parameter can be given in the environment of the command.
    let mut environment = settings::environment_with_prefix("HALLPASS_");
    if let Some(endpoint) = &reach.endpoint
        && !(endpoint.starts_with("http://") || endpoint.starts_with("https://"))
    {
        return Err(NoStack::Aws(
            "--endpoint must be a URL with its scheme, such as http://localhost:8000".to_owned(),
        ));
    }
    // These settings are the machine's, not the functions'.
    let of_machine = ["AWS_CA_BUNDLE", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"];
    environment.extend(
        of_machine
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), settings::environment(name)?))),
    );
    let http =
        trust::http_client(&|name| environment.get(name).cloned()).map_err(NoStack::ConfigError)?;
    let aws = load(reach, http).await;
    let mut url = String::new();
    if let Some(name) = &reach.stack() {
        let stack = describe(&aws, name).await?;
        url = stack
            .outputs()
            .iter()
            .find(|output| output.output_key() == Some("Url"))
            .map(value)
            .unwrap_or_default();
        // The stack's secret takes precedence over a keyring in this environment.
        environment.remove("HALLPASS_KEYS");
        environment.extend(outputs_of(&stack, name)?);
    } else if !environment.contains_key("HALLPASS_TOKENS_TABLE") {
        let why = "name the deployed stack with --stack, or its tables with HALLPASS_USERS_TABLE, \
                   HALLPASS_TOKENS_TABLE and HALLPASS_ATTEMPTS_TABLE";
        return Err(NoStack::Aws(why.to_owned()));
    }
    environment.extend(caller_identity(&aws).await?);
    for (endpoint, variable) in [
        ("HALLPASS_DYNAMODB_ENDPOINT", "AWS_ENDPOINT_URL_DYNAMODB"),
        ("HALLPASS_SECRETS_ENDPOINT", "AWS_ENDPOINT_URL_SECRETS_MANAGER"),
        ("HALLPASS_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3"),
        ("HALLPASS_KMS_ENDPOINT", "AWS_ENDPOINT_URL_KMS"),
    ] {
        // In order of precedence: the argument, the variable of the service, the endpoint for all
        // services, and last the setting of the functions, which may reach AWS differently than
        // this machine.
        let configured =
            || settings::environment(variable).or_else(|| aws.endpoint_url().map(str::to_owned));
        // A parameter that was not set is empty.
        if environment.get(endpoint).is_some_and(String::is_empty) {
            environment.remove(endpoint);
        }
        if let Some(url) = reach.endpoint.clone().or_else(configured) {
            environment.insert(endpoint.to_owned(), url);
        }
    }
    Ok(Stack::new(url, environment))
}

async fn load(reach: &Reach, http: SharedHttpClient) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if let Some(profile) = reach.profile() {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &reach.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &reach.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    loader.load().await
}

async fn describe(aws: &SdkConfig, name: &str) -> Result<types::Stack, NoStack> {
    let region = region(aws)?;
    // The region becomes part of a host name.
    if !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(NoStack::Aws("the AWS region is not a region such as eu-central-1".to_owned()));
    }
    let response =
        Client::new(aws).describe_stacks().stack_name(name).send().await.map_err(|error| {
            let why = error.message().map(str::to_owned);
            let why = why.unwrap_or_else(|| Failure::new("calling CloudFormation", error).report());
            NoStack::Aws(format!("cannot find the stack {name}: {why}"))
        })?;
    let stack = response.stacks.unwrap_or_default().into_iter().next();
    stack.ok_or_else(|| {
        NoStack::Aws(format!("cannot find the stack {name}: CloudFormation returned no stack"))
    })
}

/// Returns the stack's parameters and outputs as the environment variables that the template sets
/// from them.
fn outputs_of(stack: &types::Stack, name: &str) -> Result<BTreeMap<String, String>, NoStack> {
    let parameters = stack.parameters().iter().filter_map(|parameter| {
        Some((variable_of(parameter.parameter_key()?), parameter.parameter_value()?.to_owned()))
    });
    let mut variables: BTreeMap<String, String> = parameters.collect();
    for (key, variable) in OUTPUTS {
        let output =
            stack.outputs().iter().find(|output| output.output_key() == Some(key)).map(value);
        let output = output.ok_or_else(|| {
            NoStack::Aws(format!(
                "the stack {name} has no output {key}; update it with the template of this version"
            ))
        })?;
        variables.insert(variable.to_owned(), output);
    }
    for (key, variable) in OUTPUTS_OF_AUDIT {
        let output = stack.outputs().iter().find(|output| output.output_key() == Some(key));
        variables.extend(output.map(|output| (variable.to_owned(), value(output))));
    }
    Ok(variables)
}

fn value(output: &types::Output) -> String {
    output.output_value().unwrap_or_default().to_owned()
}

/// Returns the variable of a template parameter: `HALLPASS_ADMIN_PERMISSION` for `AdminPermission`.
fn variable_of(parameter: &str) -> String {
    let mut variable = "HALLPASS".to_owned();
    for letter in parameter.chars() {
        if letter.is_ascii_uppercase() {
            variable.push('_');
        }
        variable.push(letter.to_ascii_uppercase());
    }
    variable
}

fn region(aws: &SdkConfig) -> Result<String, NoStack> {
    let region = aws.region().map(ToString::to_string);
    region.ok_or_else(|| {
        NoStack::Aws("no AWS region is configured; pass --region or set AWS_REGION".to_owned())
    })
}

/// Returns the current credentials. Temporary ones can expire during long work, which continues
/// when it is run again.
async fn caller_identity(aws: &SdkConfig) -> Result<BTreeMap<String, String>, NoStack> {
    let none =
        || NoStack::Aws("no AWS credentials found; pass --profile or set AWS_PROFILE".to_owned());
    let provider = aws.credentials_provider().ok_or_else(none)?;
    let credentials = provider.provide_credentials().await.map_err(|error| {
        NoStack::Aws(
            Failure::new("loading AWS credentials (--profile, AWS_PROFILE)", error).report(),
        )
    })?;
    let all = [
        ("AWS_REGION", Some(region(aws)?)),
        ("AWS_ACCESS_KEY_ID", Some(credentials.access_key_id().to_owned())),
        ("AWS_SECRET_ACCESS_KEY", Some(credentials.secret_access_key().to_owned())),
        ("AWS_SESSION_TOKEN", credentials.session_token().map(str::to_owned)),
    ];
    Ok(all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = include_str!("../../../template.yaml");

    #[test]
    fn every_setting_of_the_template_is_found_by_its_parameter_or_its_output() {
        let (head, outputs) = TEMPLATE.split_once("\nOutputs:\n").unwrap();
        let mut found = 0;
        for line in head.lines() {
            let Some((variable, reference)) = line.trim().split_once(": !Ref ") else { continue };
            if !variable.starts_with("HALLPASS_") {
                continue;
            }
            let by_output = OUTPUTS.iter().find(|(_, name)| *name == variable);
            if let Some((output, _)) = by_output {
                assert!(outputs.contains(&format!("  {output}:\n")), "no output {output}");
            } else {
                assert_eq!(variable_of(reference), variable);
            }
            found += 1;
        }
        assert!(found > OUTPUTS.len(), "{found}");
    }
}
