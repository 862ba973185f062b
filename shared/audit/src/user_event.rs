//! What happened to a user, derived from the images of the user's item, which belongs to the
//! application.

use hallpass_token::{
    Status, User,
    user::attribute::{
        FULL_NAME, KIND, MAINTAINERS, MAINTAINS, OIDC_IDENTITY, PASSWORD_HASH, PERMISSIONS,
        PERMISSIONS_FROM, SIGN_IN_DUE_AT, STATUS, TOKEN_GENERATION, USER_ID, USERNAME,
        USERNAME_KEY,
    },
};

use crate::{
    entry::checked,
    event::{Event, Kind, SYSTEM, Written},
    image::{
        Image, Unreadable,
        attribute::{CHANGED_AT, CHANGED_BECAUSE, CHANGED_BY, CHANGED_FROM, REQUEST_ID, VERSION},
        canonical,
    },
};

/// The attributes that an event names.
const NAMED: [&str; 12] = [
    USERNAME,
    FULL_NAME,
    KIND,
    PASSWORD_HASH,
    STATUS,
    PERMISSIONS,
    TOKEN_GENERATION,
    MAINTAINERS,
    MAINTAINS,
    OIDC_IDENTITY,
    SIGN_IN_DUE_AT,
    PERMISSIONS_FROM,
];

/// The kind of every other attribute. Its name belongs to the application and is not published.
const OTHER: &str = "other";

/// The attributes that say who made a change. Hallpass writes them together with it.
const NOTE: [&str; 5] = [CHANGED_BY, CHANGED_FROM, CHANGED_BECAUSE, CHANGED_AT, REQUEST_ID];

/// Attributes that follow from others.
const DERIVED: [&str; 4] = [USER_ID, USERNAME_KEY, VERSION, REMOVED_AT];

/// The attribute of a user whom Hallpass removes in the next moment: a removal has no room for its
/// own actor.
const REMOVED_AT: &str = "removed_at";

/// The actor of a change that Hallpass did not make.
const APPLICATION: &str = "application";

/// Derives what happened to a user from the images of the item before and after a change. Returns
/// at most one event, and none for an item whose key is not a user ID: it cannot have tokens.
///
/// A block also names the other attributes that changed with it.
///
/// # Errors
/// Returns [`Unreadable`] if the sequence number or an attribute that names the actor cannot be
/// read.
pub fn user_events(
    old: Option<&Image>,
    new: Option<&Image>,
    written: Written,
    sequence_number: &str,
) -> Result<Vec<Event>, Unreadable> {
    let sequence_number = checked(sequence_number)?;
    let user = |image: Option<&Image>| {
        image.and_then(|image| User::from_attributes(image.attributes().clone()).ok())
    };
    let (before, after) = (user(old), user(new));
    let (kind, id) = match (&before, &after) {
        (None, None) => return Ok(Vec::new()),
        (None, Some(user)) => (Kind::UserAdded, user.id),
        (Some(user), None) => (Kind::UserRemoved, user.id),
        (Some(before), Some(after)) => (change(before.status, after.status), after.id),
    };
    let changed = match (&before, &after) {
        (Some(_), Some(_)) => changed(old, new),
        _ => Vec::new(),
    };
    let is_change = matches!(kind, Kind::UserChanged | Kind::UserBlocked | Kind::UserUnblocked);
    if is_change && changed.is_empty() {
        return Ok(Vec::new());
    }
    let event = Event {
        id: format!("{id}#{sequence_number}"),
        kind,
        token_id: None,
        user_id: id.to_string(),
        version: None,
        at: written.at,
        actor: if written.by_ttl { SYSTEM } else { APPLICATION }.to_owned(),
        source: None,
        agent: None,
        because: None,
        reason: None,
        request_id: None,
        expires_at: None,
        name: None,
        changed,
    };
    let says_who = if kind == Kind::UserRemoved {
        old.filter(|old| old.attributes().contains_key(REMOVED_AT))
    } else {
        new.filter(|_| differs(old, new, &NOTE))
    };
    Ok(vec![match says_who {
        Some(image) => attributed(event, image)?,
        None => event,
    }])
}

const fn change(before: Status, after: Status) -> Kind {
    match (before, after) {
        (Status::Active, Status::Blocked) => Kind::UserBlocked,
        (Status::Blocked, Status::Active) => Kind::UserUnblocked,
        (Status::Active, Status::Active) | (Status::Blocked, Status::Blocked) => Kind::UserChanged,
    }
}

/// Whether any of these attributes differs.
fn differs(old: Option<&Image>, new: Option<&Image>, names: &[&str]) -> bool {
    names.iter().any(|name| value(old, name) != value(new, name))
}

/// The canonical value of an attribute, because the members of a set have no order.
fn value(image: Option<&Image>, name: &str) -> Option<serde_json::Value> {
    image.and_then(|image| image.attributes().get(name)).map(canonical)
}

/// The kinds of the attributes that differ, each once, in the order of [`NAMED`].
fn changed(old: Option<&Image>, new: Option<&Image>) -> Vec<String> {
    let named = NAMED.into_iter().filter(|name| differs(old, new, &[name]));
    let known = |name: &str| [&NAMED[..], &NOTE, &DERIVED].iter().any(|list| list.contains(&name));
    let mut others = [old, new]
        .into_iter()
        .flatten()
        .flat_map(|image| image.attributes().keys())
        .filter(|name| !known(name));
    let other = others.any(|name| differs(old, new, &[name])).then_some(OTHER);
    named.chain(other).map(str::to_owned).collect()
}

fn attributed(event: Event, new: &Image) -> Result<Event, Unreadable> {
    let text = |name| Ok::<_, Unreadable>(new.text(name)?.map(str::to_owned));
    let Some(actor) = text(CHANGED_BY)? else { return Ok(event) };
    Ok(Event {
        actor,
        at: new.instant(CHANGED_AT)?.unwrap_or(event.at),
        source: text(CHANGED_FROM)?,
        because: text(CHANGED_BECAUSE)?,
        request_id: text(REQUEST_ID)?,
        ..event
    })
}

#[cfg(test)]
mod tests;
