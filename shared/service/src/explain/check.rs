//! The checks of a verification, and what each compared, in words.

use hallpass_http::challenge;
use hallpass_store::{Rejected, verify::Found};
use hallpass_token::{
    Reason, Record, Scope, Timestamp, User,
    codec::{checksum::Checksum, inspect::Appearance},
    lifecycle,
    user::attribute::PERMISSIONS,
};

use super::{Question, Rules, Viewer};

/// A check of the verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// The form, the checksum and the signature of the text.
    Signature,
    /// The expiry.
    Expiry,
    /// Whether the token has a record that belongs to the text.
    Record,
    /// Whether the record is marked: the token was revoked, also because it has leaked, or a change
    /// of its user invalidated it.
    Revocation,
    /// Whether a newer token has replaced it.
    Replacement,
    /// Whether the user exists and is not blocked.
    User,
    /// Whether the attributes of the user that the token is bound to are those at issue.
    Fingerprint,
    /// Whether the user must sign in at the identity provider.
    SignIn,
    /// Whether the token is disabled.
    Disabled,
    /// The effective permissions. They reject no token, but can permit nothing.
    Scope,
    /// The route rules of the authorizer.
    Route,
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The check passed.
    Passed,
    /// The check rejects the token.
    Failed,
    /// A check before it rejects the token.
    NotReached,
    /// What the check compares was not asked about, or is not known here.
    NotChecked,
}

/// One check, and what it compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The check.
    pub name: Name,
    /// Its outcome.
    pub outcome: Outcome,
    /// What it compared, without secrets. `None` if it was not reached.
    pub detail: Option<String>,
    /// The rejection reason, if it failed.
    pub reason: Option<&'static str>,
    /// Since when it rejects, if that is known.
    pub since: Option<Timestamp>,
    /// The attributes of the user that changed, if that is the reason: their kinds, or for
    /// administrators their names.
    pub changed: Option<Vec<String>>,
    /// The effective permissions.
    pub scopes: Option<Scope>,
}

/// What a verification compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    /// The unverified contents of the text.
    pub(super) appearance: Option<&'a Appearance>,
    pub(super) is_by_text: bool,
    /// Whether the key that signed the token is no longer in the keyring.
    pub(super) is_key_retired: bool,
    pub(super) found: &'a Found,
    pub(super) viewer: Viewer,
}

/// The reason for a route that the rules do not permit, as the authorizer names it.
const INSUFFICIENT_SCOPE: &str = "insufficient_scope";

impl Name {
    /// Every check, in the order of verification.
    pub const ALL: [Self; 11] = [
        Self::Signature,
        Self::Expiry,
        Self::Record,
        Self::Revocation,
        Self::Replacement,
        Self::User,
        Self::Fingerprint,
        Self::SignIn,
        Self::Disabled,
        Self::Scope,
        Self::Route,
    ];

    /// The name in responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Expiry => "expiry",
            Self::Record => "record",
            Self::Revocation => "revocation",
            Self::Replacement => "replacement",
            Self::User => "user",
            Self::Fingerprint => "fingerprint",
            Self::SignIn => "sign_in",
            Self::Disabled => "disabled",
            Self::Scope => "scope",
            Self::Route => "route",
        }
    }

    /// The check that rejects with this reason. A mark in the record comes before what the user is
    /// now. Raising `token_generation` alone revokes the token without a mark, which the
    /// fingerprint shows.
    pub fn of(reason: Reason, record: Option<&Record>) -> Self {
        let is_marked = record.is_some_and(|record| record.revoked.is_some());
        match reason {
            Reason::Malformed | Reason::Forged => Self::Signature,
            Reason::Expired => Self::Expiry,
            Reason::Unknown => Self::Record,
            Reason::Replaced => Self::Replacement,
            _ if is_marked => Self::Revocation,
            Reason::Leaked => Self::Revocation,
            Reason::UserRemoved | Reason::UserBlocked => Self::User,
            Reason::Revoked | Reason::UserChanged => Self::Fingerprint,
            Reason::SignInRequired => Self::SignIn,
            Reason::Disabled => Self::Disabled,
        }
    }
}

impl Outcome {
    /// The name in responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotReached => "not_reached",
            Self::NotChecked => "not_checked",
        }
    }
}

impl Check {
    pub(super) fn new(name: Name, outcome: Outcome, detail: impl Into<String>) -> Self {
        let detail = Some(detail.into());
        Self { name, outcome, detail, reason: None, since: None, changed: None, scopes: None }
    }

