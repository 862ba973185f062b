//! `GET /tokens/{id}/usage`: when, from where and by which clients a token is used, and its last
//! changes.

use hallpass_audit::{History, Usage};
use hallpass_http::{Problem, Response, gateway, problem};
use hallpass_service::{Context, authentication};
use hallpass_store::Failure;
use http::StatusCode;
use lambda_http::Request;
use serde_json::Value;

const READING: &str = "reading the usage of the token";

/// Returns the usage of one token. The ID `current` names the caller's own token.
pub(crate) async fn show(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    let caller = authentication::admit(context, request.headers()).await?;
    let record = service.managed(&caller, &gateway::path_parameter(request, "id")).await?;
    let note = service.store.note(&record.id).await?.note;
    let unreadable = |bad| Failure::new(READING, bad);
    let mut usage = Usage::from_attributes(&note).map_err(unreadable)?;
    let history = History::from_attributes(&note).map_err(unreadable)?;
    usage.prune(now);
    Ok(problem::json(StatusCode::OK, &body(&usage, &history)))
}

fn body(usage: &Usage, history: &History) -> Value {
    let mut body = usage.to_json();
    if let Value::Object(members) = &mut body {
        members.insert("changes".to_owned(), history.to_json());
    }
    body
}
