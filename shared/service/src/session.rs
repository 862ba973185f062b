//! Browser sessions, as the rest of the service sees them.

use hallpass_http::Problem;
use hallpass_token::{Family, Status, Timestamp, User, UserId, secret::Digest};

use crate::{Context, Service};

/// The live session of a browser.
#[derive(Clone, Debug)]
pub struct BrowserSession {
    /// The user, as read for this request.
    pub user: User,
    /// When the user signed in.
    pub started_at: Timestamp,
    /// Whether the user signed in at the identity provider.
    pub is_of_provider: bool,
    digest: Digest,
}

impl BrowserSession {
    /// Reads the session with this digest of its secret, and its user. Returns `None` unless the
    /// session is live and its user has not changed since.
    ///
    /// # Errors
    /// Returns 503 if DynamoDB cannot be read.
    pub async fn read(
        context: &Context<'_>,
        user_id: &UserId,
        digest: Digest,
    ) -> Result<Option<Self>, Problem> {
        let Context { service, now, .. } = *context;
        let session = service.store.session(user_id, &digest).await?;
        let Some(session) = session.filter(|session| !session.expires_at.has_passed(now)) else {
            return Ok(None);
        };
        let user = service.store.user(user_id).await?;
        let user = user.filter(|user| {
            user.status == Status::Active && session.is_of(user) && !user.is_sign_in_due(now)
        });
        let is_of_provider = session.provider_session.is_some();
        Ok(user.map(|user| Self { user, started_at: session.started_at, is_of_provider, digest }))
    }

    /// Reads the session and its user again, because they may have changed meanwhile.
    ///
    /// # Errors
    /// Returns 401 if the session is no longer live, and 503 if DynamoDB cannot be read.
    pub async fn again(&self, context: &Context<'_>) -> Result<Self, Problem> {
        let again = Self::read(context, &self.user.id, self.digest).await?;
        again.ok_or_else(|| Problem::session_ended(&context.service.settings.issuer))
    }

    /// Returns the family that issues the tokens of this session.
    pub fn family(&self) -> Family {
        Family::of_session(self.user.id, &self.digest)
    }

    /// Returns whether the user is an administrator.
    pub fn is_administrator(&self, service: &Service) -> bool {
        service.is_administrator(&self.user.permissions)
    }
}
