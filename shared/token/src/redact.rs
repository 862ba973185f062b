//! Keeps secrets that were typed in the wrong place out of messages: removes text that looks like a
//! token, also a truncated one, a key or a password hash.

/// The length from which a run of base64url counts as a secret: more than the 22 characters of a
/// token ID, which is public. A token's signature has 43, and the last few of them can be guessed
/// from the others.
const SHORTEST_SECRET: usize = 23;

/// The length from which hexadecimal digits count as a secret: 16 bytes.
const SHORTEST_HEX: usize = 32;

/// The length from which a run of standard base64 counts as a secret. Paths contain slashes as
/// well, but rarely so many capitals and digits.
const SHORTEST_BASE64: usize = 40;

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
            for_runs(word, &mut kept, is_base64, |run, kept| {
                if is_key(run) {
                    kept.push_str(LEFT_OUT);
                } else {
                    for_runs(run, kept, is_base64url, redact_run);
                }
            });
        }
    }
    kept
}

/// Whether the text contains something that has the shape of a secret.
pub fn has_secret(text: &str) -> bool {
    redact(text) != text
}

/// Calls `each` for every run of these characters, and keeps what stands between the runs.
fn for_runs(text: &str, kept: &mut String, of: fn(char) -> bool, each: impl Fn(&str, &mut String)) {
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.len().saturating_sub(rest.trim_start_matches(of).len());
        let (run, after) = rest.split_at(run);
        if !run.is_empty() {
            each(run, kept);
        }
        let mut characters = after.chars();
        kept.extend(characters.next());
        rest = characters.as_str();
    }
}

const fn is_base64url(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

const fn is_base64(c: char) -> bool {
    is_base64url(c) || matches!(c, '+' | '/' | '=')
}

/// Whether a run of standard base64 looks like a key: it has many capitals, small letters and
/// digits.
fn is_key(run: &str) -> bool {
    let has = |test: fn(&u8) -> bool, least: usize| run.bytes().filter(test).count() >= least;
    run.len() >= SHORTEST_BASE64
        && has(u8::is_ascii_uppercase, 5)
        && has(u8::is_ascii_lowercase, 5)
        && has(u8::is_ascii_digit, 2)
}

/// Replaces a run of base64url that is long and has letters of both cases (tokens, their parts, and
/// keys) or is hexadecimal (keys, cookies).
fn redact_run(run: &str, kept: &mut String) {
    let has = |test: fn(&u8) -> bool| run.bytes().any(|byte| test(&byte));
    let is_mixed =
        run.len() >= SHORTEST_SECRET && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    let is_hex = run.len() >= SHORTEST_HEX && run.bytes().all(|byte| byte.is_ascii_hexdigit());
    kept.push_str(if is_mixed || is_hex { LEFT_OUT } else { run });
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
        check(
            &format!("there is no user 1.5665e083.{signature}, sorry"),
            "there is no user 1.5665e083.…, sorry",
        );
        check(&format!("6879-{signature}"), "…");
        check(&format!("ab6879-{signature}\nx"), "…\nx");
        check(&format!("eyJhbGciOi.{signature}{signature}.{signature}"), "eyJhbGciOi.….…");
        check("hash $argon2id$v=19$m=19456,t=2,p=1$qv6W$Gb end", "hash … end");
        let path = "a/long/path/of/2026/11/29/in/lower/case/that/is/no/key/at/all";
        check(path, path);
        check(
            "there is no token 1.AAAAAAAAAAAAAAAAAAAAAA",
            "there is no token 1.AAAAAAAAAAAAAAAAAAAAAA",
        );
        check(&"x".repeat(100), &"x".repeat(100));
        check(
            "the key q6+3RZb/0KfWm2vX9Tn1uYc/7HdPs4+LgEoJiAbQrM8= is wrong",
            "the key … is wrong",
        );
        check(&format!("1.{}", "0f".repeat(32)), "1.…");
        check(&"0f".repeat(15), &"0f".repeat(15));
        check(
            "/Users/Ada/Projects/hallpass/docs/src/guides/Deploy.md",
            "/Users/Ada/Projects/hallpass/docs/src/guides/Deploy.md",
        );
        check("b8f1d2c4-5e6f-4a7b-8c9d-0e1f2a3b4c5d", "b8f1d2c4-5e6f-4a7b-8c9d-0e1f2a3b4c5d");
        check("ä b\tc  d — ß", "ä b\tc  d — ß");
        check("", "");
    }
}
