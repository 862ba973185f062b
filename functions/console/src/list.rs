//! `GET /tokens`: lists the caller's tokens in pages. Administrators can list the tokens of another
//! user.

use std::str::FromStr;

use hallpass_http::{Problem, Response, gateway, problem, view};
use hallpass_service::{Context, authentication};
use hallpass_store::{Failure, live::LiveRecord};
use hallpass_token::{
    Record, Timestamp,
    cursor::{self, List},
    lifecycle,
};
use http::StatusCode;
use lambda_http::{Request, RequestExt};
use serde_json::json;

mod filter;

use filter::Filter;

/// What is wrong with a user ID that cannot be read.
pub(crate) const NO_USER_ID: &str = "it is not a user id";

/// The default number of tokens on a page.
const USUAL_PAGE: usize = 50;

/// The maximum number of tokens on a page.
const LARGEST_PAGE: usize = 200;

/// The maximum number of tokens in a list without pages: far more than the default limit on named
/// tokens.
const MAX_AT_ONCE: usize = 1_000;

/// The parameters of the query, besides those of the filters.
const PARAMETERS: [&str; 3] = ["user_id", "limit", "cursor"];

pub(crate) async fn list(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    let caller = authentication::admit(context, request.headers()).await?;
    reject_unknown_parameters(request, &[&PARAMETERS[..], &filter::PARAMETERS].concat())?;
    let filter = Filter::read(request)?;
    let user_id = parsed(request, "user_id", NO_USER_ID)?.unwrap_or(caller.user.id);
    if !service.manages_user(&caller, &user_id).await? {
        return Err(Problem::forbidden(&service.settings.issuer));
    }
    let limit = parameter(request, "limit").map_or(Some(USUAL_PAGE), |text| {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    });
    let limit = limit.filter(|limit| (1..=LARGEST_PAGE).contains(limit));
    let limit = limit
        .ok_or_else(|| Problem::invalid_member("limit", "it must be a number from 1 to 200"))?;
    let keyring = service.keyring(now).await?;
    let list = List { caller: caller.user.id, owner: user_id };
    let wrong = || Problem::invalid_member("cursor", "it was not issued for this list");
    let after = parameter(request, "cursor")
        .map(|text| cursor::decrypt_list(&keyring, &list, text).ok_or_else(wrong));
    let only = (!service.manages_all(&caller)).then_some(&caller.record);
    let page = service.store.page_of(&user_id, limit, after.transpose()?, only).await?;
    let owner = match page.records.first() {
        Some(record) => service.owner(&caller, record).await?,
        None => None,
    };
    let next = page.next.map(|position| {
        cursor::encrypt_list(&keyring, &list, position, now)
            .ok_or_else(|| Failure::new("encrypting the cursor", "no key signs"))
    });
    let listed = page.records.iter().filter(|record| filter.lists(record, owner.as_ref(), now));
    let tokens = listed.map(|record| view::token(record, owner.as_ref(), now));
    let body = json!({"tokens": tokens.collect::<Vec<_>>(), "next": next.transpose()?});
    Ok(problem::json(StatusCode::OK, &body))
}

/// `GET /tokens/{id}`: returns one token. The ID `current` names the caller's own token.
pub(crate) async fn show(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    let caller = authentication::admit(context, request.headers()).await?;
    let record = service.managed(&caller, &gateway::path_parameter(request, "id")).await?;
    let owner = service.owner(&caller, &record).await?;
    Ok(problem::json(StatusCode::OK, &view::token(&record, owner.as_ref(), now)))
}

/// `GET /rest/pat/1.0/token`, compatible with Rarog: lists the caller's live named tokens.
pub(crate) async fn as_rarog(
    context: &Context<'_>,
    request: &Request,
) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    authentication::reject_cookie_alone(request.headers())?;
    let caller = authentication::admit(context, request.headers()).await?;
    let is_shown =
        |record: &LiveRecord| record.is_named && record.invalidated(Some(&caller.user)).is_none();
    let live = service.store.live_records(&caller.user.id, now, MAX_AT_ONCE, is_shown).await?;
    let mut records = service.store.whole_records(&live).await?;
    records.sort_by_key(|record| record.id.hash.text());
    let is_live = |record: &Record| lifecycle::state(record, Some(&caller.user), now).is_live();
    let shown = records.iter().filter(|record| {
        record.name.is_some() && is_live(record) && service.manages(&caller, record)
    });
    let one = |record: &Record| {
        let all = &caller.user.permissions;
        json!({
            "id": record.id.to_string(),
            "name": record.name,
            "expiration": record.expires_at.map(Timestamp::with_milliseconds),
            "authorities": record.scope.as_ref().unwrap_or(all).names().collect::<Vec<_>>(),
        })
    };
    Ok(problem::json(StatusCode::OK, &shown.map(one).collect::<Vec<_>>()))
}

/// Rejects unknown query parameters, because a misspelt one would list something else. The error
/// repeats the parameter only if it looks like a name.
pub(crate) fn reject_unknown_parameters(request: &Request, known: &[&str]) -> Result<(), Problem> {
    let Some(parameters) = request.query_string_parameters_ref() else { return Ok(()) };
    match parameters.iter().map(|(name, _)| name).find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => {
            let is_word = (1..=20).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let name = if is_word { name } else { "query" };
            Err(Problem::invalid_member(
                name,
                &format!("the parameters of this route are {}", known.join(", ")),
            ))
        }
    }
}

/// Reads a query parameter as a type. `wrong` says what a value must be that cannot be read.
pub(crate) fn parsed<T: FromStr>(
    request: &Request,
    name: &str,
    wrong: &str,
) -> Result<Option<T>, Problem> {
    let read = |text: &str| text.parse().map_err(|_| Problem::invalid_member(name, wrong));
    parameter(request, name).map(read).transpose()
}

pub(crate) fn parameter<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.query_string_parameters_ref().and_then(|parameters| parameters.first(name))
}
