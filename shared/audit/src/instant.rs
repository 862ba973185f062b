//! Instants in JSON: RFC 3339 in UTC.

use std::fmt::Display;

use hallpass_token::Timestamp;
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// Writes the text of an instant.
pub(crate) fn serialize<S: Serializer>(at: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

/// Reads the text of an instant.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(D::Error::custom)
}

/// The same for a member that can be absent.
pub(crate) mod optional {
    use hallpass_token::Timestamp;
    use serde::{Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes a reference to the member")]
    pub(crate) fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => to.collect_str(at),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        super::deserialize(from).map(Some)
    }
}
