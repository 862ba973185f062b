//! Recognizes a token that was given in place of an ID or a name, and says what to do instead.

use hallpass_runtime::settings;
use hallpass_token::{
    Credential, Issuer, Text,
    codec::{developer, inspect},
};

/// The error of [`name`]. [`advice`] says more.
const TOKEN: &str = "this is a token";

/// Returns what to do with an argument that contains a token, or `None` if it contains none. A
/// token's ID is public.
pub(crate) fn advice(word: &str) -> Option<String> {
    let prefix = settings::environment("HALLPASS_PREFIX").unwrap_or_default();
    // The forms `--option=TOKEN`, `id:TOKEN` and, as for `curl -u`, `TOKEN:` and `NAME:TOKEN`.
    word.split(['=', ':']).find_map(|part| advice_of(&Text::pasted(part), &prefix))
}

fn advice_of(text: &Text, prefix: &str) -> Option<String> {
    let text = text.expose_secret();
    let read =
        |prefix: &str, text: &str| inspect::inspect(&Issuer::new(prefix, "hallpass").ok()?, text);
    // Without the prefix of the deployment, the mark of a developer token still stands out.
    let marked = || text.find(developer::MARK).and_then(|at| read("", text.get(at..)?));
    let seen = read(prefix, text).or_else(|| read("", text)).or_else(marked)?;
    let Some(user_id) = seen.user_id else {
        let list = "`hallpass token list USER` prints its ID";
        return Some(format!("this is a developer token; {list}"));
    };
    let advice = format!("{TOKEN}; its ID is {user_id}.{}", seen.hash);
    // A prefix that is not known here looks like a part of the user ID.
    let may_have_prefix = prefix.is_empty() && user_id.as_str().contains(['_', '-']);
    let note = ", less the prefix of the deployment, which HALLPASS_PREFIX names";
    Some(if may_have_prefix { advice + note } else { advice })
}

/// Parses an argument that is not a token, such as the name of a user.
///
/// # Errors
/// Returns an error without the argument if it contains a token.
pub(crate) fn name(text: &str) -> Result<String, &'static str> {
    if advice(text).is_some() { Err(TOKEN) } else { Ok(text.to_owned()) }
}

/// Returns the token of a pasted `Authorization` header with the scheme Basic, which carries it as
/// the user name, and any other text unchanged.
pub(crate) fn without_basic(text: Text) -> Text {
    let is_basic = |(scheme, _): (&str, &str)| scheme.eq_ignore_ascii_case("basic");
    if !text.expose_secret().split_once(' ').is_some_and(is_basic) {
        return text;
    }
    match Credential::from_header([text.expose_secret()]) {
        Ok(Some(Credential::Token(token))) => token,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED: &str = "1.5665e083.RJG0CdymRKqFQJKeIV8nflwIhrr8KVrmAy6kpWft5nU";
    const SECRET: &str = "RJG0CdymRKqFQJKeIV8nflwIhrr8KVrmAy6kpWft5nU";

    fn check(word: &str, prefix: &str, expected: Option<&str>) {
        let advice = word.split(['=', ':']).find_map(|part| advice_of(&Text::pasted(part), prefix));
        assert_eq!(advice.as_deref(), expected, "{prefix:?}");
    }

    #[test]
    fn a_token_is_answered_with_its_id() {
        let id = "this is a token; its ID is 1.24LZRCIrYYNTCeRZ6quIqQ";
        for word in [
            SIGNED.to_owned(),
            format!("Bearer {SIGNED}"),
            format!(" \"{SIGNED}\"\n"),
            format!("id:{SIGNED}"),
            format!("--name={SIGNED}"),
            format!("{SIGNED}:"),
            format!("ada:{SIGNED}"),
        ] {
            check(&word, "", Some(id));
            check(&word, "acme_", Some(id));
        }
    }

    #[test]
    fn a_prefix_is_left_out_of_the_id_if_it_is_known() {
        let token = format!("acme_{SIGNED}");
        check(&token, "acme_", Some("this is a token; its ID is 1.24LZRCIrYYNTCeRZ6quIqQ"));
        let less = "this is a token; its ID is acme_1.24LZRCIrYYNTCeRZ6quIqQ, less the prefix of \
                    the deployment, which HALLPASS_PREFIX names";
        check(&token, "", Some(less));
        let developer = "this is a developer token; `hallpass token list USER` prints its ID";
        check(&format!("6879-{SECRET}"), "", Some(developer));
        check(&format!("acme_6879-{SECRET}"), "", Some(developer));
        check(&format!("acme_6879-{SECRET}"), "acme_", Some(developer));
    }

    #[test]
    fn names_and_ids_are_not_tokens() {
        for word in ["", "ada", "id:1", "1.24LZRCIrYYNTCeRZ6quIqQ", "a.b.c", "6879-ada", SECRET] {
            check(word, "", None);
        }
    }

    #[test]
    fn the_user_name_of_a_basic_header_is_the_token() {
        let check = |pasted: &str, expected: &str| {
            assert_eq!(without_basic(Text::new(pasted)).expose_secret(), expected, "{pasted}");
        };
        check("Basic dC4xOg==", "t.1");
        check("basic dC4xOg==", "t.1");
        for whole in ["Basic", "Basic ", "Basic !", "Basic YTpi", "Bearer t.1", "t.1", ""] {
            check(whole, whole);
        }
    }
}
