//! `GET /audit`: lists the entries of the audit log in pages, for administrators.

use hallpass_audit::{
    Entry,
    listing::{Asked, Filter},
};
use hallpass_http::{Problem, Response, problem};
use hallpass_service::{Context, authentication};
use hallpass_sinks::{Bucket, pages};
use hallpass_store::Failure;
use hallpass_token::cursor::{self, Table};
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;

use crate::list::{NO_USER_ID, parameter, parsed, reject_unknown_parameters};

/// The parameters of the query.
const PARAMETERS: [&str; 5] = ["user_id", "token_id", "from", "until", "cursor"];

pub(crate) async fn list(
    context: &Context<'_>,
    bucket: Option<&Bucket>,
    request: &Request,
) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    let caller = authentication::admit(context, request.headers()).await?;
    if !service.is_administrator(&caller.scope) {
        return Err(Problem::forbidden(&service.settings.issuer));
    }
    reject_unknown_parameters(request, &PARAMETERS)?;
    let asked = asked(request)?;
    let bucket = bucket.ok_or_else(Problem::no_audit_log)?;
    let keyring = service.keyring(now).await?;
    let name = asked.name();
    let table = Table { caller: caller.user.id, list: &name };
    let wrong = || Problem::invalid_member("cursor", "it was not issued for this list");
    let after = parameter(request, "cursor")
        .map(|text| cursor::decrypt_table(&keyring, &table, text).ok_or_else(wrong));
    let page = pages::page(bucket, &asked.filter(now), after.transpose()?.as_deref()).await?;
    let next = page.next.map(|place| {
        cursor::encrypt_table(&keyring, &table, &place, now)
            .ok_or_else(|| Failure::new("encrypting the cursor", "no key signs"))
    });
    let entries = page.entries.iter().map(|Entry { event, .. }| event.detail());
    let body = json!({"entries": entries.collect::<Vec<_>>(), "next": next.transpose()?});
    Ok(problem::json(StatusCode::OK, &body))
}

/// `GET /admin/audit`: the page with the same list.
pub(crate) async fn page(
    context: &Context<'_>,
    bucket: Option<&Bucket>,
    request: &Request,
) -> Result<Response, Problem> {
    let read = bucket.map(|bucket| {
        async move |filter: Filter, after: Option<String>| {
            pages::page(bucket, &filter, after.as_deref()).await
        }
    });
    hallpass_web::admin::audit(context, request, read).await
}

fn asked(request: &Request) -> Result<Asked, Problem> {
    let user_id = parsed(request, "user_id", NO_USER_ID)?;
    let token_id = parsed(request, "token_id", "it is not the id of a token")?;
    let instant = |name| parsed(request, name, "it must be like 2027-01-31T00:00:00Z");
    let (from, until) = (instant("from")?, instant("until")?);
    if from.zip(until).is_some_and(|(from, until)| from >= until) {
        return Err(Problem::invalid_member("until", "it must be after from"));
    }
    Ok(Asked { user_id, token_id, from, until })
}