    fn passed(name: Name, detail: impl Into<String>) -> Self {
        Self::new(name, Outcome::Passed, detail)
    }

    fn not_reached(name: Name) -> Self {
        Self { detail: None, ..Self::new(name, Outcome::NotReached, "") }
    }
}

impl Facts<'_> {
    /// Returns every check. `rejection` is the one of the verification, and `scope` the effective
    /// permissions of an accepted token.
    pub(super) fn checks(
        &self,
        rejection: Option<&Rejected>,
        scope: Option<&Scope>,
        question: &Question<'_>,
    ) -> Vec<Check> {
        let deciding =
            rejection.map(|rejected| Name::of(rejected.reason, self.found.record.as_ref()));
        let check = |name: Name| match (rejection, deciding) {
            (Some(rejected), Some(deciding)) if name == deciding => self.failed(name, rejected),
            (_, Some(deciding)) if name > deciding => Check::not_reached(name),
            _ => self.passed(name, scope, question),
        };
        Name::ALL.into_iter().map(check).collect()
    }

    fn failed(&self, name: Name, rejected: &Rejected) -> Check {
        let reason = rejected.reason.public();
        let detail = match rejected.reason {
            Reason::Malformed | Reason::Forged => self.why_malformed().to_owned(),
            Reason::Unknown => self.why_unknown().to_owned(),
            Reason::UserBlocked if self.has_unreadable_permissions() => {
                "The permissions of the user cannot be read, so the user counts as blocked"
                    .to_owned()
            }
            Reason::Revoked if name == Name::Fingerprint => {
                "All access tokens of the user were revoked since it was issued".to_owned()
            }
            reason @ (Reason::Expired
            | Reason::Revoked
            | Reason::Leaked
            | Reason::Disabled
            | Reason::Replaced
            | Reason::UserBlocked
            | Reason::UserChanged
            | Reason::UserRemoved
            | Reason::SignInRequired) => {
                let is_of_user = !matches!(reason, Reason::Revoked | Reason::Leaked);
                let mark = "; its record was marked, so that it stays rejected";
                let mark = if name == Name::Revocation && is_of_user { mark } else { "" };
                format!("{}{mark}", challenge::description(reason, rejected.changed))
            }
        };
        let changed = (rejected.reason == Reason::UserChanged).then(|| self.changed(rejected));
        Check {
            reason: Some(reason.as_str()),
            since: self.since(name),
            changed: changed.filter(|names| !names.is_empty()),
            ..Check::new(name, Outcome::Failed, detail)
        }
    }

    fn why_malformed(&self) -> &'static str {
        if self.is_key_retired {
            return "The key that signed the access token is no longer in the keyring";
        }
        match self.appearance {
            None => {
                "The text has the form of no access token: it is incomplete, changed, or has \
                 another prefix"
            }
            Some(Appearance { checksum: Checksum::Wrong, .. }) => {
                "The last six characters are not the checksum of the text: it is incomplete, \
                 mistyped or made up"
            }
            Some(_) if self.found.record.is_some() => {
                "The claims of the text are not those that were issued"
            }
            Some(_) => {
                "No key of the keyring signed the text: it was changed, another deployment issued \
                 it, or its key is no longer in the keyring"
            }
        }
    }

    const fn why_unknown(&self) -> &'static str {
        if self.found.record.is_some() {
            "The record of the access token does not belong to the text"
        } else {
            "The access token has no record: it was never issued, or its record was deleted after \
             the retention"
        }
    }

    fn has_unreadable_permissions(&self) -> bool {
        self.found.user.as_ref().is_some_and(|user| user.unreadable.contains(&PERMISSIONS))
    }

    /// The attributes that changed, as this viewer sees them.
    fn changed(&self, rejected: &Rejected) -> Vec<String> {
        match (self.viewer, &self.found.record, &self.found.user) {
            (Viewer::Administrator, Some(record), Some(user)) => {
                let differences = lifecycle::differences(record, user);
                differences.attributes.into_iter().map(str::to_owned).collect()
            }
            _ => rejected.changed.kinds().map(str::to_owned).collect(),
        }
    }

    fn since(&self, name: Name) -> Option<Timestamp> {
        let Found { record, user, replaced_at, .. } = self.found;
        let record = record.as_ref();
        match name {
            Name::Expiry => self.expires_at(),
            Name::Revocation => Some(record?.revoked?.at),
            Name::Replacement => {
                // The first use of the successor marks the record; otherwise the window ends it.
                let marked = record.and_then(|record| record.revoked).map(|mark| mark.at);
                replaced_at.or(marked).or_else(|| record?.replaced_at)
            }
            Name::SignIn => user.as_ref().and_then(User::sign_in_due_at),
            Name::Disabled => record?.disabled_at,
            Name::Signature
            | Name::Record
            | Name::User
            | Name::Fingerprint
            | Name::Scope
            | Name::Route => None,
        }
    }

    fn expires_at(&self) -> Option<Timestamp> {
        match &self.found.record {
            Some(record) => record.expires_at,
            None => self.appearance.and_then(|seen| seen.expires_at),
        }
    }

    fn passed(&self, name: Name, scope: Option<&Scope>, question: &Question<'_>) -> Check {
        let is_replaced_pointer = self.found.replaced.is_some();
        let detail = match name {
            Name::Signature if !self.is_by_text => {
                let detail = "Only the text is signed. The key of the record is in the keyring";
                return Check::new(name, Outcome::NotChecked, detail);
            }
            Name::Signature => "A key of the keyring signed the text".to_owned(),
            Name::Expiry => self.expires_at().map_or_else(
                || "The access token does not expire".to_owned(),
                |at| format!("The access token expires at {at}"),
            ),
            Name::Record => "The access token has a record".to_owned(),
            Name::Revocation if is_replaced_pointer => {
                let detail = "The record of a regenerated access token is not kept";
                return Check::new(name, Outcome::NotChecked, detail);
            }
            Name::Revocation => "The access token was not revoked".to_owned(),
            Name::Replacement => self.replacement(),
            Name::User => "The user exists and is not blocked".to_owned(),
            Name::Fingerprint => self.fingerprint(),
            Name::SignIn => self.found.user.as_ref().and_then(User::sign_in_due_at).map_or_else(
                || "No sign-in at the identity provider is due".to_owned(),
                |at| format!("The next sign-in at the identity provider is due at {at}"),
            ),
            Name::Disabled => "The access token is not disabled".to_owned(),
            Name::Scope => return self.scope(scope),
            Name::Route => return route(scope, question),
        };
        Check::passed(name, detail)
    }

    fn replacement(&self) -> String {
        let ends_at = self.found.record.as_ref().and_then(|record| record.replaced_at);
        ends_at.map_or_else(
            || "No newer access token replaced it".to_owned(),
            |at| format!("A newer access token replaces it at its first use, or at {at}"),
        )
    }

    fn fingerprint(&self) -> String {
        let binding = self.found.record.as_ref().map(|record| record.binding.names());
        let is_bound = binding.is_some_and(|names| !names.is_empty());
        let bound =
            "The attributes of the user that the access token is bound to are those at issue";
        let unbound = "The access token is bound to no attribute of its user but the generation";
        if is_bound { bound.to_owned() } else { unbound.to_owned() }
    }

    fn scope(&self, scope: Option<&Scope>) -> Check {
        let is_limited = self.found.record.as_ref().is_some_and(|record| record.scope.is_some());
        let detail = match (scope.is_none_or(Scope::is_empty), is_limited) {
            (true, true) => {
                "The scope of the access token and its user have no permission in common"
            }
            (true, false) => "The user has no permissions",
            (false, true) => "The permissions in the scope of the access token that its user has",
            (false, false) => "All permissions of the user",
        };
        Check { scopes: scope.cloned(), ..Check::passed(Name::Scope, detail) }
    }
}

/// The route rules, compared with the request that was asked about.
fn route(scope: Option<&Scope>, question: &Question<'_>) -> Check {
    let not_checked = |detail: &str| Check::new(Name::Route, Outcome::NotChecked, detail);
    let (Some(call), Some(scope)) = (question.call, scope) else {
        return not_checked("No method and path were given");
    };
    let routes = match question.rules {
        Rules::Unknown => {
            return not_checked(
                "The route rules are a setting of the authorizer that is not known here \
                 (HALLPASS_ROUTES)",
            );
        }
        Rules::Absent => {
            return Check::passed(Name::Route, "The authorizer has no route rules");
        }
        Rules::Known(routes) => routes,
    };
    if routes.permits(call.method(), call.path(), scope) {
        return Check::passed(Name::Route, "A route rule permits the request");
    }
    let required: Vec<&str> =
        routes.required(call.method(), call.path()).into_iter().flatten().collect();
    let detail = if required.is_empty() {
        "No route rule has this method and path".to_owned()
    } else {
        format!("The route requires one of the permissions {}", required.join(", "))
    };
    let reason = Some(INSUFFICIENT_SCOPE);
    Check { reason, ..Check::new(Name::Route, Outcome::Failed, detail) }
}

#[cfg(test)]
mod tests;
