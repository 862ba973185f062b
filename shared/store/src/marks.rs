//! Marks of changes. When a change of a user invalidates tokens, prune first writes a mark that
//! names the state that the user left, and only then reads the user's tokens. A route that issues a
//! token for that user reads the marks with the user, and once more after the record was written.
//! If by then the user has left the state for which the token was issued, the token is withdrawn,
//! even if the change was undone in between. A change that led to that state does not count.
//!
//! A mark also names its record of the stream, so that a repeated delivery changes nothing, and no
//! clocks are compared. The marks are in the table of tokens, because prune must depend on nothing
//! else, under a key that no user ID can have. They expire after an hour without a change, which is
//! longer than any request takes. They cost one write unit for each user in a batch of the stream
//! whose change invalidates tokens. Other changes of a user cost nothing.

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_dynamodb::{
    operation::update_item::builders::UpdateItemFluentBuilder,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hallpass_token::{Fingerprint, Timestamp, User, UserId};

use crate::{
    Failure, Store,
    failure::{Corrupt, unmet_by},
    item::{self, Item, PURGE_AT},
};

/// The marks of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeMarks(BTreeSet<String>);

/// A state that a user left, and the record of the stream that shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeMark(String);

/// A value read for a user, with the user's marks at that time.
#[derive(Clone, Debug)]
pub struct Marked<T> {
    /// The value.
    pub value: T,
    /// The user's marks.
    pub marks: ChangeMarks,
}

/// How long marks are kept after the last of them. A request that has read a user, but has not yet
/// written the record, must still find them.
const MARK_LIFETIME: Duration = Duration::from_secs(3_600);

/// The maximum number of a user's marks. One more replaces them all with a mark of every state.
const MAX_MARKS: usize = 64;

const LEFT: &str = "left_states";

/// The state of a mark that stands for every state.
const EVERY_STATE: &str = "*";

impl ChangeMark {
    /// Creates the mark of a user who left the state with this fingerprint, under the binding of
    /// sessions, according to this record of the stream. Without a fingerprint, the mark stands for
    /// every state.
    pub fn new(left: Option<&Fingerprint>, record: &str) -> Self {
        let state = left.map_or_else(|| EVERY_STATE.to_owned(), state_of);
        Self(format!("{state}#{record}"))
    }

    fn of_every_state(&self) -> Self {
        let record = self.0.split_once('#').map_or(self.0.as_str(), |(_left, record)| record);
        Self::new(None, record)
    }
}

impl ChangeMarks {
    /// Whether a user with these marks and this state had left the state by the time of the `later`
    /// marks. Missing marks have expired, which is not a change.
    pub fn left_by(&self, later: &Self, state: &Fingerprint) -> bool {
        let state = state_of(state);
        later.0.difference(&self.0).any(|mark| {
            let left = mark.split_once('#').map_or(EVERY_STATE, |(left, _record)| left);
            left == EVERY_STATE || left == state
        })
    }
}

/// A state as text: base64url without padding, 43 characters.
fn state_of(fingerprint: &Fingerprint) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(fingerprint.0)
}

impl Store {
    /// Writes the marks of a user's changes. A repeated call changes nothing.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written. The caller must then handle the changes
    /// again.
    pub async fn mark_changes(
        &self,
        user_id: &UserId,
        marks: &BTreeSet<ChangeMark>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let Some(last) = marks.last() else { return Ok(()) };
        let room = MAX_MARKS.saturating_sub(marks.len());
        let call = self
            .update_marks(user_id, marks.iter(), now)
            .update_expression("ADD #left :marks SET #purge = :purge")
            .condition_expression(
                "attribute_not_exists(#left) OR (size(#left) <= :room AND NOT contains(#left, \
                 :last))",
            )
            .expression_attribute_values(":room", AttributeValue::N(room.to_string()))
            .expression_attribute_values(":last", item::text(&last.0))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = call.send().await else { return Ok(()) };
        let known = match unmet_by(&error) {
            None => return Err(Failure::of(MARKING)(error)),
            Some(old) => to_marks(&old).unwrap_or_default(),
        };
        // The same records were delivered before, or the response to this write was lost.
        if marks.iter().all(|mark| known.0.contains(&mark.0)) {
            return Ok(());
        }
        let call = self
            .update_marks(user_id, [&last.of_every_state()], now)
            .update_expression("SET #left = :marks, #purge = :purge");
        call.send().await.map(drop).map_err(Failure::of(MARKING))
    }

