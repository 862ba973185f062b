//! What happened to a token, derived from the images of its record before and after a change.

use std::time::Duration;

use hallpass_token::{Reason, Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    image::{Image, Unreadable, attribute},
    instant,
};

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Kind {
    /// A token was issued.
    Issued,
    /// A new token was issued that will replace this one.
    Rotated,
    /// The new token of a rotation was not delivered, so that this one stays.
    RotationUndone,
    /// This token was used for the first time, so that its predecessor ended.
    RotationCompleted,
    /// Another token replaced this one.
    Replaced,
    /// A person or client revoked the token.
    Revoked,
    /// A change of the user invalidated the token.
    Invalidated,
    /// The token was revoked because its text was found in public.
    Leaked,
    /// The token was disabled.
    Disabled,
    /// The token was enabled.
    Enabled,
    /// The token expires soon.
    Expiring,
    /// The token was used after another had replaced it.
    ReplacedTokenUsed,
    /// Something else of the record changed.
    Changed,
    /// The record was deleted after its retention.
    Purged,
    /// The record was deleted before the token was delivered.
    Withdrawn,
    /// A user was added.
    UserAdded,
    /// A user was blocked.
    UserBlocked,
    /// A user was unblocked.
    UserUnblocked,
    /// Something else of a user changed.
    UserChanged,
    /// A user was removed.
    UserRemoved,
}

/// The names of all kinds, in the order of [`Kind::ALL`].
pub const KINDS: [&str; 20] = [
    "token.issued",
    "token.rotated",
    "token.rotation_undone",
    "token.rotation_completed",
    "token.replaced",
    "token.revoked",
    "token.invalidated",
    "token.leaked",
    "token.disabled",
    "token.enabled",
    "token.expiring",
    "token.replaced_token_used",
    "token.changed",
    "token.purged",
    "token.withdrawn",
    "user.added",
    "user.blocked",
    "user.unblocked",
    "user.changed",
    "user.removed",
];

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 20] = [
        Self::Issued,
        Self::Rotated,
        Self::RotationUndone,
        Self::RotationCompleted,
        Self::Replaced,
        Self::Revoked,
        Self::Invalidated,
        Self::Leaked,
        Self::Disabled,
        Self::Enabled,
        Self::Expiring,
        Self::ReplacedTokenUsed,
        Self::Changed,
        Self::Purged,
        Self::Withdrawn,
        Self::UserAdded,
        Self::UserBlocked,
        Self::UserUnblocked,
        Self::UserChanged,
        Self::UserRemoved,
    ];

    /// The name of the kind, which is also the detail type of the published event.
    pub fn as_str(self) -> &'static str {
        let named = Self::ALL.into_iter().zip(KINDS).find(|(kind, _)| *kind == self);
        named.map_or("", |(_, name)| name)
    }
}

impl From<Kind> for &'static str {
    fn from(kind: Kind) -> Self {
        kind.as_str()
    }
}

impl TryFrom<String> for Kind {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let named = Self::ALL.into_iter().zip(KINDS).find(|(_, known)| *known == name);
        named.map(|(kind, _)| kind).ok_or("not the name of a kind of event")
    }
}

/// Something that happened to a token or a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// `<token id>#<version>`, or `<user id>#<sequence number>`. The same event always has the same
    /// ID, however often the stream delivers it, and no other event has it.
    pub id: String,
    /// What happened.
    pub kind: Kind,
    /// The ID of the token, unless the event is that of a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// The ID of the user, or of the token's user.
    pub user_id: String,
    /// The version of the record after the change. A removal counts as a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The time of the change.
    #[serde(with = "instant")]
    pub at: Timestamp,
    /// Who made the change: a token ID, `user:<id>`, `session:<user id>`, `operator:<name>`,
    /// `system`, `application`, or `unknown` for a change that does not say.
    pub actor: String,
    /// The source address of the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The client that used a replaced token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The reason that the caller gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// The rejection reason of a token that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The ID of the request that made the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The expiry of the token.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "instant::optional")]
    pub expires_at: Option<Timestamp>,
    /// The name of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The kinds of the user's attributes that changed, never their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

