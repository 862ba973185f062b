//! The networks that have recently logged in to a name.

use hallpass_password::rate_limit;
use hallpass_token::Timestamp;

use crate::{
    Failure, Store,
    failure::Corrupt,
    item::{self, PURGE_AT},
};

/// The marker of a network that has logged in to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The value that the marker is bound to; see [`rate_limit::proof`].
    pub proof: String,
    /// The time at which the marker was written.
    pub noted_at: Timestamp,
}

const PROOF: &str = "proof";
const NOTED_AT: &str = "noted_at";

impl Store {
    /// Reads the marker with this key. Returns `None` if it is missing, expired or unreadable.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn known_network(&self, key: &str, now: Timestamp) -> Result<Option<Known>, Failure> {
        const DOING: &str = "reading a known network";
        let call = self
            .client
            .get_item()
            .table_name(&self.tables.attempts)
            .set_key(Some(item::attempt_key(key)));
        let response = call.consistent_read(true).send().await.map_err(Failure::of(DOING))?;
        let Some(item) = response.item else {
            return Ok(None);
        };
        let read = || -> Result<_, Corrupt> {
            let purge_at = item::instant(&item, PURGE_AT)?.ok_or(Corrupt(PURGE_AT))?;
            let noted_at = item::instant(&item, NOTED_AT)?.ok_or(Corrupt(NOTED_AT))?;
            Ok((purge_at, Known { proof: item::required(&item, PROOF)?, noted_at }))
        };
        // An unreadable marker makes no network known.
        Ok(read().ok().filter(|(purge_at, _)| !purge_at.has_passed(now)).map(|(_, known)| known))
    }

    /// Writes the marker of a network that has logged in.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn record_network(
        &self,
        key: &str,
        proof: &str,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let names = vec![("#proof", PROOF), ("#noted", NOTED_AT), ("#purge", PURGE_AT)];
        let values = vec![
            (":proof".to_owned(), item::text(proof)),
            (":now".to_owned(), item::number(now)),
            (":purge".to_owned(), item::number(now.after(rate_limit::KNOWN))),
        ];
        let update = "SET #proof = :proof, #noted = :now, #purge = :purge";
        self.update_attempt(key, update, None, names, values).await.map(drop)
    }
}
