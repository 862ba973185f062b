//! Parses the `Authorization` header into one credential.
//!
//! `Bearer t` (RFC 6750), `Token t`, bare `t` and `Basic base64(t:)` (RFC 7617) carry a token;
//! `Basic base64(name:password)` carries a log-in. The scheme is case-insensitive. The query string
//! is never read.

use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::secret::Text;

/// The credential of a request.
#[derive(Debug)]
pub enum Credential {
    /// The text of a token, not yet verified.
    Token(Text),
    /// A user name and a password.
    Login(Login),
}

/// A user name and a password, exactly as sent: neither trimmed nor case-folded.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Login {
    username: String,
    password: String,
}

/// Why a header has no usable credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// The request has more than one credential: a repeated header, or two credentials in one
    /// header.
    Doubled,
    /// The value is not a credential.
    Malformed,
}

/// The maximum length of a header value, in bytes. A token of [`crate::codec::MAX_LENGTH`] fits in
/// Basic.
const MAX_LENGTH: usize = 6144;

impl Credential {
    /// Parses the values of all `Authorization` headers of a request. Returns `None` without a
    /// header or with an empty one.
    ///
    /// # Errors
    /// Returns [`Unusable`] if the request has two credentials, or a value that is not a
    /// credential. A proxy joins repeated headers with a comma (RFC 9110 section 5.2). No
    /// credential contains a comma, so a comma means two.
    pub fn from_header<'a>(
        values: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<Self>, Unusable> {
        let mut values = values.into_iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(Unusable::Doubled);
        }
        if value.is_empty() {
            return Ok(None);
        }
        if value.len() > MAX_LENGTH || !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(Unusable::Malformed);
        }
        if value.contains(',') {
            return Err(Unusable::Doubled);
        }
        let Some((scheme, rest)) = value.split_once(' ') else {
            return Ok(Some(Self::Token(Text::new(value))));
        };
        let rest = rest.trim_start_matches(' ');
        if rest.is_empty() || rest.contains(' ') {
            return Err(Unusable::Malformed);
        }
        if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token") {
            return Ok(Some(Self::Token(Text::new(rest))));
        }
        if scheme.eq_ignore_ascii_case("basic") {
            return basic(rest).map(Some).ok_or(Unusable::Malformed);
        }
        Err(Unusable::Malformed)
    }
}

impl Login {
    /// Creates a log-in from a form or a body. Returns `None` for an empty user name, for control
    /// characters, and beyond the maximum length of a header.
    pub fn new(username: &str, password: &str) -> Option<Self> {
        let fits = username.len().saturating_add(password.len()) <= MAX_LENGTH;
        let usable = fits
            && !username.is_empty()
            && !username.chars().chain(password.chars()).any(char::is_control);
        usable.then(|| Self { username: username.to_owned(), password: password.to_owned() })
    }

    /// The user name. It is not a secret.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The password. Only password verification calls this.
    pub fn expose_password(&self) -> &str {
        &self.password
    }
}

/// Parses Basic credentials by RFC 7617 section 2: the first colon is the separator, the charset is
/// UTF-8, and control characters are not allowed.
fn basic(encoded: &str) -> Option<Credential> {
    let bytes = Zeroizing::new(BASE64_STANDARD.decode(encoded).ok()?);
    let pair = std::str::from_utf8(&bytes).ok()?;
    let (username, password) = pair.split_once(':')?;
    if pair.chars().any(char::is_control) || username.is_empty() {
        return None;
    }
    Some(if password.is_empty() {
        Credential::Token(Text::new(username))
    } else {
        Credential::Login(Login { username: username.to_owned(), password: password.to_owned() })
    })
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], expected: &str) {
        let got = match Credential::from_header(values.iter().copied()) {
            Ok(None) => "none".to_owned(),
            Ok(Some(Credential::Token(text))) => format!("token {}", text.expose_secret()),
            Ok(Some(Credential::Login(login))) => {
                format!("login {} / {}", login.username(), login.expose_password())
            }
            Err(Unusable::Doubled) => "doubled".to_owned(),
            Err(Unusable::Malformed) => "malformed".to_owned(),
        };
        assert_eq!(got, expected, "{values:?}");
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes()))
    }

    #[test]
    fn every_scheme_carries_a_token() {
        for value in ["Bearer t.1", "bearer t.1", "BEARER  t.1", "Token t.1", "t.1", &basic("t.1:")]
        {
            check(&[value], "token t.1");
        }
        check(&[], "none");
        check(&[""], "none");
    }

    #[test]
    fn basic_is_split_at_its_first_colon_and_not_trimmed() {
        check(&[&basic("my_username:topsecret")], "login my_username / topsecret");
        check(&[&basic("a:b:c")], "login a / b:c");
        check(&[&basic(" a : b ")], "login  a  /  b ");
        check(&[&basic("ärger:müsli")], "login ärger / müsli");
    }

    #[test]
    fn two_credentials_are_rejected_as_doubled() {
        check(&["Bearer a", "Bearer b"], "doubled");
        check(&["Bearer a", "Bearer a"], "doubled");
        check(&["Bearer a, Bearer b"], "doubled");
        check(&["Bearer a,Basic YTpi"], "doubled");
    }

    #[test]
    fn a_header_that_is_too_long_is_malformed() {
        let longest = "x".repeat(MAX_LENGTH);
        check(&[&longest], &format!("token {longest}"));
        check(&[&format!("{longest}x")], "malformed");
    }

    #[test]
    fn a_header_without_a_credential_is_malformed() {
        for value in [
            "Bearer",
            "Bearer ",
            "Digest abc",
            "Bearer a b",
            " t",
            "Bearer \u{e9}",
            "Basic !!!!",
            "Basic YTpi ",
            "Basic YTpiY",
            &basic("no colon"),
            &basic(":password"),
            &basic("tab\t:x"),
            &format!("Basic {}", BASE64_STANDARD.encode(b"\xff:x")),
            &"x".repeat(MAX_LENGTH + 1),
        ] {
            let expected = if value == "Bearer" { "token Bearer" } else { "malformed" };
            check(&[value], expected);
        }
    }
}
