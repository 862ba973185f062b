//! Password checks, under the rate limit, and the hash of a new password.
//!
//! Every rejected log-in makes the same calls in the same order and computes one hash. This holds
//! for an unknown name, two users with one name, a blocked user, a user without a password, an
//! unreadable item and a wrong password. Only a password hash of a different kind than Hallpass's
//! own takes a different time.

use crate::{Context, Service};
use hallpass_http::Problem;
use hallpass_password::{
    NameKey, password,
    rate_limit::{self, Counters},
    strength,
};
use hallpass_runtime::Event;
use hallpass_store::{
    Failure,
    attempts::{self, Outcome, RateLimit},
    marks::Marked,
    users::Named,
};
use hallpass_token::{
    Status, Text, Timestamp, User, Value, credential::Login, secret::Digest,
    user::attribute::TOKEN_GENERATION,
};

/// A log-in attempt with its rate limit counters.
struct Attempt<'a> {
    service: &'a Service,
    counters: Counters,
    id: String,
    now: Timestamp,
}

/// Returns the user with this name and password.
pub async fn check_password(context: &Context<'_>, login: Login) -> Result<Marked<User>, Problem> {
    let Context { service, now, randomness, origin, .. } = *context;
    let source_ip = origin.source_ip.unwrap_or_default();
    let name = NameKey::new(login.username());
    let counters = attempts::counters(&name, source_ip, now);
    let attempt = Attempt { service, counters, id: randomness.attempt()?, now };
    attempt.reserve_pair().await?;
    let candidate = service.store.candidate(&name).await?;
    let marks = service.store.marks_of(&candidate).await?;
    let user = match service.store.user_of(&candidate, &name).await? {
        Named::User(user) => Some(*user),
        Named::Absent => None,
        Named::Unreadable(failure) => {
            Event::Failed(&failure).log_from(origin);
            None
        }
    };
    let proof = user.as_ref().and_then(proof);
    let known = service.store.known_network(&attempt.counters.known, now).await?;
    let known = known.filter(|known| proof.as_ref() == Some(&known.proof));
    let budget = attempt.reserve_budgets(known.is_some()).await?;
    let is_right = is_right(login, user.as_ref()).await?;
    let tried = user.as_ref().map_or_else(|| unknown(&name), |user| user.id.to_string());
    let Some(user) = user.filter(|_| is_right) else {
        attempt.settle(Outcome::Failed).await?;
        return Err(Problem::invalid_credentials(&service.settings.issuer).of_login(tried));
    };
    let is_noted =
        known.is_some_and(|known| !known.noted_at.after(rate_limit::NOTED).has_passed(now));
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

    /// Reserves one attempt in the budget of the name, or of the network if it is known for the
    /// name, and one in the budget of the source. A rejected attempt counts in neither. A
    /// successful log-in releases the first reservation.
    async fn reserve_budgets(&self, is_known: bool) -> Result<&str, Problem> {
        let (store, limits, counters) =
            (&self.service.store, &self.service.settings.login_budgets, &self.counters);
        let (name, budget) = if is_known {
            (&counters.network, limits.network)
        } else {
            (&counters.name, limits.name)
        };
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

/// Verifies a password by computing one hash. For an unknown, blocked or external user, a dummy
/// hash is verified.
async fn is_right(login: Login, user: Option<&User>) -> Result<bool, Failure> {
    let phc = user
        .filter(|user| user.status == Status::Active)
        .and_then(User::password_hash)
        .map(str::to_owned);
    let checking = tokio::task::spawn_blocking(move || {
        password::verify(login.expose_password(), phc.as_deref())
    });
    checking.await.map_err(|error| Failure::new("checking the password", error))
}

/// Checks a new password, and returns its hash.
///
/// # Errors
/// Returns 400 that names the member `password` if it is too weak, and 503 if it cannot be hashed.
pub async fn new_hash(context: &Context<'_>, text: &str) -> Result<String, Problem> {
    let wrong = |wrong| Problem::invalid_member("password", wrong);
    strength::check(text).map_err(wrong)?;
    let (text, salt) = (Text::new(text), context.randomness.salt()?);
    let hashing = tokio::task::spawn_blocking(move || password::hash(text.expose_secret(), salt));
    let hash = hashing.await.map_err(|error| Failure::new("hashing the password", error))?;
    hash.ok_or_else(|| wrong(password::FORM))
}

/// Returns what the log calls a name that no user has, which can be a password in the wrong field.
fn unknown(name: &NameKey) -> String {
    let digest = Digest::of(&[b"hallpass unknown name 1\0", name.as_str().as_bytes()].concat());
    format!("unknown:{}", digest.text().get(..UNKNOWN).unwrap_or_default())
}

/// The length of the digest of an unknown name in the log, in characters: enough to see that the
/// same name is tried again.
const UNKNOWN: usize = 12;

/// Returns the value that binds a known network to a user, if the user can log in.
fn proof(user: &User) -> Option<String> {
    let generation = match user.attributes.get(TOKEN_GENERATION) {
        Some(Value::Number(generation)) => generation.as_str(),
        _ => "",
    };
    Some(rate_limit::proof(user.id.as_str(), generation, user.password_hash()?))
}
