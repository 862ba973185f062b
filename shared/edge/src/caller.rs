//! Who is calling: the credential of a request, verified. Routes that manage tokens do this themselves, because the
//! gateway's answer may be a cached one.

use http::{
    HeaderMap,
    header::{AUTHORIZATION, COOKIE},
};
use store::{Failure, Rejected, marks::Marked};
use token::{
    Admitted, Credential, Issuer, Reason, Record, Scope, Text, Timestamp, TokenId, User, credential::Unusable,
    lifecycle,
};

use crate::{Problem, Service};

/// The credential of a request.
///
/// # Errors
/// 400 for two, 401 for none or one that is not a credential.
pub fn credential(headers: &HeaderMap, issuer: &Issuer) -> Result<Credential, Problem> {
    let malformed = || Problem::rejected(issuer, &Rejected::new(Reason::Malformed, None));
    let values = headers.get_all(AUTHORIZATION).iter().map(|value| value.to_str());
    let values = values.collect::<Result<Vec<_>, _>>().map_err(|_| malformed())?;
    match Credential::from_header(values) {
        Ok(Some(credential)) => Ok(credential),
        Ok(None) => Err(Problem::unauthenticated(issuer)),
        Err(Unusable::Doubled) => Err(Problem::doubled_credentials(issuer)),
        Err(Unusable::Malformed) => Err(malformed()),
    }
}

/// Rejects a request whose only credential is a cookie: a browser sends one along whoever made the request.
///
/// # Errors
/// 403.
pub fn reject_cookie_alone(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(COOKIE) && !headers.contains_key(AUTHORIZATION) {
        return Err(Problem::not_permitted());
    }
    Ok(())
}

/// The most cookies of one name that count. Others on the same host may set some of our names.
pub const MAX_COOKIES: usize = 8;

/// What the cookies of this name hold (RFC 6265 section 5.4), in their order, each once. Only values that `read` takes
/// count, and of those the first [`MAX_COOKIES`]. Other applications on the host send cookies along, whose bytes may be
/// anything, so that the header is split as bytes and only our own values have to be text.
pub fn cookies<'a, T>(headers: &'a HeaderMap, name: &str, read: impl Fn(&'a str) -> Option<T>) -> Vec<T> {
    let mut seen: Vec<&[u8]> = Vec::new();
    let mut values = Vec::new();
    let pairs = headers.get_all(COOKIE).iter().flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
    for pair in pairs.map(<[u8]>::trim_ascii) {
        let value = pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
        let Some(value) = value.filter(|value| !seen.contains(value)) else { continue };
        if let Some(read) = str::from_utf8(value).ok().and_then(&read) {
            seen.push(value);
            values.push(read);
        }
        if values.len() == MAX_COOKIES {
            break;
        }
    }
    values
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
    let keyring = service.keyring(now).await?;
    let verified = service.store.verify(&keyring, issuer, text, now).await?;
    let admitted = verified.map_err(|rejected| Problem::rejected(issuer, &rejected))?;
    service.finish_rotation(&admitted, now).await?;
    Ok(admitted)
}

/// The holder of the live token that a request for another token carries, with the marks of its user's changes.
///
/// # Errors
/// As [`admit`].
pub async fn admit_to_issue(
    service: &Service,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Marked<Admitted>, Problem> {
    match credential(headers, &service.settings.issuer)? {
        Credential::Token(text) => admit_text_to_issue(service, &text, now).await,
        Credential::Login(_) => Err(Problem::invalid_credentials(&service.settings.issuer)),
    }
}

/// The holder of this live token, which asks for another one.
///
/// # Errors
/// As [`admit_text`].
pub async fn admit_text_to_issue(service: &Service, text: &Text, now: Timestamp) -> Result<Marked<Admitted>, Problem> {
    let issuer = &service.settings.issuer;
    let keyring = service.keyring(now).await?;
    let verified = service.store.verify_to_issue(&keyring, issuer, text, now).await?;
    let marked = verified.map_err(|rejected| Problem::rejected(issuer, &rejected))?;
    service.finish_rotation(&marked.value, now).await?;
    Ok(marked)
}

impl Service {
    /// The first use of a token that takes the place of another ends that one, before anybody is let in. For every
    /// other token this does nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish_rotation(&self, admitted: &Admitted, now: Timestamp) -> Result<(), Failure> {
        if admitted.record.replaces.is_none() {
            return Ok(());
        }
        let purge_at = lifecycle::purge_replaced_at(now, self.settings.record_retention);
        self.store.finish_rotation(&admitted.record, now, purge_at).await
    }

    /// Whether the holder of this scope is an administrator.
    pub fn is_administrator(&self, scope: &Scope) -> bool {
        scope.holds(&self.settings.admin_permission)
    }

    /// Whether this token may manage tokens other than itself and those it made: it has no scope of its own, or the
    /// scope holds `HALLPASS_TOKENS_PERMISSION` or administers.
    pub fn manages_all(&self, caller: &Admitted) -> bool {
        self.manages_all_with(&caller.record, &caller.scope)
    }

    fn manages_all_with(&self, record: &Record, scope: &Scope) -> bool {
        record.scope.is_none() || scope.holds(&self.settings.tokens_permission) || self.is_administrator(scope)
    }

    /// The record of the token that a route names, if the caller may manage it; `current` is the caller's own. Whatever
    /// the caller may not manage looks absent.
    ///
    /// # Errors
    /// 404, and 503 if it cannot be told.
    pub async fn managed(&self, caller: &Admitted, id: &str) -> Result<Record, Problem> {
        let id = match id {
            "current" => caller.record.id,
            text => text.parse::<TokenId>().map_err(|_| Problem::not_found())?,
        };
        if id.user_id != caller.user.id && !self.is_administrator(&caller.scope) {
            return Err(Problem::not_found());
        }
        let record = self.store.record(&id).await?.ok_or_else(Problem::not_found)?;
        if self.manages(caller, &record) { Ok(record) } else { Err(Problem::not_found()) }
    }

    /// The user of this record, which was read before: the caller, as it was verified, or another.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn owner(&self, caller: &Admitted, record: &Record) -> Result<Option<User>, Failure> {
        if record.id.user_id == caller.user.id {
            return Ok(Some(caller.user.clone()));
        }
        self.store.user(&record.id.user_id).await
    }

    /// Whether this token may manage that one of the same user.
    pub fn manages(&self, caller: &Admitted, other: &Record) -> bool {
        self.manages_with(&caller.record, &caller.scope, other)
    }

    /// Whether the token with this record may manage that one of the same user, with what it may do now.
    pub fn manages_with(&self, caller: &Record, scope: &Scope, other: &Record) -> bool {
        self.manages_all_with(caller, scope) || other.id == caller.id || other.issued_by == caller.id.to_string()
    }
}
