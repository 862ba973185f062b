//! The client authentication and the errors of the token endpoint (RFC 6749).

use base64::{Engine, prelude::BASE64_STANDARD};
use hallpass_store::Failure;
use hallpass_token::Text;
use http::HeaderValue;
use serde::Deserialize;

use crate::Error;

#[derive(Deserialize)]
struct ErrorBody {
    error: String,
}

pub(crate) const REDEEMING: &str = "redeeming the code of the identity provider";

/// `client_secret_basic`: both parts are form-encoded before they are joined (RFC 6749 section
/// 2.3.1).
pub(crate) fn basic(client_id: &str, secret: &Text) -> Result<HeaderValue, Failure> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Text::new([encoded(client_id), encoded(secret.expose_secret())].join(":"));
    let value = Text::new(BASE64_STANDARD.encode(pair.expose_secret()));
    let mut value = HeaderValue::try_from(format!("Basic {}", value.expose_secret()))
        .map_err(|_| Failure::new(REDEEMING, "the client secret cannot be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Converts the error of the token endpoint (RFC 6749 section 5.2). A code that is not valid was
/// used before or is of another sign-in; all else is wrong with the provider or the settings.
pub(crate) fn refusal(response: &hallpass_store::connect::Response) -> Error {
    let error = serde_json::from_slice::<ErrorBody>(&response.body).ok();
    let known =
        ["invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type"];
    match error.as_ref().map(|error| error.error.as_str()) {
        Some("invalid_grant") => Error::Stale,
        Some(code) if known.contains(&code) => Failure::new(REDEEMING, code.to_owned()).into(),
        Some(_) | None => {
            let status = response.status.as_u16();
            Failure::new(REDEEMING, format!("the status is {status}")).into()
        }
    }
}
