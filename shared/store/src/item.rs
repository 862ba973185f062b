//! Converts records and users to and from DynamoDB items. The names of a token's attributes are in
//! [`hallpass_token::record::attribute`] or here; `template.yaml` also names those of the keys, the
//! index and TTL.

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use hallpass_token::{
    Binding, Cause, Family, Fingerprint, Record, Revocation, Scope, Snapshot, TokenHash, TokenId,
    User, UserId, record::attribute::ATTRIBUTE_DIGESTS,
};

pub(crate) use hallpass_token::record::attribute::{
    CHANGED_AT, CHANGED_BECAUSE, CHANGED_BY, CHANGED_FROM, DEVELOPER, DISABLED_AT, EXPIRES_AT,
    EXPIRY_NOTIFIED, FINGERPRINT, ISSUED_AT, LAST_USED_AGENT, LAST_USED_AT, LAST_USED_FROM, NAME,
    PURGE_AT, REPLACED_BY, REPLACES, REQUEST_ID, REUSED_AGENT, REUSED_AT, REUSED_FROM, REVOKED_AT,
    REVOKED_BECAUSE, TOKEN, TOKEN_HASH, VERSION,
};

use crate::failure::Corrupt;

mod values;

pub(crate) use values::*;

/// A DynamoDB item.
pub type Item = HashMap<String, AttributeValue>;

pub(crate) const USER_ID: &str = "user_id";
pub(crate) const OWNER: &str = "owner";
pub(crate) const LIVE_UNTIL: &str = "live_until";
pub(crate) const KEY_ID: &str = "key_id";
pub(crate) const PAYLOAD_DIGEST: &str = "payload_digest";
pub(crate) const FORMAT: &str = "format";
pub(crate) const DESCRIPTION: &str = "description";
pub(crate) const SCOPE: &str = "scope";
pub(crate) const ISSUED_BY: &str = "issued_by";
pub(crate) const BINDING: &str = "bound_to";
pub(crate) const FAMILY_ID: &str = "family_id";
pub(crate) const ISSUED_BY_FAMILY: &str = "issued_by_family";
const ANCESTORS: &str = "issued_by_ancestors";
const GENERATION: &str = "generation";
const AUTHENTICATED_AT: &str = "authenticated_at";
const EXPIRY_CAP: &str = "expiry_cap";
pub(crate) const REPLACED_AT: &str = "replaced_at";

/// The sort key of the pointer from a developer token to its owner.
pub(crate) const POINTER: &str = "pointer";

/// The lower bound of the sort keys of tokens. All other items in a user's partition (sessions,
/// flows, used forms) have a sort key that starts with `#`, which sorts before every first
/// character of a token's sort key.
pub(crate) const FIRST_TOKEN: &str = "-";

/// The key of the pointer of a developer token. No user ID contains a `#`.
pub(crate) fn pointer_key(hash: &TokenHash) -> Item {
    key(&format!("developer#{hash}"), POINTER)
}

/// The sort key of the marker that a user name is taken.
pub(crate) const USER_NAME: &str = "name";

/// The key of the marker of a user name. No user ID contains a `#`.
pub(crate) fn name_key(name: &str) -> Item {
    key(&format!("{USER_NAME}#{name}"), USER_NAME)
}

/// The sort key of the link from an identity to its user.
pub(crate) const IDENTITY: &str = "oidc";

/// The key of the link of an identity, by its digest. No user ID contains a `#`.
pub(crate) fn identity_key(digest: &str) -> Item {
    key(&format!("{IDENTITY}#{digest}"), IDENTITY)
}

/// The key of a record.
pub(crate) fn record_key(id: &TokenId, format: hallpass_token::Format) -> Item {
    match format {
        hallpass_token::Format::Developer => key(id.user_id.as_str(), DEVELOPER),
        hallpass_token::Format::Signed | hallpass_token::Format::Jwt => {
            key(id.user_id.as_str(), &id.hash.text())
        }
    }
}

/// The partition key of the table of attempts.
pub(crate) const ATTEMPT: &str = "attempt";

/// The key of an item in the table of attempts.
pub(crate) fn attempt_key(attempt: &str) -> Item {
    Item::from([(ATTEMPT.to_owned(), text(attempt))])
}

pub(crate) fn user_key(id: &UserId) -> Item {
    user_key_of(id.as_str())
}

/// The key of a user's item, from a text that need not be a valid ID.
pub(crate) fn user_key_of(id: &str) -> Item {
    Item::from([(USER_ID.to_owned(), text(id))])
}

pub(crate) fn key(user_id: &str, token: &str) -> Item {
    Item::from([(USER_ID.to_owned(), text(user_id)), (TOKEN.to_owned(), text(token))])
}

