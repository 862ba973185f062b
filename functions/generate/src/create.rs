//! `POST /tokens`: creates a token with a name, a scope and an expiry of the caller's choice.

use hallpass_http::{Problem, Response, body, gateway, members::Parsed, problem, view};
use hallpass_service::{
    Context, Service,
    caller::Caller,
    issue::{self, NewToken, Shape, own_scope},
    validate::{self, MAX_DESCRIPTION_LENGTH, MAX_NAME_LENGTH, line},
};
use hallpass_store::marks::Marked;
use hallpass_token::{Period, Permission, Record, Scope, Status, Text, Timestamp, User, UserId};
use http::{HeaderValue, StatusCode, header::LOCATION};
use lambda_http::Request;
use serde::Deserialize;
use serde_json::Value;

use crate::offers;

/// The body of `POST /tokens`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRequest {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) scopes: Option<ScopeList>,
    pub(crate) expires_at: Option<Parsed<Timestamp>>,
    pub(crate) expires_in: Option<RequestedPeriod>,
    pub(crate) format: Option<RequestedFormat>,
    pub(crate) user_id: Option<Parsed<UserId>>,
    /// Whether the token is offered to the user instead of being created.
    pub(crate) claim: Option<bool>,
}

/// A request for a token, limited to what the caller can grant.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The user of the token, if it is not the caller's own.
    pub(crate) other: Option<Marked<User>>,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) scope: Option<Scope>,
    pub(crate) shape: Shape,
    pub(crate) expires_at: Timestamp,
}

/// The formats that a client can choose.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RequestedFormat {
    #[default]
    Signed,
    Jwt,
}

/// A list of at least one permission.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct ScopeList(pub(crate) Scope);

/// The time from the creation of a token to its expiry: seconds, or the text of a [`Period`].
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct RequestedPeriod(Period);

pub(crate) async fn create(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let caller = Caller::of_token(context, request).await?;
    let requested: TokenRequest = body::json(request)?;
    if requested.claim == Some(true) {
        let offered = offers::offer(context, &caller, requested).await?;
        return Ok(problem::json(StatusCode::ACCEPTED, &offered));
    }
    let (text, record) = issue_requested(context, &caller, requested).await?;
    let mut response = problem::json(StatusCode::CREATED, &view::issued(&record, &text));
    if let Ok(location) = HeaderValue::try_from(format!(
        "{}/{}",
        gateway::path(request).trim_end_matches('/'),
        record.id
    )) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Issues the requested token, limited to what the caller can grant.
pub(crate) async fn issue_requested(
    context: &Context<'_>,
    caller: &Caller,
    requested: TokenRequest,
) -> Result<(Text, Record), Problem> {
    let Checked { other, name, description, scope, shape, expires_at } =
        checked(context, caller, requested).await?;
    let service = context.service;
    let administers = [service.settings.admin_permission.as_str()];
    let is_administrator = service.is_administrator(caller.scope());
    let permissions: &[&str] = if other.is_some() && is_administrator { &administers } else { &[] };
    let new_token = NewToken {
        other: other.as_ref(),
        permissions,
        as_maintainer: other.is_some() && !is_administrator,
        name: Some(name),
        description,
        scope,
        ..NewToken::new(shape, expires_at)
    };
    issue::issue(context, caller, new_token).await
}

/// Checks a request for a token, and limits it to what the caller can grant.
pub(crate) async fn checked(
    context: &Context<'_>,
    caller: &Caller,
    requested: TokenRequest,
) -> Result<Checked, Problem> {
    let service = context.service;
    let name = line("name", &requested.name, MAX_NAME_LENGTH)?;
    let description = requested
        .description
        .map(|text| line("description", &text, MAX_DESCRIPTION_LENGTH))
        .transpose()?;
    let scopes = requested.scopes.map(|list| validate::scope("scopes", list.0)).transpose()?;
    let expires_at = expiry(context, requested.expires_at, requested.expires_in)?;
    let shape = match requested.format.unwrap_or_default() {
        RequestedFormat::Signed => Shape::Signed,
        RequestedFormat::Jwt => Shape::Key,
    };
    let other = owner(service, caller, requested.user_id.map(|Parsed(id)| id)).await?;
    let scope = scope(service, caller, other.as_ref().map(|other| &other.value), scopes)?;
    Ok(Checked { other, name, description, scope, shape, expires_at })
}

impl TryFrom<Value> for ScopeList {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, &'static str> {
        let Value::Array(names) = value else {
            return Err("it must be a list of names");
        };
        if names.is_empty() {
            return Err("it must not be empty");
        }
        let name = |name: &Value| name.as_str().and_then(|name| name.parse::<Permission>().ok());
        let scope = names.iter().map(name).collect::<Option<Scope>>();
        scope.map(Self).ok_or("every element must be the name of a permission")
    }
}

