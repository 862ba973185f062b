//! Logout tokens, with which the provider ends sessions (OpenID Connect Back-Channel Logout 1.0).

use hallpass_token::Timestamp;
use serde_json::{Map, Value};

use crate::{
    jwks::Keys,
    jws::{self, Parties, TokenError},
};

/// What a logout token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Logout {
    pub(crate) subject: String,
    /// The session at the provider; all sessions of the subject without it.
    pub(crate) sid: Option<String>,
    pub(crate) issued_at: Timestamp,
}

/// The event of a logout (section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Checks a logout token (section 2.6). It must name a subject: the sessions of a user can be
/// found, those of a session at the provider alone cannot.
///
/// # Errors
/// Returns a [`TokenError`].
pub(crate) fn verify(text: &str, keys: &Keys, expected: Parties<'_>) -> Result<Logout, TokenError> {
    // Section 2.4 recommends the type, so that other JWTs are not taken for logout tokens.
    let (claims, _) = jws::verify(text, keys, &["logout+jwt", "JWT"])?;
    jws::check(&claims, expected)?;
    if !is_event(&claims) || claims.contains_key("nonce") {
        return Err(TokenError::NoLogout);
    }
    let sid = match claims.get("sid") {
        None => None,
        Some(Value::String(sid)) => Some(sid.clone()),
        Some(_) => return Err(TokenError::NoLogout),
    };
    let subject = jws::subject(&claims)?.to_owned();
    let issued_at = jws::time(&claims, "iat").ok_or(TokenError::Time)?;
    Ok(Logout { subject, sid, issued_at })
}

fn is_event(claims: &Map<String, Value>) -> bool {
    let events = claims.get("events").and_then(Value::as_object);
    events.and_then(|events| events.get(EVENT)).is_some_and(Value::is_object)
}

#[cfg(test)]
mod tests {
    use ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    use serde_json::json;

    use super::*;
    use crate::signer::{Signer, keys};

    const NOW: u64 = 1_800_000_000;

    fn claims() -> Value {
        json!({
            "iss": "https://id.example.com", "aud": "hallpass", "sub": "24400320", "sid": "s",
            "iat": NOW - 1, "exp": NOW + 120, "jti": "1", "events": {EVENT: {}},
        })
    }

    fn verified(signer: &Signer, header: &Value, claims: &Value) -> Result<Logout, TokenError> {
        let expected = Parties {
            issuer: "https://id.example.com",
            client_id: "hallpass",
            now: Timestamp::from_unix(NOW).unwrap(),
        };
        verify(&signer.token(header, claims), &keys(&[signer.jwk("1")]), expected)
    }

    #[test]
    fn a_logout_token_names_a_subject_and_perhaps_a_session() {
        for signer in Signer::all() {
            for typ in ["logout+jwt", "JWT", "Logout+JWT"] {
                let header = json!({"alg": signer.algorithm(), "kid": "1", "typ": typ});
                let logout = verified(&signer, &header, &claims()).unwrap();
                assert_eq!(
                    (logout.subject.as_str(), logout.sid.as_deref()),
                    ("24400320", Some("s"))
                );
                assert_eq!(logout.issued_at.unix(), NOW - 1);
            }
        }
    }

    #[test]
    fn any_other_token_is_rejected() {
        let signer = Signer::P256(Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING));
        let header = json!({"alg": "ES256", "kid": "1", "typ": "logout+jwt"});
        let check = |name: &str, value: Value, expected: Option<TokenError>| {
            let mut claims = claims();
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
            assert_eq!(verified(&signer, &header, &claims).err(), expected, "{name} {value}");
        };
        check("sid", json!(null), None);
        check("sid", json!(1), Some(TokenError::NoLogout));
        check("sub", json!(null), Some(TokenError::Subject));
        check("iss", json!("https://evil.example.com"), Some(TokenError::Issuer));
        check("aud", json!("other"), Some(TokenError::Audience));
        check("exp", json!(null), Some(TokenError::Time));
        check("exp", json!(NOW - 61), Some(TokenError::Time));
        check("iat", json!(NOW - 601), Some(TokenError::Time));
        // An ID token has a nonce and no event.
        check("nonce", json!("n"), Some(TokenError::NoLogout));
        for events in [json!(null), json!({}), json!([EVENT]), json!({EVENT: true}), json!(EVENT)] {
            check("events", events, Some(TokenError::NoLogout));
        }
        for typ in ["at+jwt", "secevent+jwt", ""] {
            let header = json!({"alg": "ES256", "kid": "1", "typ": typ});
            assert_eq!(verified(&signer, &header, &claims()), Err(TokenError::Header), "{typ}");
        }
    }
}
