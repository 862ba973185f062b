//! What an operator does after a leak: ends the family of a token, and everything that its tokens issued, for any user.
//!
//! A token that is not revoked yet may go on issuing meanwhile. Every look is strong, and the work is over only when a
//! whole look finds nothing that lives: an issuer that is revoked by then takes back what it was issuing, because
//! issuing looks at the caller once more before it shows a text.

use store::{
    Failure, Store,
    marking::{Mark, could_be_live},
    sweep::Place,
};
use token::{Record, TokenId};

/// Whose tokens are looked for: a family, or a single token whose record is gone and whose family is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    family: TokenId,
    token: Option<TokenId>,
}

/// A search through all tokens, which may be interrupted and taken up again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    issuer: Issuer,
    place: Option<Place>,
    found: bool,
}

/// What one page of a search came to.
#[derive(Debug)]
pub struct Step {
    /// The tokens it revoked.
    pub revoked: Vec<TokenId>,
    /// Whether the search is over: a whole pass found nothing.
    pub is_over: bool,
}

impl Issuer {
    /// The family of this token. Without its record, the ID is taken for that of a family, and what the token itself
    /// issued tells its family.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find(store: &Store, id: TokenId) -> Result<Self, Failure> {
        Ok(match store.record(&id).await? {
            Some(record) => Self { family: record.family.id, token: None },
            None => Self { family: id, token: Some(id) },
        })
    }

    /// Whether it may be a browser's session, whose family no record has.
    pub const fn could_be_session(&self) -> bool {
        self.token.is_some()
    }

    /// The family.
    pub const fn family(&self) -> TokenId {
        self.family
    }

    fn issued(&self, record: &Record) -> bool {
        record.family.descends_from(&self.family)
            || self.token.is_some_and(|token| record.issued_by == token.to_string())
    }

    /// Learns the family of a token from a record that says who issued it.
    fn learn(&mut self, record: &Record) {
        if self.token.is_some_and(|token| record.issued_by == token.to_string())
            && let Some(family) = record.family.issued_by()
        {
            self.family = family;
        }
    }
}

impl Search {
    /// A search from the beginning.
    pub const fn new(issuer: Issuer) -> Self {
        Self { issuer, place: None, found: false }
    }

    /// Whose tokens it looks for; it may have learnt the family since it began.
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Revokes what the next page of the table holds.
    ///
    /// # Errors
    /// When the store fails; the same page comes again.
    pub async fn step(&mut self, store: &Store, mark: Mark) -> Result<Step, Failure> {
        let page = store.issued_page(self.place.as_ref()).await?;
        page.records.iter().for_each(|record| self.issuer.learn(record));
        let live: Vec<Record> = page
            .records
            .into_iter()
            .filter(|record| could_be_live(record, mark.0.at) && self.issuer.issued(record))
            .collect();
        self.found |= !live.is_empty();
        let revoked = store.revoke_records(&live, mark).await?;
        self.place = page.next;
        let is_over = self.place.is_none() && !self.found;
        // Behind the place of this pass, one that was alive may have issued another.
        self.found &= self.place.is_some();
        Ok(Step { revoked, is_over })
    }

    /// Whether it stands at the beginning of a pass.
    pub const fn is_at_start(&self) -> bool {
        self.place.is_none()
    }

    /// Where the search stands, as text for a cursor.
    pub fn to_text(&self) -> String {
        let place = self.place.as_ref().map(Place::to_text).unwrap_or_default();
        let token = self.issuer.token.map(|token| token.to_string()).unwrap_or_default();
        format!("{}~{token}~{}~{place}", self.issuer.family, u8::from(self.found))
    }

    /// Takes a search up again where [`Search::to_text`] left it.
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

/// How many.
pub fn count<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_goes_on_from_its_text_and_from_no_other() {
        let id: TokenId = "1.AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        for token in [None, Some(id)] {
            let mut search = Search { found: true, ..Search::new(Issuer { family: id, token }) };
            assert_eq!(Search::from_text(&search.to_text()), Some(search.clone()));
            search.place = Place::from_text("a\nb");
            assert!(search.place.is_some());
            assert_eq!(Search::from_text(&search.to_text()), Some(search));
        }
        for text in ["", "~", "~~~", "1~~0~", "1.AAAAAAAAAAAAAAAAAAAAAA~~2~", "1.AAAAAAAAAAAAAAAAAAAAAA~x~0~"] {
            assert_eq!(Search::from_text(text), None, "{text}");
        }
    }
}
