//! The responses of the authorizer, in the form that the event expects. Each is valid for the whole
//! stage, because API Gateway may reuse it for every method and path.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use aws_lambda_events::{
    apigw::{ApiGatewayCustomAuthorizerPolicy, ApiGatewayV2CustomAuthorizerSimpleResponse},
    iam::{IamPolicyEffect, IamPolicyStatement},
};
use hallpass_http::challenge;
use hallpass_runtime::{Settings, settings::Routes};
use hallpass_store::{Failure, Rejected};
use hallpass_token::{Admitted, Changed, Reason, Scope, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::{Form, Kind};

/// A response to API Gateway.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// A policy for the stage.
    Policy(Box<PolicyResponse>),
    /// A simple response for an HTTP API.
    Simple(Box<ApiGatewayV2CustomAuthorizerSimpleResponse<Context>>),
}

/// A policy with its context. The type in `aws_lambda_events` would add
/// `"usageIdentifierKey": null`, which API Gateway is not documented to accept.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyResponse {
    principal_id: String,
    policy_document: ApiGatewayCustomAuthorizerPolicy,
    context: Context,
}

/// The context for integrations and gateway responses. Every value is a string, as REST APIs
/// require.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Context {
    /// The value of `X-WWW-Authenticate`: the rejection or, for an accepted token, the challenge
    /// for routes outside the policy.
    challenge: String,
    /// The value of `WWW-Authenticate`: the same, followed by Basic if it is offered.
    challenges: String,
    /// The rejection reason.
    reason: String,
    /// The description of the rejection for a body, without quotes.
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The effective scope in OAuth format: names separated by spaces, without names that contain a
    /// space.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// The effective scope for decisions: a JSON array with all names.
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<String>,
    /// The number of names in the effective scope, if it is too long to be included.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope_count: Option<String>,
    /// `true` if the effective scope is too long to be included.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope_truncated: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_id: Option<String>,
    /// The expiry as RFC 3339 in UTC. Absent if the token does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// The maximum size of a response in bytes, policy and context together. API Gateway accepts 8 KB.
pub(crate) const MAX_RESPONSE_BYTES: usize = 8_000;

/// The longest user name in a context, in bytes. In JSON it can be six times as long.
const MAX_NAME_LENGTH: usize = 128;

/// Returns the response for an accepted token, small enough for API Gateway. A scope that does not
/// fit is left out.
///
/// # Errors
/// Returns a [`Failure`] if a response of this form cannot express the route rules.
pub(crate) fn allow(
    form: &Form,
    settings: &Settings,
    admitted: &Admitted,
) -> Result<Response, Failure> {
    let routes = settings.routes.as_ref();
    let fail = |why: &'static str| Err(Failure::new("building the authorizer response", why));
    if form.kind == Kind::Simple && routes.is_some() {
        return fail(
            "a simple response cannot express HALLPASS_ROUTES; set HALLPASS_AUTHORIZER_RESPONSE to \
             policy",
        );
    }
    let mut response = admission(form, settings, admitted, routes);
    if length(&response) > MAX_RESPONSE_BYTES {
        response.context().leave_scope_out(&admitted.scope);
        if length(&response) > MAX_RESPONSE_BYTES {
            return fail("HALLPASS_ROUTES has too many rules for the long name of this stage");
        }
    }
    Ok(response)
}

fn admission(
    form: &Form,
    settings: &Settings,
    admitted: &Admitted,
    routes: Option<&Routes>,
) -> Response {
    let context = |denial| Context::of(settings, admitted, denial);
    if form.kind == Kind::Simple {
        return simple(true, context(Denial::Scope));
    }
    let whole_stage = || vec![format!("{}/*", form.stage_arn)];
    let resources = routes
        .map_or_else(whole_stage, |routes| routes.permitted(&form.stage_arn, &admitted.scope));
    let principal = admitted.user.id.as_str();
    // A policy needs a statement. A scope that permits no route denies the whole stage.
    if resources.is_empty() {
        policy(principal, IamPolicyEffect::Deny, whole_stage(), None, context(Denial::Scope))
    } else {
        let (expiry, due) = (admitted.record.expires_at, admitted.user.sign_in_due_at());
        let until = [expiry, due].into_iter().flatten().min();
        let denial = match (until, routes) {
            (None, _) => Denial::Scope,
            (Some(_), None) if until == expiry => Denial::Expiry,
            (Some(_), None) => Denial::SignIn,
            (Some(until), Some(_)) if Some(until) == expiry => Denial::ScopeOrExpiry(until),
            (Some(_), Some(_)) => Denial::ScopeOrSignIn,
        };
        policy(principal, IamPolicyEffect::Allow, resources, until, context(denial))
    }
}

/// Why API Gateway can deny a call with the policy of an accepted token, which it may have cached.
/// It then responds with the context of that policy.
#[derive(Clone, Copy)]
enum Denial {
    /// The policy does not allow the route.
    Scope,
    /// The policy allows every route, so that only its time condition denies.
    Expiry,
    /// Either of both. The client can tell by the expiry.
    ScopeOrExpiry(Timestamp),
    /// As [`Denial::Expiry`], where the user's next sign-in is due before.
    SignIn,
    /// As [`Denial::ScopeOrExpiry`], where the user's next sign-in is due before.
    ScopeOrSignIn,
}