impl TryFrom<Value> for RequestedPeriod {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, &'static str> {
        let period = match value.as_str() {
            Some(text) => text.parse().ok(),
            None => value.as_u64().map(Period::of_seconds),
        };
        period.map(Self).ok_or("it is neither seconds nor a period such as \"1 month\"")
    }
}

/// Returns the expiry that a client requests. If it requests none, the default lifetime applies.
fn expiry(
    context: &Context<'_>,
    at: Option<Parsed<Timestamp>>,
    period: Option<RequestedPeriod>,
) -> Result<Timestamp, Problem> {
    let Context { service, now, .. } = *context;
    match (at, period) {
        (None, None) => Ok(service.settings.usual_expiry(now)),
        (Some(Parsed(at)), None) => validate::expiry(context, "expires_at", at),
        (None, Some(RequestedPeriod(period))) => {
            validate::expiry(context, "expires_in", period.after(now))
        }
        (Some(_), Some(_)) => {
            Err(Problem::invalid_member("expires_in", "must not be combined with expires_at"))
        }
    }
}

/// Returns the user that the token is for, if it is not the caller's own. Only administrators can
/// name another user, and maintainers their service accounts.
async fn owner(
    service: &Service,
    caller: &Caller,
    user_id: Option<UserId>,
) -> Result<Option<Marked<User>>, Problem> {
    let Some(user_id) = user_id.filter(|id| *id != caller.user().id) else {
        return Ok(None);
    };
    let is_administrator = service.is_administrator(caller.scope());
    if !is_administrator && !caller.user().maintained().contains(&user_id) {
        return Err(caller.lacks_permission(service));
    }
    let user = service.store.marked_user(&user_id).await?;
    let user = user.ok_or_else(|| Problem::invalid_member("user_id", "there is no such user"))?;
    if !is_administrator && !caller.maintains(service, &user.value) {
        return Err(caller.lacks_permission(service));
    }
    if user.value.status == Status::Blocked {
        return Err(Problem::conflict("The user is blocked"));
    }
    Ok(Some(user))
}

/// Limits the requested scope to the caller's or, for a token of another user, to that user's
/// permissions.
fn scope(
    service: &Service,
    caller: &Caller,
    other: Option<&User>,
    requested: Option<Scope>,
) -> Result<Option<Scope>, Problem> {
    let Some(requested) = requested else {
        return if other.is_some() { Ok(None) } else { own_scope(service, caller) };
    };
    let granted =
        requested.intersection(other.map_or_else(|| caller.scope(), |user| &user.permissions));
    if granted.is_empty() {
        return Err(Problem::invalid_member("scopes", "none of these permissions can be granted"));
    }
    Ok(Some(granted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_number_of_seconds_or_a_text() {
        let check = |value: Value, expected: Option<&str>| {
            let read = RequestedPeriod::try_from(value.clone()).ok();
            let shown = read.map(|RequestedPeriod(period)| period.to_string());
            assert_eq!(shown.as_deref(), expected, "{value}");
        };
        check(Value::from(7_200), Some("2h"));
        check(Value::from("7200"), Some("2h"));
        check(Value::from("1 month"), Some("P1M"));
        check(Value::from("P1M"), Some("P1M"));
        check(Value::from(-1), None);
        check(Value::from(1.5), None);
        check(Value::from("-2 days"), None);
        check(Value::Null, None);
    }
}
