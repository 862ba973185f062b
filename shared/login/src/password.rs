//! Passwords: Argon2id with the parameters OWASP recommends (19 MiB, two passes, one lane).

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

/// The longest password that is hashed, in bytes.
pub const MAX_BYTES: usize = 1024;

/// A hash of nothing anybody knows, with the parameters of [`hash`], for users who have no password of their own.
const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$qv6WfCqjfJSZXU24FI0kJw$GbA7x9HhgQhGtuhzlBTPfDMhAe4wTJdyaWGzh32eqMc";

/// The PHC string of this password under this salt. `None` if the password is empty or longer than [`MAX_BYTES`].
pub fn hash(password: &str, salt: [u8; 16]) -> Option<String> {
    if password.is_empty() || password.len() > MAX_BYTES {
        return None;
    }
    let hash: PasswordHash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt).ok()?;
    Some(hash.to_string())
}

/// Whether this is the password. It costs one hash whatever the answer is, also where there is no PHC string (an
/// unknown, blocked or directory user) or one that is not Argon2's, so that the time tells nothing.
pub fn verify(password: &str, phc: Option<&str>) -> bool {
    let own = phc.and_then(|phc| PasswordHash::new(phc).ok()).filter(|hash| hash.algorithm.as_str() == "argon2id");
    let fits = password.len() <= MAX_BYTES;
    let Some(hash) = own.filter(|_| fits) else {
        if let Ok(dummy) = PasswordHash::new(DUMMY) {
            let bounded = password.as_bytes().get(..MAX_BYTES).unwrap_or(password.as_bytes());
            let _ = Argon2::default().verify_password(bounded, &dummy);
        }
        return false;
    };
    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_password_is_right_and_nothing_else_is() {
        let phc = hash("topsecret", [7; 16]).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        let check = |password: &str, phc: Option<&str>, right| assert_eq!(verify(password, phc), right, "{phc:?}");
        check("topsecret", Some(&phc), true);
        check("topsecret ", Some(&phc), false);
        check("", Some(&phc), false);
        check("topsecret", None, false);
        check("topsecret", Some("topsecret"), false);
        check("topsecret", Some(""), false);
        check("topsecret", Some("$argon2id$v=19$m=19456,t=2,p=1$"), false);
        check(&"x".repeat(MAX_BYTES + 1), Some(&phc), false);
    }

    #[test]
    fn a_password_that_is_empty_or_endless_is_not_taken() {
        assert!(hash("", [7; 16]).is_none());
        assert!(hash(&"x".repeat(MAX_BYTES), [7; 16]).is_some());
        assert!(hash(&"x".repeat(MAX_BYTES + 1), [7; 16]).is_none());
    }

    #[test]
    fn the_dummy_is_a_whole_hash_with_our_parameters() {
        let parameters = |phc: &str| phc.split('$').nth(3).map(str::to_owned);
        assert!(PasswordHash::new(DUMMY).is_ok_and(|hash| hash.hash.is_some()));
        assert_eq!(parameters(DUMMY), parameters(&hash("x", [7; 16]).unwrap()));
    }
}
