//! Passwords: Argon2id with the parameters OWASP recommends (19 MiB, two passes, one lane), and the hashes that imported
//! users bring with them.

use std::sync::atomic::{AtomicU64, Ordering};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

mod hash;

use self::hash::Hash;
pub use self::hash::HashError;

/// The longest password that is hashed, in bytes.
pub const MAX_BYTES: usize = 1024;

/// A hash of nothing anybody knows, with the parameters of [`hash`], for users who have no password of their own.
const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$qv6WfCqjfJSZXU24FI0kJw$GbA7x9HhgQhGtuhzlBTPfDMhAe4wTJdyaWGzh32eqMc";

/// How often this process has hashed a password to check it.
static CHECKED: AtomicU64 = AtomicU64::new(0);

/// How often this process has hashed a password to check it. Nothing is decided by it; a test counts with it that
/// whoever logs in costs one hash, whatever the answer is.
pub fn checked() -> u64 {
    CHECKED.load(Ordering::Relaxed)
}

/// What [`has_form`] asks for, for a message.
pub const FORM: &str = "a password has 1 to 1024 bytes and no control characters";

/// Whether a text can be a password at all: not empty, not longer than [`MAX_BYTES`], and without control characters,
/// which Basic cannot carry (RFC 7617 section 2). It is asked wherever a password is set, and wherever one is used.
pub fn has_form(password: &str) -> bool {
    (1..=MAX_BYTES).contains(&password.len()) && !password.chars().any(char::is_control)
}

/// The PHC string of this password under this salt. `None` if it does not have the [form](has_form) of one.
pub fn hash(password: &str, salt: [u8; 16]) -> Option<String> {
    if !has_form(password) {
        return None;
    }
    let hash: PasswordHash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt).ok()?;
    Some(hash.to_string())
}

/// Whether a hash made elsewhere will be verified at log-in.
///
/// # Errors
/// When it will not, and why.
pub fn check(phc: &str) -> Result<(), HashError> {
    Hash::read(phc).map(|_taken| ())
}

/// Whether this is the password. It costs one hash whatever the answer is, also where there is no hash (an unknown,
/// blocked or directory user) or one that is not taken, so that the time does not tell who is there.
///
/// A hash of another kind or with other parameters than ours takes its own time: whoever measures it may tell an
/// imported user, until a new password is set, from one who is not there.
pub fn verify(password: &str, phc: Option<&str>) -> bool {
    let own = phc.and_then(|phc| Hash::read(phc).ok()).filter(|_| has_form(password));
    let Some(hash) = own else {
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
