//! Password hashes: Argon2id with the parameters that OWASP recommends (19 MiB, two passes, one
//! lane), and the other kinds that imported users can have.

use std::sync::atomic::{AtomicU64, Ordering};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

mod hash;

use self::hash::Hash;
pub use self::hash::HashError;

/// The maximum length of a password, in bytes.
pub const MAX_BYTES: usize = 1024;

/// The hash of an unknown password, with the parameters of [`hash`]. It is verified for users
/// without a hash.
const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$qv6WfCqjfJSZXU24FI0kJw$GbA7x9HhgQhGtuhzlBTPfDMhAe4wTJdyaWGzh32eqMc";

/// The number of password hashes that this process has verified.
static CHECKED: AtomicU64 = AtomicU64::new(0);

/// The number of password hashes that this process has verified. Nothing depends on it but a test,
/// which checks that every log-in costs exactly one hash.
pub fn checked() -> u64 {
    CHECKED.load(Ordering::Relaxed)
}

/// The requirements of [`has_form`], for messages.
pub const FORM: &str = "a password must have 1 to 1024 bytes and no control characters";

/// Whether a text can be a password: not empty, not longer than [`MAX_BYTES`], and without control
/// characters, which Basic cannot carry (RFC 7617 section 2). It is checked wherever a password is
/// set or used.
pub fn has_form(password: &str) -> bool {
    (1..=MAX_BYTES).contains(&password.len()) && !password.chars().any(char::is_control)
}

/// Hashes a password with this salt and returns the PHC string. Returns `None` if the text does not
/// have the [form](has_form) of a password.
pub fn hash(password: &str, salt: [u8; 16]) -> Option<String> {
    if !has_form(password) {
        return None;
    }
    let hash: PasswordHash =
        Argon2::default().hash_password_with_salt(password.as_bytes(), &salt).ok()?;
    Some(hash.to_string())
}

/// Checks whether log-ins accept a hash from another system.
///
/// # Errors
/// Returns a [`HashError`] if the hash is of an unsupported kind, malformed, or too expensive.
pub fn check(phc: &str) -> Result<(), HashError> {
    Hash::read(phc).map(drop)
}

/// Verifies a password. This always costs one hash, even without a hash to compare (an unknown,
/// blocked or external user) or with an unsupported one, so that the time does not show whether a
/// user exists.
///
/// A hash of another kind or with other parameters takes a different time. Until such an imported
/// user sets a new password, a caller who measures the time can distinguish this user from one who
/// does not exist.
pub fn verify(password: &str, phc: Option<&str>) -> bool {
    let known = phc.and_then(|phc| Hash::read(phc).ok()).filter(|_| has_form(password));
    let Some(hash) = known else {
        if let Ok(dummy) = PasswordHash::new(DUMMY) {
            let bounded = password.as_bytes().get(..MAX_BYTES).unwrap_or(password.as_bytes());
            CHECKED.fetch_add(1, Ordering::Relaxed);
            let _ = Argon2::default().verify_password(bounded, &dummy);
        }
        return false;
    };
    CHECKED.fetch_add(1, Ordering::Relaxed);
    hash.is_of(password.as_bytes())
}

#[cfg(test)]
mod tests;
