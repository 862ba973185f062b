//! Offers: an administrator prepares a token for a user, and the user alone sees its text. The
//! token does not exist before the user accepts it.

use std::time::Duration;

use hallpass_http::Problem;
use hallpass_runtime::Event;
use hallpass_service::{
    Context,
    caller::Caller,
    issue::{self, NewToken, Shape},
};
use hallpass_store::offers::Offer;
use hallpass_token::{Format, Record, Text, UserId, secret::Digest};
use hallpass_web::Submitted;
use serde_json::{Value, json};

use crate::create::{TokenRequest, checked};

/// How long an offer can be accepted.
const OPEN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The maximum number of offers to a user.
const MAX_OFFERS: usize = 20;

/// Offers the requested token to its user.
pub(crate) async fn offer(
    context: &Context<'_>,
    caller: &Caller,
    requested: TokenRequest,
) -> Result<Value, Problem> {
    let Context { service, now, randomness, .. } = *context;
    let checked = checked(context, caller, requested).await?;
    let other = checked.other.ok_or_else(|| {
        Problem::invalid_member("claim", "a token is offered to another user, named by user_id")
    })?;
    if !service.is_administrator(caller.scope()) {
        return Err(Problem::forbidden(&service.settings.issuer));
    }
    let user = &other.value;
    let offers = service.store.token_offers(&user.id).await?;
    if offers.iter().filter(|(_, offer)| offer.is_open(user, now)).count() >= MAX_OFFERS {
        return Err(Problem::conflict(format!("The user has {MAX_OFFERS} offers already")));
    }
    let binding = service.settings.session_binding().clone();
    let offer = Offer {
        user_id: user.id,
        fingerprint: binding.fingerprint(user),
        binding,
        password: user.password_hash().map(|hash| Digest::of(hash.as_bytes())),
        until: now.after(OPEN),
        name: checked.name,
        description: checked.description,
        scope: checked.scope,
        format: checked.shape.format(),
        expires_at: checked.expires_at,
    };
    let id = Digest::of(&randomness.form()?);
    service.store.offer_token(&id, &offer).await?;
    let cause = context.cause(caller.actor());
    Event::Offered { by: &caller.issued_by(), user: &user.id }.log(&cause);
    Ok(json!({
        "id": id.text(),
        "user_id": user.id.to_string(),
        "name": offer.name,
        "description": offer.description,
        "format": offer.format.as_str(),
        "scopes": offer.scope.as_ref().map(|scope| scope.names().collect::<Vec<_>>()),
        "expires_at": offer.expires_at.to_string(),
        "claim_until": offer.until.to_string(),
    }))
}

/// Issues the offered token to the signed-in user, in place of the offer.
///
/// The user has signed in at the identity provider, or with the password that was set when the
/// token was offered: an administrator who has set another could sign in as the user.
pub(crate) async fn accept(
    context: &Context<'_>,
    sent: &Submitted,
    caller: &Caller,
) -> Result<(Text, Record), Problem> {
    let Context { service, now, .. } = *context;
    let user = sent.session.user();
    let id = id(sent)?;
    let offers = service.store.token_offers(&user.id).await?;
    let is_asked = |found: &Digest| found.text() == id.text();
    let open =
        offers.into_iter().find(|(found, offer)| is_asked(found) && offer.is_open(user, now));
    let (_, offer) = open.ok_or_else(Problem::offer_ended)?;
    if !sent.session.browser_session().is_of_provider && !offer.has_same_password(user) {
        let wrong = "Your password was set after this token was offered. Ask for a new offer";
        return Err(Problem::conflict(wrong));
    }
    if offer.expires_at.has_passed(now) {
        return Err(Problem::conflict("The token would have expired. Ask for a new offer"));
    }
    let scope = offer.scope.as_ref().map(|scope| scope.intersection(&user.permissions));
    if scope.as_ref().is_some_and(hallpass_token::Scope::is_empty) {
        return Err(Problem::conflict("You no longer have the permissions of this token"));
    }
    let shape = if offer.format == Format::Jwt { Shape::Key } else { Shape::Signed };
    let new_token = NewToken {
        name: Some(offer.name),
        description: offer.description,
        scope,
        offer: Some(&id),
        ..NewToken::new(shape, offer.expires_at)
    };
    issue::issue(context, caller, new_token).await
}

/// Declines or withdraws an offer to this user. One that is gone counts as withdrawn.
pub(crate) async fn withdraw(
    context: &Context<'_>,
    sent: &Submitted,
    user_id: &UserId,
) -> Result<(), Problem> {
    context.service.store.withdraw_offer(user_id, &id(sent)?).await?;
    Ok(())
}

/// The offer that a form is about. In a portal session there is none: the application that began
/// the session is not to see the text.
fn id(sent: &Submitted) -> Result<Digest, Problem> {
    if sent.session.browser_session().portal.is_some() {
        return Err(Problem::not_permitted());
    }
    Digest::parse(sent.form.field("id")).ok_or_else(Problem::offer_ended)
}
