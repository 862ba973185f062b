//! Issues a token: signs it, writes its record, rechecks the caller, and only then returns its
//! text.

use crate::{Context, Service};
use hallpass_http::Problem;
use hallpass_runtime::Event;
use hallpass_store::{marks::Marked, size};
use hallpass_token::{
    Family, Format, IssuedText, Record, Scope, Snapshot, Text, Timestamp, TokenId, User,
    codec::{jwt, signed},
    family::TooManyIssuers,
    lifecycle,
    secret::Digest,
};

use crate::{
    caller::Caller,
    expiry, limit,
    recheck::{Basis, or_withdraw},
};

/// A token to issue, already limited to what the caller can grant.
#[derive(Debug)]
pub struct NewToken<'a> {
    /// The owner of the token, if it is not the caller's own user.
    pub other: Option<&'a Marked<User>>,
    /// The permissions that the caller must hold.
    pub permissions: &'a [&'a str],
    /// Whether the caller must be a maintainer of the owner.
    pub as_maintainer: bool,
    /// The shape of its text.
    pub shape: Shape,
    /// Whether the token joins the family of the caller's token, if both have the same user.
    pub continues_family: bool,
    /// The name. A named token counts against `HALLPASS_MAX_TOKENS`.
    pub name: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The scope. `None` means all permissions of the owner.
    pub scope: Option<Scope>,
    /// The expiry, unless the limits of the caller are earlier.
    pub expires_at: Timestamp,
    /// The offer that the token takes the place of.
    pub offer: Option<&'a Digest>,
}

/// The shape of the token text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The signed format.
    Signed,
    /// A JWT for the user: an API key.
    Key,
    /// A JWT for the system: a temporary token.
    Temporary,
}

impl Shape {
    /// Returns the format of the text.
    pub const fn format(self) -> Format {
        match self {
            Self::Signed => Format::Signed,
            Self::Key | Self::Temporary => Format::Jwt,
        }
    }
}

impl NewToken<'_> {
    /// Creates a token without a name for the caller's own user, in a family of its own, with all
    /// permissions.
    pub const fn new(shape: Shape, expires_at: Timestamp) -> Self {
        Self {
            other: None,
            permissions: &[],
            as_maintainer: false,
            shape,
            continues_family: false,
            name: None,
            description: None,
            scope: None,
            expires_at,
            offer: None,
        }
    }

    fn owner<'a>(&'a self, caller: &'a Caller) -> &'a User {
        self.other.map_or_else(|| caller.user(), |other| &other.value)
    }
}

/// Issues a token. The record is written before the text is returned. After the write, the caller
/// is rechecked; if that fails, or if the owner exceeds a limit, the record is withdrawn.
pub async fn issue(
    context: &Context<'_>,
    caller: &Caller,
    new_token: NewToken<'_>,
) -> Result<(Text, Record), Problem> {
    let Context { service, now, .. } = *context;
    let latest = expiry::latest(context, caller.authenticated_at(now))?;
    let cap = expiry::cap_of(service, caller);
    let expires_at = new_token.expires_at.min(latest).min(cap.unwrap_or(Timestamp::MAX));
    let new_token = NewToken { expires_at, ..new_token };
    let signed = sign(context, new_token.owner(caller), new_token.shape, expires_at).await?;
    let NewToken { other, permissions, as_maintainer, .. } = new_token;
    let basis = Basis { caller, other, permissions, as_maintainer, old: None };
    let owner = basis.owner();
    let offer = new_token.offer;
    let record = record(context, caller, new_token, &signed, cap)?;
    if let Some(excess) = size::excess(&record) {
        return Err(Problem::invalid_member("description", &too_long(excess)));
    }
    let cause = context.cause(caller.actor());
    match offer {
        None => service.store.insert(&record, &cause).await?,
        Some(offer) if service.store.accept_offer(offer, &record, &cause).await? => {}
        Some(_) => return Err(Problem::offer_ended()),
    }
    basis.confirm(context, &record).await?;
    let limited = limit::check(context, owner, &record).await;
    or_withdraw(service, &record, limited, &cause).await?;
    Event::Issued(&record.id).log(&cause);
    Ok((signed.text, record))
}

