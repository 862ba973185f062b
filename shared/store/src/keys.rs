//! The source of the keyring: a secret in Secrets Manager, cached and refreshed, or a fixed keyring
//! for local use.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_secretsmanager::Client;
use hallpass_token::{Keyring, Text, Timestamp};

use crate::failure::Failure;

/// The source of the keyring.
#[derive(Debug)]
pub enum Keys {
    /// A fixed keyring, from `HALLPASS_KEYS`.
    Fixed(Arc<Keyring>),
    /// A secret in Secrets Manager.
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
    /// The time of the next refresh. After a failed one it is [`RETRY`] later.
    next: Timestamp,
}

/// The number of refresh periods for which the last keyring is used while Secrets Manager does not
/// respond. After that no tokens are verified, because a key that has been retired since must not
/// stay valid.
const PERIODS_WITHOUT_REFRESH: u32 = 12;

/// The wait after a failed refresh.
const RETRY: Duration = Duration::from_secs(10);

impl Keys {
    /// Creates a source that reads this secret, and refreshes it after `refresh`.
    pub const fn secret(client: Client, arn: String, refresh: Duration) -> Self {
        Self::Secret(Secret { client, arn, refresh, last: Mutex::new(None) })
    }

    /// Returns the current keyring.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the secret cannot be read and the last keyring is missing or too
    /// old.
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
    /// The time from which this keyring is too old to be used.
    fn end_of(&self, last: &Fetched) -> Timestamp {
        last.at.after(self.refresh.saturating_mul(PERIODS_WITHOUT_REFRESH))
    }

    async fn refresh(
        &self,
        last: Option<Fetched>,
        now: Timestamp,
    ) -> Result<Arc<Keyring>, Failure> {
        let (fetched, result) = match (fetch(&self.client, &self.arn).await, last) {
            (Ok(fetched), _) => {
                let keyring = Arc::new(fetched.keyring);
                (
                    Fetched {
                        keyring: Arc::clone(&keyring),
                        at: now,
                        next: now.after(self.refresh),
                    },
                    Ok(keyring),
                )
            }
            (Err(failure), Some(last)) if !self.end_of(&last).has_passed(now) => {
                tracing::warn!(
                    target: "hallpass",
                    count = "failed",
                    failure = failure.report(),
                    "the keyring could not be refreshed; the last one is used"
                );
                let keyring = Arc::clone(&last.keyring);
                (Fetched { next: now.after(RETRY).min(self.end_of(&last)), ..last }, Ok(keyring))
            }
            (Err(failure), _) => return Err(failure),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(fetched);
        result
    }
}

/// A keyring, and the version of the secret that held it.
#[derive(Debug)]
pub struct Versioned {
    /// The keyring.
    pub keyring: Keyring,
    /// The ID of that version.
    pub version_id: String,
}

/// The staging label of a new version until it becomes the current one.
const PENDING: &str = "hallpass-pending";

/// The staging label of the version that functions fetch.
const CURRENT: &str = "AWSCURRENT";

/// Reads the current keyring of a secret.
///
/// # Errors
/// Returns a [`Failure`] if Secrets Manager does not respond, or if the secret is not a valid
/// keyring.
pub async fn fetch(client: &Client, arn: &str) -> Result<Versioned, Failure> {
    const DOING: &str = "reading the keyring";
    let named =
        |why: &dyn std::fmt::Display| Failure::new(DOING, format!("the secret {arn}: {why}"));
    let secret = client.get_secret_value().secret_id(arn).send().await;
    let secret = secret.map_err(|error| named(&Failure::of(DOING)(error).why()))?;
    let json =
        Text::new(secret.secret_string().ok_or_else(|| named(&"it must be a string, not binary"))?);
    let keyring = Keyring::parse(json.expose_secret()).map_err(|bad| named(&bad))?;
    let version_id = secret.version_id().ok_or_else(|| named(&"it has no version"))?.to_owned();
    Ok(Versioned { keyring, version_id })
}

/// Replaces the keyring of this version. Returns `false` and changes nothing if another writer has
/// replaced it since: a key that was retired must not come back, and a key that was added must not
/// be lost.
///
/// The new version is written without becoming the current one, which then moves on the condition
/// that it is still the version that was read
/// (<https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html>).
///
/// # Errors
/// Returns a [`Failure`] if Secrets Manager rejects a call.
pub async fn replace(
    client: &Client,
    arn: &str,
    version_id: &str,
    keyring: &Keyring,
) -> Result<bool, Failure> {
    const DOING: &str = "writing the keyring";
    let put = client
        .put_secret_value()
        .secret_id(arn)
        .secret_string(keyring.to_json().expose_secret())
        .version_stages(PENDING)
        .send()
        .await
        .map_err(Failure::of(DOING))?;
    let new = put.version_id().ok_or_else(|| Failure::new(DOING, "the new version has no ID"))?;
    let moved = client
        .update_secret_version_stage()
        .secret_id(arn)
        .version_stage(CURRENT)
        .remove_from_version_id(version_id)
        .move_to_version_id(new)
        .send()
        .await;
    let Err(error) = moved else { return Ok(true) };
    // An earlier attempt, whose response was lost, can have moved it.
    match fetch(client, arn).await?.version_id {
        current if current == new => Ok(true),
        current if current != version_id => Ok(false),
        _ => Err(Failure::of(DOING)(error)),
    }
}
