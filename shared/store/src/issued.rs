//! Finding what tokens issued, for any user. No index leads there: records of many users are read, a page at a time and
//! strongly, which costs a read unit for each 4 KB of the table.

use token::Record;

use crate::{
    Failure, Store,
    item::{self, ISSUED_BY_FAMILY, REVOKED_AT},
    sweep::Place,
};

/// Some of the records that tokens issued and that are not revoked.
#[derive(Debug)]
pub struct IssuedPage {
    /// The records; those that cannot be read are rejected anyway, and are left out.
    pub records: Vec<Record>,
    /// Where the next page begins, if there is one.
    pub next: Option<Place>,
}

const DOING: &str = "looking for what a token issued";

impl Store {
    /// The next page: what a megabyte of the table holds of such records.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn issued_page(&self, after: Option<&Place>) -> Result<IssuedPage, Failure> {
        let call = self.client.scan().table_name(&self.tables.tokens).consistent_read(true);
        let call = call
            .filter_expression("attribute_exists(#family) AND attribute_not_exists(#revoked)")
            .expression_attribute_names("#family", ISSUED_BY_FAMILY)
            .expression_attribute_names("#revoked", REVOKED_AT)
            .set_exclusive_start_key(after.map(Place::key));
        let answer = call.send().await.map_err(Failure::of(DOING))?;
        let records = answer.items.unwrap_or_default().iter().filter_map(|item| item::to_record(item).ok()).collect();
        Ok(IssuedPage { records, next: answer.last_evaluated_key.as_ref().and_then(Place::of) })
    }
}

impl Place {
    /// The place as text, for a cursor.
    pub fn to_text(&self) -> String {
        let (user_id, token) = self.parts();
        format!("{user_id}\n{token}")
    }

    /// Reads what [`Place::to_text`] wrote. Any text is a place, and none leaves the table.
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
        for (user_id, token) in [("1", "AAAAAAAAAAAAAAAAAAAAAA"), ("developer#x", "pointer"), ("a", "#session#b")] {
            let place = Place::new(user_id.to_owned(), token.to_owned());
            assert_eq!(Place::from_text(&place.to_text()), Some(place));
        }
        for text in ["", "a", "\n", "a\n", "\na"] {
            assert_eq!(Place::from_text(text), None, "{text}");
        }
    }
}
