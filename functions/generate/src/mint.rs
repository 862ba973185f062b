//! One new token: sealed, written, looked at again, and only then shown.

use edge::{Problem, Service, entropy::Draw, log};
use store::Refused;
use token::{
    Admitted, Family, Format, Reason, Record, Scope, Sealed, Snapshot, Text, Timestamp, TokenId, User,
    codec::{jwt, signed},
    family::TooManyIssuers,
    lifecycle,
};

use crate::{caller::Caller, limit};

/// What is asked for, already cut to what may be handed out.
pub(crate) struct Wanted<'a> {
    pub(crate) owner: &'a User,
    pub(crate) shape: Shape,
    /// Whether it belongs to the family of the caller's token, if that is of the same user.
    pub(crate) continues_family: bool,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) scope: Option<Scope>,
    pub(crate) expires_at: Timestamp,
}

/// The shape of the new text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The signed format.
    Signed,
    /// A JWT for the user: an API key.
    Key,
    /// A JWT for the system: a temporary token.
    Temporary,
}

impl Shape {
    const fn format(self) -> Format {
        match self {
            Self::Signed => Format::Signed,
            Self::Key | Self::Temporary => Format::Jwt,
        }
    }
}

/// Makes the token. The record is there before the text is shown, and after it was written one more strong look tells
/// whether the caller's token still lives and the owner's limit holds; if not, the record is taken away again.
pub(crate) async fn mint(
    service: &Service,
    caller: &Caller,
    wanted: Wanted<'_>,
    now: Timestamp,
    draw: &Draw,
) -> Result<(Text, Record), Problem> {
    let chain_started_at = caller.token().map_or(now, |parent| parent.record.chain_started_at);
    let expires_at =
        end_of_chain(service, chain_started_at, now)?.map_or(wanted.expires_at, |end| end.min(wanted.expires_at));
    let wanted = Wanted { expires_at, ..wanted };
    let sealed = seal(service, wanted.owner, wanted.shape, wanted.expires_at, now, draw).await?;
    let owner = wanted.owner;
    let record = record(service, caller, wanted, &sealed, chain_started_at, now)?;
    service.store.insert(&record).await?;
    if let Err(problem) = look_again(service, caller, owner, &record, now).await {
        service.store.withdraw(&record).await?;
        return Err(problem);
    }
    log::allowed("issued", Some(&record.id), None);
    Ok((sealed.text, record))
}

/// What of the caller a new token may have when none is asked for: all, or the scope the caller has now.
pub(crate) fn own_scope(service: &Service, parent: Option<&Admitted>) -> Result<Option<Scope>, Problem> {
    match parent.filter(|parent| parent.record.scope.is_some()) {
        None => Ok(None),
        Some(parent) if parent.scope.is_empty() => Err(Problem::forbidden(&service.settings.issuer)),
        Some(parent) => Ok(Some(parent.scope.clone())),
    }
}

/// When the chain of renewals must be over (`HALLPASS_MAX_RENEWAL`), if ever.
pub(crate) fn end_of_chain(
    service: &Service,
    started_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Timestamp>, Problem> {
    let Some(end) = service.settings.max_renewal.map(|longest| started_at.after(longest)) else {
        return Ok(None);
    };
    if end.has_come(now) {
        return Err(Problem::refused(&service.settings.issuer, &Refused::new(Reason::Expired, None)));
    }
    Ok(Some(end))
}

/// The text of a new token, and what of it goes into the record.
pub(crate) async fn seal(
    service: &Service,
    owner: &User,
    shape: Shape,
    expires_at: Timestamp,
    now: Timestamp,
    draw: &Draw,
) -> Result<Sealed, Problem> {
    let ring = service.ring(now).await?;
    let (issuer, secret) = (&service.settings.issuer, draw.secret());
    let (user_id, name) = (owner.id, owner.display_name());
    let jwt = |audience| jwt::seal(&ring, issuer, now, jwt::Contents { user_id, audience, expires_at, name }, &secret);
    let sealed = match shape {
        Shape::Signed => signed::seal(&ring, issuer, now, user_id, expires_at, &secret),
        Shape::Key => jwt(jwt::Audience::User),
        Shape::Temporary => jwt(jwt::Audience::System),
    };
    Ok(sealed.map_err(|error| store::Failure::new("sealing the token", error))?)
}

fn record(
    service: &Service,
    caller: &Caller,
    wanted: Wanted<'_>,
    sealed: &Sealed,
    chain_started_at: Timestamp,
    now: Timestamp,
) -> Result<Record, Problem> {
    let binding = service.settings.binding(wanted.shape.format()).clone();
    Ok(Record {
        id: sealed.id,
        format: wanted.shape.format(),
        issued_at: now,
        issued_by: caller.issued_by(),
        expires_at: Some(wanted.expires_at),
        disabled_at: None,
        revoked: None,
        fingerprint: binding.fingerprint(wanted.owner),
        snapshot: Snapshot::new(&sealed.id.hash, &binding, wanted.owner),
        binding,
        key_id: sealed.key_id.clone(),
        family: family(caller, &wanted, sealed.id)?,
        payload_digest: sealed.payload_digest,
        chain_started_at,
        replaces: None,
        replaced_by: None,
        replaced_at: None,
        last_used_at: None,
        forget_at: lifecycle::forget_at(Some(wanted.expires_at), None, service.settings.grace),
        name: wanted.name,
        description: wanted.description,
        scope: wanted.scope,
    })
}

/// The family of a new token: the parent's, if the new token continues it, and otherwise one that the parent's family
/// issued.
fn family(caller: &Caller, wanted: &Wanted<'_>, new: TokenId) -> Result<Family, Problem> {
    let Some(parent) = caller.token() else { return Ok(Family::new(new)) };
    let continues = wanted.continues_family && parent.user.id == wanted.owner.id;
    let id = if continues { parent.record.family.id } else { new };
    parent.record.family.issue(id).map_err(too_many_issuers)
}

/// 409: the record could not name every family that is behind the new token.
pub(crate) fn too_many_issuers(_too_many: TooManyIssuers) -> Problem {
    let most = Family::MAX_ISSUERS;
    Problem::conflict(format!("More than {most} tokens issued one another; rotate the token or use a password instead"))
}

/// The caller's token may have been taken back, and others may have made tokens, since they were read.
async fn look_again(
    service: &Service,
    caller: &Caller,
    owner: &User,
    record: &Record,
    now: Timestamp,
) -> Result<(), Problem> {
    let issuer = &service.settings.issuer;
    let parent = caller.token();
    let parent_is_owner = parent.is_none_or(|parent| parent.user.id == record.id.user_id);
    if let Some(parent) = parent.filter(|_| !parent_is_owner) {
        let again = service.store.verify_again(parent, now).await?;
        let again = again.map_err(|refused| Problem::refused(issuer, &refused))?;
        if !service.is_administrator(&again.scope) {
            return Err(Problem::forbidden(issuer));
        }
    }
    if let Some(visit) = caller.visit().filter(|visit| visit.user.id != record.id.user_id)
        && !visit.again(service, now).await?.is_administrator
    {
        return Err(Problem::not_permitted());
    }
    if let Some(parent) = parent.filter(|_| parent_is_owner) {
        let again = service.store.verify_again(parent, now).await?;
        again.map_err(|refused| Problem::refused(issuer, &refused))?;
    }
    limit::check(service, owner, record, now).await
}
