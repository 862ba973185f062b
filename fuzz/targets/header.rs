//! The header `Authorization`: each line of the input is one occurrence of it.
//!
//! Every credential has a single encoding: a login encoded again gives the same header, and a token
//! appears in it verbatim.
#![no_main]

use fuzz::padded;
use hallpass_token::{
    Credential,
    credential::{Login, Unusable},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let values: Vec<&str> = if text.is_empty() { Vec::new() } else { text.split('\n').collect() };
    let first = values.first().copied().unwrap_or_default();
    match Credential::from_header(values.iter().copied()) {
        Ok(None) => assert!(values.is_empty() || values == [""]),
        Err(Unusable::Doubled) => assert!(values.len() > 1 || first.contains(',')),
        Err(Unusable::Malformed) => assert_eq!(values.len(), 1),
        Ok(Some(credential)) => {
            assert!(values.len() == 1 && first.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            let last = first.rsplit(' ').next().unwrap_or_default();
            match credential {
                Credential::Token(token) => token_of(token.expose_secret(), last),
                Credential::Login(login) => login_of(&login, last),
            }
        }
    }
});

/// Checks that a token is the sent text, or the user name of a `Basic` credential with an empty
/// password.
fn token_of(token: &str, sent: &str) {
    assert!(!token.is_empty() && !token.chars().any(char::is_control));
    let in_basic = padded(format!("{token}:").as_bytes());
    assert!(token == sent || in_basic == sent);
    // A header has at most 6,144 bytes, so that the longest token without a scheme does not fit
    // behind one.
    if token == sent && token.len() + "Bearer ".len() <= 6_144 {
        let again = Credential::from_header([format!("Bearer {token}").as_str()]);
        assert!(
            matches!(again, Ok(Some(Credential::Token(again))) if again.expose_secret() == token)
        );
    }
}

/// Checks that the first colon separates, nothing is trimmed, and neither half is empty.
fn login_of(login: &Login, sent: &str) {
    let (username, password) = (login.username(), login.expose_password());
    assert!(!username.is_empty() && !password.is_empty() && !username.contains(':'));
    assert!(!username.chars().chain(password.chars()).any(char::is_control));
    assert_eq!(padded(format!("{username}:{password}").as_bytes()), sent);
    let again = Login::new(username, password).expect("a valid login");
    assert!(again.username() == username && again.expose_password() == password);
}
