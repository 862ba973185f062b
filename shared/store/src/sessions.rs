//! Browser sessions, keyed by the digest of the cookie's secret. They are in their user's partition
//! of the table of tokens, under sort keys that no token can have, so that prune finds them with
//! the user's tokens and invalidates both. The caller checks their expiry; it is not left to TTL.

use std::time::Duration;

use hallpass_token::{
    Binding, Family, Fingerprint, Reason, Timestamp, TokenId, User, UserId, lifecycle,
    secret::Digest,
};

use crate::{
    Failure, Store,
    failure::{Corrupt, if_met},
    item::{self, Item},
    portal::{self, Origin},
    sweep::Place,
};

/// A session of a user who signed in with a password or at the identity provider, or for whom an
/// application began it.
#[derive(Clone, Debug)]
pub struct Session {
    /// The user.
    pub user_id: UserId,
    /// The user's fingerprint at log-in.
    pub fingerprint: Fingerprint,
    /// The attributes that the fingerprint covers.
    pub binding: Binding,
    /// The time of the log-in.
    pub started_at: Timestamp,
    /// The expiry.
    pub expires_at: Timestamp,
    /// The session at the identity provider, if the user signed in there.
    pub provider_session: Option<ProviderSession>,
    /// What began the session, unless the user logged in.
    pub origin: Option<Origin>,
}

/// A session at the identity provider, by a digest of the claim `sid` (OpenID Connect Back-Channel
/// Logout 1.0 section 2.1). A provider that names no session has one for each user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderSession(String);

/// The prefix of the sort keys of sessions, offers and log-in flows.
const SESSIONS: &str = "#session#";

/// The kind of a browser session.
const BROWSER: &str = "browser";

/// How far in the past the expiry of a closed session is set: more than clocks can differ.
const LONG_AGO: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) const STARTED_AT: &str = "started_at";

const PROVIDER_SESSION: &str = "provider_session";

impl ProviderSession {
    /// Returns the session with this ID, if the provider names one.
    pub fn new(sid: Option<&str>) -> Self {
        Self(sid.map(|sid| Digest::of(sid.as_bytes()).text()).unwrap_or_default())
    }
}

impl Session {
    /// Creates a session of this user. A change of any attribute in `binding` invalidates it.
    pub fn of(user: &User, binding: Binding, started_at: Timestamp, expires_at: Timestamp) -> Self {
        Self {
            user_id: user.id,
            fingerprint: binding.fingerprint(user),
            binding,
            started_at,
            expires_at,
            provider_session: None,
            origin: None,
        }
    }

    /// Whether this is the session's user, with the same fingerprint as at log-in.
    pub fn is_of(&self, user: &User) -> bool {
        user.id == self.user_id && self.binding.fingerprint(user) == self.fingerprint
    }

    /// Returns the reason if a change of the user has invalidated this session for good. The rule
    /// is the same as for tokens.
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
        if let Some(ProviderSession(digest)) = &self.provider_session {
            item.insert(PROVIDER_SESSION.to_owned(), item::text(digest));
        }
        if let Some(origin) = &self.origin {
            origin.add_to(&mut item);
        }
        item
    }

    pub(crate) fn from_item(item: &Item) -> Result<Self, Corrupt> {
        Self::started(item, STARTED_AT)
    }

    /// Reads a session whose start is in this attribute.
    pub(crate) fn started(item: &Item, started_at: &'static str) -> Result<Self, Corrupt> {
        Ok(Self {
            user_id: item::required(item, item::USER_ID)?,
            fingerprint: item::fingerprint(item)?,
            binding: item::binding(item)?,
            started_at: item::instant(item, started_at)?.ok_or(Corrupt(started_at))?,
            expires_at: item::instant(item, item::PURGE_AT)?.ok_or(Corrupt(item::PURGE_AT))?,
            provider_session: item::optional(item, PROVIDER_SESSION)?.map(ProviderSession),
            origin: Origin::from_item(item)?,
        })
    }
}

