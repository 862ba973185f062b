//! What a page says after an action.

use hallpass_service::Context;
use hallpass_token::user::attribute::{FULL_NAME, PASSWORD_HASH, PERMISSIONS, USERNAME};

use crate::sign_in::SIGNED_OUT_HERE;

/// Returns the message of a page after an action. The name of the action comes from the URL, so
/// unknown names have no message. If the action ends the validity of tokens or takes something from
/// them, the message says until when a cached response can still accept them.
pub fn notice(context: &Context<'_>, done: &str) -> Option<String> {
    let Context { service, now, .. } = *context;
    let (said, cache) = (sentence(done)?, service.settings.authorizer_cache);
    if cache.is_zero() {
        return Some(said.to_owned());
    }
    let bound = service.settings.session_binding();
    let ends = |attribute: &str| bound.names().iter().any(|name| name == attribute);
    let ends_tokens = match done {
        "revoked" | "disabled" | "deleted" | "all-revoked" | "blocked" => true,
        "renamed" => ends(USERNAME),
        "full-name-set" => ends(FULL_NAME),
        "password-set" => ends(PASSWORD_HASH),
        "permission-added" | "permission-removed" => ends(PERMISSIONS),
        _ => false,
    };
    let until = now.after(cache);
    Some(match done {
        _ if ends_tokens => format!(
            "{said} An API that caches responses accepts a token until {until} at the latest."
        ),
        "permission-removed" => {
            format!("{said} An API that caches responses accepts it until {until} at the latest.")
        }
        _ => said.to_owned(),
    })
}

fn sentence(done: &str) -> Option<&'static str> {
    Some(match done {
        "revoked" => "The token is revoked and no longer works.",
        "disabled" => "The key is disabled until you enable it.",
        "enabled" => "The key is enabled again.",
        "deleted" => "The key is deleted and no longer works.",
        "all-revoked" => "All tokens of this user are revoked.",
        "blocked" => "The user is blocked, and all earlier tokens are invalid.",
        "unblocked" => "The user can sign in again. Earlier tokens stay invalid.",
        "added" => "The user is added.",
        "renamed" => "The user is renamed.",
        "full-name-set" => "The full name is set.",
        "password-set" => "The password is set.",
        "permission-added" => "The permission is added.",
        "permission-removed" => "The permission is removed.",
        "unchanged" => "Nothing changed.",
        "declined" => "The offer is declined.",
        "offered" => "The token is offered. The user sees it once, on accepting it.",
        "withdrawn" => "The offer is withdrawn.",
        "signed-out" => "You are signed out.",
        SIGNED_OUT_HERE => "You are signed out of Hallpass.",
        _ => return None,
    })
}
