//! Log-in flows: what is known between two requests of one log-in. They stand among the tokens, under keys that no user
//! id can have, and are deleted on use; their expiry is checked by the caller, not left to TTL.

use token::{Binding, Fingerprint, Timestamp, UserId, secret::Digest};

use crate::{
    Failure, Store,
    failure::{Corrupt, if_met},
    item::{self, Item},
};

/// A log-in that waits for its second request.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Who logged in.
    pub user_id: UserId,
    /// The client that began it.
    pub client_id: String,
    /// The digest of the value that the second request must repeat.
    pub authenticity: Digest,
    /// The user as the password was checked.
    pub fingerprint: Fingerprint,
    /// What that is made of.
    pub binding: Binding,
    /// When it ends.
    pub expires_at: Timestamp,
}

const FLOW: &str = "flow";
const CLIENT_ID: &str = "client_id";
const AUTHENTICITY: &str = "authenticity";

impl Store {
    /// Keeps a flow under the digest of its session.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin_flow(&self, session: &Digest, flow: &Flow) -> Result<(), Failure> {
        let mut item = key(session);
        item.extend(
            [
                (item::OWNER, item::text(flow.user_id.as_str())),
                (CLIENT_ID, item::text(&flow.client_id)),
                (AUTHENTICITY, item::text(flow.authenticity.text())),
                (item::FINGERPRINT, item::fingerprint_value(&flow.fingerprint)),
                (item::BINDING, item::binding_value(&flow.binding)),
                (item::FORGET_AT, item::number(flow.expires_at)),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let call = self.client.put_item().table_name(&self.tables.tokens).set_item(Some(item));
        let call =
            call.condition_expression("attribute_not_exists(#user)").expression_attribute_names("#user", item::USER_ID);
        call.send().await.map_err(Failure::of("beginning the log-in flow"))?;
        Ok(())
    }

    /// The flow of this session, strongly read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn flow(&self, session: &Digest) -> Result<Option<Flow>, Failure> {
        const DOING: &str = "reading the log-in flow";
        let call = self.client.get_item().table_name(&self.tables.tokens).set_key(Some(key(session)));
        let answer = call.consistent_read(true).send().await.map_err(Failure::of(DOING))?;
        answer.item.as_ref().map(read).transpose().map_err(|bad| Failure::new(DOING, bad))
    }

    /// Ends a flow. `false` if another request ended it first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_flow(&self, session: &Digest) -> Result<bool, Failure> {
        let call = self.client.delete_item().table_name(&self.tables.tokens).set_key(Some(key(session)));
        let call =
            call.condition_expression("attribute_exists(#user)").expression_attribute_names("#user", item::USER_ID);
        if_met("ending the log-in flow", call.send().await)
    }
}

fn key(session: &Digest) -> Item {
    item::key(&format!("{FLOW}#{}", session.text()), FLOW)
}

fn read(item: &Item) -> Result<Flow, Corrupt> {
    let authenticity: String = item::required(item, AUTHENTICITY)?;
    Ok(Flow {
        user_id: item::required(item, item::OWNER)?,
        client_id: item::required(item, CLIENT_ID)?,
        authenticity: Digest::parse(&authenticity).ok_or(Corrupt(AUTHENTICITY))?,
        fingerprint: item::fingerprint(item)?,
        binding: item::binding(item)?,
        expires_at: item::instant(item, item::FORGET_AT)?.ok_or(Corrupt(item::FORGET_AT))?,
    })
}
