//! Links between users and their identities at an identity provider.
//!
//! An identity is an issuer and a subject, which the issuer never gives to another person (OpenID
//! Connect Core 1.0 section 5.7); a name or an e-mail address is none. A link has two sides,
//! written in one transaction: an item in the table of tokens, under the digest of the identity,
//! names the user, and the user has that digest. A link with one side is none, so that a user who
//! is removed and added again under the same ID is not linked.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use hallpass_token::{
    Cause, Scope, Timestamp, User, UserId,
    secret::Digest,
    user::{
        UNLINKED,
        attribute::{
            OIDC_IDENTITY, PASSWORD_HASH, PERMISSIONS, PERMISSIONS_FROM, SIGN_IN_DUE_AT, USERNAME,
        },
    },
};

use crate::{
    Failure, Store,
    changes::{Sent, TRIES, WAIT, full},
    edit::Edit,
    item::{self, Item, OWNER},
    marking::Invalidate,
    marks::Marked,
    names::{has_full_item, reasons},
    users::Written,
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

/// What a sign-in at the identity provider changes in its user.
#[derive(Clone, Debug)]
pub struct SignIn<'a> {
    /// The identity of the user who signed in.
    pub identity: &'a Identity,
    /// When the next sign-in is due, if there is a limit.
    pub next_due: Option<Timestamp>,
    /// The permissions that the provider names, for a user who has no others.
    pub permissions: &'a Scope,
    /// How a change of the permissions invalidates tokens, if it does.
    pub invalidate: Option<Invalidate>,
}

/// The outcome of recording a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The sign-in is recorded, and the permissions are as before.
    Now,
    /// The sign-in is recorded, and the permissions are those that the provider names.
    Reconciled,
    /// The user is no longer linked to the identity; nothing changed.
    Unlinked,
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

/// The length of the part of a digest that a new user's ID has, in characters: 132 bits.
const NEW_USER_ID: usize = 22;

