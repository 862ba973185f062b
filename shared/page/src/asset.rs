//! Stylesheet, script and icon: text, compiled in, the same for everybody.

use edge::{Answer, Problem, problem};
use http::{HeaderValue, StatusCode, header};

/// `GET /assets/{file}`.
///
/// # Errors
/// 404 for everything else.
pub fn file(name: &str) -> Result<Answer, Problem> {
    let (media_type, text) = match name {
        "hallpass.css" => ("text/css; charset=utf-8", include_str!("../assets/hallpass.css")),
        "swagger.css" => ("text/css; charset=utf-8", include_str!("../assets/swagger.css")),
        "hallpass.js" => ("text/javascript; charset=utf-8", include_str!("../assets/hallpass.js")),
        "hallpass.svg" => ("image/svg+xml", include_str!("../assets/hallpass.svg")),
        _ => return Err(Problem::not_found()),
    };
    Ok(kept(problem::answer(StatusCode::OK, media_type, text.to_owned())))
}

/// An answer that is the same for everybody: browsers may keep it for an hour.
pub fn kept(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
