//! Token families: the tokens that are revoked together after a leak.

use crate::{
    id::{TokenHash, TokenId, UserId},
    secret::Digest,
};

/// The family of a token: the tokens generated, rotated or regenerated from one another, all of one
/// user. Its ID is that of its first token.
///
/// A family also has the line of its issuers: the family of the token that issued it, the family of
/// the token that issued that one, and so on. The record of an issuer can be purged long before the
/// tokens that it issued expire, so each record holds the whole line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// The public ID of the family's first token.
    pub id: TokenId,
    issued_by: Option<TokenId>,
    ancestors: Vec<Ancestor>,
}

/// The first half of the hash in a family's ID.
pub type Ancestor = [u8; 8];

/// The line of issuers is longer than [`Family::MAX_ISSUERS`]. A log-in with a password starts a
/// new line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyIssuers;

impl Family {
    /// The maximum length of the line of issuers. It bounds the size of a record.
    pub const MAX_ISSUERS: usize = 64;

    /// Creates a family whose first token is this one and that no token issued.
    pub const fn new(id: TokenId) -> Self {
        Self { id, issued_by: None, ancestors: Vec::new() }
    }

    /// The family that issues the tokens of a browser's session. A session is not a token, so this
    /// family has no records. Its ID is a digest of the session's digest, from which the session
    /// cannot be found.
    pub fn of_session(user_id: UserId, session: &Digest) -> Self {
        let digest =
            Digest::of(&[b"hallpass session family 1\0", session.text().as_bytes()].concat());
        let hash = TokenHash::from_bytes(*digest.bytes().first_chunk().unwrap_or(&[0; 16]));
        Self::new(TokenId { user_id, hash })
    }

    /// Reads the family of a record. Returns `None` if it has ancestors but no issuer, or too many
    /// ancestors.
    pub fn from_parts(
        id: TokenId,
        issued_by: Option<TokenId>,
        ancestors: Vec<Ancestor>,
    ) -> Option<Self> {
        let is_whole = issued_by.is_some() || ancestors.is_empty();
        (is_whole && ancestors.len() < Self::MAX_ISSUERS).then_some(Self {
            id,
            issued_by,
            ancestors,
        })
    }

    /// The family of a token that a token of this family issues. `id` is the family of the new
    /// token: this one, another existing one, or a new one.
    ///
    /// # Errors
    /// Returns [`TooManyIssuers`] if the line of issuers would be longer than
    /// [`Family::MAX_ISSUERS`].
    pub fn issue(&self, id: TokenId) -> Result<Self, TooManyIssuers> {
        if id == self.id {
            return Ok(self.clone());
        }
        let ancestors: Vec<Ancestor> = self
            .ancestors
            .iter()
            .copied()
            .chain(self.issued_by.map(|family| ancestor(&family.hash)))
            .collect();
        Self::from_parts(id, Some(self.id), ancestors).ok_or(TooManyIssuers)
    }

    /// The family of the token that issued this one, if it is a different one.
    pub const fn issued_by(&self) -> Option<TokenId> {
        self.issued_by
    }

    /// The issuers of [`Family::issued_by`], the oldest first.
    pub fn ancestors(&self) -> &[Ancestor] {
        &self.ancestors
    }

    /// Whether a token of that family issued this one, directly or indirectly.
    pub fn descends_from(&self, family: &TokenId) -> bool {
        self.issued_by.is_some_and(|issuer| issuer == *family)
            || self.ancestors.contains(&ancestor(&family.hash))
    }
}

fn ancestor(hash: &TokenHash) -> Ancestor {
    *hash.bytes().first_chunk().unwrap_or(&[0; 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(user: &str, letter: &str) -> TokenId {
        TokenId {
            user_id: user.parse().unwrap(),
            hash: format!("{}A", letter.repeat(21)).parse().unwrap(),
        }
    }

    #[test]
    fn a_family_descends_from_every_family_that_issued_it_and_from_no_other() {
        let first = Family::new(id("1", "A"));
        let second = first.issue(id("2", "B")).unwrap();
        let third = second.issue(id("3", "C")).unwrap();
        let fourth = third.issue(id("3", "D")).unwrap();
        let check = |family: &Family, ancestors: &[&Family]| {
            for other in [&first, &second, &third, &fourth] {
                assert_eq!(
                    family.descends_from(&other.id),
                    ancestors.contains(&other),
                    "{family:?} {other:?}"
                );
            }
        };
        check(&first, &[]);
        check(&second, &[&first]);
        check(&third, &[&first, &second]);
        check(&fourth, &[&first, &second, &third]);
        assert_eq!(fourth.issued_by(), Some(third.id));
    }

    #[test]
    fn a_token_that_continues_its_family_keeps_the_line_of_its_issuer() {
        let stolen = Family::new(id("1", "A"));
        let issued = stolen.issue(id("2", "B")).unwrap();
        assert_eq!(issued.issue(issued.id), Ok(issued.clone()));
        // A token of another family rotates one of this family: only the line of the rotating token
        // has seen the new text.
        let rotating = Family::new(id("2", "C"));
        let rotated = rotating.issue(issued.id).unwrap();
        assert_eq!((rotated.id, rotated.descends_from(&rotating.id)), (issued.id, true));
        assert!(!rotated.descends_from(&stolen.id));
    }

    #[test]
    fn a_session_has_its_own_family_whose_id_does_not_show_its_digest() {
        let (user, session) = ("1".parse().unwrap(), Digest::of(b"1.session"));
        let family = Family::of_session(user, &session);
        assert_eq!(family, Family::of_session(user, &Digest::of(b"1.session")));
        assert_ne!(family, Family::of_session(user, &Digest::of(b"1.another")));
        assert!(!session.text().contains(&*family.id.hash.text()));
        let issued = family.issue(id("2", "B")).unwrap();
        assert!(issued.descends_from(&family.id) && issued.issued_by() == Some(family.id));
    }

    #[test]
    fn the_line_of_issuers_is_bounded() {
        let mut family = Family::new(id("1", "A"));
        for number in 0..Family::MAX_ISSUERS {
            let next = TokenId {
                user_id: family.id.user_id,
                hash: format!("{number:0>21}A").parse().unwrap(),
            };
            family = family.issue(next).unwrap();
        }
        assert_eq!(family.ancestors().len() + 1, Family::MAX_ISSUERS);
        assert_eq!(family.issue(id("1", "Z")), Err(TooManyIssuers));
        assert!(family.issue(family.id).is_ok(), "renewal is still possible");
        assert_eq!(Family::from_parts(id("1", "A"), None, vec![[0; 8]]), None);
    }
}
