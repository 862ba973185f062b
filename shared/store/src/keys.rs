//! The keyring: from Secrets Manager, cached and refreshed, or fixed for local use.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_secretsmanager::Client;
use token::{Keyring, Text, Timestamp};

use crate::failure::Failure;

/// Where the keyring comes from.
#[derive(Debug)]
pub enum Keys {
    /// It never changes: `HALLPASS_KEYS`.
    Fixed(Arc<Keyring>),
    /// It is a secret of Secrets Manager.
    Secret(Secret),
}

/// A keyring in Secrets Manager.
#[derive(Debug)]
pub struct Secret {
    client: Client,
    arn: String,
    refresh: Duration,
    last: Mutex<Option<Fetched>>,
}

#[derive(Clone, Debug)]
struct Fetched {
    keyring: Arc<Keyring>,
    at: Timestamp,
    /// When the next try is due; later than a refresh after a failed one.
    next: Timestamp,
}

/// For how many refresh periods the last good keyring serves while Secrets Manager does not answer. Then nothing is
/// verified any more: a key that was retired meanwhile must not live on.
const PERIODS_WITHOUT_REFRESH: u32 = 12;

/// How long after a failed refresh the next is tried.
const RETRY: Duration = Duration::from_secs(10);

impl Keys {
    /// The keyring of this secret, fetched again after `refresh`.
    pub const fn secret(client: Client, arn: String, refresh: Duration) -> Self {
        Self::Secret(Secret { client, arn, refresh, last: Mutex::new(None) })
    }

    /// The keyring as it is now.
    ///
    /// # Errors
    /// When it cannot be had, or has been had too long ago.
    pub async fn current(&self, now: Timestamp) -> Result<Arc<Keyring>, Failure> {
        let secret = match self {
            Self::Fixed(keyring) => return Ok(Arc::clone(keyring)),
            Self::Secret(secret) => secret,
        };
        let last = secret.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match last {
            Some(last) if !last.next.has_passed(now) => Ok(last.keyring),
            last => secret.refresh(last, now).await,
        }
    }
}

impl Secret {
    /// When this keyring is too old to serve on.
    fn end_of(&self, last: &Fetched) -> Timestamp {
        last.at.after(self.refresh.saturating_mul(PERIODS_WITHOUT_REFRESH))
    }

    async fn refresh(&self, last: Option<Fetched>, now: Timestamp) -> Result<Arc<Keyring>, Failure> {
        let (fetched, answer) = match (fetch(&self.client, &self.arn).await, last) {
            (Ok(keyring), _) => {
                let keyring = Arc::new(keyring);
                (Fetched { keyring: Arc::clone(&keyring), at: now, next: now.after(self.refresh) }, Ok(keyring))
            }
            (Err(failure), Some(last)) if !self.end_of(&last).has_passed(now) => {
                tracing::warn!(
                    target: "hallpass",
                    count = "failed",
                    failure = failure.report(),
                    "the last good keyring serves on"
                );
                let keyring = Arc::clone(&last.keyring);
                (Fetched { next: now.after(RETRY).min(self.end_of(&last)), ..last }, Ok(keyring))
            }
            (Err(failure), _) => return Err(failure),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(fetched);
        answer
    }
}

/// Reads the keyring of this secret.
///
/// # Errors
/// When Secrets Manager does not answer, or the secret is not a keyring.
pub async fn fetch(client: &Client, arn: &str) -> Result<Keyring, Failure> {
    const DOING: &str = "reading the keyring";
    let named = |why: &dyn std::fmt::Display| Failure::new(DOING, format!("the secret {arn}: {why}"));
    let answer = client.get_secret_value().secret_id(arn).send().await;
    let answer = answer.map_err(|error| named(&Failure::of(DOING)(error).why()))?;
    let json = Text::new(answer.secret_string().ok_or_else(|| named(&"it is not a text"))?);
    Keyring::parse(json.expose_secret()).map_err(|bad| named(&bad))
}

/// Writes the keyring of this secret.
///
/// # Errors
/// When Secrets Manager does not take it.
pub async fn put(client: &Client, arn: &str, keyring: &Keyring) -> Result<(), Failure> {
    let call = client.put_secret_value().secret_id(arn).secret_string(keyring.to_json().expose_secret());
    call.send().await.map_err(Failure::of("writing the keyring"))?;
    Ok(())
}
