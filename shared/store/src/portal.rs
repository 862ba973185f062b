//! Offers of portal sessions: what an application's link names until the user follows it. Like
//! sessions, they are in their user's partition and are invalidated with the user's tokens. They
//! are deleted on use.
//!
//! An offer has an attribute of its own in place of the start of a session, so that it is none.

use hallpass_token::{TokenId, UserId, secret::Digest};

use crate::{
    Failure, Store,
    failure::Corrupt,
    item::{self, Item},
    sessions::{STARTED_AT, Session, place},
};

/// What began a session in place of a log-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The token that began the session.
    pub begun_by: TokenId,
    /// The page of the application to which the session leads back.
    pub return_to: Option<String>,
}

/// The kind of an offer.
const OFFER: &str = "portal";

const OFFERED_AT: &str = "offered_at";
const BEGUN_BY: &str = "begun_by";
const RETURN_TO: &str = "return_to";

impl Origin {
    pub(crate) fn add_to(&self, item: &mut Item) {
        item.insert(BEGUN_BY.to_owned(), item::text(self.begun_by.to_string()));
        if let Some(url) = &self.return_to {
            item.insert(RETURN_TO.to_owned(), item::text(url));
        }
    }

    pub(crate) fn from_item(item: &Item) -> Result<Option<Self>, Corrupt> {
        let Some(begun_by) = item::optional(item, BEGUN_BY)? else { return Ok(None) };
        Ok(Some(Self { begun_by, return_to: item::optional(item, RETURN_TO)? }))
    }
}

impl Store {
    /// Writes an offer under the digest of its secret: the session that it offers, with its origin,
    /// and the expiry of the offer.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn offer_session(&self, id: &Digest, offer: &Session) -> Result<(), Failure> {
        let mut item = offer.to_item(OFFER, id);
        if let Some(at) = item.remove(STARTED_AT) {
            item.insert(OFFERED_AT.to_owned(), at);
        }
        self.put_new(item, "offering the session").await
    }

    /// Reads an offer with strong consistency. The caller checks whether it has expired, and
    /// whether its user has changed.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read, or if the offer is corrupt.
    pub async fn session_offer(
        &self,
        user_id: &UserId,
        id: &Digest,
    ) -> Result<Option<Session>, Failure> {
        const DOING: &str = "reading the offer of the session";
        let item = self.get(place(user_id, OFFER, id).key(), DOING).await?;
        item.as_ref().map(read).transpose().map_err(|bad| Failure::new(DOING, bad))
    }

    /// Deletes an offer. Returns `false` if another request has deleted it first.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn take_session_offer(&self, user_id: &UserId, id: &Digest) -> Result<bool, Failure> {
        self.delete_existing(place(user_id, OFFER, id).key(), "taking the offer of the session")
            .await
    }
}

pub(crate) fn read(item: &Item) -> Result<Session, Corrupt> {
    Session::started(item, OFFERED_AT)
}