/// The JSON Schema (draft 2020-12) of [`Event::detail`].
pub const SCHEMA: &str = include_str!("../schema/event.json");

impl Event {
    /// The event as JSON, for the detail of an `EventBridge` event. It has neither a secret nor a
    /// digest.
    pub fn detail(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// How a change was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The approximate time of the change, from the stream.
    pub at: Timestamp,
    /// Whether DynamoDB's TTL made it: the user identity of the stream's record is the service
    /// [`Written::TTL`]. See
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html>.
    pub by_ttl: bool,
}

impl Written {
    /// The principal of removals by TTL.
    pub const TTL: &'static str = "dynamodb.amazonaws.com";
}

/// The actor of a change without a caller.
pub(crate) const SYSTEM: &str = "system";

/// An event, and the image that it is about.
#[derive(Debug)]
pub(crate) struct Derived<'a> {
    pub(crate) event: Event,
    pub(crate) image: &'a Image,
    /// Whether the record no longer exists after the event.
    pub(crate) is_end: bool,
}

/// Derives what happened from the images of a record before and after a change.
///
/// Returns nothing for a use, which leaves the version unchanged, and nothing for an item that is
/// not a record. Otherwise it returns one event, or two where a developer token was regenerated:
/// the end of the old token and the issue of the new one.
///
/// # Errors
/// Returns [`Unreadable`] if an attribute that an event needs is missing or cannot be read.
pub fn events(
    old: Option<&Image>,
    new: Option<&Image>,
    written: Written,
) -> Result<Vec<Event>, Unreadable> {
    Ok(derive(old, new, written)?.into_iter().map(|derived| derived.event).collect())
}

pub(crate) fn derive<'a>(
    old: Option<&'a Image>,
    new: Option<&'a Image>,
    written: Written,
) -> Result<Vec<Derived<'a>>, Unreadable> {
    if [old, new].into_iter().flatten().any(Image::is_other_item) {
        return Ok(Vec::new());
    }
    let last = |image, event| Derived { event, image, is_end: true };
    let next = |image, event| Derived { event, image, is_end: false };
    Ok(match (old, new) {
        (None, None) => Vec::new(),
        (None, Some(new)) => vec![next(new, change(Kind::Issued, new, written)?)],
        (Some(old), None) => vec![last(old, removal(old, written)?)],
        (Some(old), Some(new)) if old.token_id()? != new.token_id()? => {
            vec![
                last(old, regeneration(old, new, written)?),
                next(new, change(Kind::Issued, new, written)?),
            ]
        }
        (Some(old), Some(new)) if old.version()? == new.version()? => Vec::new(),
        (Some(old), Some(new)) => vec![next(new, change(kind(old, new)?, new, written)?)],
    })
}

/// The kind of a change between two versions of one record. A revocation hides every other change.
fn kind(old: &Image, new: &Image) -> Result<Kind, Unreadable> {
    let text = |name| Ok::<_, Unreadable>((old.text(name)?, new.text(name)?));
    let count = |name| Ok::<_, Unreadable>((old.count(name)?, new.count(name)?));
    let replaced_by = text(attribute::REPLACED_BY)?;
    let disabled_at = count(attribute::DISABLED_AT)?;
    let (reused, notified) = (count(attribute::REUSED_AT)?, count(attribute::EXPIRY_NOTIFIED)?);
    Ok(if matches!(count(attribute::REVOKED_AT)?, (None, Some(_))) {
        end(new.text(attribute::REVOKED_BECAUSE)?)
    } else if replaced_by.1.is_some() && replaced_by.0 != replaced_by.1 {
        Kind::Rotated
    } else if replaced_by.0.is_some() && replaced_by.1.is_none() {
        Kind::RotationUndone
    } else if matches!(text(attribute::REPLACES)?, (Some(_), None)) {
        Kind::RotationCompleted
    } else if reused.1.is_some() && reused.0 != reused.1 {
        Kind::ReplacedTokenUsed
    } else if matches!(disabled_at, (None, Some(_))) {
        Kind::Disabled
    } else if matches!(disabled_at, (Some(_), None)) {
        Kind::Enabled
    } else if notified.1.is_some() && notified.0 != notified.1 {
        Kind::Expiring
    } else {
        Kind::Changed
    })
}

