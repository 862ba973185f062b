//! The CSRF token of every form, and the cookie that binds the sign-in form, before a session
//! exists.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hallpass_http::{cookies, gateway};
use hallpass_runtime::entropy::Randomness;
use hallpass_store::Failure;
use hallpass_token::{Text, secret::Digest};
use lambda_http::Request;

use crate::{
    Form,
    session::{LIFETIME, prefixed, set_cookie},
};

/// The name of the cookie that binds the sign-in form, before a session exists.
const BEFORE: &str = "hallpass-form";

/// The field with the CSRF token. It holds a value common to all forms of the session and, after a
/// full stop, the nonce of the page.
pub(crate) const CSRF: &str = "csrf";

/// Returns the secret that binds the sign-in form to the browser. If the browser has none yet, also
/// returns the cookie for a new one.
///
/// # Errors
/// Returns a [`Failure`] if there are no random bytes.
pub fn before(
    request: &Request,
    randomness: &Randomness,
) -> Result<(Text, Option<String>), Failure> {
    let base = gateway::base(request);
    if let Some(secret) = before_cookies(request).into_iter().next() {
        return Ok((secret, None));
    }
    let (_, secret) = randomness.session()?;
    let secret = BASE64_URL_SAFE_NO_PAD.encode(secret);
    let cookie = set_cookie(&base, BEFORE, &secret, LIFETIME);
    Ok((Text::new(secret), Some(cookie)))
}

/// Returns whether the sign-in form was sent from the sign-in page in this browser.
pub fn is_from_before(request: &Request, form: &Form) -> bool {
    before_cookies(request).iter().any(|secret| repeats(secret, form))
}

/// Returns the CSRF token for this secret. It reveals nothing about the secret.
pub(crate) fn csrf(secret: &Text) -> String {
    Digest::of(&[b"hallpass form 1\0", secret.expose_secret().as_bytes()].concat()).text()
}

/// Returns whether a form repeats the CSRF token for this secret.
pub(crate) fn repeats(secret: &Text, form: &Form) -> bool {
    let field = form.field(CSRF);
    let common = field.split_once('.').map_or(field, |(common, _)| common);
    Digest::of(csrf(secret).as_bytes()).is_of(common.as_bytes())
}

/// Returns the secrets in the cookies that bind the sign-in form.
fn before_cookies(request: &Request) -> Vec<Text> {
    let name = prefixed(&gateway::base(request), BEFORE);
    cookies::values(request.headers(), &name, |text| Digest::parse(text).map(|_| Text::new(text)))
}
