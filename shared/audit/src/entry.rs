//! Entries of the audit log: one line of JSON for each event.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    event::{Derived, Event, Written, derive},
    image::{Image, Unreadable},
    sum::Sum,
    user_event::user_events,
};

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What happened.
    pub event: Event,
    /// The token's record after the change, or before its removal; see [`Image::readable`]. `null`
    /// for users, whose items belong to the application.
    pub record: Json,
    /// The sum of the lifecycle image after the change; `null` after a removal.
    pub image_sha256: Option<Sum>,
    /// The sequence number of the change in the stream.
    pub sequence_number: String,
}

/// The maximum number of digits of a sequence number.
pub const MAX_SEQUENCE_NUMBER: usize = 40;

const SEQUENCE_NUMBER: &str = "SequenceNumber";

/// Checks that a sequence number has 1 to 40 digits, so that it can be part of the name of an
/// object; see
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html>.
///
/// # Errors
/// Returns [`Unreadable`] if it is anything else.
pub(crate) fn checked(sequence_number: &str) -> Result<&str, Unreadable> {
    let is_valid = !sequence_number.is_empty()
        && sequence_number.len() <= MAX_SEQUENCE_NUMBER
        && sequence_number.bytes().all(|digit| digit.is_ascii_digit());
    if is_valid { Ok(sequence_number) } else { Err(Unreadable(SEQUENCE_NUMBER)) }
}

impl Entry {
    /// The entries of a change of a record: those of the events that [`crate::events`] derives.
    ///
    /// # Errors
    /// Returns [`Unreadable`] if an attribute that an event needs is missing or cannot be read.
    pub fn of_token(
        old: Option<&Image>,
        new: Option<&Image>,
        written: Written,
        sequence_number: &str,
    ) -> Result<Vec<Self>, Unreadable> {
        let sequence_number = checked(sequence_number)?;
        let entry = |Derived { event, image, is_end }: Derived<'_>| Self {
            event,
            record: image.readable(),
            image_sha256: (!is_end).then(|| image.lifecycle_sum()),
            sequence_number: sequence_number.to_owned(),
        };
        Ok(derive(old, new, written)?.into_iter().map(entry).collect())
    }

    /// The entries of a change of a user: those of the events that [`crate::user_events`] derives.
    ///
    /// # Errors
    /// Returns [`Unreadable`] if an attribute that an event needs cannot be read.
    pub fn of_user(
        old: Option<&Image>,
        new: Option<&Image>,
        written: Written,
        sequence_number: &str,
    ) -> Result<Vec<Self>, Unreadable> {
        let entry = |event| Self {
            event,
            record: Json::Null,
            image_sha256: None,
            sequence_number: sequence_number.to_owned(),
        };
        let events = user_events(old, new, written, sequence_number)?;
        Ok(events.into_iter().map(entry).collect())
    }

    /// The entry as a line of JSON, without the line break.
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