/// Returns the scope of a token that is requested without one: the caller's current scope, or
/// `None` for all permissions. A portal session gives no token all permissions.
pub fn own_scope(service: &Service, caller: &Caller) -> Result<Option<Scope>, Problem> {
    if caller.limit().is_some() {
        return Err(Problem::not_permitted());
    }
    match caller.token().filter(|parent| parent.record.scope.is_some()) {
        None => Ok(None),
        Some(parent) if parent.scope.is_empty() => {
            Err(Problem::forbidden(&service.settings.issuer))
        }
        Some(parent) => Ok(Some(parent.scope.clone())),
    }
}

/// Signs a new token. Returns its text and the values for its record.
pub async fn sign(
    context: &Context<'_>,
    owner: &User,
    shape: Shape,
    expires_at: Timestamp,
) -> Result<IssuedText, Problem> {
    let Context { service, now, randomness, .. } = *context;
    let keyring = service.keyring(now).await?;
    let (issuer, secret) = (&service.settings.issuer, randomness.secret()?);
    let (user_id, name) = (owner.id, owner.display_name());
    let jwt = |audience| {
        jwt::sign(
            &keyring,
            issuer,
            now,
            jwt::Contents { user_id, audience, expires_at, name },
            &secret,
        )
    };
    let signed = match shape {
        Shape::Signed => signed::sign(&keyring, issuer, now, user_id, expires_at, &secret),
        Shape::Key => jwt(jwt::Audience::User),
        Shape::Temporary => jwt(jwt::Audience::System),
    };
    Ok(signed.map_err(|error| hallpass_store::Failure::new("signing the token", error))?)
}

/// Returns the message for a description that makes a record too long. All other attributes are
/// bounded.
pub fn too_long(excess: usize) -> String {
    let most = size::MAX_RECORD_BYTES;
    format!(
        "it is {excess} bytes too long: with the name and the scopes, a record has at most {most} \
         bytes"
    )
}

fn record(
    context: &Context<'_>,
    caller: &Caller,
    new_token: NewToken<'_>,
    signed: &IssuedText,
    cap: Option<Timestamp>,
) -> Result<Record, Problem> {
    let Context { service, now, .. } = *context;
    let binding = service.settings.binding(new_token.shape.format()).clone();
    let owner = new_token.owner(caller);
    // A temporary token limits the expiry of its descendants, as a token with a scope does.
    let lasts = new_token
        .scope
        .as_ref()
        .is_some_and(|scope| scope.holds(&service.settings.tokens_permission));
    let own_cap = (new_token.shape == Shape::Temporary && !lasts).then_some(new_token.expires_at);
    Ok(Record {
        id: signed.id,
        format: new_token.shape.format(),
        issued_at: now,
        issued_by: caller.issued_by(),
        expires_at: Some(new_token.expires_at),
        disabled_at: None,
        revoked: None,
        fingerprint: binding.fingerprint(owner),
        snapshot: Snapshot::new(&signed.id.hash, &binding, owner),
        binding,
        key_id: signed.key_id.clone(),
        family: family(caller, &new_token, signed.id)?,
        payload_digest: signed.payload_digest,
        authenticated_at: caller.authenticated_at(now),
        expiry_cap: [cap, own_cap].into_iter().flatten().min(),
        replaces: None,
        replaced_by: None,
        replaced_at: None,
        last_used_at: None,
        expiry_notified: None,
        reused_at: None,
        purge_at: lifecycle::purge_at(
            Some(new_token.expires_at),
            None,
            service.settings.record_retention,
        ),
        name: new_token.name,
        description: new_token.description,
        scope: new_token.scope,
    })
}

/// Returns the family of a new token: the parent's, if the new token continues it, or else a new
/// one issued by the family of the parent or of the browser session.
fn family(caller: &Caller, new_token: &NewToken<'_>, new: TokenId) -> Result<Family, Problem> {
    let Some(issuer) = caller.family() else { return Ok(Family::new(new)) };
    let continues = new_token.continues_family
        && caller.token().is_some_and(|parent| parent.user.id == new_token.owner(caller).id);
    issuer.issue(if continues { issuer.id } else { new }).map_err(too_many_issuers)
}

/// Returns 409: the record cannot name every family that the new token descends from.
pub fn too_many_issuers(_too_many: TooManyIssuers) -> Problem {
    let most = Family::MAX_ISSUERS;
    Problem::conflict(format!(
        "More than {most} tokens issued one another; rotate the token or use a password instead"
    ))
}