/// The attributes of the cause of a change, with their values. One that is absent must be removed
/// from the item.
pub(crate) fn of_cause(cause: &Cause<'_>) -> [(&'static str, Option<AttributeValue>); 5] {
    [
        (CHANGED_AT, Some(number(cause.at))),
        (CHANGED_BY, Some(text(cause.actor.to_string()))),
        (CHANGED_FROM, cause.origin.source_ip.map(text)),
        (CHANGED_BECAUSE, cause.reason.map(|note| text(note.as_str()))),
        (REQUEST_ID, cause.origin.request_id.map(text)),
    ]
}

/// Converts a new record to its item, the first version of it.
pub(crate) fn from_new_record(record: &Record, cause: &Cause<'_>) -> Item {
    let mut item = from_record(record);
    item.insert(VERSION.to_owned(), AttributeValue::N("1".to_owned()));
    let given = of_cause(cause).into_iter();
    item.extend(given.filter_map(|(name, value)| Some((name.to_owned(), value?))));
    item
}

/// Converts a record to its item, without its version and the cause of its last change.
pub(crate) fn from_record(record: &Record) -> Item {
    let mut item = record_key(&record.id, record.format);
    let mut put = |name: &str, value: AttributeValue| item.insert(name.to_owned(), value);
    put(FORMAT, text(record.format.as_str()));
    put(ISSUED_AT, number(record.issued_at));
    put(ISSUED_BY, text(&record.issued_by));
    put(FINGERPRINT, fingerprint_value(&record.fingerprint));
    put(BINDING, binding_value(&record.binding));
    put(KEY_ID, text(&record.key_id));
    put(FAMILY_ID, text(record.family.id.to_string()));
    put(AUTHENTICATED_AT, number(record.authenticated_at));
    let hash = (record.format == hallpass_token::Format::Developer).then_some(record.id.hash);
    let optional = [
        (TOKEN_HASH, hash.map(|hash| text(&*hash.text()))),
        (NAME, record.name.as_ref().map(text)),
        (DESCRIPTION, record.description.as_ref().map(text)),
        (SCOPE, record.scope.as_ref().map(scope_value)),
        (EXPIRES_AT, record.expires_at.map(number)),
        (PAYLOAD_DIGEST, record.payload_digest.map(|digest| text(digest.to_string()))),
        (DISABLED_AT, record.disabled_at.map(number)),
        (REVOKED_AT, record.revoked.map(|revocation| number(revocation.at))),
        (REVOKED_BECAUSE, record.revoked.map(|revocation| text(revocation.because.as_str()))),
        (ISSUED_BY_FAMILY, record.family.issued_by().map(|family| text(family.to_string()))),
        (ANCESTORS, bytes(record.family.ancestors().as_flattened())),
        (
            GENERATION,
            record.snapshot.generation().map(|count| AttributeValue::N(count.to_string())),
        ),
        (ATTRIBUTE_DIGESTS, bytes(record.snapshot.digests())),
        (EXPIRY_CAP, record.expiry_cap.map(number)),
        (REPLACES, record.replaces.map(|hash| text(&*hash.text()))),
        (REPLACED_BY, record.replaced_by.map(|hash| text(&*hash.text()))),
        (REPLACED_AT, record.replaced_at.map(number)),
        (LAST_USED_AT, record.last_used_at.map(number)),
        (EXPIRY_NOTIFIED, record.expiry_notified.map(seconds)),
        (REUSED_AT, record.reused_at.map(number)),
        (PURGE_AT, record.purge_at.map(number)),
        (LIVE_UNTIL, record.live_until().map(number)),
    ];
    item.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    item
}

