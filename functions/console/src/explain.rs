//! `POST /explain`: says which check decides about a token, and since when. For the tokens that the
//! caller's token can manage, and for administrators.

use hallpass_http::{Problem, Response, body, problem};
use hallpass_service::{
    Context, authentication,
    explain::{BadCall, Call, Question, Rules},
};
use hallpass_token::{Text, TokenId};
use http::StatusCode;
use lambda_http::Request;
use serde::Deserialize;

/// The body of the request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    token_id: Option<String>,
    token: Option<String>,
    method: Option<String>,
    path: Option<String>,
}

pub(crate) async fn explain(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    let caller = authentication::admit(context, request.headers()).await?;
    let Asked { token_id, token, method, path } = body::json(request)?;
    let call = Call::parse(method.as_deref(), path.as_deref());
    let call = call.map_err(|bad: BadCall| Problem::invalid_member(bad.member(), bad.wrong()))?;
    let rules = service.settings.routes.as_ref().map_or(Rules::Unknown, Rules::Known);
    let question = Question { call: call.as_ref(), rules, now };
    let explanation = match (token_id, token.map(|token| Text::pasted(&token))) {
        (Some(id), None) => {
            if id != "current" && id.parse::<TokenId>().is_err() {
                let wrong = "it must be the ID of a token, or current";
                return Err(Problem::invalid_member("token_id", wrong));
            }
            service.explain_id_to(&caller, &id, &question).await?
        }
        (None, Some(text)) => service.explain_text_to(&caller, &text, &question).await?,
        (None, None) => {
            return Err(Problem::invalid_member("token_id", "it is missing, and so is token"));
        }
        (Some(_), Some(_)) => {
            return Err(Problem::invalid_member("token", "it cannot be given with token_id"));
        }
    };
    Ok(problem::json(StatusCode::OK, &explanation.view()))
}
