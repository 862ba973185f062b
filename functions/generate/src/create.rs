//! `POST /tokens`: creates a token with a name, a scope and an expiry of the caller's choice.

use std::time::Duration;

use hallpass_http::{Problem, Response, body, body::Members, gateway, problem, view};
use hallpass_service::{
    Context, Service,
    caller::Caller,
    issue::{self, NewToken, Shape, own_scope},
    validate::{self, MAX_DESCRIPTION_LENGTH, MAX_NAME_LENGTH, line},
};
use hallpass_store::marks::Marked;
use hallpass_token::{Permission, Record, Scope, Status, Text, Timestamp, User, UserId};
use http::{HeaderValue, StatusCode, header::LOCATION};
use lambda_http::Request;
use serde_json::Value;

/// The token that the body requests.
struct TokenRequest {
    name: String,
    description: Option<String>,
    scopes: Option<Scope>,
    expires_at: Timestamp,
    shape: Shape,
    user_id: Option<UserId>,
}

pub(crate) async fn create(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let caller = Caller::of_token(context, request).await?;
    let members = body::json_object(request.headers(), request.body())?;
    let (text, record) = issue_from_members(context, &caller, members).await?;
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

/// Issues the token that these members request, limited to what the caller can grant.
pub(crate) async fn issue_from_members(
    context: &Context<'_>,
    caller: &Caller,
    members: Members,
) -> Result<(Text, Record), Problem> {
    let service = context.service;
    let requested = read(context, members)?;
    let other = owner(service, caller, requested.user_id).await?;
    let scope = scope(service, caller, other.as_ref().map(|other| &other.value), requested.scopes)?;
    let administers = [service.settings.admin_permission.as_str()];
    let permissions: &[&str] = if other.is_some() { &administers } else { &[] };
    let new_token = NewToken {
        other: other.as_ref(),
        permissions,
        name: Some(requested.name),
        description: requested.description,
        scope,
        ..NewToken::new(requested.shape, requested.expires_at)
    };
    issue::issue(context, caller, new_token).await
}

fn read(context: &Context<'_>, mut body: Members) -> Result<TokenRequest, Problem> {
    let name =
        body.take_text("name")?.ok_or_else(|| Problem::invalid_member("name", "it is missing"))?;
    let requested = TokenRequest {
        name: line("name", &name, MAX_NAME_LENGTH)?,
        description: body
            .take_text("description")?
            .map(|text| line("description", &text, MAX_DESCRIPTION_LENGTH))
            .transpose()?,
        scopes: body.take("scopes").map(|names| scopes("scopes", names)).transpose()?,
        expires_at: expiry(context, &mut body)?,
        shape: match body.take_text("format")?.as_deref() {
            None | Some("signed") => Shape::Signed,
            Some("jwt") => Shape::Key,
            Some(_) => {
                return Err(Problem::invalid_member("format", "must be \"signed\" or \"jwt\""));
            }
        },
        user_id: body
            .take_text("user_id")?
            .map(|id| {
                id.parse().map_err(|_| Problem::invalid_member("user_id", "it is not a user id"))
            })
            .transpose()?,
    };
    body.done()?;
    Ok(requested)
}

pub(crate) fn scopes(member: &str, value: Value) -> Result<Scope, Problem> {
    let wrong = |wrong| Problem::invalid_member(member, wrong);
    let Value::Array(names) = value else {
        return Err(wrong("it must be a list of names"));
    };
    if names.is_empty() {
        return Err(wrong("it must not be empty"));
    }
    let name = |name: &Value| name.as_str().and_then(|name| name.parse::<Permission>().ok());
    let scope = names.iter().map(name).collect::<Option<Scope>>();
    let scope = scope.ok_or_else(|| wrong("every element must be the name of a permission"))?;
    validate::scope(member, scope)
}

/// Reads `expires_at` (an instant) or `expires_in` (seconds or a calendar period). Without either,
/// the default lifetime applies.
fn expiry(context: &Context<'_>, body: &mut Members) -> Result<Timestamp, Problem> {
    let Context { service, now, .. } = *context;
    let (member, end) = match (body.take_text("expires_at")?, body.take("expires_in")) {
        (None, None) => return Ok(now.after(service.settings.usual_lifetime())),
        (Some(_), Some(_)) => {
            return Err(Problem::invalid_member(
                "expires_in",
                "must not be combined with expires_at",
            ));
        }
        (Some(text), None) => ("expires_at", Timestamp::parse_rfc3339(&text)),
        (None, Some(Value::String(text))) => ("expires_in", after_period(now, &text)),
        (None, Some(value)) => {
            ("expires_in", value.as_u64().map(|seconds| now.after(Duration::from_secs(seconds))))
        }
    };
    match end {
        Some(end) => validate::expiry(context, member, end),
        None if member == "expires_at" => {
            Err(Problem::invalid_member(member, "it is not an instant of RFC 3339"))
        }
        None => Err(Problem::invalid_member(
            member,
            "it is neither seconds nor a period such as \"1 month\"",
        )),
    }
}

/// Parses `<n> hour|day|week|month|year`, singular or plural, and adds it by the calendar in UTC.
fn after_period(now: Timestamp, text: &str) -> Option<Timestamp> {
    let (count, unit) = text.split_once(' ')?;
    let count: u32 =
        count.bytes().all(|byte| byte.is_ascii_digit()).then(|| count.parse().ok())??;
    let seconds =
        |each: u64| Some(now.after(Duration::from_secs(u64::from(count).saturating_mul(each))));
    match unit.strip_suffix('s').unwrap_or(unit) {
        "hour" => seconds(3_600),
        "day" => seconds(86_400),
        "week" => seconds(7 * 86_400),
        "month" => now.after_months(count),
        "year" => now.after_months(count.checked_mul(12)?),
        _ => None,
    }
}

/// Returns the user that the token is for, if it is not the caller's own. Only administrators can
/// name another user.
async fn owner(
    service: &Service,
    caller: &Caller,
    user_id: Option<UserId>,
) -> Result<Option<Marked<User>>, Problem> {
    let Some(user_id) = user_id.filter(|id| *id != caller.user().id) else {
        return Ok(None);
    };
    if !service.is_administrator(caller.scope()) {
        return Err(Problem::forbidden(&service.settings.issuer));
    }
    let user = service.store.marked_user(&user_id).await?;
    let user = user.ok_or_else(|| Problem::invalid_member("user_id", "there is no such user"))?;
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
        return if other.is_some() { Ok(None) } else { own_scope(service, caller.token()) };
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
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scope_has_at_most_1400_bytes() {
        let check = |last: usize, expected: Option<usize>| {
            let names: Vec<String> =
                (0..14).map(|number| format!("{number:02}{}", "p".repeat(97))).collect();
            let names = [names, vec!["q".repeat(last)]].concat();
            let names: Vec<&String> = names.iter().filter(|name| !name.is_empty()).collect();
            assert_eq!(
                scopes("scopes", json!(names)).ok().map(|scope| scope.to_string().len()),
                expected,
                "{last}"
            );
        };
        check(0, Some(1_399));
        check(1, None);
        let names: Vec<String> =
            (0..11).map(|number| format!("{number:02}{}", "p".repeat(114))).collect();
        let with =
            |last: usize| scopes("scopes", json!([names.clone(), vec!["q".repeat(last)]].concat()));
        assert_eq!(with(113).map(|scope| scope.to_string().len()).ok(), Some(1_400));
        assert!(with(114).is_err() && with(128).is_err());
    }

    #[test]
    fn a_period_is_a_count_and_a_unit() {
        let now = Timestamp::from_unix(1_800_000_000).unwrap();
        let check = |text: &str, seconds: Option<u64>| {
            assert_eq!(
                after_period(now, text).map(|end| end.since(now).as_secs()),
                seconds,
                "{text}"
            );
        };
        check("2 hours", Some(7_200));
        check("1 day", Some(86_400));
        check("2 weeks", Some(14 * 86_400));
        check("1 month", Some(31 * 86_400));
        check("2 years", Some(731 * 86_400));
        check("2 fortnights", None);
        check("2 ", None);
        check("-2 days", None);
    }
}
