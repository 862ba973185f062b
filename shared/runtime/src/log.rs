//! Writes one JSON line for each decision, with the same field names everywhere: `token.id`, `user.id`, `reason`. On
//! Lambda, each line is also a CloudWatch metric with the name of its message.
//!
//! The subscriber accepts only events of the target `hallpass`, at any level: at TRACE, the SDK logs response bodies
//! and the Lambda runtime logs whole events. Hallpass logs no token, password, key or header.

mod line;

use std::time::Duration;

use hallpass_store::Rejected;
use hallpass_token::{Reason, Timestamp, TokenId, UserId};
use tracing::{Level, Subscriber};
use tracing_subscriber::{filter::Targets, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::settings::{self, names};

/// The target of every event that Hallpass logs.
pub const TARGET: &str = "hallpass";

/// Starts logging to standard error, and warns about `HALLPASS_*` variables that nothing reads. A second call does
/// nothing.
pub fn start() {
    if subscriber(std::io::stderr, settings::environment("AWS_LAMBDA_FUNCTION_NAME")).try_init().is_err() {
        return;
    }
    for variable in names::unknown(&settings::environment_with_prefix(names::PREFIX)) {
        tracing::warn!(target: TARGET, variable = variable.name, nearest = variable.nearest, "unknown variable");
    }
}

/// Returns a subscriber that writes each event of the target [`TARGET`] as one line of JSON. If the name of a Lambda
/// function is given, each line is also a metric of that function.
pub fn subscriber(
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
    function: Option<String>,
) -> impl Subscriber + Send + Sync {
    let ours = Targets::new().with_target(TARGET, Level::TRACE);
    tracing_subscriber::registry().with(line::Lines { writer, function }).with(ours)
}

/// Logs an operation that was carried out, such as `issued` or `revoked`.
pub fn allowed(operation: &'static str, token_id: Option<&TokenId>, user_id: Option<&UserId>) {
    let user_id = user_id.or(token_id.map(|id| &id.user_id));
    tracing::info!(
        target: TARGET,
        { count = operation, token.id = token_id.map(tracing::field::display), user.id = user_id.map(tracing::field::display) },
        "{operation}"
    );
}

/// Logs that a token was rejected.
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

/// Logs a request without a credential, for an authorizer that can respond to it only with an error.
pub fn unauthenticated() {
    tracing::info!(target: TARGET, count = "unauthenticated", "unauthenticated");
}

/// Logs that a token was invalidated because its user changed.
pub fn invalidated(because: Reason, token_id: &TokenId) {
    tracing::info!(
        target: TARGET,
        { count = "invalidated", reason = because.as_str(), token.id = %token_id, user.id = %token_id.user_id },
        "invalidated"
    );
}

/// The difference between this clock and DynamoDB's above which a warning is logged. The response to the call at init
/// takes seconds at most, and its `Date` is in whole seconds.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(10);

/// Logs a warning if this clock and DynamoDB's differ by more than ten seconds. No decision depends on DynamoDB's
/// clock: the times of tokens come from this one.
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

/// Logs that a log-in or a request itself was rejected. Nothing from the request is logged.
pub fn request_rejected(counts_as: &'static str, status: u16) {
    tracing::info!(target: TARGET, count = counts_as, status, "rejected");
}

/// Logs a failure with its cause. The caller only learns that something failed.
pub fn failed(failure: &hallpass_store::Failure) {
    tracing::error!(target: TARGET, count = "failed", failure = failure.report(), "failed");
}
