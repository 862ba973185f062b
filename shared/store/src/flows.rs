//! Log-in flows: the state between the two requests of a log-in. Like sessions, they are in their
//! user's partition and are invalidated with the user's tokens. They are deleted on use.

use hallpass_token::{UserId, secret::Digest};

use crate::{
    Failure, Store,
    failure::Corrupt,
    item::{self, Item},
    sessions::{Session, place},
    sweep::Place,
};

/// A log-in that waits for its second request.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The user who logged in, and the expiry of the flow.
    pub session: Session,
    /// The client that started the flow.
    pub client_id: String,
    /// The digest of the value that the second request must repeat.
    pub authenticity: Digest,
}

const FLOW: &str = "flow";
const CLIENT_ID: &str = "client_id";
const AUTHENTICITY: &str = "authenticity";

impl Store {
    /// Writes a flow under the digest of its secret, and returns its position.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn begin_flow(&self, id: &Digest, flow: &Flow) -> Result<Place, Failure> {
        let mut item = flow.session.to_item(FLOW, id);
        item.insert(CLIENT_ID.to_owned(), item::text(&flow.client_id));
        item.insert(AUTHENTICITY.to_owned(), item::text(flow.authenticity.text()));
        self.put_new(item, "starting the log-in flow").await?;
        Ok(place(&flow.session.user_id, FLOW, id))
    }

    /// Reads a flow with strong consistency.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read, or if the flow is corrupt.
    pub async fn flow(&self, user_id: &UserId, id: &Digest) -> Result<Option<Flow>, Failure> {
        const DOING: &str = "reading the log-in flow";
        let item = self.get(place(user_id, FLOW, id).key(), DOING).await?;
        item.as_ref().map(read).transpose().map_err(|bad| Failure::new(DOING, bad))
    }

    /// Deletes a flow. Returns `false` if another request has deleted it first.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn end_flow(&self, user_id: &UserId, id: &Digest) -> Result<bool, Failure> {
        self.delete_existing(place(user_id, FLOW, id).key(), "ending the log-in flow").await
    }
}

fn read(item: &Item) -> Result<Flow, Corrupt> {
    let authenticity: String = item::required(item, AUTHENTICITY)?;
    Ok(Flow {
        session: Session::from_item(item)?,
        client_id: item::required(item, CLIENT_ID)?,
        authenticity: Digest::parse(&authenticity).ok_or(Corrupt(AUTHENTICITY))?,
    })
}
