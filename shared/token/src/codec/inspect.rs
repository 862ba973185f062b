//! Reads a token's text without a key. This proves nothing: the signature is not verified.

use super::{Format, Issuer, MAX_LENGTH, checksum::Checksum, developer, jwt, signed};
use crate::{
    id::{TokenHash, UserId},
    timestamp::Timestamp,
};

/// The unverified contents of a text, without the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appearance {
    /// The format whose shape the text has.
    pub format: Format,
    /// The claimed user. `None` for a developer token.
    pub user_id: Option<UserId>,
    /// The hash of the secret, which is the second half of the token's public ID.
    pub hash: TokenHash,
    /// The claimed issue time. Only a JWT has one.
    pub issued_at: Option<Timestamp>,
    /// The claimed expiry. `None` for a developer token.
    pub expires_at: Option<Timestamp>,
    /// The claimed audience. Only a JWT has one.
    pub audience: Option<String>,
    /// Whether the text has a checksum, and whether it is right. If it is wrong, so may be the
    /// other attributes.
    pub checksum: Checksum,
}

/// Reads a text without a key. Returns `None` if it has the shape of no format.
pub fn inspect(issuer: &Issuer, text: &str) -> Option<Appearance> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    if let Some(signed) = developer::parse(issuer, text) {
        let hash = TokenHash::of(&signed.secret);
        return Some(Appearance {
            user_id: None,
            issued_at: None,
            expires_at: None,
            audience: None,
            checksum: signed.checksum,
            hash,
            format: Format::Developer,
        });
    }
    if let Some((user_id, expires_at, signed)) = signed::parse(issuer, text) {
        return Some(Appearance {
            format: Format::Signed,
            user_id: Some(user_id),
            hash: TokenHash::of(&signed.secret),
            issued_at: None,
            expires_at: Some(expires_at),
            audience: None,
            checksum: signed.checksum,
        });
    }
    let (_, _, payload, _) = jwt::parse(text)?;
    let (user_id, hash, issued_at, expires_at, audience) = jwt::read(payload)?;
    Some(Appearance {
        format: Format::Jwt,
        user_id: Some(user_id),
        hash,
        issued_at: Some(issued_at),
        expires_at: Some(expires_at),
        audience: Some(audience),
        checksum: Checksum::Absent,
    })
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn a_text_longer_than_the_maximum_is_not_inspected() {
        let issuer = Issuer::new("", "hallpass").unwrap();
        let token = "1.5665e083.RJG0CdymRKqFQJKeIV8nflwIhrr8KVrmAy6kpWft5nU";
        assert!(inspect(&issuer, token).is_some_and(|seen| seen.format == Format::Signed));
        let long = |length: usize| {
            let head = r#"{"iss":"hallpass","sub":"1","aud":""#;
            let rest = r#"","iat":1,"exp":2,"name":"","jti":"AAAAAAAAAAAAAAAAAAAAAA"}"#;
            let claims = format!("{head}{}{rest}", "a".repeat(length));
            let signature = BASE64_URL_SAFE_NO_PAD.encode([0; 32]);
            format!("eyJ.{}.{signature}", BASE64_URL_SAFE_NO_PAD.encode(claims))
        };
        let longest =
            (0..MAX_LENGTH).rev().find(|length| long(*length).len() <= MAX_LENGTH).unwrap();
        assert_eq!(long(longest).len(), MAX_LENGTH);
        assert!(inspect(&issuer, &long(longest)).is_some_and(|seen| seen.format == Format::Jwt));
        assert!(inspect(&issuer, &long(longest + 1)).is_none());
    }
}
