//! Rejection reasons. The list is closed; the crate `http` maps each reason to a status and a
//! message.

use std::{fmt, str::FromStr};

/// Why a token was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The text is not a token of any supported format.
    Malformed,
    /// The shape is right, but the signature is not. Callers see [`Reason::Malformed`].
    Forged,
    /// The token is past its expiry.
    Expired,
    /// The token has no record: it was never issued, or its record was purged.
    Unknown,
    /// The token was revoked.
    Revoked,
    /// The token was revoked because its text was found in public.
    Leaked,
    /// The token is disabled. It can be enabled again.
    Disabled,
    /// Another token replaced it.
    Replaced,
    /// The token's user is blocked.
    UserBlocked,
    /// An attribute of the user that the token is bound to has changed.
    UserChanged,
    /// The token's user was deleted.
    UserRemoved,
    /// The token's user must sign in at the identity provider again.
    SignInRequired,
}

impl Reason {
    /// Every reason, in order of precedence.
    pub const ALL: [Self; 12] = [
        Self::Malformed,
        Self::Forged,
        Self::Expired,
        Self::Unknown,
        Self::Revoked,
        Self::Leaked,
        Self::Replaced,
        Self::UserRemoved,
        Self::UserBlocked,
        Self::UserChanged,
        Self::SignInRequired,
        Self::Disabled,
    ];

    /// The name of the reason in logs, records and authorizer contexts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Forged => "forged",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::Revoked => "revoked",
            Self::Leaked => "leaked",
            Self::Disabled => "disabled",
            Self::Replaced => "replaced",
            Self::UserBlocked => "user_blocked",
            Self::UserChanged => "user_changed",
            Self::UserRemoved => "user_removed",
            Self::SignInRequired => "sign_in_required",
        }
    }

    /// The reason that a caller sees. A forged token looks like a malformed one, so that a guess
    /// learns nothing.
    #[must_use]
    pub const fn public(self) -> Self {
        if matches!(self, Self::Forged) { Self::Malformed } else { self }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a rejection reason")]
pub struct ParseReasonError;

impl FromStr for Reason {
    type Err = ParseReasonError;

    fn from_str(text: &str) -> Result<Self, ParseReasonError> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(ParseReasonError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_parses_from_its_own_name() {
        for reason in Reason::ALL {
            assert_eq!(reason.to_string(), reason.as_str());
            assert_eq!(reason.as_str().parse(), Ok(reason));
        }
        assert_eq!("".parse::<Reason>(), Err(ParseReasonError));
        assert_eq!("Revoked".parse::<Reason>(), Err(ParseReasonError));
    }
}
