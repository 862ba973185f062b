//! What happens: the events that are logged and counted.

use hallpass_store::{Failure, Rejected};
use hallpass_token::{Actor, Cause, Note, Origin, Reason, TokenId, UserId};
use tracing::field::{self, DisplayValue};

use crate::log::TARGET;

/// Something that happened. Each is one line of the log and one metric, both with the name of the
/// event.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The authorizer accepted a token.
    Accepted(&'a TokenId),
    /// A token was rejected.
    Rejected(&'a Rejected),
    /// A request has no credential, and the authorizer can respond to it only with an error.
    Unauthenticated,
    /// A token was issued.
    Issued(&'a TokenId),
    /// A token was issued that replaces another.
    Rotated(&'a TokenId),
    /// A token was revoked.
    Revoked(&'a TokenId),
    /// All tokens of a user were revoked.
    RevokedAll(&'a UserId),
    /// An administrator disabled a token.
    Disabled(&'a TokenId),
    /// An administrator enabled a token.
    Enabled(&'a TokenId),
    /// An administrator blocked a user.
    Blocked(&'a UserId),
    /// An administrator unblocked a user.
    Unblocked(&'a UserId),
    /// A token was offered to a user.
    Offered {
        /// What offered it, as a record names its issuer.
        by: &'a str,
        /// The user.
        user: &'a UserId,
    },
    /// A user was added.
    UserAdded(&'a UserId),
    /// A user was renamed.
    UserRenamed(&'a UserId),
    /// A user was linked to an identity at the identity provider.
    UserLinked(&'a UserId),
    /// A user was unlinked from an identity.
    UserUnlinked(&'a UserId),
    /// A service account has a new maintainer.
    MaintainerAdded(&'a UserId),
    /// A service account lost a maintainer.
    MaintainerRemoved(&'a UserId),
    /// A user was removed.
    UserRemoved(&'a UserId),
    /// A user has a new password.
    PasswordChanged(&'a UserId),
    /// A user has a new permission.
    PermissionAdded(&'a UserId),
    /// A user lost a permission.
    PermissionRemoved(&'a UserId),
    /// The identity provider named other permissions for a user.
    PermissionsReconciled(&'a UserId),
    /// A signing key was added to the keyring.
    SigningKeyAdded(&'a str),
    /// A signing key was removed from the keyring.
    SigningKeyRetired(&'a str),
    /// A browser session began. The ID is that of the family that it issues.
    SignedIn(&'a TokenId),
    /// The holder of a token offered a browser session to one of its own users.
    SessionOffered {
        /// The token.
        by: &'a TokenId,
        /// The user of the session.
        user: &'a UserId,
    },
    /// A user ended a browser session.
    SignedOut(&'a UserId),
    /// A browser session was revoked.
    SessionRevoked(&'a TokenId),
    /// A token was invalidated because its user changed.
    Invalidated(Reason, &'a TokenId),
    /// A log-in or a request itself was rejected. Nothing else from the request is logged.
    RequestRejected {
        /// The metric: `login_failed`, `limited` or `declined`.
        counts_as: &'static str,
        /// The status of the response.
        status: u16,
        /// Who tried to log in: the ID of the user, or a digest of a name that no user has.
        login: Option<&'a str>,
    },
    /// Something failed. The client only learns that it did.
    Failed(&'a Failure),
}

impl Event<'_> {
    /// Returns the name of the event, which is that of its metric.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Rejected(_) => "rejected",
            Self::Unauthenticated => "unauthenticated",
            Self::Issued(_) => "issued",
            Self::Rotated(_) => "rotated",
            Self::Revoked(_) => "revoked",
            Self::RevokedAll(_) => "revoked_all",
            Self::Disabled(_) => "disabled",
            Self::Enabled(_) => "enabled",
            Self::Blocked(_) => "blocked",
            Self::Unblocked(_) => "unblocked",
            Self::Offered { .. } => "offered",
            Self::UserAdded(_) => "user_added",
            Self::UserRenamed(_) => "user_renamed",
            Self::UserLinked(_) => "user_linked",
            Self::UserUnlinked(_) => "user_unlinked",
            Self::MaintainerAdded(_) => "maintainer_added",
            Self::MaintainerRemoved(_) => "maintainer_removed",
            Self::UserRemoved(_) => "user_removed",
            Self::PasswordChanged(_) => "password_changed",
            Self::PermissionAdded(_) => "permission_added",
            Self::PermissionRemoved(_) => "permission_removed",
            Self::PermissionsReconciled(_) => "permissions_reconciled",
            Self::SigningKeyAdded(_) => "signing_key_added",
            Self::SigningKeyRetired(_) => "signing_key_retired",
            Self::SignedIn(_) => "signed_in",
            Self::SessionOffered { .. } => "session_offered",
            Self::SignedOut(_) | Self::SessionRevoked(_) => "signed_out",
            Self::Invalidated(..) => "invalidated",
            Self::RequestRejected { counts_as, .. } => counts_as,
            Self::Failed(_) => "failed",
        }
    }

    /// Logs the event with its cause.
    pub fn log(self, cause: &Cause<'_>) {
        self.write(cause.origin, Some(&cause.actor), cause.reason);
    }

    /// Logs an event of a request whose actor is unknown, or is the holder of the token that the
    /// event names.
    pub fn log_from(self, origin: Origin<'_>) {
        self.write(origin, None, None);
    }

    fn write(self, origin: Origin<'_>, actor: Option<&Actor<'_>>, because: Option<&Note>) {
        let count = self.name();
        let because = because.map(Note::as_str);
        let actor = actor.map(field::display);
        let Origin { source_ip, request_id, .. } = origin;
        match self {
            Self::Rejected(rejected) => log_rejection(rejected, origin),
            Self::Unauthenticated => {
                tracing::info!(target: TARGET, { count, source_ip, request_id }, "{count}");
            }
            Self::Invalidated(reason, id) => {
                log_invalidation(reason, id, (actor, because), request_id);
            }
            Self::SigningKeyAdded(id) | Self::SigningKeyRetired(id) => {
                tracing::info!(target: TARGET, { count, key.id = id, actor }, "{count}");
            }
            Self::Offered { by, user } => tracing::info!(
                target: TARGET,
                { count, by, user.id = %user, actor, source_ip, request_id },
                "{count}"
            ),
            Self::SessionOffered { by, user } => tracing::info!(
                target: TARGET,
                { count, token.id = %by, user.id = %user, actor, source_ip, request_id },
                "{count}"
            ),
            Self::RequestRejected { status, login, .. } => tracing::info!(
                target: TARGET,
                { count, status, login, source_ip, request_id },
                "rejected"
            ),
            Self::Failed(failure) => tracing::error!(
                target: TARGET,
                { count, failure = failure.report(), actor, source_ip, request_id },
                "failed"
            ),
            Self::RevokedAll(user)
            | Self::Blocked(user)
            | Self::Unblocked(user)
            | Self::UserAdded(user)
            | Self::UserRenamed(user)
            | Self::UserLinked(user)
            | Self::UserUnlinked(user)
            | Self::MaintainerAdded(user)
            | Self::MaintainerRemoved(user)
            | Self::UserRemoved(user)
            | Self::PasswordChanged(user)
            | Self::PermissionAdded(user)
            | Self::PermissionRemoved(user)
            | Self::PermissionsReconciled(user)
            | Self::SignedOut(user) => log_of_user(count, user, (actor, because), origin),
            Self::Accepted(id)
            | Self::Issued(id)
            | Self::Rotated(id)
            | Self::Revoked(id)
            | Self::Disabled(id)
            | Self::Enabled(id)
            | Self::SignedIn(id)
            | Self::SessionRevoked(id) => log_of_token(count, id, (actor, because), origin),
        }
    }
}

/// An actor, and why it acted.
type Said<'a> = (Option<DisplayValue<&'a Actor<'a>>>, Option<&'a str>);

fn log_of_user(count: &str, user: &UserId, (actor, because): Said<'_>, origin: Origin<'_>) {
    let Origin { source_ip, request_id, .. } = origin;
    tracing::info!(
        target: TARGET,
        { count, user.id = %user, actor, because, source_ip, request_id },
        "{count}"
    );
}

fn log_of_token(count: &str, id: &TokenId, (actor, because): Said<'_>, origin: Origin<'_>) {
    let Origin { source_ip, request_id, .. } = origin;
    let user = &id.user_id;
    tracing::info!(
        target: TARGET,
        { count, token.id = %id, user.id = %user, actor, because, source_ip, request_id },
        "{count}"
    );
}

fn log_invalidation(
    reason: Reason,
    id: &TokenId,
    (actor, _because): Said<'_>,
    request_id: Option<&str>,
) {
    tracing::info!(
        target: TARGET,
        {
            count = "invalidated", reason = reason.as_str(), token.id = %id,
            user.id = %id.user_id, actor, request_id,
        },
        "invalidated"
    );
}

fn log_rejection(rejected: &Rejected, origin: Origin<'_>) {
    let Rejected { reason, token_id, changed, .. } = rejected;
    let Origin { source_ip, request_id, .. } = origin;
    let changed = (!changed.is_empty()).then(|| changed.kinds().collect::<Vec<_>>().join(" "));
    tracing::info!(
        target: TARGET,
        {
            count = "rejected",
            reason = reason.as_str(),
            token.id = token_id.as_ref().map(field::display),
            user.id = token_id.as_ref().map(|id| field::display(&id.user_id)),
            changed,
            source_ip,
            request_id,
        },
        "rejected"
    );
}