impl Context {
    fn of(settings: &Settings, admitted: &Admitted, denial: Denial) -> Self {
        let Admitted { record, user, scope, .. } = admitted;
        let name = user.display_name();
        let denial = match denial {
            Denial::Scope => Self::out_of_scope(settings, challenge::NOT_PERMITTED),
            Denial::Expiry => Self::rejecting(settings, Reason::Expired, Changed::default()),
            Denial::SignIn => Self::rejecting(settings, Reason::SignInRequired, Changed::default()),
            Denial::ScopeOrSignIn => {
                let not_permitted = challenge::NOT_PERMITTED;
                let detail = format!("{not_permitted} or its user must sign in again");
                Self::out_of_scope(settings, &detail)
            }
            Denial::ScopeOrExpiry(at) => {
                let detail =
                    format!("{} or is expired; its expiry is {at}", challenge::NOT_PERMITTED);
                Self::out_of_scope(settings, &detail)
            }
        };
        Self {
            user_id: Some(user.id.to_string()),
            name: name.get(..name.floor_char_boundary(MAX_NAME_LENGTH)).map(str::to_owned),
            scope: Some(scope.to_oauth()),
            scopes: Some(scope.to_json()),
            token_id: Some(record.id.to_string()),
            expires_at: record.expires_at.map(|at| at.to_string()),
            ..denial
        }
    }

    fn out_of_scope(settings: &Settings, detail: &str) -> Self {
        let challenge = challenge::insufficient_scope(&settings.issuer, detail);
        Self::denying(settings, challenge, "insufficient_scope", detail)
    }

    fn rejecting(settings: &Settings, reason: Reason, changed: Changed) -> Self {
        let description = challenge::description(reason, changed);
        let challenge = challenge::rejected(&settings.issuer, &description);
        Self::denying(settings, challenge, reason.as_str(), &description)
    }

    fn denying(settings: &Settings, challenge: String, reason: &str, detail: &str) -> Self {
        let both = || challenge::with_basic(&challenge, &settings.issuer);
        let challenges = if settings.basic_challenge { both() } else { challenge.clone() };
        Self {
            challenge,
            challenges,
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            ..Self::default()
        }
    }

    /// Replaces the scope by its size. A truncated scope would be a different scope.
    fn leave_scope_out(&mut self, scope: &Scope) {
        (self.scope, self.scopes) = (None, None);
        self.scope_count = Some(scope.count().to_string());
        self.scope_truncated = Some("true".to_owned());
    }
}

impl Response {
    fn context(&mut self) -> &mut Context {
        match self {
            Self::Policy(response) => &mut response.context,
            Self::Simple(response) => &mut response.context,
        }
    }
}

/// Returns the length of a response as JSON, in bytes.
fn length(response: &Response) -> usize {
    struct Counted(usize);
    impl Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_add(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counted = Counted(0);
    serde_json::to_writer(&mut counted, response).map_or(usize::MAX, |()| counted.0)
}

pub(crate) fn deny(form: &Form, settings: &Settings, rejected: &Rejected) -> Response {
    denied(form, Context::rejecting(settings, rejected.reason.public(), rejected.changed))
}

pub(crate) fn deny_with(
    form: &Form,
    settings: &Settings,
    challenge: String,
    reason: &str,
    detail: &str,
) -> Response {
    denied(form, Context::denying(settings, challenge, reason, detail))
}

fn denied(form: &Form, context: Context) -> Response {
    match form.kind {
        Kind::Simple => simple(false, context),
        Kind::RestPolicy | Kind::HttpPolicy => policy(
            "rejected",
            IamPolicyEffect::Deny,
            vec![format!("{}/*", form.stage_arn)],
            None,
            context,
        ),
    }
}

/// Builds a policy. An Allow carries the expiry of its token as a condition, because API Gateway
/// may cache it.
fn policy(
    principal: &str,
    effect: IamPolicyEffect,
    resources: Vec<String>,
    until: Option<Timestamp>,
    context: Context,
) -> Response {
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
    let response =
        PolicyResponse { principal_id: principal.to_owned(), policy_document: document, context };
    Response::Policy(Box::new(response))
}

fn simple(is_authorized: bool, context: Context) -> Response {
    let mut response = ApiGatewayV2CustomAuthorizerSimpleResponse::default();
    response.is_authorized = is_authorized;
    response.context = context;
    Response::Simple(Box::new(response))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_response_is_that_of_its_json() {
        let check = |response: Response| {
            let json = serde_json::to_string(&response).unwrap();
            assert_eq!(length(&response), json.len(), "{json}");
        };
        for detail in ["", "an \"é\"", &"x".repeat(9_000)] {
            let context = Context { detail: detail.to_owned(), ..Context::default() };
            check(simple(true, context.clone()));
            check(policy(
                "1",
                IamPolicyEffect::Allow,
                vec!["arn".to_owned(); 3],
                Some(Timestamp::MAX),
                context,
            ));
        }
    }
}
