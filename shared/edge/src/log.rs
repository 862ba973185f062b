//! One JSON line for each decision, with the same words everywhere: `token.id`, `user.id`, `reason`. On Lambda each line
//! counts what it says in CloudWatch, under the word of its message.
//!
//! The subscriber accepts events of the target `hallpass` alone, whatever the level: at TRACE the SDK prints response
//! bodies and the Lambda runtime whole events. No event of ours takes a token, a password, a key or a header.

mod line;

use std::time::Duration;

use store::Rejected;
use token::{Reason, Timestamp, TokenId, UserId};
use tracing::{Level, Subscriber};
use tracing_subscriber::{filter::Targets, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    problem::{Problem, Response},
    settings::{self, names},
};

/// The target of every event of ours.
pub const TARGET: &str = "hallpass";

/// Starts the log of this process, on standard error, which Lambda keeps, and warns of variables that nothing reads. A
/// second start does nothing.
pub fn start() {
    if subscriber(std::io::stderr, settings::environment("AWS_LAMBDA_FUNCTION_NAME")).try_init().is_err() {
        return;
    }
    for variable in names::unknown(&settings::environment_with_prefix(names::PREFIX)) {
        tracing::warn!(target: TARGET, variable = variable.name, nearest = variable.nearest, "unknown variable");
    }
}

/// What writes the log: events of the target [`TARGET`] alone, each as one line of JSON, and as a metric of this function
/// of Lambda.
pub fn subscriber(
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
    function: Option<String>,
) -> impl Subscriber + Send + Sync {
    let ours = Targets::new().with_target(TARGET, Level::TRACE);
    tracing_subscriber::registry().with(line::Lines { writer, function }).with(ours)
}

/// Something was decided about a token in favour of the caller.
pub fn allowed(what: &'static str, token_id: Option<&TokenId>, user_id: Option<&UserId>) {
    let user_id = user_id.or(token_id.map(|id| &id.user_id));
    tracing::info!(
        target: TARGET,
        { count = what, token.id = token_id.map(tracing::field::display), user.id = user_id.map(tracing::field::display) },
        "{what}"
    );
}

/// A token was rejected.
pub fn rejected(rejected: &Rejected) {
    let Rejected { reason, token_id, changed } = rejected;
    let changed = (!changed.is_empty()).then(|| changed.kinds().collect::<Vec<_>>().join(" "));
    tracing::info!(
        target: TARGET,
        {
            count = "rejected",
            reason = reason.as_str(),
            token.id = token_id.as_ref().map(tracing::field::display),
            user.id = token_id.as_ref().map(|id| tracing::field::display(&id.user_id)),
            changed,
        },
        "rejected"
    );
}

/// A request without a credential came to an authorizer that can say so with an error only.
pub fn unauthenticated() {
    tracing::info!(target: TARGET, count = "unauthenticated", "unauthenticated");
}

/// A token was taken back because its user changed.
pub fn invalidated(because: Reason, token_id: &TokenId) {
    tracing::info!(
        target: TARGET,
        { count = "invalidated", reason = because.as_str(), token.id = %token_id, user.id = %token_id.user_id },
        "invalidated"
    );
}

/// How far the clocks of a function and of DynamoDB may lie apart before a warning says so: the answer of the init's
/// own call takes seconds at most, and `Date` is in whole seconds.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(10);

/// Warns if this clock and DynamoDB's, as the init of a function saw both, differ by more than ten seconds. Nothing is
/// decided by it: times of tokens are taken from this clock.
pub fn compare_clocks(now: Timestamp, dynamodb: Option<Timestamp>) {
    let Some(dynamodb) = dynamodb else { return };
    let difference = now.since(dynamodb).max(dynamodb.since(now));
    if difference > CLOCK_TOLERANCE {
        tracing::warn!(
            target: TARGET,
            clock = %now,
            dynamodb = %dynamodb,
            seconds = difference.as_secs(),
            "the clock differs from DynamoDB's"
        );
    }
}

/// Something failed. The caller learns that it did, the log learns why.
pub fn failed(failure: &store::Failure) {
    tracing::error!(target: TARGET, count = "failed", failure = failure.report(), "failed");
}

/// Ends a request: logs what its handler did not, and answers.
pub fn conclude(outcome: Result<Response, Problem>) -> Response {
    let problem = match outcome {
        Ok(response) => return response,
        Err(problem) => problem,
    };
    let details = problem.details();
    match (&details.failure, details.reason) {
        (Some(failure), _) => failed(failure),
        (None, Some(reason)) => rejected(&Rejected { reason, token_id: details.token_id, changed: details.changed }),
        // No token was rejected: a log-in, or what was asked for. Nothing of the request is logged.
        (None, None) => {
            tracing::info!(target: TARGET, count = details.counts_as, status = details.status.as_u16(), "rejected");
        }
    }
    problem.into_response()
}