const LINKING: &str = "linking the user to the identity";
const UNLINKING: &str = "unlinking the user";
const RECORDING: &str = "recording the sign-in";
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

    /// The ID of a user who is created for this identity.
    pub fn new_user_id(&self) -> Option<UserId> {
        let start = self.digest.get(..NEW_USER_ID)?;
        format!("u{start}").parse().ok()
    }

    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    fn key(&self) -> Item {
        item::identity_key(&self.digest)
    }

    /// Whether this is the identity of a user.
    pub fn is_of(&self, user: &User) -> bool {
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
    pub async fn link(
        &self,
        id: &UserId,
        identity: &Identity,
        cause: &Cause<'_>,
    ) -> Result<Linked, Failure> {
        for tries in 1..=TRIES {
            let Some(item) = self.user_item(id).await? else { return Ok(Linked::UnknownUser) };
            let digest = item::text(&identity.digest);
            let mut edit = Edit::default();
            edit.set(OIDC_IDENTITY, digest.clone());
            edit.name_cause(cause);
            match item.get(OIDC_IDENTITY) {
                None => edit.expect_absent(OIDC_IDENTITY),
                Some(found) if *found == digest || is_unlinked(found) => {
                    edit.expect(OIDC_IDENTITY, found);
                }
                Some(_) => return Ok(Linked::ToAnother),
            }
            let mark = match self.mark_identity(identity, id).await? {
                Ok(mark) => mark,
                Err(other) => return Ok(Linked::TakenBy(other)),
            };
            if self.send_link(id, &edit, mark).await? {
                return Ok(Linked::Now);
            }
            pause(WAIT.saturating_mul(tries)).await;
        }
        Err(Failure::new(LINKING, BUSY))
    }

    /// Links a user whom the user's own sign-in names: one who has no link and no password, and who
    /// is permitted by `may`. Returns `false` for any other user; nothing changed.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written, or if the user's item has no
    /// room for the link.
    pub async fn link_unclaimed(
        &self,
        id: &UserId,
        identity: &Identity,
        may: impl Fn(&User) -> bool,
        cause: &Cause<'_>,
    ) -> Result<bool, Failure> {
        for tries in 1..=TRIES {
            let Some(item) = self.user_item(id).await? else { return Ok(false) };
            let has_password = item.contains_key(PASSWORD_HASH);
            let is_linked = item.contains_key(OIDC_IDENTITY);
            let user = item::to_user(item.clone()).map_err(|bad| Failure::new(LINKING, bad))?;
            if has_password || is_linked || !may(&user) {
                return Ok(false);
            }
            let mut edit = Edit::default();
            edit.set(OIDC_IDENTITY, item::text(&identity.digest));
            edit.name_cause(cause);
            edit.expect_absent(OIDC_IDENTITY);
            for name in [PASSWORD_HASH, USERNAME, PERMISSIONS] {
                edit.expect_same(&item, name);
            }
            let Ok(mark) = self.mark_identity(identity, id).await? else { return Ok(false) };
            if self.send_link(id, &edit, mark).await? {
                return Ok(true);
            }
            pause(WAIT.saturating_mul(tries)).await;
        }
        Err(Failure::new(LINKING, BUSY))
    }

    /// Writes both sides of a link. Returns `false` if one of them changed meanwhile.
    async fn send_link(
        &self,
        id: &UserId,
        edit: &Edit,
        mark: TransactWriteItem,
    ) -> Result<bool, Failure> {
        let writes = vec![self.update_user(id, edit)?, mark];
        match self.client.transact_write_items().set_transact_items(Some(writes)).send().await {
            Ok(_) => Ok(true),
            Err(error) if reasons(&error).is_some() => Ok(false),
            Err(error) if has_full_item(&error) => Err(full()),
            Err(error) => Err(Failure::of(LINKING)(error)),
        }
    }

    /// The write of the link from an identity to a user, for a transaction, or the other user who
    /// is linked to the identity.
    pub(crate) async fn mark_identity(
        &self,
        identity: &Identity,
        id: &UserId,
    ) -> Result<Result<TransactWriteItem, UserId>, Failure> {
        let owner = self.owner_of_identity(identity.key()).await?;
        if let Some(other) = owner.as_ref().and_then(|owner| owner.parse::<UserId>().ok())
            && other != *id
            && self.user(&other).await?.is_some_and(|user| identity.is_of(&user))
        {
            return Ok(Err(other));
        }
        self.put_marker(identity.key(), id, owner.as_deref()).map(Ok)
    }

    /// Records a sign-in: when the next one is due, and the permissions of a user who has those
    /// that the provider names.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written, or if the user's item has no
    /// room.
    pub async fn record_sign_in(
        &self,
        id: &UserId,
        sign_in: &SignIn<'_>,
        cause: &Cause<'_>,
    ) -> Result<Recorded, Failure> {
        let mut has_room = true;
        for tries in 1..=TRIES {
            let Some(item) = self.user_item(id).await? else { return Ok(Recorded::Unlinked) };
            let user = item::to_user(item.clone()).map_err(|bad| Failure::new(RECORDING, bad))?;
            if !sign_in.identity.is_of(&user) {
                return Ok(Recorded::Unlinked);
            }
            let is_changed = user.has_permissions_of_provider()
                && (user.permissions != *sign_in.permissions
                    || user.unreadable.contains(&PERMISSIONS));
            let invalidate = sign_in.invalidate.filter(|_| is_changed);
            let raised = invalidate.filter(|_| has_room);
            let mut edit = sign_in.edit(&item, is_changed, raised);
            if has_room {
                edit.name_cause(cause);
            }
            match self.send_edit(id, edit).await? {
                Sent::Done(Written::Unknown) => return Ok(Recorded::Unlinked),
                Sent::Done(Written::Now) => {
                    if let Some(how) = invalidate.filter(|_| !has_room) {
                        self.revoke_one_by_one(id, how, cause).await?;
                    }
                    return Ok(if is_changed { Recorded::Reconciled } else { Recorded::Now });
                }
                Sent::NoRoom if has_room => has_room = false,
                Sent::NoRoom => return Err(full()),
                Sent::Overtaken => pause(WAIT.saturating_mul(tries)).await,
            }
        }
        Err(Failure::new(RECORDING, BUSY))
    }

    /// Unlinks a user, and invalidates the user's tokens and sessions, which the identity may have
    /// begun. The user's next sign-in does not link the user again.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written.
    pub async fn unlink(
        &self,
        id: &UserId,
        how: Invalidate,
        cause: &Cause<'_>,
    ) -> Result<Unlinked, Failure> {
        let mut has_room = true;
        for tries in 1..=TRIES {
            let Some(item) = self.user_item(id).await? else { return Ok(Unlinked::UnknownUser) };
            let Some(old) = item.get(OIDC_IDENTITY).filter(|old| !is_unlinked(old)) else {
                // After a failed attempt, this call or a concurrent one has unlinked the user.
                return Ok(if tries == 1 { Unlinked::Before } else { Unlinked::Now });
            };
            let mut edit = Edit::default();
            edit.set(OIDC_IDENTITY, item::text(UNLINKED));
            edit.expect(OIDC_IDENTITY, old);
            edit.remove(SIGN_IN_DUE_AT);
            edit.remove(PERMISSIONS_FROM);
            edit.raise_generation(&item, how.fresh);
            if has_room {
                edit.name_cause(cause);
            }
            let mut writes = vec![self.update_user(id, &edit)?];
            writes.extend(self.unmark_identity(&item, id).await?);
            let sent = self.client.transact_write_items().set_transact_items(Some(writes));
            match sent.send().await {
                Ok(_) => return Ok(Unlinked::Now),
                Err(error) if reasons(&error).is_some() => pause(WAIT.saturating_mul(tries)).await,
                Err(error) if has_room && has_full_item(&error) => has_room = false,
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

/// Whether an administrator has unlinked the user with this attribute.
fn is_unlinked(identity: &AttributeValue) -> bool {
    identity.as_s().is_ok_and(|identity| identity == UNLINKED)
}

impl SignIn<'_> {
    fn edit(&self, item: &Item, reconciles: bool, raise: Option<Invalidate>) -> Edit {
        let mut edit = Edit::default();
        match self.next_due {
            Some(at) => edit.set(SIGN_IN_DUE_AT, item::number(at)),
            None => edit.remove(SIGN_IN_DUE_AT),
        }
        edit.expect_same(item, OIDC_IDENTITY);
        if reconciles {
            let names = self.permissions.names().map(str::to_owned).collect();
            edit.set_texts(item, PERMISSIONS, names);
        }
        if let Some(how) = raise {
            edit.raise_generation(item, how.fresh);
        }
        edit
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
