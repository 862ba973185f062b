//! The shapes of the [SAM
//! resources](https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-resources-and-properties.html)
//! that `hallpass dev` uses.
//!
//! `deny_unknown_fields` rejects members that are not declared here. The properties of the API and
//! of its authorizers without an effect on one machine start with an underscore. The members of other places are listed in
//! [`known`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use super::{
    Authorizer, AuthorizerKind, DEFAULT_TTL_SECONDS, GatewayResponse, TemplateError, known,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Document {
    #[serde(default)]
    pub(super) globals: Globals,
    pub(super) resources: BTreeMap<String, Resource>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Globals {
    #[serde(default)]
    pub(super) function: Function,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Resource {
    #[serde(rename = "Type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) properties: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Function {
    #[serde(default)]
    pub(super) environment: Environment,
    #[serde(default)]
    pub(super) events: BTreeMap<String, Event>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Event {
    #[serde(rename = "Type")]
    kind: String,
    properties: Value,
}

/// An event that invokes a function.
pub(super) enum Trigger {
    Api(ApiEvent),
    Stream(StreamEvent),
    Schedule(Duration),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ApiEvent {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) auth: Option<EventAuth>,
    #[serde(rename = "RestApiId")]
    _rest_api_id: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct EventAuth {
    pub(super) authorizer: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StreamEvent {
    pub(super) stream: String,
    pub(super) batch_size: Option<u32>,
    #[serde(default)]
    pub(super) filter_criteria: FilterCriteria,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct FilterCriteria {
    pub(super) filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Filter {
    pub(super) pattern: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScheduleEvent {
    #[serde(alias = "Schedule")]
    schedule_expression: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Api {
    pub(super) stage_name: Option<String>,
    #[serde(default)]
    pub(super) auth: ApiAuth,
    #[serde(default)]
    pub(super) gateway_responses: BTreeMap<String, SamResponse>,
    #[serde(default)]
    pub(super) binary_media_types: Vec<String>,
    #[serde(rename = "Name")]
    _name: Option<IgnoredAny>,
    #[serde(rename = "Description")]
    _description: Option<IgnoredAny>,
    #[serde(rename = "EndpointConfiguration")]
    _endpoint_configuration: Option<IgnoredAny>,
    #[serde(rename = "DisableExecuteApiEndpoint")]
    _disable_execute_api_endpoint: Option<IgnoredAny>,
    #[serde(rename = "MethodSettings")]
    _method_settings: Option<IgnoredAny>,
    #[serde(rename = "AccessLogSetting")]
    _access_log_setting: Option<IgnoredAny>,
    #[serde(rename = "TracingEnabled")]
    _tracing_enabled: Option<IgnoredAny>,
    #[serde(rename = "OpenApiVersion")]
    _open_api_version: Option<IgnoredAny>,
    #[serde(rename = "AlwaysDeploy")]
    _always_deploy: Option<IgnoredAny>,
    #[serde(rename = "Tags")]
    _tags: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ApiAuth {
    pub(super) default_authorizer: Option<String>,
    #[serde(default)]
    pub(super) authorizers: BTreeMap<String, SamAuthorizer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct SamAuthorizer {
    function_arn: String,
    #[serde(default)]
    function_payload_type: PayloadType,
    #[serde(default)]
    identity: Identity,
    #[serde(rename = "DisableFunctionDefaultPermissions")]
    _disable_function_default_permissions: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum PayloadType {
    #[default]
    Token,
    Request,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Identity {
    header: Option<String>,
    #[serde(default)]
    headers: Vec<String>,
    reauthorize_every: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct SamResponse {
    status_code: Option<Value>,
    #[serde(default)]
    response_parameters: ResponseParameters,
    #[serde(default)]
    response_templates: ResponseTemplates,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ResponseParameters {
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResponseTemplates {
    #[serde(rename = "application/json")]
    json: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct TimeToLive {
    attribute_name: String,
    enabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct StreamOfTable {
    pub(super) stream_view_type: String,
}

/// Deserializes a part of the document.
pub(super) fn read<T: DeserializeOwned>(value: Value, place: &str) -> Result<T, TemplateError> {
    serde_json::from_value(value).map_err(|error| TemplateError::shape(place, error.to_string()))
}

/// Returns the API of the document, which can have at most one.
pub(super) fn the_api(document: &Document) -> Result<Option<Api>, TemplateError> {
    let mut apis =
        document.resources.iter().filter(|(_, resource)| resource.kind == "AWS::Serverless::Api");
    match (apis.next(), apis.next()) {
        (None, _) => Ok(None),
        (Some((id, api)), None) => read(api.properties.clone(), id).map(Some),
        (Some(_), Some((id, _))) => Err(TemplateError::shape(id, "a second API is not supported")),
    }
}

impl Environment {
    /// Returns the variables as text.
    pub(super) fn plain(&self, place: &str) -> Result<BTreeMap<String, String>, TemplateError> {
        let entries = self.variables.iter().map(|(name, value)| match value {
            Value::String(text) => Ok((name.clone(), text.clone())),
            Value::Number(_) | Value::Bool(_) => Ok((name.clone(), value.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => Err(TemplateError::shape(
                format!("{place}.{name}"),
                "the value of a variable must be a string, a number or a boolean",
            )),
        });
        entries.collect()
    }
}

impl Event {
    /// Parses the event into one of the supported kinds.
    pub(super) fn read(self, place: &str) -> Result<Trigger, TemplateError> {
        match self.kind.as_str() {
            "Api" => read(self.properties, place).map(Trigger::Api),
            "DynamoDB" => {
                known::STREAM.check(&self.properties, place)?;
                read(self.properties, place).map(Trigger::Stream)
            }
            "Schedule" | "ScheduleV2" => {
                known::SCHEDULE.check(&self.properties, place)?;
                let event: ScheduleEvent = read(self.properties, place)?;
                let text = &event.schedule_expression;
                let every = rate(text).ok_or_else(|| {
                    TemplateError::shape(
                        place,
                        format!("the schedule {text} is not supported; use rate(…)"),
                    )
                })?;
                Ok(Trigger::Schedule(every))
            }
            other => {
                Err(TemplateError::shape(place, format!("the event type {other} is not supported")))
            }
        }
    }
}

impl SamResponse {
    /// Returns the response with a numeric status.
    pub(super) fn plain(self, kind: &str) -> Result<GatewayResponse, TemplateError> {
        let number = |value: Value| match value {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let status = match self.status_code {
            Some(value) => Some(
                number(value)
                    .ok_or_else(|| TemplateError::shape(kind, "the status must be a number"))?,
            ),
            None => None,
        };
        let headers = self.response_parameters.headers;
        Ok(GatewayResponse { status, headers, body: self.response_templates.json })
    }
}

impl From<SamAuthorizer> for Authorizer {
    fn from(sam: SamAuthorizer) -> Self {
        let (kind, identity_headers) = match sam.function_payload_type {
            PayloadType::Request => (AuthorizerKind::Request, sam.identity.headers),
            PayloadType::Token => (
                AuthorizerKind::Token,
                vec![sam.identity.header.unwrap_or_else(|| "Authorization".to_owned())],
            ),
        };
        let ttl_seconds = sam.identity.reauthorize_every.unwrap_or(DEFAULT_TTL_SECONDS);
        Self { function: sam.function_arn, kind, identity_headers, ttl_seconds }
    }
}

impl TimeToLive {
    /// Returns the TTL attribute if TTL is enabled.
    pub(super) fn attribute(self) -> Option<String> {
        self.enabled.then_some(self.attribute_name)
    }
}

/// Parses the interval of a
/// [rate expression](https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html).
fn rate(expression: &str) -> Option<Duration> {
    let (count, unit) = expression.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let seconds = match unit {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3_600,
        "day" | "days" => 86_400,
        _ => return None,
    };
    count
        .parse::<u64>()
        .ok()
        .filter(|count| *count > 0)?
        .checked_mul(seconds)
        .map(Duration::from_secs)
}
