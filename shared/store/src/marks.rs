//! Marks of changes. Before prune looks at the tokens of a user whose change invalidates tokens, it leaves a mark. A
//! route that issues a token for that user reads the mark with the user, and once more after the record was written: if
//! there is another one by then, the token was made on what a change has ended, even if the change was undone in
//! between.
//!
//! A mark names the last record of the stream that was handled. An older record never takes the place of a newer one,
//! so that a repeated delivery changes nothing and no mark comes back; no clock is compared. It lies among the tokens,
//! because prune must depend on nothing else, under a key that no user id can have, and goes after an hour, which is
//! longer than any request takes. It costs one write unit for each user in a batch of the stream who was changed so
//! that tokens are invalidated; any other change of a user costs none.

use std::time::Duration;

use token::{Timestamp, User, UserId};

use crate::{
    Failure, Store,
    failure::{Corrupt, if_met},
    item::{self, FORGET_AT, Item},
};

/// The last change of a user that prune has handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeMark(String);

/// Something that was read of a user, with the mark that the user had at that time.
#[derive(Clone, Debug)]
pub struct Marked<T> {
    /// What was read.
    pub value: T,
    /// The user's mark.
    pub mark: Option<ChangeMark>,
}

/// How long a mark stays. A request that has read a user and not yet written the record must still find it.
const MARK_LIFETIME: Duration = Duration::from_secs(3_600);

const RECORD: &str = "record";

/// The longest sequence number of a stream (`StreamRecord`, DynamoDB Streams API reference), in digits. They increase
/// for each item; written at one length they compare as text.
const SEQUENCE_LENGTH: usize = 40;

impl ChangeMark {
    /// Whether prune has handled a change between two looks. A mark that is gone has expired, which is no change.
    pub fn is_newer(now: Option<&Self>, before: Option<&Self>) -> bool {
        now.is_some() && now != before
    }
}

impl Store {
    /// Leaves a mark that this record of the stream, which changed the user, is being handled.
    ///
    /// # Errors
    /// When the store fails; the tokens of the user must not be looked at then.
    pub async fn mark_change(&self, user_id: &UserId, record: &str, now: Timestamp) -> Result<(), Failure> {
        let call = self
            .update(mark_key(user_id.as_str()))
            .update_expression("SET #record = :record, #forget = :forget")
            .condition_expression("attribute_not_exists(#record) OR #record < :record")
            .expression_attribute_names("#record", RECORD)
            .expression_attribute_names("#forget", FORGET_AT)
            .expression_attribute_values(":record", item::text(format!("{record:0>SEQUENCE_LENGTH$}")))
            .expression_attribute_values(":forget", item::number(now.after(MARK_LIFETIME)));
        // The condition is not met if this record or a later one left its mark before.
        if_met("marking the change of the user", call.send().await).map(|_met| ())
    }

    /// The mark of a user, strongly read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn change_mark(&self, id: &UserId) -> Result<Option<ChangeMark>, Failure> {
        self.mark_at(id.as_str()).await
    }

    pub(crate) async fn mark_at(&self, user_id: &str) -> Result<Option<ChangeMark>, Failure> {
        const DOING: &str = "reading the mark of the user";
        let item = self.get(mark_key(user_id), DOING).await?;
        item.as_ref().map(to_mark).transpose().map_err(|bad| Failure::new(DOING, bad))
    }

    /// A user by id, and the mark that the user had just before; both strongly read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn marked_user(&self, id: &UserId) -> Result<Option<Marked<User>>, Failure> {
        let mark = self.change_mark(id).await?;
        Ok(self.user(id).await?.map(|value| Marked { value, mark }))
    }
}

/// The sort key of a mark, and what its partition key begins with.
pub(crate) const CHANGES: &str = "changes";

/// The key of a user's mark. No user id has a `#`.
pub(crate) fn mark_key(user_id: &str) -> Item {
    item::key(&format!("{CHANGES}#{user_id}"), CHANGES)
}

/// Whether an item is a mark.
pub(crate) fn is_mark(item: &Item) -> bool {
    item.get(item::TOKEN).and_then(|token| token.as_s().ok()).is_some_and(|token| token == CHANGES)
}

pub(crate) fn to_mark(item: &Item) -> Result<ChangeMark, Corrupt> {
    item::required(item, RECORD).map(ChangeMark)
}
