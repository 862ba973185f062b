//! The keys of GitHub in memory, and when they are fetched again.

use std::{
    error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hallpass_token::Timestamp;

use crate::{
    Delivery, Error, Leak,
    delivery::Body,
    keys::{Keys, NoKeys},
    report,
};

/// How long the keys are used before they are looked up again.
pub const REFRESH: Duration = Duration::from_secs(3_600);

/// The shortest time between two attempts. Anyone can send a request with an unknown key, so it
/// leads to few requests to GitHub.
pub const INTERVAL: Duration = Duration::from_secs(300);

/// Why the keys could not be fetched.
pub type Cause = Box<dyn error::Error + Send + Sync>;

/// The response of [`crate::keys::URL`].
#[derive(Clone, Debug)]
pub enum Fetched {
    /// 304: the keys are those of the `ETag` that was sent in `If-None-Match` (RFC 9110 section
    /// 13.1.2).
    NotModified,
    /// 200.
    Document {
        /// The body.
        body: Vec<u8>,
        /// The value of the header `ETag`, for `If-None-Match` of the next request.
        etag: Option<String>,
    },
}

/// The keys that were fetched last. One is kept for the life of a function's instance.
#[derive(Debug, Default)]
pub struct KeyCache(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    known: Option<Known>,
    /// The last attempt.
    asked_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct Known {
    keys: Arc<Keys>,
    etag: Option<String>,
    /// When GitHub last confirmed the keys.
    at: Timestamp,
}

/// A body that GitHub has signed. Only [`KeyCache::verify`] creates one.
#[derive(Debug)]
pub struct Verified<'a> {
    body: Body<'a>,
    /// Why older keys were used, for the log: they could not be looked up again.
    pub stale: Option<Cause>,
}

impl KeyCache {
    /// Verifies the signature of a request.
    ///
    /// Calls `fetch` at most once, with the `ETag` of the known keys: if no keys are known, if they
    /// are older than [`REFRESH`], or if the request names another one; and never within
    /// [`INTERVAL`] of the last call. Known keys stay valid if they cannot be fetched again.
    ///
    /// # Errors
    /// Returns [`Error::UnknownKey`], [`Error::Signature`] or [`Error::Unavailable`].
    pub async fn verify<'a, E, R>(
        &self,
        delivery: &Delivery<'a>,
        now: Timestamp,
        fetch: impl FnOnce(Option<String>) -> R,
    ) -> Result<Verified<'a>, Error>
    where
        E: Into<Cause>,
        R: Future<Output = Result<Fetched, E>>,
    {
        let Delivery { key_id, signature, body } = delivery;
        let is_fresh =
            |known: &Known| !known.at.after(REFRESH).has_passed(now) && known.keys.has(key_id);
        let (mut known, mut stale) = (self.known(), None);
        if !known.as_ref().is_some_and(is_fresh) && self.may_ask(now) {
            let etag = known.as_ref().and_then(|known| known.etag.clone());
            match fetch(etag).await.map_err(Into::into).and_then(|got| self.learn(got, now)) {
                Ok(fetched) => known = Some(fetched),
                Err(cause) => stale = Some(cause),
            }
        }
        let Some(known) = known else {
            return Err(Error::Unavailable(stale));
        };
        match known.keys.verify(key_id, body.0, signature) {
            Some(true) => Ok(Verified { body: *body, stale }),
            Some(false) => Err(Error::Signature),
            // The key can be newer than these keys.
            None if stale.is_some() || known.at.after(INTERVAL).has_passed(now) => {
                Err(Error::Unavailable(stale))
            }
            None => Err(Error::UnknownKey),
        }
    }

    fn known(&self) -> Option<Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).known.clone()
    }

    /// Whether the last attempt is long enough ago. If so, this is the next one.
    fn may_ask(&self, now: Timestamp) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let may_ask = state.asked_at.is_none_or(|at| at.after(INTERVAL).has_passed(now));
        if may_ask {
            state.asked_at = Some(now);
        }
        may_ask
    }

    /// Takes the keys of a response. Those before stay known if it has none.
    fn learn(&self, fetched: Fetched, now: Timestamp) -> Result<Known, Cause> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match fetched {
            Fetched::Document { body, etag } => {
                Known { keys: Arc::new(Keys::parse(&body)?), etag, at: now }
            }
            Fetched::NotModified => Known { at: now, ..state.known.clone().ok_or(NoKeys)? },
        };
        state.known = Some(known.clone());
        Ok(known)
    }
}

impl Verified<'_> {
    /// Parses the report.
    ///
    /// # Errors
    /// Returns [`Error::Malformed`].
    pub fn leaks(&self) -> Result<Vec<Leak>, Error> {
        report::parse(self.body.0)
    }
}

#[cfg(test)]
mod tests;
