//! `POST /tokens/{id}/rotate`: issues a new token with the same settings.

use hallpass_http::{Problem, Response, gateway, problem, view};
use hallpass_service::{Context, caller::Caller, rotation};
use http::StatusCode;
use lambda_http::Request;
use serde_json::Value;

pub(crate) async fn rotate(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let service = context.service;
    let caller = Caller::of_token(context, request).await?;
    let token = caller.token().ok_or_else(Problem::not_found)?;
    let old = service.managed(token, &gateway::path_parameter(request, "id")).await?;
    let (text, new, window) = rotation::rotate(context, &caller, &old).await?;
    let mut shown = view::issued(&new, &text);
    if let Value::Object(members) = &mut shown {
        members.insert("replaces".to_owned(), old.id.to_string().into());
        members.insert("replaced_ends_at".to_owned(), window.to_string().into());
    }
    Ok(problem::json(StatusCode::CREATED, &shown))
}
