//! Challenges and descriptions of rejections. Headers carry the challenge of RFC 6750 section 3.
//! Bodies and authorizer contexts carry a description without quotes or backslashes, because API
//! Gateway inserts it into JSON unescaped.

use std::borrow::Cow;

use hallpass_token::{
    Changed, Issuer, Reason,
    user::attribute::{PASSWORD_HASH, PERMISSIONS, STATUS, USERNAME},
};

/// Describes to the caller why a token was rejected: the reason and, for a changed user, which
/// kinds of attributes changed. Attributes that only the application knows are not named.
pub fn description(reason: Reason, changed: Changed) -> Cow<'static, str> {
    let known: Vec<&str> = changed.kinds().filter_map(public_name).collect();
    if reason != Reason::UserChanged || known.is_empty() {
        return Cow::Borrowed(sentence(reason));
    }
    Cow::Owned(format!(
        "The {} of the user changed since the access token was issued",
        known.join(" and ")
    ))
}

fn public_name(kind: &str) -> Option<&'static str> {
    match kind {
        USERNAME => Some("name"),
        PASSWORD_HASH => Some("password"),
        STATUS => Some("status"),
        PERMISSIONS => Some("permissions"),
        _ => None,
    }
}

const fn sentence(reason: Reason) -> &'static str {
    match reason {
        Reason::Malformed | Reason::Forged => "The access token is not valid",
        Reason::Expired => "The access token expired",
        Reason::Unknown => "The access token is unknown",
        Reason::Revoked => "The access token was revoked",
        Reason::Leaked => "The access token was revoked because it has leaked",
        Reason::Disabled => "The access token is disabled",
        Reason::Replaced => "The access token was replaced by a newer one",
        Reason::UserBlocked => "The user of the access token is blocked",
        Reason::UserChanged => "The user changed since the access token was issued",
        Reason::UserRemoved => "The user of the access token was removed",
        Reason::SignInRequired => "The user must sign in at the identity provider again",
    }
}

/// Returns the challenge for a rejected token:
/// `Bearer realm="…", error="invalid_token", error_description="…"`.
pub fn rejected(issuer: &Issuer, description: &str) -> String {
    with_error(issuer, "invalid_token", description)
}

/// What a caller learns whose token lacks a permission that the route requires.
pub const NOT_PERMITTED: &str = "The access token does not permit this";

/// Returns the challenge for a valid token whose scope lacks a permission that the route requires.
/// `description` has no quotes and backslashes.
pub fn insufficient_scope(issuer: &Issuer, description: &str) -> String {
    with_error(issuer, "insufficient_scope", description)
}

/// Returns the challenge for a request with more than one credential.
pub fn invalid_request(issuer: &Issuer) -> String {
    with_error(issuer, "invalid_request", "The request carries more than one credential")
}

/// Returns the challenge for a request without a credential. It carries no error code (RFC 6750
/// section 3.1).
pub fn bare(issuer: &Issuer) -> String {
    format!("Bearer realm=\"{}\"", issuer.realm())
}

/// Appends a Basic challenge to a Bearer challenge (RFC 7617 section 2.1). Basic accepts a token as
/// the user name and, on routes that accept passwords, a user name with a password. Both challenges
/// share one header line, Bearer first: browsers then show no prompt, and clients that support only
/// Basic still find theirs.
pub fn with_basic(challenge: &str, issuer: &Issuer) -> String {
    format!("{challenge}, Basic realm=\"{}\", charset=\"UTF-8\"", issuer.realm())
}

fn with_error(issuer: &Issuer, error: &str, description: &str) -> String {
    format!("{}, error=\"{error}\", error_description=\"{description}\"", bare(issuer))
}

#[cfg(test)]
mod tests {
    use hallpass_token::{Binding, Snapshot, User, user::Value};

    use super::*;

    #[test]
    fn every_kind_of_attribute_that_hallpass_knows_is_named_and_no_other() {
        let user = |text: &str| {
            let text = |name: &str| (name.to_owned(), Value::Text(text.to_owned()));
            let names = [USERNAME, PASSWORD_HASH, STATUS, PERMISSIONS, "plan"].map(text);
            User::from_attributes(
                [("user_id".to_owned(), Value::Text("1".to_owned()))]
                    .into_iter()
                    .chain(names)
                    .collect(),
            )
        };
        let (before, after) = (user("a").unwrap(), user("b").unwrap());
        let hash = "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        let check = |names: &[&str], expected: &str| {
            let binding = Binding::new(names.iter().map(|name| (*name).to_owned()));
            let changed = Snapshot::new(&hash, &binding, &before)
                .differences(&hash, &binding, &after)
                .kinds();
            assert_eq!(description(Reason::UserChanged, changed), expected, "{names:?}");
        };
        check(&[USERNAME], "The name of the user changed since the access token was issued");
        check(
            &[PASSWORD_HASH],
            "The password of the user changed since the access token was issued",
        );
        check(
            &[STATUS, PERMISSIONS],
            "The status and permissions of the user changed since the access token was issued",
        );
        check(&["plan"], "The user changed since the access token was issued");
        check(
            &[USERNAME, "plan"],
            "The name of the user changed since the access token was issued",
        );
    }
}