/// The kind of a revocation for this reason.
fn end(reason: Option<&str>) -> Kind {
    let is = |known: Reason| reason == Some(known.as_str());
    if is(Reason::Replaced) {
        Kind::Replaced
    } else if is(Reason::UserBlocked) || is(Reason::UserChanged) || is(Reason::UserRemoved) {
        Kind::Invalidated
    } else if is(Reason::Leaked) {
        Kind::Leaked
    } else {
        Kind::Revoked
    }
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

/// An event of this token, with what the image says about the token and nothing about the change.
fn about(
    kind: Kind,
    id: &TokenId,
    version: u64,
    image: &Image,
    at: Timestamp,
) -> Result<Event, Unreadable> {
    Ok(Event {
        id: format!("{id}#{version}"),
        kind,
        token_id: Some(id.to_string()),
        user_id: id.user_id.to_string(),
        version: Some(version),
        at,
        actor: SYSTEM.to_owned(),
        source: None,
        agent: None,
        because: None,
        reason: None,
        request_id: None,
        expires_at: image.instant(attribute::EXPIRES_AT)?,
        name: owned(image.text(attribute::NAME)?),
        changed: Vec::new(),
    })
}

/// Adds who made the change and why, from the image that the change wrote.
fn attributed(event: Event, by: &Image) -> Result<Event, Unreadable> {
    Ok(Event {
        at: by.instant(attribute::CHANGED_AT)?.unwrap_or(event.at),
        actor: by.text(attribute::CHANGED_BY)?.unwrap_or("unknown").to_owned(),
        source: owned(by.text(attribute::CHANGED_FROM)?),
        because: owned(by.text(attribute::CHANGED_BECAUSE)?),
        request_id: owned(by.text(attribute::REQUEST_ID)?),
        ..event
    })
}

fn change(kind: Kind, new: &Image, written: Written) -> Result<Event, Unreadable> {
    let event = about(kind, &new.token_id()?, new.version()?, new, written.at)?;
    let mut event = attributed(event, new)?;
    if matches!(kind, Kind::Replaced | Kind::Revoked | Kind::Invalidated | Kind::Leaked) {
        event.reason = owned(new.text(attribute::REVOKED_BECAUSE)?);
    }
    if kind == Kind::ReplacedTokenUsed {
        event.source = owned(new.text(attribute::REUSED_FROM)?).or(event.source);
        event.agent = owned(new.text(attribute::REUSED_AGENT)?);
    }
    Ok(event)
}

/// The version that a removal counts as.
fn version_after(old: &Image) -> Result<u64, Unreadable> {
    Ok(old.version()?.saturating_add(1))
}

/// How far the clock of the function that purges can be ahead of the stream's.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(60);

fn removal(old: &Image, written: Written) -> Result<Event, Unreadable> {
    let purge_at = old.instant(attribute::PURGE_AT)?;
    let is_due = purge_at.is_some_and(|due| due.has_passed(written.at.after(CLOCK_DIFFERENCE)));
    let kind = if written.by_ttl || is_due { Kind::Purged } else { Kind::Withdrawn };
    about(kind, &old.token_id()?, version_after(old)?, old, written.at)
}

/// The end of a developer token whose record another one overwrote.
fn regeneration(old: &Image, new: &Image, written: Written) -> Result<Event, Unreadable> {
    let event = about(Kind::Replaced, &old.token_id()?, version_after(old)?, old, written.at)?;
    let reason = Some(Reason::Replaced.as_str().to_owned());
    Ok(Event { reason, ..attributed(event, new)? })
}

#[cfg(test)]
mod tests;
