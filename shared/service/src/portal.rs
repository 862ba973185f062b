//! Portal sessions: browser sessions that an application begins for a user whom it has signed in
//! itself. The application's token offers the session, the user's browser takes the offer.
//!
//! A portal session acts by the token that began it. Every use reads that token again, so that the
//! session ends with it. It is permitted what both the token and the user are, except to be an
//! administrator.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hallpass_http::Problem;
use hallpass_runtime::Event;
use hallpass_store::{marks::Marked, portal::Origin, sessions::Session};
use hallpass_token::{
    Actor, Admitted, Family, Permission, Scope, Status, Text, User, UserId, lifecycle,
    secret::Digest,
};

use crate::{Context, Service, issue::too_many_issuers};

/// How long an offer can be taken.
pub const OFFER_LIFETIME: Duration = Duration::from_secs(60);

/// What limits a portal session, as read for this request.
#[derive(Clone, Debug)]
pub struct Portal {
    /// The live token that began the session.
    pub begun_by: Admitted,
    /// What the session is permitted to do.
    pub scope: Scope,
    /// The family that issues the tokens of the session. The family of the token issued it.
    pub family: Family,
    /// The page of the application to which the session leads back.
    pub return_to: Option<String>,
}

/// A live offer of a portal session.
#[derive(Debug)]
pub struct Offered {
    /// The user, as read for this request.
    pub user: Marked<User>,
    /// What begins the session.
    pub origin: Origin,
    digest: Digest,
}

impl Portal {
    /// Reads the token that began the session of this user. Returns `None` if the token is no
    /// longer live, or no longer permitted to offer the session.
    ///
    /// # Errors
    /// Returns 503 if DynamoDB cannot be read.
    pub(crate) async fn read(
        context: &Context<'_>,
        origin: Origin,
        user: &User,
        session: &Digest,
    ) -> Result<Option<Self>, Problem> {
        let Context { service, now, .. } = *context;
        let Origin { begun_by: id, return_to } = origin;
        let Some(record) = service.store.record(&id).await? else { return Ok(None) };
        let holder = if id.user_id == user.id {
            Some(user.clone())
        } else {
            service.store.user(&id.user_id).await?
        };
        let Ok(begun_by) = lifecycle::readmit(record, holder, now) else { return Ok(None) };
        let family = family(&begun_by, user, session).ok();
        let Some(family) = family.filter(|_| can_offer(service, &begun_by, &user.id)) else {
            return Ok(None);
        };
        let scope = scope(service, &begun_by, user);
        Ok(Some(Self { begun_by, scope, family, return_to }))
    }
}

/// Offers a session for this user. Returns the secret of the offer, which is good for
/// [`OFFER_LIFETIME`] and once.
///
/// # Errors
/// Returns 403 if the caller is not permitted to, or if another user has permissions that the
/// caller lacks, 400 for an unknown `return_to`, 404 if the user does not exist, 409 if the user is
/// blocked, and 503 if DynamoDB cannot be read or written.
pub async fn offer(
    context: &Context<'_>,
    caller: &Admitted,
    user_id: &UserId,
    return_to: Option<String>,
) -> Result<Text, Problem> {
    let Context { service, now, randomness, .. } = *context;
    if !can_offer(service, caller, user_id) {
        return Err(Problem::forbidden(&service.settings.issuer));
    }
    if return_to.as_ref().is_some_and(|url| !service.settings.portal_return_to.contains(url)) {
        let wrong = "it is not one of HALLPASS_PORTAL_RETURN_TO";
        return Err(Problem::invalid_member("return_to", wrong));
    }
    let user = if *user_id == caller.user.id {
        caller.user.clone()
    } else {
        service.store.user(user_id).await?.ok_or_else(Problem::not_found)?
    };
    if user.status == Status::Blocked {
        return Err(Problem::conflict("The user is blocked"));
    }
    if user.is_sign_in_due(now) {
        return Err(Problem::conflict("The user must sign in at the identity provider first"));
    }
    let is_within = user.permissions.intersection(&caller.scope) == user.permissions;
    if user.id != caller.user.id && !is_within {
        return Err(Problem::forbidden(&service.settings.issuer));
    }
    let (bytes, _) = randomness.session()?;
    let secret = Text::new(format!("{}.{}", user.id, BASE64_URL_SAFE_NO_PAD.encode(bytes)));
    let digest = digest(&secret);
    family(caller, &user, &digest)?;
    let origin = Origin { begun_by: caller.record.id, return_to };
    let offer = Session {
        origin: Some(origin),
        ..Session::of(&user, service.settings.session_binding(), now, now.after(OFFER_LIFETIME))
    };
    service.store.offer_session(&digest, &offer).await?;
    let cause = context.cause(Actor::Token(caller.record.id));
    Event::SessionOffered { by: &caller.record.id, user: &user.id }.log(&cause);
    Ok(secret)
}

