//! The secret with which Hallpass authenticates as a client of the identity provider. It is in
//! Secrets Manager, as a text, and read when a code is redeemed: sign-ins are rare, and a secret
//! that was replaced works at once.

use aws_sdk_secretsmanager::Client;
use hallpass_token::{Text, secret::trimmed};

use crate::Failure;

/// A client secret in Secrets Manager.
#[derive(Clone, Debug)]
pub struct ClientSecret {
    client: Client,
    arn: String,
}

impl ClientSecret {
    /// Creates a reader of the secret with this ARN.
    pub const fn new(client: Client, arn: String) -> Self {
        Self { client, arn }
    }

    /// Reads the secret, without white space around it.
    ///
    /// # Errors
    /// Returns a [`Failure`] if it cannot be read, or if it is not a text.
    pub async fn read(&self) -> Result<Text, Failure> {
        const DOING: &str = "reading the secret of HALLPASS_OIDC_SECRET";
        let secret = self.client.get_secret_value().secret_id(&self.arn).send().await;
        let secret = secret.map_err(Failure::of(DOING))?;
        let text = secret.secret_string().map(trimmed).filter(|text| !text.is_empty());
        text.map(Text::new).ok_or_else(|| Failure::new(DOING, "it must be a text, not binary"))
    }
}
