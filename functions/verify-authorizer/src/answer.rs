//! The answers, in the form the event expects. Each is right for the whole stage, because API Gateway may reuse it for
//! every method and path.

use std::collections::HashMap;

use aws_lambda_events::{
    apigw::{ApiGatewayCustomAuthorizerPolicy, ApiGatewayV2CustomAuthorizerSimpleResponse},
    iam::{IamPolicyEffect, IamPolicyStatement},
};
use edge::challenge;
use serde::{Deserialize, Serialize};
use store::{Failure, Refused};
use token::{Admitted, Issuer, Timestamp};

use crate::{
    event::{Form, Kind},
    routes::Routes,
};

/// An answer to API Gateway.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// A policy for the stage.
    Policy(Box<PolicyAnswer>),
    /// Yes or no, for an HTTP API.
    Simple(Box<ApiGatewayV2CustomAuthorizerSimpleResponse<Context>>),
}

/// A policy with its context. The type of `aws_lambda_events` would add `"usageIdentifierKey": null`, which is not
/// documented to be taken.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyAnswer {
    principal_id: String,
    policy_document: ApiGatewayCustomAuthorizerPolicy,
    context: Context,
}

/// What integrations and gateway responses get to know. Every value is a string, as REST APIs want it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Context {
    /// For `WWW-Authenticate`: in a refusal why, in an admission what to say of routes outside the policy.
    challenge: String,
    /// The word of the refusal.
    reason: String,
    /// The sentence of the refusal, without a quote, for a body.
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The effective scope: names separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_id: Option<String>,
    /// RFC 3339 in UTC; absent if the token does not end.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// The longest scope in a context, in bytes: the whole answer must stay under 8 KB.
const LONGEST_SCOPE: usize = 1_400;

/// The longest name in a context, in bytes. It may triple as JSON.
const LONGEST_NAME: usize = 128;

pub(crate) fn allow(
    form: &Form,
    issuer: &Issuer,
    admitted: &Admitted,
    routes: Option<&Routes>,
) -> Result<Answer, Failure> {
    let fail = |why: &'static str| Err(Failure::new("answering the gateway", why));
    let Admitted { record, user, scope, .. } = admitted;
    let scope_text = scope.to_string();
    if scope_text.len() > LONGEST_SCOPE {
        return fail("the effective scope is too long for an authorizer's context; give the token a scope of its own");
    }
    if form.kind == Kind::Simple && routes.is_some() {
        return fail("a simple answer cannot hold HALLPASS_ROUTES; set HALLPASS_AUTHORIZER_ANSWER to policy");
    }
    let name = user.display_name();
    let context = Context {
        challenge: challenge::insufficient_scope(issuer),
        reason: "insufficient_scope".to_owned(),
        detail: "The access token does not permit this".to_owned(),
        user_id: Some(user.id.to_string()),
        name: name.get(..name.floor_char_boundary(LONGEST_NAME)).map(str::to_owned),
        scope: Some(scope_text),
        token_id: Some(record.id.to_string()),
        expires_at: record.expires_at.map(|at| at.to_string()),
    };
    if form.kind == Kind::Simple {
        return Ok(simple(true, context));
    }
    let resources =
        routes.map_or_else(|| vec![format!("{}/*", form.stage_arn)], |routes| routes.permitted(&form.stage_arn, scope));
    let principal = user.id.as_str();
    // A policy needs a statement; a scope that permits no route is a refusal of all.
    Ok(if resources.is_empty() {
        policy(principal, IamPolicyEffect::Deny, vec![format!("{}/*", form.stage_arn)], None, context)
    } else {
        policy(principal, IamPolicyEffect::Allow, resources, record.expires_at, context)
    })
}

pub(crate) fn deny(form: &Form, issuer: &Issuer, refused: &Refused) -> Answer {
    let public = refused.reason.public();
    deny_with(form, challenge::refused(issuer, public), public.as_str(), challenge::description(public))
}

pub(crate) fn deny_with(form: &Form, challenge: String, reason: &str, detail: &str) -> Answer {
    let context = Context { challenge, reason: reason.to_owned(), detail: detail.to_owned(), ..Context::default() };
    match form.kind {
        Kind::Simple => simple(false, context),
        Kind::RestPolicy | Kind::HttpPolicy => {
            policy("refused", IamPolicyEffect::Deny, vec![format!("{}/*", form.stage_arn)], None, context)
        }
    }
}

/// A cached Allow must end with its token, so that it carries the expiry as a condition.
fn policy(
    principal: &str,
    effect: IamPolicyEffect,
    resources: Vec<String>,
    until: Option<Timestamp>,
    context: Context,
) -> Answer {
    let mut statement = IamPolicyStatement::default();
    statement.action = vec!["execute-api:Invoke".to_owned()];
    statement.effect = effect;
    statement.resource = resources;
    statement.condition = until.map(|until| {
        let key = HashMap::from([("aws:CurrentTime".to_owned(), vec![until.to_string()])]);
        HashMap::from([("DateLessThan".to_owned(), key)])
    });
    let mut document = ApiGatewayCustomAuthorizerPolicy::default();
    document.version = Some("2012-10-17".to_owned());
    document.statement = vec![statement];
    let answer = PolicyAnswer { principal_id: principal.to_owned(), policy_document: document, context };
    Answer::Policy(Box::new(answer))
}

fn simple(is_authorized: bool, context: Context) -> Answer {
    let mut answer = ApiGatewayV2CustomAuthorizerSimpleResponse::default();
    answer.is_authorized = is_authorized;
    answer.context = context;
    Answer::Simple(Box::new(answer))
}
