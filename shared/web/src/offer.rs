//! Offers of tokens as pages show them.

use hallpass_http::Problem;
use hallpass_service::Context;
use hallpass_token::User;

use crate::view::{Instant, contained};

/// A token that is offered to a user.
#[derive(Clone, Debug)]
pub(crate) struct OfferRow {
    /// The ID of the offer.
    pub(crate) id: String,
    /// The name of the token.
    pub(crate) name: String,
    /// The description of the token.
    pub(crate) description: Option<String>,
    /// The scope of the token; all permissions without it.
    pub(crate) scope: Option<Vec<String>>,
    /// The expiry of the token.
    pub(crate) expires: Instant,
    /// Until when the offer is open.
    pub(crate) until: Instant,
}

impl OfferRow {
    /// Returns the open offers to a user, by name.
    ///
    /// # Errors
    /// Returns 503 if DynamoDB cannot be read.
    pub(crate) async fn of(context: &Context<'_>, user: &User) -> Result<Vec<Self>, Problem> {
        let Context { service, now, .. } = *context;
        let offers = service.store.token_offers(&user.id).await?;
        let open = offers.into_iter().filter(|(_, offer)| offer.is_open(user, now));
        let mut rows: Vec<Self> = open
            .map(|(id, offer)| Self {
                id: id.text(),
                name: contained(&offer.name),
                description: offer.description.as_deref().map(contained),
                scope: offer.scope.map(|scope| scope.names().map(contained).collect()),
                expires: Instant::new(offer.expires_at, now),
                until: Instant::new(offer.until, now),
            })
            .collect();
        rows.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(rows)
    }
}
