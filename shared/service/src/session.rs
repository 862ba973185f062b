//! Browser sessions, as the rest of the service sees them.

use hallpass_http::Problem;
use hallpass_token::{Family, Scope, Status, Timestamp, User, UserId, secret::Digest};

use crate::{Context, Service, portal::Portal};

/// The live session of a browser.
#[derive(Clone, Debug)]
pub struct BrowserSession {
    /// The user, as read for this request.
    pub user: User,
    /// When the user signed in.
    pub started_at: Timestamp,
    /// Whether the user signed in at the identity provider.
    pub is_of_provider: bool,
    /// What limits the session, if an application began it.
    pub portal: Option<Box<Portal>>,
    digest: Digest,
}

impl BrowserSession {
    /// Reads the session with this digest of its secret, and its user. Returns `None` unless the
    /// session is live, its user has not changed since, and the token that began it, if any, is
    /// live.
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
        let Some(user) = user else { return Ok(None) };
        let portal = match session.origin {
            None => None,
            Some(origin) => match Portal::read(context, origin, &user, &digest).await? {
                None => return Ok(None),
                Some(portal) => Some(Box::new(portal)),
            },
        };
        let (started_at, is_of_provider) = (session.started_at, session.provider_session.is_some());
        Ok(Some(Self { user, started_at, is_of_provider, portal, digest }))
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
        self.portal.as_ref().map_or_else(
            || Family::of_session(self.user.id, &self.digest),
            |portal| portal.family.clone(),
        )
    }

    /// Returns what the session is permitted to do: what the user is, unless an application began
    /// it.
    pub fn scope(&self) -> &Scope {
        self.limit().unwrap_or(&self.user.permissions)
    }

    /// Returns the scope of a session that an application began.
    pub fn limit(&self) -> Option<&Scope> {
        self.portal.as_ref().map(|portal| &portal.scope)
    }

    /// Returns the time of the log-in that the session descends from.
    pub fn authenticated_at(&self) -> Timestamp {
        let begun = self.portal.as_ref().map(|portal| portal.begun_by.record.authenticated_at);
        begun.map_or(self.started_at, |at| at.min(self.started_at))
    }

    /// Returns whether the user acts as an administrator.
    pub fn is_administrator(&self, service: &Service) -> bool {
        service.is_administrator(self.scope())
    }
}
