//! Keeps secrets that were typed in the wrong place out of messages: removes text that looks like a token, also a
//! truncated one, a key or a password hash.

/// The length from which a run of base64url counts as a secret: more than the 22 characters of a token ID, which is
/// public. A token's signature has 43, and the last few of them can be guessed from the others.
const SHORTEST_SECRET: usize = 23;

/// The beginnings of password hashes.
const HASHES: [&str; 6] = ["$argon2", "$2a$", "$2b$", "$2y$", "$scrypt$", "$pbkdf2"];

/// The text that replaces a secret.
const LEFT_OUT: &str = "…";

/// Returns the text with everything that has the shape of a secret replaced by `…`.
pub fn redact(text: &str) -> String {
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

/// Replaces long runs of base64url with letters of both cases: tokens, their parts, and keys.
fn redact_runs(word: &str, kept: &mut String) {
    let is_base64url = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut rest = word;
    while !rest.is_empty() {
        let run = rest.len().saturating_sub(rest.trim_start_matches(is_base64url).len());
        let (run, after) = rest.split_at(run);
        let has = |test: fn(&u8) -> bool| run.bytes().any(|byte| test(&byte));
        let is_secret = run.len() >= SHORTEST_SECRET && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
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
    fn only_text_that_looks_like_a_secret_is_left_out() {
        let check = |text: &str, expected: &str| assert_eq!(redact(text), expected);
        let signature = "vhZ2k9Q1xX0pTgq3bM7LrJ8sYwCdEfUaNoKiHtRuPlV";
        for cut in [1, 2, 10, 20] {
            check(&format!("1.5665e083.{}", &signature[..signature.len() - cut]), "1.5665e083.…");
        }
        check(&format!("there is no user 1.5665e083.{signature}, sorry"), "there is no user 1.5665e083.…, sorry");
        check(&format!("6879-{signature}"), "…");
        check(&format!("ab6879-{signature}\nx"), "…\nx");
        check(&format!("eyJhbGciOi.{signature}{signature}.{signature}"), "eyJhbGciOi.….…");
        check("hash $argon2id$v=19$m=19456,t=2,p=1$qv6W$Gb end", "hash … end");
        check("there is no token 1.AAAAAAAAAAAAAAAAAAAAAA", "there is no token 1.AAAAAAAAAAAAAAAAAAAAAA");
        check(&"x".repeat(100), &"x".repeat(100));
        check("ä b\tc  d — ß", "ä b\tc  d — ß");
        check("", "");
    }
}
