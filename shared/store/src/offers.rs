//! Offers: tokens that an administrator has prepared for a user, and that only the user sees. The
//! token does not exist before the user accepts it. An offer is in the user's partition, and is
//! deleted when it is accepted, declined or withdrawn, or by TTL. The caller checks its expiry.

use aws_sdk_dynamodb::types::{
    Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use hallpass_token::{
    Binding, Cause, Fingerprint, Format, Record, Scope, Timestamp, User, UserId, secret::Digest,
};

use crate::{
    Failure, Store,
    failure::Corrupt,
    item::{self, Item},
    names::{reasons, unmet},
};

/// An offered token.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The user to whom it is offered.
    pub user_id: UserId,
    /// The user's fingerprint when it was offered.
    pub fingerprint: Fingerprint,
    /// The attributes that the fingerprint covers.
    pub binding: Binding,
    /// The digest of the user's password hash when it was offered, if the user had one.
    pub password: Option<Digest>,
    /// Until when it can be accepted.
    pub until: Timestamp,
    /// The name of the token.
    pub name: String,
    /// The description of the token.
    pub description: Option<String>,
    /// The scope of the token; all permissions of the user without it.
    pub scope: Option<Scope>,
    /// The format of the token.
    pub format: Format,
    /// The expiry of the token.
    pub expires_at: Timestamp,
}

/// The prefix of the sort keys of offers.
const OFFER: &str = "#offer#";

const PASSWORD: &str = "password_digest";
const EXPIRES_AT: &str = "expires_at";

impl Offer {
    /// Whether the offer is still good: the user has not changed since, and its time is not over.
    pub fn is_open(&self, user: &User, now: Timestamp) -> bool {
        user.id == self.user_id
            && self.binding.fingerprint(user) == self.fingerprint
            && !self.until.has_passed(now)
    }

    /// Whether the user's password is the one that the user had when the token was offered, so that
    /// the administrator has not set one since to accept it in the user's place.
    pub fn has_same_password(&self, user: &User) -> bool {
        match (&self.password, user.password_hash()) {
            (Some(digest), Some(hash)) => digest.is_of(hash.as_bytes()),
            (None, _) | (_, None) => false,
        }
    }

    fn to_item(&self, id: &Digest) -> Item {
        let mut item = key(&self.user_id, id);
        let attributes = [
            (item::FINGERPRINT, Some(item::fingerprint_value(&self.fingerprint))),
            (item::BINDING, Some(item::binding_value(&self.binding))),
            (PASSWORD, self.password.as_ref().map(|digest| item::text(digest.text()))),
            (item::PURGE_AT, Some(item::number(self.until))),
            (item::NAME, Some(item::text(&self.name))),
            (item::DESCRIPTION, self.description.as_ref().map(item::text)),
            (item::SCOPE, self.scope.as_ref().map(item::scope_value)),
            (item::FORMAT, Some(item::text(self.format.as_str()))),
            (EXPIRES_AT, Some(item::number(self.expires_at))),
        ];
        let given =
            attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        item.extend(given);
        item
    }

    fn from_item(item: &Item) -> Result<Self, Corrupt> {
        let instant = |name| item::instant(item, name)?.ok_or(Corrupt(name));
        let password: Option<String> = item::optional(item, PASSWORD)?;
        Ok(Self {
            user_id: item::required(item, item::USER_ID)?,
            fingerprint: item::fingerprint(item)?,
            binding: item::binding(item)?,
            password: password.as_deref().and_then(Digest::parse),
            until: instant(item::PURGE_AT)?,
            name: item::required(item, item::NAME)?,
            description: item::optional(item, item::DESCRIPTION)?,
            scope: item::scope(item)?,
            format: item::format(item)?,
            expires_at: instant(EXPIRES_AT)?,
        })
    }
}

impl Store {
    /// Writes an offer under its ID.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn offer_token(&self, id: &Digest, offer: &Offer) -> Result<(), Failure> {
        self.put_new(offer.to_item(id), "offering the token").await
    }

    /// Lists the offers to a user with their IDs, in no particular order. The read is strongly
    /// consistent. Unreadable ones are omitted, because they are never accepted.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn token_offers(&self, user_id: &UserId) -> Result<Vec<(Digest, Offer)>, Failure> {
        let items = self.items_starting(user_id, OFFER, "listing the offers to the user").await?;
        let read = |item: &Item| {
            let token = item.get(item::TOKEN)?.as_s().ok()?;
            let id = Digest::parse(token.strip_prefix(OFFER)?)?;
            Some((id, Offer::from_item(item).ok()?))
        };
        Ok(items.iter().filter_map(read).collect())
    }

    /// Writes the record of an accepted offer and deletes the offer, in one transaction. Returns
    /// `false` if the offer does not exist any more; nothing changed.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn accept_offer(
        &self,
        id: &Digest,
        record: &Record,
        cause: &Cause<'_>,
    ) -> Result<bool, Failure> {
        const DOING: &str = "accepting the offer";
        let item = item::from_new_record(record, cause);
        let put = Put::builder()
            .table_name(&self.tables.tokens)
            .set_item(Some(item.clone()))
            .condition_expression("attribute_not_exists(#user)")
            .expression_attribute_names("#user", item::USER_ID)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| Failure::new(DOING, error))?;
        let delete = Delete::builder()
            .table_name(&self.tables.tokens)
            .set_key(Some(key(&record.id.user_id, id)))
            .condition_expression("attribute_exists(#user)")
            .expression_attribute_names("#user", item::USER_ID)
            .build()
            .map_err(|error| Failure::new(DOING, error))?;
        let writes = vec![
            TransactWriteItem::builder().put(put).build(),
            TransactWriteItem::builder().delete(delete).build(),
        ];
        let sent = self.client.transact_write_items().set_transact_items(Some(writes));
        let Err(error) = sent.send().await else { return Ok(true) };
        let Some(reasons) = reasons(&error) else { return Err(Failure::of(DOING)(error)) };
        match (unmet(reasons, 0), unmet(reasons, 1)) {
            // An earlier attempt of this call accepted the offer, and its response was lost.
            (Some(found), _) if item::is_same(&found, &item) => Ok(true),
            (_, Some(_)) => Ok(false),
            _ => Err(Failure::of(DOING)(error)),
        }
    }

    /// Deletes an offer. Returns `false` if it does not exist any more.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn withdraw_offer(&self, user_id: &UserId, id: &Digest) -> Result<bool, Failure> {
        self.delete_existing(key(user_id, id), "withdrawing the offer").await
    }
}

fn key(user_id: &UserId, id: &Digest) -> Item {
    item::key(user_id.as_str(), &format!("{OFFER}{}", id.text()))
}
