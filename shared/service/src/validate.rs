//! Checks what a new token is given: its name, description, scope and expiry. The same on every
//! route. Also checks what the pages give a user.

use hallpass_http::Problem;
use hallpass_password::{
    name,
    text::{self, LineError},
};
use hallpass_token::{
    Permission, Scope, Text, Timestamp, codec::inspect::inspect, redact::has_secret,
    scope::ParsePermissionError,
};

use crate::Context;

/// The longest name of a token, in characters.
pub const MAX_NAME_LENGTH: usize = 100;

/// The longest description of a token, in characters.
pub const MAX_DESCRIPTION_LENGTH: usize = 1_000;

/// The longest list of scopes, in bytes, with one separator between names. A user can have more
/// permissions.
const MAX_SCOPE_LENGTH: usize = 1_400;

/// Checks a line of text and returns it without surrounding white space. A token, key or password
/// hash that was pasted into the wrong field would be stored and shown, so it is rejected.
///
/// # Errors
/// Returns 400 that names the member.
pub fn line(member: &str, text: &str, longest: usize) -> Result<String, Problem> {
    let text = text::trimmed(text);
    if has_secret(text) {
        return Err(Problem::invalid_member(
            member,
            "it must not contain a token, a key or a password hash",
        ));
    }
    visible_line(member, text, longest)
}

/// Checks a line of text that may look like a secret, such as a full name, and returns it without
/// surrounding white space.
///
/// # Errors
/// Returns 400 that names the member.
pub fn visible_line(member: &str, text: &str, longest: usize) -> Result<String, Problem> {
    let text = text::trimmed(text);
    let wrong = match text::check(text, longest) {
        Ok(()) => return Ok(text.to_owned()),
        Err(bad) if text.is_empty() || matches!(bad, LineError::TooLong | LineError::Control) => {
            format!("it must have 1 to {longest} characters and no control characters")
        }
        Err(bad) => bad.to_string(),
    };
    Err(Problem::invalid_member(member, &wrong))
}

/// Checks a new user name and returns it without surrounding white space.
///
/// # Errors
/// Returns 400 that names the member `username`.
pub fn username(context: &Context<'_>, text: &str) -> Result<String, Problem> {
    const MEMBER: &str = "username";
    let text = no_token(context, MEMBER, text::trimmed(text))?;
    match name::check(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(bad) => Err(Problem::invalid_member(MEMBER, &bad.to_string())),
    }
}

/// Parses the name of a permission. White space around it does not belong to it. `member` is the
/// member it came from.
///
/// # Errors
/// Returns 400 that names the member.
pub fn permission(context: &Context<'_>, member: &str, text: &str) -> Result<Permission, Problem> {
    no_token(context, member, text.trim())?
        .parse()
        .map_err(|bad: ParsePermissionError| Problem::invalid_member(member, &bad.to_string()))
}

/// Rejects a token that was pasted into a field whose contents are stored and shown.
fn no_token<'a>(context: &Context<'_>, member: &str, text: &'a str) -> Result<&'a str, Problem> {
    let issuer = &context.service.settings.issuer;
    match inspect(issuer, Text::pasted(text).expose_secret()) {
        None => Ok(text),
        Some(_) => Err(Problem::invalid_member(member, "it must not be a token")),
    }
}

/// Checks the length of a list of scopes. `member` is the member it came from.
///
/// # Errors
/// Returns 400 that names the member.
pub fn scope(member: &str, scope: Scope) -> Result<Scope, Problem> {
    if scope.to_string().len() > MAX_SCOPE_LENGTH {
        let wrong =
            "it has more than 1,400 bytes; without it the token has all permissions of its user";
        return Err(Problem::invalid_member(member, wrong));
    }
    Ok(scope)
}

/// Checks that an expiry is in the future and within the longest lifetime. `member` is the member
/// it came from.
///
/// # Errors
/// Returns 400 that names the member.
pub fn expiry(context: &Context<'_>, member: &str, end: Timestamp) -> Result<Timestamp, Problem> {
    let Context { service, now, .. } = *context;
    let latest = service.settings.latest_expiry(now);
    if end.has_passed(now) {
        return Err(Problem::invalid_member(member, "it is not in the future"));
    }
    if end > latest {
        return Err(Problem::invalid_member(
            member,
            &format!("it is later than {latest}, which is the latest"),
        ));
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use hallpass_token::Permission;

    use super::*;

    #[test]
    fn a_rejected_line_names_the_limit() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let read = line("name", text, 5);
            assert_eq!(read.as_deref().map_err(Problem::detail), expected, "{text:?}");
        };
        let length = "name: it must have 1 to 5 characters and no control characters";
        check("abcde", Ok("abcde"));
        check(" \u{2003}ab ", Ok("ab"));
        check("abcdef", Err(length));
        check("", Err(length));
        check(" ", Err(length));
        check("a\nb", Err(length));
        let token = "1.5665e083.vhZ2k9Q1xX0pTgq3bM7LrJ8sYwCdEfUaNoKiHtRuPlV";
        check(token, Err("name: it must not contain a token, a key or a password hash"));
        check(
            "a\u{202e}b",
            Err("name: it must not contain characters that change the direction of text"),
        );
    }

    #[test]
    fn a_scope_has_at_most_1400_bytes() {
        let check = |(count, length): (usize, usize), last: usize, expected: Option<usize>| {
            let names = (0..count).map(|number| format!("{number:02}{}", "p".repeat(length)));
            let names = names.chain((last > 0).then(|| "q".repeat(last)));
            let requested: Scope = names.map(|name| name.parse::<Permission>().unwrap()).collect();
            let length = scope("scopes", requested).ok().map(|scope| scope.to_string().len());
            assert_eq!(length, expected, "{count} {last}");
        };
        check((14, 97), 0, Some(1_399));
        check((14, 97), 1, None);
        check((11, 114), 113, Some(1_400));
        check((11, 114), 114, None);
        check((11, 114), 128, None);
    }
}
