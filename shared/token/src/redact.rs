//! Keeps secrets that were typed in the wrong place out of messages: what has the shape of a token, a key or the hash
//! of a password is always left out.

/// The length of the end of every token, and of a key in base64url.
const SEAL: usize = 43;

/// What the hashes of passwords begin with.
const HASHES: [&str; 6] = ["$argon2", "$2a$", "$2b$", "$2y$", "$scrypt$", "$pbkdf2"];

/// The text that replaces a secret.
const LEFT_OUT: &str = "…";

/// The text without what has the shape of a secret.
pub(crate) fn redact(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        if HASHES.iter().any(|begin| word.contains(begin)) {
            kept.push_str(LEFT_OUT);
            kept.extend(word.chars().next_back().filter(|last| last.is_whitespace()));
        } else {
            redact_runs(word, &mut kept);
        }
    }
    kept
}

/// Tokens, their parts and keys are long runs of base64url, with letters of both cases.
fn redact_runs(word: &str, kept: &mut String) {
    let is_base64url = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut rest = word;
    while !rest.is_empty() {
        let run = rest.len().saturating_sub(rest.trim_start_matches(is_base64url).len());
        let (run, after) = rest.split_at(run);
        let has = |test: fn(&u8) -> bool| run.bytes().any(|byte| test(&byte));
        let is_secret = run.len() >= SEAL && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
        kept.push_str(if is_secret { LEFT_OUT } else { run });
        let mut characters = after.chars();
        kept.extend(characters.next());
        rest = characters.as_str();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_the_shape_of_a_secret_is_left_out_and_nothing_else() {
        let check = |text: &str, expected: &str| assert_eq!(redact(text), expected);
        let sign = "vhZ2k9Q1xX0pTgq3bM7LrJ8sYwCdEfUaNoKiHtRuPlV";
        assert_eq!(sign.len(), SEAL);
        check(&format!("there is no user 1.5665e083.{sign}, sorry"), "there is no user 1.5665e083.…, sorry");
        check(&format!("6879-{sign}"), "…");
        check(&format!("ab6879-{sign}\nx"), "…\nx");
        check(&format!("eyJhbGciOi.{sign}{sign}.{sign}"), "eyJhbGciOi.….…");
        check("hash $argon2id$v=19$m=19456,t=2,p=1$qv6W$Gb end", "hash … end");
        check("there is no token 1.AAAAAAAAAAAAAAAAAAAAAA", "there is no token 1.AAAAAAAAAAAAAAAAAAAAAA");
        check(&"x".repeat(100), &"x".repeat(100));
        check("ä b\tc  d — ß", "ä b\tc  d — ß");
        check("", "");
    }
}
