//! What happened to a token or a user, in words.

use hallpass_audit::{History, Kind, history};
use hallpass_token::{Timestamp, TokenId, UserId};

use crate::view::{Instant, contained};

/// Who made a change, as [`hallpass_audit::Event::actor`] names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The holder of this token.
    Token(TokenId),
    /// A user in a browser session.
    Session(UserId),
    /// A user with a password.
    User(UserId),
    /// A person or a program with access to the stack.
    Operator(String),
    /// Hallpass itself.
    System,
    /// The application that owns the users.
    Application,
    /// Nothing says who.
    Unknown,
}

/// A change of a token, for its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// What happened, such as `revoked`.
    pub(crate) what: &'static str,
    /// Who made the change, such as `by an administrator`. Empty if it has no author.
    pub(crate) by: String,
    /// The name of the operator.
    pub(crate) operator: Option<String>,
    /// Why, in the words of the author.
    pub(crate) because: Option<String>,
    /// When it happened.
    pub(crate) at: Instant,
}

/// Returns what happened, after the name of the token or the user.
pub(crate) const fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Issued => "created",
        Kind::Rotated => "rotated",
        Kind::RotationUndone => "rotation undone",
        Kind::RotationCompleted => "first used after a rotation",
        Kind::Replaced => "replaced",
        Kind::Revoked => "revoked",
        Kind::Invalidated => "invalidated",
        Kind::Leaked => "revoked as leaked",
        Kind::Disabled => "disabled",
        Kind::Enabled => "enabled",
        Kind::Expiring => "expires soon",
        Kind::ReplacedTokenUsed => "used after it was replaced",
        Kind::Changed => "changed",
        Kind::Purged => "record deleted after its retention",
        Kind::Withdrawn => "withdrawn before its delivery",
        Kind::UserAdded => "user added",
        Kind::UserBlocked => "user blocked",
        Kind::UserUnblocked => "user unblocked",
        Kind::UserChanged => "user changed",
        Kind::UserRemoved => "user removed",
    }
}

impl By {
    /// Reads the text of an actor. A text of another form is the name of an operator.
    pub(crate) fn read(actor: &str) -> Self {
        let user = |text: &str| text.parse::<UserId>().ok();
        let known = match actor.split_once(':') {
            Some(("session", id)) => user(id).map(Self::Session),
            Some(("user", id)) => user(id).map(Self::User),
            Some(("operator", name)) => Some(Self::Operator(contained(name))),
            Some(_) => None,
            None => match actor {
                "system" => Some(Self::System),
                "application" => Some(Self::Application),
                "unknown" => Some(Self::Unknown),
                text => text.parse().ok().map(Self::Token),
            },
        };
        known.unwrap_or_else(|| Self::Operator(contained(actor)))
    }

    /// The user, or the user of the token.
    pub(crate) const fn user_id(&self) -> Option<&UserId> {
        match self {
            Self::Token(id) => Some(&id.user_id),
            Self::Session(id) | Self::User(id) => Some(id),
            Self::Operator(_) | Self::System | Self::Application | Self::Unknown => None,
        }
    }

    /// Returns the name of the operator.
    fn into_operator(self) -> Option<String> {
        if let Self::Operator(name) = self { Some(name) } else { None }
    }

    /// Returns the author for the owner of this token.
    fn for_owner(&self, token: &TokenId) -> String {
        let is_owner = self.user_id().map(|id| *id == token.user_id);
        match (self, is_owner) {
            (Self::Token(id), _) if id == token => "by its holder".to_owned(),
            (Self::Token(id), Some(true)) => format!("by the holder of your token {id}"),
            (_, Some(true)) => "by you".to_owned(),
            // Other users change the token of a person as administrators only.
            (_, Some(false)) => "by an administrator".to_owned(),
            (Self::Operator(_), None) => "by an operator".to_owned(),
            (Self::Application, None) => "by the application".to_owned(),
            (_, None) => String::new(),
        }
    }
}

impl Change {
    /// Returns the changes of this token, the newest first.
    pub(crate) fn of(history: &History, token: &TokenId, now: Timestamp) -> Vec<Self> {
        let change = |history::Change { kind, at, actor, because, .. }: &history::Change| {
            let by = By::read(actor);
            Self {
                what: words(*kind),
                by: by.for_owner(token),
                operator: by.into_operator(),
                because: because.as_deref().map(contained),
                at: Instant::new(*at, now),
            }
        };
        history.changes().map(change).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_reads_who_changed_the_token() {
        let id = |user: &str, letter: &str| format!("{user}.{}", letter.repeat(22));
        let token: TokenId = id("1", "A").parse().unwrap();
        let check = |actor: &str, expected: &str| {
            assert_eq!(By::read(actor).for_owner(&token), expected, "{actor}");
        };
        check("session:1", "by you");
        check("user:1", "by you");
        check("session:2", "by an administrator");
        check("user:2", "by an administrator");
        check(&id("1", "A"), "by its holder");
        check(&id("1", "Q"), &format!("by the holder of your token {}", id("1", "Q")));
        check(&id("2", "A"), "by an administrator");
        check("operator:arn:aws:iam::1:user/ada", "by an operator");
        check("application", "by the application");
        check("system", "");
        check("unknown", "");
        check("session:?", "by an operator");
        check("else:1", "by an operator");
        check("\u{2067}<b>", "by an operator");
    }

    #[test]
    fn the_name_of_an_operator_is_contained() {
        let check = |actor: &str, expected: &str| {
            assert_eq!(By::read(actor), By::Operator(expected.to_owned()), "{actor}");
        };
        check("operator:arn:aws:iam::1:user/ada", "arn:aws:iam::1:user/ada");
        check("operator:\u{2067}ada", "\u{fffd}ada");
        check("session:\u{2069}", "session:\u{fffd}");
    }

    #[test]
    fn every_kind_has_words_of_its_own() {
        let all: std::collections::BTreeSet<_> = Kind::ALL.into_iter().map(words).collect();
        assert_eq!(all.len(), Kind::ALL.len());
    }
}