impl Offered {
    /// Reads the offer with this secret, and everything that it is based on. Changes nothing.
    ///
    /// # Errors
    /// Returns 410 unless the offer can be taken now, and 503 if DynamoDB cannot be read.
    pub async fn read(context: &Context<'_>, secret: &Text) -> Result<Self, Problem> {
        let Context { service, now, .. } = *context;
        let user_id = parse(secret).ok_or_else(Problem::portal_link_ended)?;
        let digest = digest(secret);
        let offer = service.store.session_offer(&user_id, &digest).await?;
        let offer = offer.filter(|offer| !offer.expires_at.has_passed(now));
        let offer = offer.ok_or_else(Problem::portal_link_ended)?;
        let user = service.store.marked_user(&user_id).await?;
        let user =
            user.filter(|user| user.value.status == Status::Active && offer.is_of(&user.value));
        let user = user.filter(|user| !user.value.is_sign_in_due(now));
        let (Some(user), Some(origin)) = (user, offer.origin) else {
            return Err(Problem::portal_link_ended());
        };
        let portal = Portal::read(context, origin.clone(), &user.value, &digest).await?;
        portal.ok_or_else(Problem::portal_link_ended)?;
        Ok(Self { user, origin, digest })
    }

    /// Takes the offer. Of several concurrent requests one succeeds.
    ///
    /// # Errors
    /// Returns 410 if another request has taken the offer, and 503 if DynamoDB cannot be written.
    pub async fn take(&self, context: &Context<'_>) -> Result<(), Problem> {
        let store = &context.service.store;
        if store.take_session_offer(&self.user.value.id, &self.digest).await? {
            Ok(())
        } else {
            Err(Problem::portal_link_ended())
        }
    }
}

/// Returns whether a token can begin a session of this user. An administrator's can for every user.
/// Any other needs to manage all tokens of its own user.
fn can_offer(service: &Service, token: &Admitted, user_id: &UserId) -> bool {
    if *user_id == token.user.id {
        service.manages_all(token)
    } else {
        service.is_administrator(&token.scope)
    }
}

/// Returns what a session of this user that the token begins is permitted to do: what both are,
/// except to be an administrator.
fn scope(service: &Service, token: &Admitted, user: &User) -> Scope {
    let both = token.scope.intersection(&user.permissions);
    let is_kept = |name: &&str| *name != service.settings.admin_permission;
    let names = both.names().filter(is_kept).map(str::parse::<Permission>);
    names.filter_map(Result::ok).collect()
}

/// Returns the family that issues the tokens of a session, so that revoking the token with all that
/// it issued includes them.
fn family(token: &Admitted, user: &User, session: &Digest) -> Result<Family, Problem> {
    let session = Family::of_session(user.id, session);
    token.record.family.issue(session.id).map_err(too_many_issuers)
}

/// Parses the secret of an offer, `<user id>.<32 bytes>`, and returns the user.
fn parse(secret: &Text) -> Option<UserId> {
    let (user_id, random) = secret.expose_secret().split_once('.')?;
    Digest::parse(random)?;
    user_id.parse().ok()
}

fn digest(secret: &Text) -> Digest {
    Digest::of(&[b"hallpass portal 1\0", secret.expose_secret().as_bytes()].concat())
}
