//! The body of a request.

use std::collections::HashSet;

use hallpass_token::Text;
use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use lambda_http::{Body, Request};
use mime::Mime;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::{
    Problem, members,
    strict_json::{self, Rejected},
};

/// The longest body of any route, in bytes: a form of a page with a check box for each of a
/// thousand permissions.
pub const MAX_BYTES: usize = 256 * 1_024;

/// The longest JSON body, in bytes.
pub const MAX_JSON_BYTES: usize = 64 * 1_024;

/// The longest form with a token, in bytes. No token is longer than 4 KB.
pub const MAX_TOKEN_FORM_BYTES: usize = 16 * 1_024;

/// The most parameters of a form with a token.
const MAX_TOKEN_FORM_PARAMETERS: usize = 64;

/// Reads a body that is a JSON object into a type. An empty body is an empty object.
///
/// # Errors
/// Returns 413 for more than [`MAX_JSON_BYTES`], 415 for another media type, and 400 for a body
/// that is no JSON object, repeats a member, or is not of this type.
pub fn json<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    members::read(json_object(request.headers(), request.body())?)
}

fn json_object(headers: &HeaderMap, body: &Body) -> Result<Map<String, Value>, Problem> {
    let bytes = bytes(body);
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    expect_at_most(body, MAX_JSON_BYTES)?;
    expect_media_type(headers, "application/json")?;
    match strict_json::parse(bytes) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Problem::invalid_request("The body is not a JSON object")),
        Err(Rejected::Repeated(member)) => Err(repeated(&member)),
        Err(Rejected::Syntax(line, column)) => Err(Problem::invalid_request(format!(
            "The body is not JSON at line {line}, column {column}"
        ))),
    }
}

/// 400: a member or parameter stands twice, so that it has no one value (RFC 6749 section 3.1).
pub fn repeated(name: &str) -> Problem {
    Problem::invalid_member(&members::short(name), "it is given more than once")
}

/// The first name that stands twice among these, none of which may.
pub fn first_repeated<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Option<String> {
    let mut seen = HashSet::new();
    names.into_iter().map(|name| name.as_ref().to_owned()).find(|name| !seen.insert(name.clone()))
}

/// Rejects a body that is compressed or otherwise encoded: only its plain form is read (RFC 9110
/// section 8.4).
///
/// # Errors
/// 415, which names the one encoding that is accepted.
pub fn expect_no_encoding(headers: &HeaderMap, body: &Body) -> Result<(), Problem> {
    let plain =
        |value: &http::HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    if bytes(body).is_empty() || headers.get_all(CONTENT_ENCODING).iter().all(plain) {
        return Ok(());
    }
    Err(Problem::unsupported_content_encoding())
}

/// Rejects a body of more bytes than this, before it is parsed.
///
/// # Errors
/// 413.
pub fn expect_at_most(body: &Body, most: usize) -> Result<(), Problem> {
    if bytes(body).len() <= most { Ok(()) } else { Err(Problem::content_too_large(most)) }
}

/// The bytes of a body.
pub fn bytes(body: &Body) -> &[u8] {
    AsRef::as_ref(body)
}

/// Rejects a body of another media type. Its parameters do not matter, but for a charset, which
/// must be UTF-8.
///
/// # Errors
/// 415.
pub fn expect_media_type(headers: &HeaderMap, takes: &str) -> Result<(), Problem> {
    if is_of_media_type(headers, takes) {
        Ok(())
    } else {
        Err(Problem::unsupported_media_type(takes))
    }
}

/// Whether the one `Content-Type` is exactly this media type, in any case (RFC 9110 section 8.3.1).
pub fn is_of_media_type(headers: &HeaderMap, takes: &str) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Ok(value) = value.to_str() else { return false };
    let essence = value.split(';').next().unwrap_or_default();
    // White space may stand before a semicolon (RFC 9110 section 5.6.6), which the parser does not
    // take.
    let parameters = value.get(essence.len()..).unwrap_or_default();
    let media_type = format!("{}{parameters}", essence.trim()).parse::<Mime>();
    media_type.is_ok_and(|it| {
        let mut charsets = it.params().filter(|(name, _)| *name == mime::CHARSET);
        let is_utf_8 = charsets.next().is_none_or(|(_, charset)| charset == mime::UTF_8)
            && charsets.next().is_none();
        it.essence_str().eq_ignore_ascii_case(takes) && is_utf_8
    })
}

/// The one parameter `token` of a form, without what was pasted around it; others, such as
/// `token_type_hint`, do not matter (RFC 7009 section 2.1).
///
/// # Errors
/// 413 for more than [`MAX_TOKEN_FORM_BYTES`], 400 if it is missing, if any parameter is repeated,
/// or if there are too many.
pub fn token_parameter(body: &Body) -> Result<Text, Problem> {
    let parameters = form_parameters(body)?;
    if let Some(name) = first_repeated(parameters.iter().map(|(name, _)| name)) {
        return Err(repeated(&name));
    }
    let token = parameters.iter().find(|(name, _)| name == "token").map(|(_, value)| value);
    token
        .map(|token| Text::pasted(token))
        .ok_or_else(|| Problem::invalid_member("token", "it is missing"))
}

/// The parameter of this name in a small form, if it is present.
///
/// # Errors
/// 413 for more than [`MAX_TOKEN_FORM_BYTES`], 400 if there are too many.
pub fn optional_parameter(body: &Body, name: &str) -> Result<Option<Zeroizing<String>>, Problem> {
    let parameters = form_parameters(body)?;
    Ok(parameters.into_iter().find(|(known, _)| known == name).map(|(_, value)| value))
}

/// The parameters of a small form, in their order.
///
/// # Errors
/// 413 for more than [`MAX_TOKEN_FORM_BYTES`], 400 if there are too many.
pub fn form_parameters(body: &Body) -> Result<Vec<(String, Zeroizing<String>)>, Problem> {
    expect_at_most(body, MAX_TOKEN_FORM_BYTES)?;
    form(body, MAX_TOKEN_FORM_PARAMETERS)
}

/// The fields of a form, in their order. Values are wiped when dropped, because one of them can be
/// a secret.
///
/// # Errors
/// 400 if there are more than `most`.
pub fn form(body: &Body, most: usize) -> Result<Vec<(String, Zeroizing<String>)>, Problem> {
    // The format has no syntax errors: anything that is no percent-encoded byte stands for itself.
    let fields: Vec<(String, Zeroizing<String>)> = serde_html_form::from_bytes(bytes(body))
        .map_err(|_| Problem::invalid_request("The form cannot be read"))?;
    if fields.len() > most {
        return Err(Problem::invalid_request("The form has too many fields"));
    }
    Ok(fields)
}
