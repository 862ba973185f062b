//! What a browser gets besides the pages: what they are drawn with, and Swagger UI over `openapi.json`.

use std::sync::Arc;

use edge::{Answer, Problem, gateway, problem};
use http::{HeaderValue, StatusCode, header};
use lambda_http::Request;
use page::asset;
use store::Failure;
use utoipa_swagger_ui::Config;

/// The page around Swagger UI. The package has one too, which names no language and asks for icons that are no text.
const INDEX: &str = include_str!("swagger.html");

/// What Swagger UI may load: besides our own files the styles and images that it writes into its page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /assets/{file}`.
pub(crate) fn asset(request: &Request) -> Result<Answer, Problem> {
    asset::file(&gateway::path_parameter(request, "file"))
}

/// `GET /docs/swagger-ui/{file}`. All links are relative, so that they hold behind any stage.
pub(crate) fn swagger(request: &Request) -> Result<Answer, Problem> {
    let mut answer = match gateway::path_parameter(request, "file").as_str() {
        "index.html" => problem::answer(StatusCode::OK, problem::HTML, INDEX.to_owned()),
        name => of_package(name)?,
    };
    let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    answer.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(asset::kept(answer))
}

/// A file of the package, if it is text.
fn of_package(name: &str) -> Result<Answer, Problem> {
    let config = Config::from("../../openapi.json").deep_linking(true).display_request_duration(true);
    // Without its bar for the addresses of other documents: this page is about one, and may reach no other.
    let config = config.use_base_layout();
    let file = utoipa_swagger_ui::serve(name, Arc::new(config));
    let file = file.map_err(|error| Failure::new("reading a file of Swagger UI", error.to_string()))?;
    let file = file.ok_or_else(Problem::not_found)?;
    let text = String::from_utf8(file.bytes.into_owned()).map_err(|_| Problem::not_found())?;
    let mut answer = problem::answer(StatusCode::OK, "text/plain", text);
    if let Ok(media_type) = HeaderValue::try_from(file.content_type) {
        answer.headers_mut().insert(header::CONTENT_TYPE, media_type);
    }
    Ok(answer)
}