impl Store {
    /// Writes a session under the digest of its secret, and returns its position.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn begin_session(&self, id: &Digest, session: &Session) -> Result<Place, Failure> {
        self.put_new(session.to_item(BROWSER, id), "starting the session").await?;
        Ok(place(&session.user_id, BROWSER, id))
    }

    /// Reads a session with strong consistency. The caller checks whether it has expired, and
    /// whether its user has changed.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read, or if the session is corrupt.
    pub async fn session(&self, user_id: &UserId, id: &Digest) -> Result<Option<Session>, Failure> {
        const DOING: &str = "reading the session";
        let item = self.get(place(user_id, BROWSER, id).key(), DOING).await?;
        item.as_ref().map(Session::from_item).transpose().map_err(|bad| Failure::new(DOING, bad))
    }

    /// Closes a session: sets its expiry to a day ago, so that it has expired by the clock of every
    /// function. It is not deleted, because a permission to delete in a user's partition would
    /// include the user's tokens. Returns `false` if the session had expired or does not exist.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn end_session(
        &self,
        user_id: &UserId,
        id: &Digest,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        self.end(&place(user_id, BROWSER, id), now).await
    }

    /// Closes every session, offer and log-in flow of a user.
    pub(crate) async fn end_sessions_of(
        &self,
        user_id: &UserId,
        now: Timestamp,
    ) -> Result<(), Failure> {
        for (place, _) in self.sessions_of(user_id).await? {
            self.end(&place, now).await?;
        }
        Ok(())
    }

    /// Closes the browser sessions of a user that began at the identity provider by this time:
    /// those of one session there, or all. Returns their number.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written.
    pub async fn end_provider_sessions(
        &self,
        user_id: &UserId,
        of: Option<&ProviderSession>,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<usize, Failure> {
        let mut ended = 0_usize;
        for (place, session) in self.sessions_of(user_id).await? {
            let is_of = session.provider_session.as_ref().is_some_and(|its| {
                // A session that began without an ID can be any of the user's.
                let is_named = of.is_none_or(|named| named == its || its.0.is_empty());
                session.started_at <= until && is_named
            });
            if is_of && self.end(&place, now).await? {
                ended = ended.saturating_add(1);
            }
        }
        Ok(ended)
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

    /// Closes the browser session of this family. Returns `false` if the family is not a session's,
    /// or if the session had expired.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written.
    pub async fn end_session_of(&self, family: &TokenId, now: Timestamp) -> Result<bool, Failure> {
        let user_id = &family.user_id;
        let sessions = self.sessions_of(user_id).await?;
        let mut digests = sessions.iter().filter_map(|(place, _)| browser(place));
        match digests.find(|digest| Family::of_session(*user_id, digest).id == *family) {
            Some(digest) => self.end_session(user_id, &digest, now).await,
            None => Ok(false),
        }
    }

    /// Lists all sessions, offers and log-in flows of a user with their positions. The read is
    /// strongly consistent. Unreadable ones are omitted, because they are never accepted.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn sessions_of(&self, user_id: &UserId) -> Result<Vec<(Place, Session)>, Failure> {
        let items = self.items_starting(user_id, SESSIONS, "listing the user's sessions").await?;
        let read = |item| Session::from_item(item).or_else(|_| portal::read(item)).ok();
        Ok(items.iter().filter_map(|item| Some((Place::of(item)?, read(item)?))).collect())
    }

    /// Reads the items in a user's partition whose sort keys have this prefix, with strong
    /// consistency.
    pub(crate) async fn items_starting(
        &self,
        user_id: &UserId,
        prefix: &str,
        doing: &'static str,
    ) -> Result<Vec<Item>, Failure> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let call = self.client.query().table_name(&self.tables.tokens).consistent_read(true);
            let call = call
                .key_condition_expression("#user = :user AND begins_with(#token, :prefix)")
                .expression_attribute_names("#user", item::USER_ID)
                .expression_attribute_names("#token", item::TOKEN)
                .expression_attribute_values(":user", item::text(user_id.as_str()))
                .expression_attribute_values(":prefix", item::text(prefix))
                .set_exclusive_start_key(after);
            let response = call.send().await.map_err(Failure::of(doing))?;
            all.extend(response.items.unwrap_or_default());
            after = response.last_evaluated_key;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// Deletes a session, an offer or a log-in flow that a change of its user has invalidated. A
    /// repeated call changes nothing.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn remove_session(&self, place: &Place) -> Result<(), Failure> {
        let call =
            self.client.delete_item().table_name(&self.tables.tokens).set_key(Some(place.key()));
        call.send().await.map_err(Failure::of("deleting the session"))?;
        Ok(())
    }
}

/// Whether this is the sort key of a session, an offer or a log-in flow.
pub(crate) fn is_session(token: &str) -> bool {
    token.starts_with(SESSIONS)
}

/// The digest of the browser session at this position. `None` if the key is not that of a browser
/// session.
fn browser(place: &Place) -> Option<Digest> {
    let (_, token) = place.parts();
    let (kind, digest) = token.strip_prefix(SESSIONS)?.split_once('#')?;
    Digest::parse(digest).filter(|_| kind == BROWSER)
}

pub(crate) fn place(user_id: &UserId, kind: &str, id: &Digest) -> Place {
    Place::new(user_id.to_string(), format!("{SESSIONS}{kind}#{}", id.text()))
}