    fn update_marks<'a>(
        &self,
        user_id: &UserId,
        marks: impl IntoIterator<Item = &'a ChangeMark>,
        now: Timestamp,
    ) -> UpdateItemFluentBuilder {
        let marks = marks.into_iter().map(|mark| mark.0.clone()).collect();
        self.update(mark_key(user_id.as_str()))
            .expression_attribute_names("#left", LEFT)
            .expression_attribute_names("#purge", PURGE_AT)
            .expression_attribute_values(":marks", AttributeValue::Ss(marks))
            .expression_attribute_values(":purge", item::number(now.after(MARK_LIFETIME)))
    }

    /// Reads the marks of a user with strong consistency.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read, or if the marks are corrupt.
    pub async fn change_marks(&self, id: &UserId) -> Result<ChangeMarks, Failure> {
        self.marks_at(id.as_str()).await
    }

    pub(crate) async fn marks_at(&self, user_id: &str) -> Result<ChangeMarks, Failure> {
        const DOING: &str = "reading the marks of the user";
        let item = self.get(mark_key(user_id), DOING).await?;
        item.as_ref()
            .map_or(Ok(ChangeMarks::default()), to_marks)
            .map_err(|bad| Failure::new(DOING, bad))
    }

    /// Reads the marks of a user and then the user, both with strong consistency.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read, or if an item is corrupt.
    pub async fn marked_user(&self, id: &UserId) -> Result<Option<Marked<User>>, Failure> {
        let marks = self.change_marks(id).await?;
        Ok(self.user(id).await?.map(|value| Marked { value, marks }))
    }
}

const MARKING: &str = "marking the change of the user";

/// The sort key of the marks, and the prefix of their partition key.
pub(crate) const CHANGES: &str = "changes";

/// The key of a user's marks. No user ID contains a `#`.
pub(crate) fn mark_key(user_id: &str) -> Item {
    item::key(&format!("{CHANGES}#{user_id}"), CHANGES)
}

/// Whether an item holds marks.
pub(crate) fn is_mark(item: &Item) -> bool {
    item.get(item::TOKEN).and_then(|token| token.as_s().ok()).is_some_and(|token| token == CHANGES)
}

pub(crate) fn to_marks(item: &Item) -> Result<ChangeMarks, Corrupt> {
    match item.get(LEFT) {
        Some(AttributeValue::Ss(marks)) => Ok(ChangeMarks(marks.iter().cloned().collect())),
        Some(_) | None => Err(Corrupt(LEFT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(left: &[(Option<u8>, &str)]) -> ChangeMarks {
        let mark = |(state, record): &(Option<u8>, &str)| {
            ChangeMark::new(state.map(|byte| Fingerprint([byte; 32])).as_ref(), record).0
        };
        ChangeMarks(left.iter().map(mark).collect())
    }

    #[test]
    fn only_a_new_mark_of_the_state_or_of_every_state_counts() {
        let check = |before: &[(Option<u8>, &str)], later: &[(Option<u8>, &str)], is_left: bool| {
            let got = marks(before).left_by(&marks(later), &Fingerprint([1; 32]));
            assert_eq!(got, is_left, "{before:?} {later:?}");
        };
        check(&[], &[], false);
        check(&[], &[(Some(1), "7")], true);
        check(&[], &[(Some(2), "7")], false);
        check(&[], &[(None, "7")], true);
        check(&[(Some(1), "7")], &[(Some(1), "7")], false);
        check(&[(Some(1), "7")], &[(Some(1), "7"), (Some(2), "8")], false);
        check(&[(Some(1), "7")], &[(Some(1), "7"), (Some(1), "8")], true);
        check(&[(Some(1), "7")], &[], false);
        check(&[(Some(1), "7")], &[(None, "9")], true);
    }
}