/// Reads a record. An attribute that is missing or of the wrong type is an error, never a default.
pub(crate) fn to_record(item: &Item) -> Result<Record, Corrupt> {
    let user_id: UserId = required(item, USER_ID)?;
    let format = format(item)?;
    let hash = hash(item, format)?;
    let revoked = match (instant(item, REVOKED_AT)?, optional(item, REVOKED_BECAUSE)?) {
        (None, None) => None,
        (Some(at), Some(because)) => Some(Revocation { at, because }),
        (Some(_), None) | (None, Some(_)) => return Err(Corrupt(REVOKED_AT)),
    };
    // A token outside the index would be neither counted nor found when its user changes.
    if instant(item, LIVE_UNTIL)?.is_none() && revoked.is_none() {
        return Err(Corrupt(LIVE_UNTIL));
    }
    let (replaced_by, replaced_at) = (optional(item, REPLACED_BY)?, instant(item, REPLACED_AT)?);
    if replaced_by.is_some() != replaced_at.is_some() {
        return Err(Corrupt(REPLACED_AT));
    }
    Ok(Record {
        id: TokenId { user_id, hash },
        format,
        name: optional(item, NAME)?,
        description: optional(item, DESCRIPTION)?,
        scope: scope(item)?,
        issued_at: instant(item, ISSUED_AT)?.ok_or(Corrupt(ISSUED_AT))?,
        issued_by: required(item, ISSUED_BY)?,
        expires_at: instant(item, EXPIRES_AT)?,
        disabled_at: instant(item, DISABLED_AT)?,
        revoked,
        fingerprint: fingerprint(item)?,
        binding: binding(item)?,
        snapshot: snapshot(item)?,
        key_id: required(item, KEY_ID)?,
        family: family(item)?,
        payload_digest: optional(item, PAYLOAD_DIGEST)?,
        authenticated_at: instant(item, AUTHENTICATED_AT)?.ok_or(Corrupt(AUTHENTICATED_AT))?,
        expiry_cap: instant(item, EXPIRY_CAP)?,
        replaces: optional(item, REPLACES)?,
        replaced_by,
        replaced_at,
        last_used_at: instant(item, LAST_USED_AT)?,
        expiry_notified: duration(item, EXPIRY_NOTIFIED)?,
        reused_at: instant(item, REUSED_AT)?,
        purge_at: instant(item, PURGE_AT)?,
    })
}

/// Reads the format of a record.
pub(crate) fn format(item: &Item) -> Result<hallpass_token::Format, Corrupt> {
    required(item, FORMAT)
}

/// Reads the hash of a record of this format.
pub(crate) fn hash(item: &Item, format: hallpass_token::Format) -> Result<TokenHash, Corrupt> {
    match format {
        hallpass_token::Format::Developer => required(item, TOKEN_HASH),
        hallpass_token::Format::Signed | hallpass_token::Format::Jwt => required(item, TOKEN),
    }
}

/// Reads a user.
pub(crate) fn to_user(item: Item) -> Result<User, Corrupt> {
    User::from_attributes(to_values(item)?).map_err(|_bad| Corrupt(USER_ID))
}

fn family(item: &Item) -> Result<Family, Corrupt> {
    let (ancestors, rest) = optional_bytes(item, ANCESTORS)?.as_chunks();
    let family = Family::from_parts(
        required(item, FAMILY_ID)?,
        optional(item, ISSUED_BY_FAMILY)?,
        ancestors.to_vec(),
    );
    family.filter(|_| rest.is_empty()).ok_or(Corrupt(ANCESTORS))
}

pub(crate) fn snapshot(item: &Item) -> Result<Snapshot, Corrupt> {
    let generation = match item.get(GENERATION) {
        None => None,
        Some(AttributeValue::N(count)) => Some(count.parse().map_err(|_| Corrupt(GENERATION))?),
        Some(_) => return Err(Corrupt(GENERATION)),
    };
    Snapshot::from_parts(generation, optional_bytes(item, ATTRIBUTE_DIGESTS)?)
        .ok_or(Corrupt(ATTRIBUTE_DIGESTS))
}

pub(crate) fn scope_value(scope: &Scope) -> AttributeValue {
    AttributeValue::Ss(scope.names().map(str::to_owned).collect())
}

pub(crate) fn scope(item: &Item) -> Result<Option<Scope>, Corrupt> {
    match item.get(SCOPE) {
        None => Ok(None),
        Some(AttributeValue::Ss(names)) => {
            let scope = names.iter().map(|name| name.parse()).collect::<Result<Scope, _>>();
            scope.map(Some).map_err(|_| Corrupt(SCOPE))
        }
        Some(_) => Err(Corrupt(SCOPE)),
    }
}

pub(crate) fn fingerprint_value(fingerprint: &Fingerprint) -> AttributeValue {
    AttributeValue::B(Blob::new(fingerprint.0))
}

pub(crate) fn binding_value(binding: &Binding) -> AttributeValue {
    AttributeValue::L(binding.names().iter().map(text).collect())
}

pub(crate) fn fingerprint(item: &Item) -> Result<Fingerprint, Corrupt> {
    match item.get(FINGERPRINT) {
        Some(AttributeValue::B(bytes)) => {
            <[u8; 32]>::try_from(bytes.as_ref()).map(Fingerprint).map_err(|_| Corrupt(FINGERPRINT))
        }
        _ => Err(Corrupt(FINGERPRINT)),
    }
}

pub(crate) fn binding(item: &Item) -> Result<Binding, Corrupt> {
    let Some(AttributeValue::L(names)) = item.get(BINDING) else {
        return Err(Corrupt(BINDING));
    };
    let names = names.iter().map(|name| name.as_s().cloned()).collect::<Result<Vec<_>, _>>();
    names.map(Binding::new).map_err(|_| Corrupt(BINDING))
}
