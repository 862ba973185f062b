//! The networks that have logged in for a name lately.

use login::rate_limit;
use token::Timestamp;

use crate::{
    Failure, Store,
    failure::Corrupt,
    item::{self, PURGE_AT},
};

/// The marker of a network that has logged in for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What it is bound to ([`rate_limit::proof`]).
    pub proof: String,
    /// When it was written.
    pub noted_at: Timestamp,
}

const PROOF: &str = "proof";
const NOTED_AT: &str = "noted_at";

impl Store {
    /// The marker of this key, if it has not expired.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn known_network(&self, key: &str, now: Timestamp) -> Result<Option<Known>, Failure> {
        const DOING: &str = "reading a known network";
        let call = self.client.get_item().table_name(&self.tables.attempts).set_key(Some(item::attempt_key(key)));
        let answer = call.consistent_read(true).send().await.map_err(Failure::of(DOING))?;
        let Some(item) = answer.item else {
            return Ok(None);
        };
        let read = || -> Result<_, Corrupt> {
            let purge_at = item::instant(&item, PURGE_AT)?.ok_or(Corrupt(PURGE_AT))?;
            let noted_at = item::instant(&item, NOTED_AT)?.ok_or(Corrupt(NOTED_AT))?;
            Ok((purge_at, Known { proof: item::required(&item, PROOF)?, noted_at }))
        };
        // One that cannot be read makes no network known.
        Ok(read().ok().filter(|(purge_at, _)| !purge_at.has_passed(now)).map(|(_, known)| known))
    }

    /// Notes that a network has logged in.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record_network(&self, key: &str, proof: &str, now: Timestamp) -> Result<(), Failure> {
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
