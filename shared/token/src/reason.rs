//! Why a token was rejected. This is a closed list; which status and words a reason gets is decided in `edge`.

use std::{fmt, str::FromStr};

/// Why a token was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It is not a token, or not of a format that is spoken here.
    Malformed,
    /// Its shape is right and its signature is not. To the public this reads as [`Reason::Malformed`].
    Forged,
    /// Its time is over.
    Expired,
    /// There is no record of it: never was, or no longer.
    Unknown,
    /// It was taken back.
    Revoked,
    /// It is switched off and may be switched on again.
    Disabled,
    /// Another token took its place.
    Replaced,
    /// Its user is blocked.
    UserBlocked,
    /// Something of its user that it is bound to has changed.
    UserChanged,
    /// Its user is gone.
    UserRemoved,
}

impl Reason {
    /// Every reason, in the order they are decided.
    pub const ALL: [Self; 10] = [
        Self::Malformed,
        Self::Forged,
        Self::Expired,
        Self::Unknown,
        Self::Revoked,
        Self::Replaced,
        Self::UserRemoved,
        Self::UserBlocked,
        Self::UserChanged,
        Self::Disabled,
    ];

    /// The word that stands in logs, records and contexts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Forged => "forged",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::Revoked => "revoked",
            Self::Disabled => "disabled",
            Self::Replaced => "replaced",
            Self::UserBlocked => "user_blocked",
            Self::UserChanged => "user_changed",
            Self::UserRemoved => "user_removed",
        }
    }

    /// The word a caller may see: a forged token and a malformed one look alike, so that a guess learns nothing.
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

impl FromStr for Reason {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_read_as_the_word_it_is_written() {
        for reason in Reason::ALL {
            assert_eq!(reason.to_string(), reason.as_str());
            assert_eq!(reason.as_str().parse(), Ok(reason));
        }
        assert_eq!("".parse::<Reason>(), Err(()));
        assert_eq!("Revoked".parse::<Reason>(), Err(()));
    }
}
