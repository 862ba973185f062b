//! Revokes the family of a token after a leak, and everything that its tokens issued, for any user.
//!
//! A token that is not revoked yet can issue more tokens during the search. Every read is strongly
//! consistent, and the search is complete only when a whole pass finds no live token. A token that
//! is revoked while it issues another withdraws it, because issuing rechecks the caller before the
//! text is returned.

use hallpass_runtime::Event;
use hallpass_store::{Failure, Store, marking::could_be_live, sweep::Place};
use hallpass_token::{Record, TokenId};

use crate::revocation::Revoker;

/// The issuer whose tokens are searched for: a family, or a single token whose record no longer
/// exists and whose family is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    family: TokenId,
    token: Option<TokenId>,
}

/// A search through all tokens that can be interrupted and continued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    issuer: Issuer,
    place: Option<Place>,
    found: bool,
}

/// The result of one page of a search.
#[derive(Debug)]
pub struct Step {
    /// The number of tokens that were revoked.
    pub revoked: u64,
    /// Whether the page revealed the family of the token, so that the family can now be revoked.
    pub found_family: bool,
    /// Whether the page was the last of a pass.
    pub ends_pass: bool,
    /// Whether the search is complete: a whole pass found no live token.
    pub is_over: bool,
}

impl Issuer {
    /// Finds the family of a token. If its record no longer exists, the ID is treated as that of a
    /// family, and the real family is learnt from the records of tokens that it issued.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn find(store: &Store, id: TokenId) -> Result<Self, Failure> {
        Ok(match store.record(&id).await? {
            Some(record) => Self { family: record.family.id, token: None },
            None => Self { family: id, token: Some(id) },
        })
    }

    /// Returns the ID of the family.
    pub const fn family(&self) -> TokenId {
        self.family
    }

    fn issued(&self, record: &Record) -> bool {
        record.family.descends_from(&self.family)
            || self.token.is_some_and(|token| record.issued_by == token.to_string())
    }

    /// Learns the family of the token from the record of a token that it issued.
    fn learn(&mut self, record: &Record) {
        if self.token.is_some_and(|token| record.issued_by == token.to_string())
            && let Some(family) = record.family.issued_by()
        {
            self.family = family;
        }
    }
}

impl Search {
    /// Creates a search that starts at the beginning.
    pub const fn new(issuer: Issuer) -> Self {
        Self { issuer, place: None, found: false }
    }

    /// Returns the issuer. Its family may have been learnt during the search.
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Revokes the matching tokens on the next page of the table.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB fails. The next call repeats the same page.
    pub async fn step(&mut self, with: &Revoker<'_>) -> Result<Step, Failure> {
        let page = with.store.issued_page(self.place.as_ref()).await?;
        let family = self.issuer.family;
        page.records.iter().for_each(|record| self.issuer.learn(record));
        let found_family = self.issuer.family != family;
        let live: Vec<Record> = page
            .records
            .into_iter()
            .filter(|record| could_be_live(record, with.cause.at) && self.issuer.issued(record))
            .collect();
        // What the family issued can be on a page that was read before the family was known.
        self.found |= found_family || !live.is_empty();
        let ids = with.store.revoke_records(&live, with.mark(), &with.cause).await?;
        for id in &ids {
            Event::Revoked(id).log(&with.cause);
        }
        self.place = page.next;
        let ends_pass = self.place.is_none();
        let is_over = ends_pass && !self.found;
        // A token that was live during this pass may have issued another behind its position.
        self.found &= !ends_pass;
        let revoked = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        Ok(Step { revoked, found_family, ends_pass, is_over })
    }

    /// Returns the state of the search as text, for a cursor.
    pub fn to_text(&self) -> String {
        let place = self.place.as_ref().map(Place::to_text).unwrap_or_default();
        let token = self.issuer.token.map(|token| token.to_string()).unwrap_or_default();
        format!("{}~{token}~{}~{place}", self.issuer.family, u8::from(self.found))
    }

    /// Restores a search from the text that [`Search::to_text`] returned.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '~');
        let family = parts.next()?.parse().ok()?;
        let token = match parts.next()? {
            "" => None,
            token => Some(token.parse().ok()?),
        };
        let found = match parts.next()? {
            "0" => false,
            "1" => true,
            _ => return None,
        };
        let place = match parts.next()? {
            "" => None,
            place => Some(Place::from_text(place)?),
        };
        Some(Self { issuer: Issuer { family, token }, place, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_restored_only_from_valid_text() {
        let id: TokenId = "1.AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        for token in [None, Some(id)] {
            let mut search = Search { found: true, ..Search::new(Issuer { family: id, token }) };
            assert_eq!(Search::from_text(&search.to_text()), Some(search.clone()));
            search.place = Place::from_text("a\nb");
            assert!(search.place.is_some());
            assert_eq!(Search::from_text(&search.to_text()), Some(search));
        }
        for text in [
            "",
            "~",
            "~~~",
            "1~~0~",
            "1.AAAAAAAAAAAAAAAAAAAAAA~~2~",
            "1.AAAAAAAAAAAAAAAAAAAAAA~x~0~",
        ] {
            assert_eq!(Search::from_text(text), None, "{text}");
        }
    }
}
