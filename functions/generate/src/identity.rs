//! The user of an identity: one who is linked to it, one whom the first sign-in links, or a new
//! one.

use hallpass_http::Problem;
use hallpass_oidc::SignedIn;
use hallpass_runtime::settings::oidc::Oidc;
use hallpass_service::{
    Context, Revoker,
    users::{self, MAX_FULL_NAME_LENGTH},
    validate,
};
use hallpass_store::{
    Failure,
    links::{Recorded, SignIn},
    management::{Added, NewLink, NewUser},
    marks::Marked,
};
use hallpass_token::{Actor, Scope, Status, User, UserId, UserKind};
use hallpass_web::view::contained;

/// Returns the user of an identity, and records the sign-in.
pub(crate) async fn user(
    context: &Context<'_>,
    settings: &Oidc,
    signed_in: &SignedIn,
) -> Result<Marked<User>, Problem> {
    let Context { service, now, randomness, .. } = *context;
    let linked = service.store.user_of_identity(&signed_in.identity).await?;
    let id = match linked {
        Some(user) if user.value.status == Status::Blocked => return Err(blocked()),
        Some(user) => user.value.id,
        None => match by_name(context, settings, signed_in).await? {
            Some(id) => id,
            None if settings.provisions => {
                Box::pin(provisioned(context, settings, signed_in)).await?
            }
            None => return Err(unlinked(signed_in)),
        },
    };
    let sign_in = SignIn {
        identity: &signed_in.identity,
        next_due: settings.revalidate.map(|within| now.after(within)),
        permissions: &permissions(settings, signed_in),
        invalidate: None,
    };
    let (revoker, fresh) = (Revoker::of(context, Actor::User(id)), randomness.generation()?);
    if users::record_sign_in(&revoker, &service.settings, &id, sign_in, fresh).await?
        == Recorded::Unlinked
    {
        return Err(unlinked(signed_in));
    }
    // The sign-in has changed the user.
    let user = service.store.user_of_identity(&signed_in.identity).await?;
    match user.ok_or_else(|| unlinked(signed_in))? {
        user if user.value.status == Status::Blocked => Err(blocked()),
        user => Ok(user),
    }
}

/// Links the user whom the claim `HALLPASS_OIDC_LINK_BY` names.
async fn by_name(
    context: &Context<'_>,
    settings: &Oidc,
    signed_in: &SignedIn,
) -> Result<Option<UserId>, Failure> {
    let claims = &signed_in.claims;
    let Some(claim) = &settings.link_by else { return Ok(None) };
    let Some(name) = claims.text(claim) else { return Ok(None) };
    if claim == "email" && !claims.is_email_verified() {
        return Ok(None);
    }
    users::link_by_name(context, name, &signed_in.identity).await
}

/// Adds a user for an identity that is not linked.
async fn provisioned(
    context: &Context<'_>,
    settings: &Oidc,
    signed_in: &SignedIn,
) -> Result<UserId, Problem> {
    let Context { service, randomness, .. } = *context;
    let SignedIn { identity, claims, .. } = signed_in;
    let id = identity.new_user_id().ok_or_else(|| unlinked(signed_in))?;
    let name = claims.text("preferred_username").ok_or_else(unnamed)?;
    let username = validate::username(context, name).map_err(|_| unnamed())?;
    let full_name = claims.text("name");
    let full_name = full_name
        .and_then(|name| validate::visible_line("full_name", name, MAX_FULL_NAME_LENGTH).ok());
    let user = NewUser {
        id,
        username,
        full_name,
        kind: UserKind::Person,
        password_hash: None,
        permissions: permissions(settings, signed_in),
        token_generation: randomness.generation()?,
    };
    let link = NewLink { identity, gives_permissions: settings.permissions.is_some() };
    let cause = context.cause(Actor::User(id));
    match users::add(&service.store, &user, Status::Active, Some(link), &cause).await? {
        Added::Now => Ok(id),
        // An administrator has unlinked this user, or a concurrent sign-in has added it.
        Added::IdTaken | Added::IdentityTaken => {
            let user = service.store.user_of_identity(identity).await?;
            user.map(|user| user.value.id).ok_or_else(|| unlinked(signed_in))
        }
        Added::NameTaken => Err(name_taken(signed_in)),
    }
}

/// The permissions that the provider names for the user.
fn permissions(settings: &Oidc, signed_in: &SignedIn) -> Scope {
    let rules = settings.permissions.as_ref();
    rules.map(|rules| rules.of(&signed_in.claims.texts(&rules.claim))).unwrap_or_default()
}

fn blocked() -> Problem {
    Problem::not_signed_in("Your account is blocked")
}

fn unnamed() -> Problem {
    Problem::not_signed_in("The identity provider gives no user name for you. Ask an administrator")
}

/// The subject is the user's own, and what an administrator needs in order to link it.
fn unlinked(signed_in: &SignedIn) -> Problem {
    let subject = contained(&signed_in.subject);
    Problem::not_signed_in(format!(
        "No user is linked to your account yet. Ask an administrator to link it; its subject is {subject}"
    ))
}

/// A user is never taken over by a name.
fn name_taken(signed_in: &SignedIn) -> Problem {
    let subject = contained(&signed_in.subject);
    Problem::conflict(format!(
        "Your user name belongs to another user here. Ask an administrator to link your account; its subject is {subject}"
    ))
}
