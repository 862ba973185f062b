//! What a text looks like to somebody who has no key. It proves nothing: the signature is not checked.

use super::{Format, Issuer, MAX_LENGTH, developer, jwt, signed};
use crate::{
    id::{TokenHash, UserId},
    timestamp::Timestamp,
};

/// What a text says about itself. The secret is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appearance {
    /// The format of its shape.
    pub format: Format,
    /// Whose it says it is.
    pub user_id: Option<UserId>,
    /// The hash of its secret, the second half of its public name.
    pub hash: TokenHash,
    /// When it says it was made.
    pub issued_at: Option<Timestamp>,
    /// When it says it ends.
    pub expires_at: Option<Timestamp>,
    /// Whom it says it is for.
    pub audience: Option<String>,
}

/// Reads a text without a key; `None` if it has the shape of no format.
pub fn inspect(issuer: &Issuer, text: &str) -> Option<Appearance> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    if let Some(sign) = developer::parse(issuer, text) {
        let hash = TokenHash::of(&sign.secret);
        return Some(Appearance {
            user_id: None,
            issued_at: None,
            expires_at: None,
            audience: None,
            hash,
            format: Format::Developer,
        });
    }
    if let Some((user_id, expires_at, sign)) = signed::parse(issuer, text) {
        return Some(Appearance {
            format: Format::Signed,
            user_id: Some(user_id),
            hash: TokenHash::of(&sign.secret),
            issued_at: None,
            expires_at: Some(expires_at),
            audience: None,
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
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_looked_at_up_to_the_longest_that_is_opened() {
        let issuer = Issuer::new("", "hallpass").unwrap();
        let token = "1.5665e083.RJG0CdymRKqFQJKeIV8nflwIhrr8KVrmAy6kpWft5nU";
        assert!(inspect(&issuer, token).is_some_and(|seen| seen.format == Format::Signed));
        assert!(inspect(&issuer, &"x".repeat(MAX_LENGTH + 1)).is_none());
    }
}
