//! Links between users and their identities at an identity provider.
//!
//! An identity is an issuer and a subject, which the issuer never gives to another person (OpenID
//! Connect Core 1.0 section 5.7); a name or an e-mail address is none. A link has two sides, written
//! in one transaction: an item in the table of tokens, under the digest of the identity, names the
//! user, and the user has that digest. A link with one side is none, so that a user who is removed
//! and added again under the same ID is not linked.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use hallpass_token::{User, UserId, secret::Digest, user::attribute::OIDC_IDENTITY};

use crate::{
    Failure, Store,
    changes::{Edit, TRIES, WAIT, full},
    item::{self, Item, OWNER},
    marking::Invalidate,
    marks::Marked,
    names::{has_full_item, reasons},
    verify::pause,
};

/// A user of an identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    digest: String,
}

/// The outcome of linking a user to an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// The user is linked to the identity.
    Now,
    /// The user does not exist.
    UnknownUser,
    /// The user is linked to another identity; nothing changed.
    ToAnother,
    /// Another user is linked to the identity; nothing changed.
    TakenBy(UserId),
}

/// The outcome of unlinking a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlinked {
    /// The user is no longer linked, and the user's tokens and sessions are invalid.
    Now,
    /// The user does not exist.
    UnknownUser,
    /// The user was not linked; nothing changed.
    Before,
}

const LINKING: &str = "linking the user to the identity";
const UNLINKING: &str = "unlinking the user";
const READING: &str = "finding the user of the identity";
const BUSY: &str = "other writers changed the user at every attempt";

impl Identity {
    /// Returns the identity of a subject of an issuer, compared byte by byte (RFC 7519 section 2,
    /// `StringOrURI`).
    pub fn new(issuer: &str, subject: &str) -> Self {
        // With their lengths, two parts cannot be cut in another place.
        let whole =
            format!("hallpass identity 1\0{}:{issuer}{}:{subject}", issuer.len(), subject.len());
        Self { digest: Digest::of(whole.as_bytes()).text() }
    }

    fn key(&self) -> Item {
        item::identity_key(&self.digest)
    }

    /// Whether this is the identity of a user.
    fn is_of(&self, user: &User) -> bool {
        user.oidc_identity() == Some(&self.digest)
    }
}

impl Store {
    /// Finds the user who is linked to this identity, with strong consistency.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read, or if the user's item is corrupt.
    pub async fn user_of_identity(
        &self,
        identity: &Identity,
    ) -> Result<Option<Marked<User>>, Failure> {
        let Some(id) = self.owner_of_identity(identity.key()).await? else { return Ok(None) };
        let Ok(id) = id.parse::<UserId>() else { return Ok(None) };
        let user = self.marked_user(&id).await?;
        Ok(user.filter(|user| identity.is_of(&user.value)))
    }

    /// Links a user to an identity. A repeated call changes nothing.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written, or if the user's item has no
    /// room for the link.
    pub async fn link(&self, id: &UserId, identity: &Identity) -> Result<Linked, Failure> {
        for tries in 1..=TRIES {
            let Some(item) = self.user_item(id).await? else { return Ok(Linked::UnknownUser) };
            let digest = item::text(&identity.digest);
            let mut edit = Edit::default();
            edit.set(OIDC_IDENTITY, digest.clone());
            match item.get(OIDC_IDENTITY) {
                None => edit.expect_absent(OIDC_IDENTITY),
                Some(found) if *found == digest => edit.expect(OIDC_IDENTITY, found),
                Some(_) => return Ok(Linked::ToAnother),
            }
            let owner = self.owner_of_identity(identity.key()).await?;
            if let Some(other) = owner.as_ref().and_then(|owner| owner.parse::<UserId>().ok())
                && other != *id
                && self.user(&other).await?.is_some_and(|user| identity.is_of(&user))
            {
                return Ok(Linked::TakenBy(other));
            }
            let link = self.put_marker(identity.key(), id, owner.as_deref())?;
            let writes = vec![self.update_user(id, &edit)?, link];
            let sent = self.client.transact_write_items().set_transact_items(Some(writes));
            match sent.send().await {
                Ok(_) => return Ok(Linked::Now),
                Err(error) if reasons(&error).is_some() => pause(WAIT.saturating_mul(tries)).await,
                Err(error) if has_full_item(&error) => return Err(full()),
                Err(error) => return Err(Failure::of(LINKING)(error)),
            }
        }
        Err(Failure::new(LINKING, BUSY))
    }

    /// Unlinks a user, and invalidates the user's tokens and sessions, which the identity may have
    /// begun.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written.
    pub async fn unlink(&self, id: &UserId, how: Invalidate) -> Result<Unlinked, Failure> {
        for tries in 1..=TRIES {
            let Some(item) = self.user_item(id).await? else { return Ok(Unlinked::UnknownUser) };
            let Some(old) = item.get(OIDC_IDENTITY) else {
                // After a failed attempt, this call or a concurrent one has unlinked the user.
                return Ok(if tries == 1 { Unlinked::Before } else { Unlinked::Now });
            };
            let mut edit = Edit::default();
            edit.remove(OIDC_IDENTITY);
            edit.expect(OIDC_IDENTITY, old);
            edit.raise_generation(&item, how.fresh);
            let mut writes = vec![self.update_user(id, &edit)?];
            writes.extend(self.unmark_identity(&item, id).await?);
            let sent = self.client.transact_write_items().set_transact_items(Some(writes));
            match sent.send().await {
                Ok(_) => return Ok(Unlinked::Now),
                Err(error) if reasons(&error).is_some() => pause(WAIT.saturating_mul(tries)).await,
                Err(error) => return Err(Failure::of(UNLINKING)(error)),
            }
        }
        Err(Failure::new(UNLINKING, BUSY))
    }

    /// The deletion of the link of a user's item, for a transaction. Returns `None` if the user has
    /// none.
    pub(crate) async fn unmark_identity(
        &self,
        user: &Item,
        id: &UserId,
    ) -> Result<Option<TransactWriteItem>, Failure> {
        let Some(AttributeValue::S(digest)) = user.get(OIDC_IDENTITY) else { return Ok(None) };
        let key = item::identity_key(digest);
        if self.owner_of_identity(key.clone()).await?.as_deref() != Some(id.as_str()) {
            return Ok(None);
        }
        let delete = self.delete_marker(key, id.as_str())?;
        Ok(Some(TransactWriteItem::builder().delete(delete).build()))
    }

    async fn owner_of_identity(&self, key: Item) -> Result<Option<String>, Failure> {
        let link = self.get(key, READING).await?;
        Ok(link.and_then(|link| item::optional(&link, OWNER).ok().flatten()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_its_issuer_and_its_subject() {
        let identity = Identity::new("https://id.example.com", "1");
        let check = |issuer: &str, subject: &str| {
            assert_ne!(Identity::new(issuer, subject), identity, "{issuer} {subject}");
        };
        assert_eq!(Identity::new("https://id.example.com", "1"), identity);
        check("https://id.example.com/", "1");
        check("https://id.example.com1", "");
        check("https://id.example.co", "m1");
        check("https://id.example.com", "2");
        check("https://ID.example.com", "1");
    }
}
