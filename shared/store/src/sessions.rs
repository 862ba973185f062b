//! Sessions of browsers: who signed in, under the digest of what the browser's cookie holds. They lie in their user's
//! partition of the tokens, under sort keys that no token can have, so that prune finds them with the user's tokens and
//! invalidates both alike. Their expiry is checked by the caller, not left to TTL.

use std::time::Duration;

use token::{Binding, Family, Fingerprint, Reason, Timestamp, TokenId, User, UserId, lifecycle, secret::Digest};

use crate::{
    Failure, Store,
    failure::{Corrupt, if_met},
    item::{self, Item},
    sweep::Place,
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
    /// When it began.
    pub started_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What the sort keys of sessions and log-in flows begin with.
const SESSIONS: &str = "#session#";

/// The kind of a browser's session.
const BROWSER: &str = "browser";

/// How long before its end a session that was ended says that it expired: beyond what clocks differ by.
const LONG_AGO: Duration = Duration::from_secs(24 * 60 * 60);

const STARTED_AT: &str = "started_at";

impl Session {
    /// A session of this user, which any change of these attributes ends.
    pub fn of(user: &User, binding: Binding, started_at: Timestamp, expires_at: Timestamp) -> Self {
        Self { user_id: user.id, fingerprint: binding.fingerprint(user), binding, started_at, expires_at }
    }

    /// Whether the user is the same as when the session began.
    pub fn is_of(&self, user: &User) -> bool {
        user.id == self.user_id && self.binding.fingerprint(user) == self.fingerprint
    }

    /// Whether a change of the user has invalidated this session for good, by the rule that holds for tokens.
    pub fn invalidated(&self, user: Option<&User>) -> Option<Reason> {
        lifecycle::changed_since(&self.fingerprint, &self.binding, user)
    }

    pub(crate) fn to_item(&self, kind: &str, id: &Digest) -> Item {
        let mut item = place(&self.user_id, kind, id).key();
        item.extend(
            [
                (item::FINGERPRINT, item::fingerprint_value(&self.fingerprint)),
                (item::BINDING, item::binding_value(&self.binding)),
                (STARTED_AT, item::number(self.started_at)),
                (item::PURGE_AT, item::number(self.expires_at)),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        item
    }

    pub(crate) fn from_item(item: &Item) -> Result<Self, Corrupt> {
        Ok(Self {
            user_id: item::required(item, item::USER_ID)?,
            fingerprint: item::fingerprint(item)?,
            binding: item::binding(item)?,
            started_at: item::instant(item, STARTED_AT)?.ok_or(Corrupt(STARTED_AT))?,
            expires_at: item::instant(item, item::PURGE_AT)?.ok_or(Corrupt(item::PURGE_AT))?,
        })
    }
}

impl Store {
    /// Keeps a session under the digest of its secret, and says where.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin_session(&self, id: &Digest, session: &Session) -> Result<Place, Failure> {
        self.put_new(session.to_item(BROWSER, id), "beginning the session").await?;
        Ok(place(&session.user_id, BROWSER, id))
    }

    /// The session of this user with this digest, strongly read. Whether it is over, and whether its user is still the
    /// same, the caller has to see.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn session(&self, user_id: &UserId, id: &Digest) -> Result<Option<Session>, Failure> {
        const DOING: &str = "reading the session";
        let item = self.get(place(user_id, BROWSER, id).key(), DOING).await?;
        item.as_ref().map(Session::from_item).transpose().map_err(|bad| Failure::new(DOING, bad))
    }

    /// Ends a session: from then on it expired a day ago, so that it is over by every function's clock. It is not
    /// deleted, because who may delete in a user's partition may delete the user's tokens. `false` if it was over.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_session(&self, user_id: &UserId, id: &Digest, now: Timestamp) -> Result<bool, Failure> {
        self.end(&place(user_id, BROWSER, id), now).await
    }

    /// Ends every session and every log-in flow of a user.
    pub(crate) async fn end_sessions_of(&self, user_id: &UserId, now: Timestamp) -> Result<(), Failure> {
        for (place, _) in self.sessions_of(user_id).await? {
            self.end(&place, now).await?;
        }
        Ok(())
    }

    async fn end(&self, place: &Place, now: Timestamp) -> Result<bool, Failure> {
        let call = self
            .update(place.key())
            .update_expression("SET #purge = :ended")
            .condition_expression("attribute_exists(#user) AND #purge > :now")
            .expression_attribute_names("#user", item::USER_ID)
            .expression_attribute_names("#purge", item::PURGE_AT)
            .expression_attribute_values(":ended", item::number(now.before(LONG_AGO)))
            .expression_attribute_values(":now", item::number(now));
        if_met("ending the session", call.send().await)
    }

    /// Ends the browser's session whose family this is, if it is one's. `false` if there is none, or if it was over.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_session_of(&self, family: &TokenId, now: Timestamp) -> Result<bool, Failure> {
        let user_id = &family.user_id;
        let sessions = self.sessions_of(user_id).await?;
        let mut digests = sessions.iter().filter_map(|(place, _)| browser(place));
        match digests.find(|digest| Family::of_session(*user_id, digest).id == *family) {
            Some(digest) => self.end_session(user_id, &digest, now).await,
            None => Ok(false),
        }
    }

    /// All sessions and log-in flows of a user that can be read, strongly read, each with its place. One that cannot be
    /// read is not accepted.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sessions_of(&self, user_id: &UserId) -> Result<Vec<(Place, Session)>, Failure> {
        const DOING: &str = "listing the user's sessions";
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let call = self.client.query().table_name(&self.tables.tokens).consistent_read(true);
            let call = call
                .key_condition_expression("#user = :user AND begins_with(#token, :sessions)")
                .expression_attribute_names("#user", item::USER_ID)
                .expression_attribute_names("#token", item::TOKEN)
                .expression_attribute_values(":user", item::text(user_id.as_str()))
                .expression_attribute_values(":sessions", item::text(SESSIONS))
                .set_exclusive_start_key(after);
            let answer = call.send().await.map_err(Failure::of(DOING))?;
            let items = answer.items.unwrap_or_default();
            all.extend(items.iter().filter_map(|item| Some((Place::of(item)?, Session::from_item(item).ok()?))));
            after = answer.last_evaluated_key;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// Removes a session or a log-in flow that a change of its user has invalidated. Repeating it changes nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_session(&self, place: &Place) -> Result<(), Failure> {
        let call = self.client.delete_item().table_name(&self.tables.tokens).set_key(Some(place.key()));
        call.send().await.map_err(Failure::of("removing the session"))?;
        Ok(())
    }
}

/// Whether this sort key is that of a session or a log-in flow.
pub(crate) fn is_session(token: &str) -> bool {
    token.starts_with(SESSIONS)
}

/// The digest of the browser's session at this place, if there is one.
fn browser(place: &Place) -> Option<Digest> {
    let (_, token) = place.parts();
    let (kind, digest) = token.strip_prefix(SESSIONS)?.split_once('#')?;
    Digest::parse(digest).filter(|_| kind == BROWSER)
}

pub(crate) fn place(user_id: &UserId, kind: &str, id: &Digest) -> Place {
    Place::new(user_id.to_string(), format!("{SESSIONS}{kind}#{}", id.text()))
}
