//! The names of the attributes of a token's item that the store writes and the audit log reads.

/// The sort key: the hash of a token's secret, or [`DEVELOPER`].
pub const TOKEN: &str = "token";
/// The sort key of a developer token, whose hash is [`TOKEN_HASH`]. It differs from every hash,
/// which has 22 characters.
pub const DEVELOPER: &str = "developer";
/// The hash of a developer token.
pub const TOKEN_HASH: &str = "token_hash";
/// The number of changes of a record, 1 at its insert. No use changes it.
pub const VERSION: &str = "version";
/// Who made the last change: a token ID, `user:<id>`, `session:<user id>`, `operator:<name>` or
/// `system`.
pub const CHANGED_BY: &str = "changed_by";
/// The source address of the last change.
pub const CHANGED_FROM: &str = "changed_from";
/// The reason that the caller gave for the last change.
pub const CHANGED_BECAUSE: &str = "changed_because";
/// The ID of the request that made the last change.
pub const REQUEST_ID: &str = "request_id";
/// The time of the last change, in Unix seconds.
pub const CHANGED_AT: &str = "changed_at";
/// The name that the owner gave the token.
pub const NAME: &str = "name";
/// The issue time, in Unix seconds.
pub const ISSUED_AT: &str = "issued_at";
/// The expiry, in Unix seconds.
pub const EXPIRES_AT: &str = "expires_at";
/// The time at which the token was disabled, in Unix seconds.
pub const DISABLED_AT: &str = "disabled_at";
/// The time of the revocation, in Unix seconds.
pub const REVOKED_AT: &str = "revoked_at";
/// The rejection reason of a revoked token.
pub const REVOKED_BECAUSE: &str = "revoked_because";
/// The time from which the record can be deleted, in Unix seconds.
pub const PURGE_AT: &str = "purge_at";
/// The hash of the token that this one replaces at its first use.
pub const REPLACES: &str = "replaces";
/// The hash of the token that replaces this one.
pub const REPLACED_BY: &str = "replaced_by";
/// The last expiry notice, in seconds before expiry.
pub const EXPIRY_NOTIFIED: &str = "expiry_notified";
/// The first use of a token after its replacement, in Unix seconds.
pub const REUSED_AT: &str = "reused_at";
/// The source address of that use.
pub const REUSED_FROM: &str = "reused_from";
/// The client of that use.
pub const REUSED_AGENT: &str = "reused_agent";
/// The time of the last use, in Unix seconds.
pub const LAST_USED_AT: &str = "last_used_at";
/// The source of the last use.
pub const LAST_USED_FROM: &str = "last_used_from";
/// The client of the last use.
pub const LAST_USED_AGENT: &str = "last_used_agent";
/// The fingerprint of the user's attributes at issue.
pub const FINGERPRINT: &str = "user_fingerprint";
/// The digests of the user's attributes at issue.
pub const ATTRIBUTE_DIGESTS: &str = "attribute_digests";
