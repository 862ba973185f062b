//! The strength of a password that is set here, as NIST SP 800-63B section 5.1.1.2 recommends it:
//! a length, and a list of common passwords. Log-ins accept any password that a user has, because
//! the application may have set it.

use crate::password;

/// The shortest password, in characters.
const SHORTEST: usize = 8;

/// Those of the 10,000 most common passwords that are long enough, in small letters and sorted.
const COMMON: &str = include_str!("strength/passwords.txt");

/// Checks the form and the strength of a new password.
///
/// # Errors
/// Returns what is wrong, without the password.
pub fn check(password: &str) -> Result<(), &'static str> {
    if !password::has_form(password) {
        return Err(password::FORM);
    }
    if password.chars().count() < SHORTEST {
        return Err("a password must have at least 8 characters");
    }
    let small = zeroize::Zeroizing::new(password.to_ascii_lowercase());
    if COMMON.lines().any(|common| common == small.as_str()) {
        return Err("this password is one of the 10,000 most common ones; choose another");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_password_is_long_and_not_common() {
        let check = |text: &str, words: &str| {
            let wrong = check(text).err().unwrap_or_default();
            assert!(
                wrong.contains(words) && wrong.is_empty() == words.is_empty(),
                "{text}: {wrong}"
            );
        };
        check("", "1 to 1024 bytes");
        check("1234567", "at least 8 characters");
        check("äöüß", "at least 8 characters");
        check("password", "most common");
        check("PassWord", "most common");
        check("12345678", "most common");
        check("qwertyuiop", "most common");
        check("topsecret", "most common");
        check("topsecret7", "");
        check("password of ada", "");
        check("äöüßäöüß", "");
    }

    #[test]
    fn the_list_has_only_long_words_in_small_letters_in_order() {
        let words: Vec<&str> = COMMON.lines().collect();
        assert!(words.len() > 3_000 && words.is_sorted());
        for word in words {
            assert!(
                word.chars().count() >= SHORTEST && word == word.to_ascii_lowercase(),
                "{word}"
            );
        }
    }
}
