//! Finds the tokens that tokens have issued, for any user. No index covers them, so the whole table
//! is read, page by page and with strong consistency. This costs one read unit for each 4 KB of the
//! table.

use hallpass_token::Record;

use crate::{
    Failure, Store,
    item::{self, ISSUED_BY_FAMILY, REVOKED_AT},
    sweep::Place,
};

/// A page of unrevoked records whose tokens were issued by tokens.
#[derive(Debug)]
pub struct IssuedPage {
    /// The records of the page. Unreadable ones are omitted, because they are never accepted.
    pub records: Vec<Record>,
    /// The position after which the next page starts, or `None` on the last page.
    pub next: Option<Place>,
}

const DOING: &str = "finding the tokens that a token issued";

impl Store {
    /// Reads the next page: one megabyte of the table, filtered.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn issued_page(&self, after: Option<&Place>) -> Result<IssuedPage, Failure> {
        let call = self.client.scan().table_name(&self.tables.tokens).consistent_read(true);
        let call = call
            .filter_expression("attribute_exists(#family) AND attribute_not_exists(#revoked)")
            .expression_attribute_names("#family", ISSUED_BY_FAMILY)
            .expression_attribute_names("#revoked", REVOKED_AT)
            .set_exclusive_start_key(after.map(Place::key));
        let response = call.send().await.map_err(Failure::of(DOING))?;
        let records = response
            .items
            .unwrap_or_default()
            .iter()
            .filter_map(|item| item::to_record(item).ok())
            .collect();
        Ok(IssuedPage { records, next: response.last_evaluated_key.as_ref().and_then(Place::of) })
    }
}

impl Place {
    /// The position as text, for a cursor.
    pub fn to_text(&self) -> String {
        let (user_id, token) = self.parts();
        format!("{user_id}\n{token}")
    }

    /// Parses the text of [`Place::to_text`]. Any pair of non-empty texts is a valid position, and
    /// no position is outside the table.
    pub fn from_text(text: &str) -> Option<Self> {
        let (user_id, token) = text.split_once('\n')?;
        let is_key = !user_id.is_empty() && !token.is_empty();
        is_key.then(|| Self::new(user_id.to_owned(), token.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_parses_from_its_own_text_and_other_texts_are_rejected() {
        for (user_id, token) in
            [("1", "AAAAAAAAAAAAAAAAAAAAAA"), ("developer#x", "pointer"), ("a", "#session#b")]
        {
            let place = Place::new(user_id.to_owned(), token.to_owned());
            assert_eq!(Place::from_text(&place.to_text()), Some(place));
        }
        for text in ["", "a", "\n", "a\n", "\na"] {
            assert_eq!(Place::from_text(text), None, "{text}");
        }
    }
}
