//! Sessions of browsers: who signed in, under the digest of what the browser's cookie holds. They stand among the
//! tokens, under keys that no user id can have, and are deleted at sign-out; their expiry is checked by the caller, not
//! left to TTL.

use token::{Binding, Fingerprint, Timestamp, User, UserId, secret::Digest};

use crate::{
    Failure, Store,
    failure::Corrupt,
    item::{self, Item},
};

/// Somebody who showed a password, as the user was then.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who it was.
    pub user_id: UserId,
    /// The user as the password was checked.
    pub fingerprint: Fingerprint,
    /// What that is made of.
    pub binding: Binding,
    /// When it ends.
    pub expires_at: Timestamp,
}

const SESSION: &str = "session";

impl Session {
    /// A session of this user, which any change of these attributes ends.
    pub fn of(user: &User, binding: Binding, expires_at: Timestamp) -> Self {
        Self { user_id: user.id, fingerprint: binding.fingerprint(user), binding, expires_at }
    }

    /// Whether the user is the same as when the session began.
    pub fn is_of(&self, user: &User) -> bool {
        user.id == self.user_id && self.binding.fingerprint(user) == self.fingerprint
    }

    pub(crate) fn to_item(&self, kind: &str, id: &Digest) -> Item {
        let mut item = key(kind, id);
        item.extend(
            [
                (item::OWNER, item::text(self.user_id.as_str())),
                (item::FINGERPRINT, item::fingerprint_value(&self.fingerprint)),
                (item::BINDING, item::binding_value(&self.binding)),
                (item::FORGET_AT, item::number(self.expires_at)),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        item
    }

    pub(crate) fn from_item(item: &Item) -> Result<Self, Corrupt> {
        Ok(Self {
            user_id: item::required(item, item::OWNER)?,
            fingerprint: item::fingerprint(item)?,
            binding: item::binding(item)?,
            expires_at: item::instant(item, item::FORGET_AT)?.ok_or(Corrupt(item::FORGET_AT))?,
        })
    }
}

impl Store {
    /// Keeps a session under the digest of its secret.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin_session(&self, id: &Digest, session: &Session) -> Result<(), Failure> {
        self.put_new(session.to_item(SESSION, id), "beginning the session").await
    }

    /// The session of this digest, strongly read. Whether it is over, and whether its user is still the same, the caller
    /// has to see.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn session(&self, id: &Digest) -> Result<Option<Session>, Failure> {
        const DOING: &str = "reading the session";
        let item = self.get(key(SESSION, id), DOING).await?;
        item.as_ref().map(Session::from_item).transpose().map_err(|bad| Failure::new(DOING, bad))
    }

    /// Ends a session. `false` if it was over.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_session(&self, id: &Digest) -> Result<bool, Failure> {
        self.take_away(key(SESSION, id), "ending the session").await
    }
}

pub(crate) fn key(kind: &str, id: &Digest) -> Item {
    item::key(&format!("{kind}#{}", id.text()), kind)
}
