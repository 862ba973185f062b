//! Log-in flows: what is known between two requests of one log-in. They lie in their user's
//! partition as sessions do, end with the user's tokens as those do, and are deleted on use.

use token::{UserId, secret::Digest};

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
    /// Who logged in, and until when the second request may come.
    pub session: Session,
    /// The client that began it.
    pub client_id: String,
    /// The digest of the value that the second request must repeat.
    pub authenticity: Digest,
}

const FLOW: &str = "flow";
const CLIENT_ID: &str = "client_id";
const AUTHENTICITY: &str = "authenticity";

impl Store {
    /// Keeps a flow under the digest of its session, and says where.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin_flow(&self, id: &Digest, flow: &Flow) -> Result<Place, Failure> {
        let mut item = flow.session.to_item(FLOW, id);
        item.insert(CLIENT_ID.to_owned(), item::text(&flow.client_id));
        item.insert(AUTHENTICITY.to_owned(), item::text(flow.authenticity.text()));
        self.put_new(item, "beginning the log-in flow").await?;
        Ok(place(&flow.session.user_id, FLOW, id))
    }

    /// The flow of this user with this digest, strongly read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn flow(&self, user_id: &UserId, id: &Digest) -> Result<Option<Flow>, Failure> {
        const DOING: &str = "reading the log-in flow";
        let item = self.get(place(user_id, FLOW, id).key(), DOING).await?;
        item.as_ref().map(read).transpose().map_err(|bad| Failure::new(DOING, bad))
    }

    /// Ends a flow. `false` if another request ended it first.
    ///
    /// # Errors
    /// When the store fails.
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
