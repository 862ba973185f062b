//! Who is calling: the credential of a request, verified. Routes that manage tokens do this themselves, because the
//! gateway's answer may be a cached one.

use http::{HeaderMap, header::AUTHORIZATION};
use store::Refused;
use token::{Admitted, Credential, Issuer, Reason, Scope, Text, Timestamp, credential::Unusable};

use crate::{Problem, Service};

/// The credential of a request.
///
/// # Errors
/// 400 for two, 401 for none or one that is not a credential.
pub fn credential(headers: &HeaderMap, issuer: &Issuer) -> Result<Credential, Problem> {
    let malformed = || Problem::refused(issuer, &Refused { reason: Reason::Malformed, token_id: None });
    let values = headers.get_all(AUTHORIZATION).iter().map(|value| value.to_str());
    let values = values.collect::<Result<Vec<_>, _>>().map_err(|_| malformed())?;
    match Credential::from_header(values) {
        Ok(Some(credential)) => Ok(credential),
        Ok(None) => Err(Problem::unauthenticated(issuer)),
        Err(Unusable::Doubled) => Err(Problem::doubled_credentials(issuer)),
        Err(Unusable::Malformed) => Err(malformed()),
    }
}

/// The holder of the live token that a request carries. A password is not taken.
///
/// # Errors
/// 400 or 401 with the reason, 503 if it cannot be told.
pub async fn admit(service: &Service, headers: &HeaderMap, now: Timestamp) -> Result<Admitted, Problem> {
    match credential(headers, &service.settings.issuer)? {
        Credential::Token(text) => admit_text(service, &text, now).await,
        Credential::Login(_) => Err(Problem::invalid_credentials(&service.settings.issuer)),
    }
}

/// The holder of this live token.
///
/// # Errors
/// 401 with the reason, 503 if it cannot be told.
pub async fn admit_text(service: &Service, text: &Text, now: Timestamp) -> Result<Admitted, Problem> {
    let issuer = &service.settings.issuer;
    let ring = service.ring(now).await?;
    service.store.verify(&ring, issuer, text, now).await?.map_err(|refused| Problem::refused(issuer, &refused))
}

impl Service {
    /// Whether the holder of this scope is an administrator.
    pub fn is_administrator(&self, scope: &Scope) -> bool {
        scope.holds(&self.settings.admin_permission)
    }

    /// Whether this token may manage tokens other than itself and those it made: it has no scope of its own, or the
    /// scope holds `tokens` or administers.
    pub fn manages_all(&self, caller: &Admitted) -> bool {
        caller.record.scope.is_none() || caller.scope.holds("tokens") || self.is_administrator(&caller.scope)
    }

    /// Whether this token may manage that one of the same user.
    pub fn manages(&self, caller: &Admitted, other: &token::Record) -> bool {
        self.manages_all(caller) || other.id == caller.record.id || other.issued_by == caller.record.id.to_string()
    }
}
