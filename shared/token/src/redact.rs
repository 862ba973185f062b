//! Keeps secrets that were typed in the wrong place out of messages: the shape of a token, a key or a password's hash is
//! always left out, and so is a token that was cut short.

/// A run of base64url is a secret if it is longer than the ID of a token, which has 22 characters and is public. The
/// last part of a token has 43, and a holder of all but a few of them can guess the others.
const SHORTEST_SECRET: usize = 23;

/// What the hashes of passwords begin with.
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

/// Tokens, their parts and keys are long runs of base64url, with letters of both cases.
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
    fn what_has_the_shape_of_a_secret_is_left_out_and_nothing_else() {
        let check = |text: &str, expected: &str| assert_eq!(redact(text), expected);
        let sign = "vhZ2k9Q1xX0pTgq3bM7LrJ8sYwCdEfUaNoKiHtRuPlV";
        for cut in [1, 2, 10, 20] {
            check(&format!("1.5665e083.{}", &sign[..sign.len() - cut]), "1.5665e083.…");
        }
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
