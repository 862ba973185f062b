//! The check of a password, under the rate limit.
//!
//! Every rejected log-in costs the same calls in the same order and one hash: an unknown name, two users of one name, a
//! blocked user, one without a password, one whose item cannot be read, and a wrong password. Only a hash of another
//! kind than Hallpass's own takes its own time.

use edge::{Problem, Service, entropy::Randomness, log};
use login::{
    NameKey, password,
    rate_limit::{self, Counters},
};
use store::{
    Failure,
    attempts::{self, Outcome, RateLimit},
    marks::Marked,
    users::Named,
};
use token::{Status, Timestamp, User, Value, credential::Login, user::attribute::TOKEN_GENERATION};

/// One attempt to log in, with its reservations.
struct Attempt<'a> {
    service: &'a Service,
    counters: Counters,
    id: String,
    now: Timestamp,
}

/// The user who has this name and this password.
pub(crate) async fn check_password(
    service: &Service,
    login: Login,
    source_ip: &str,
    now: Timestamp,
    randomness: &Randomness,
) -> Result<Marked<User>, Problem> {
    let name = NameKey::new(login.username());
    let counters = attempts::counters(&name, source_ip, now);
    let attempt = Attempt { service, counters, id: randomness.attempt(), now };
    attempt.reserve_pair().await?;
    let candidate = service.store.candidate(&name).await?;
    let marks = service.store.marks_of(&candidate).await?;
    let user = match service.store.user_of(&candidate, &name).await? {
        Named::User(user) => Some(*user),
        Named::Absent => None,
        Named::Unreadable(failure) => {
            log::failed(&failure);
            None
        }
    };
    let proof = user.as_ref().and_then(proof);
    let known = service.store.known_network(&attempt.counters.known, now).await?;
    let known = known.filter(|known| proof.as_ref() == Some(&known.proof));
    let budget = attempt.reserve_budgets(known.is_some()).await?;
    let is_right = is_right(login, user.as_ref()).await?;
    let Some(user) = user.filter(|_| is_right) else {
        attempt.settle(Outcome::Failed).await?;
        return Err(Problem::invalid_credentials(&service.settings.issuer));
    };
    let is_noted = known.is_some_and(|known| !known.noted_at.after(rate_limit::NOTED).has_passed(now));
    if let Some(proof) = proof.filter(|_| attempt.counters.has_network && !is_noted) {
        service.store.record_network(&attempt.counters.known, &proof, now).await?;
    }
    service.store.release(budget, &attempt.id, now).await?;
    attempt.settle(Outcome::Succeeded).await?;
    Ok(Marked { value: user, marks })
}

impl Attempt<'_> {
    async fn reserve_pair(&self) -> Result<(), Problem> {
        or_wait(self.service.store.reserve_pair(&self.counters.pair, &self.id, self.now).await?)
    }

    /// Reserves a place in the budget of the name, or of the network where it is known for the name, and one in the
    /// budget of the source; what is rejected counts nowhere. The first of the two is given back by a success.
    async fn reserve_budgets(&self, is_known: bool) -> Result<&str, Problem> {
        let (store, limits, counters) = (&self.service.store, &self.service.settings.login_budgets, &self.counters);
        let (name, budget) = if is_known { (&counters.network, limits.network) } else { (&counters.name, limits.name) };
        let rate_limit = store.reserve(name, &self.id, budget, self.now).await?;
        if rate_limit != RateLimit::Allowed {
            self.settle(Outcome::Uncounted).await?;
        }
        or_wait(rate_limit)?;
        let rate_limit = store.reserve(&counters.source, &self.id, limits.source, self.now).await?;
        if rate_limit != RateLimit::Allowed {
            store.release(name, &self.id, self.now).await?;
            self.settle(Outcome::Uncounted).await?;
        }
        or_wait(rate_limit)?;
        Ok(name)
    }

    async fn settle(&self, outcome: Outcome) -> Result<(), Failure> {
        self.service.store.settle_pair(&self.counters.pair, &self.id, outcome, self.now).await
    }
}

fn or_wait(rate_limit: RateLimit) -> Result<(), Problem> {
    match rate_limit {
        RateLimit::Allowed => Ok(()),
        RateLimit::RetryAfter(wait) => Err(Problem::too_many_requests(wait)),
    }
}

/// One hash. A user who is unknown, blocked or external has none to check; a dummy takes its place.
async fn is_right(login: Login, user: Option<&User>) -> Result<bool, Failure> {
    let phc = user.filter(|user| user.status == Status::Active).and_then(User::password_hash).map(str::to_owned);
    let checking = tokio::task::spawn_blocking(move || password::verify(login.expose_password(), phc.as_deref()));
    checking.await.map_err(|error| Failure::new("checking the password", error))
}

/// What the marker of a network is bound to, for a user who can log in.
fn proof(user: &User) -> Option<String> {
    let generation = match user.attributes.get(TOKEN_GENERATION) {
        Some(Value::Number(generation)) => generation.as_str(),
        _ => "",
    };
    Some(rate_limit::proof(user.id.as_str(), generation, user.password_hash()?))
}
