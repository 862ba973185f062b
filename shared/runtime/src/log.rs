//! Writes one JSON line for each decision, with the same field names everywhere: `token.id`,
//! `user.id`, `reason`. On Lambda, each line is also a CloudWatch metric with the name of its
//! message.
//!
//! The subscriber accepts only events of the target `hallpass`, at any level: at TRACE, the SDK
//! logs response bodies and the Lambda runtime logs whole events. Hallpass logs no token, password,
//! key or header.

mod line;

use std::time::Duration;

use hallpass_token::Timestamp;
use tracing::{Level, Subscriber};
use tracing_subscriber::{
    filter::Targets, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::settings::{self, names};

/// The target of every event that Hallpass logs.
pub const TARGET: &str = "hallpass";

/// Starts logging warnings and errors alone to standard error, where another log is for people.
pub fn start_warnings() {
    start_from(Level::WARN);
}

/// Starts logging to standard error, and warns about `HALLPASS_*` variables that nothing reads. A
/// second call does nothing.
pub fn start() {
    start_from(Level::TRACE);
}

fn start_from(level: Level) {
    let function = settings::environment("AWS_LAMBDA_FUNCTION_NAME");
    if subscriber_from(level, std::io::stderr, function).try_init().is_err() {
        return;
    }
    for variable in names::unknown(&settings::environment_with_prefix(names::PREFIX)) {
        let (variable, nearest) = (variable.name, variable.nearest);
        tracing::warn!(target: TARGET, { variable, nearest }, "unknown variable");
    }
}

/// Returns a subscriber that writes each event of the target [`TARGET`] as one line of JSON. If the
/// name of a Lambda function is given, each line is also a metric of that function.
pub fn subscriber(
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
    function: Option<String>,
) -> impl Subscriber + Send + Sync {
    subscriber_from(Level::TRACE, writer, function)
}

fn subscriber_from(
    level: Level,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
    function: Option<String>,
) -> impl Subscriber + Send + Sync {
    let ours = Targets::new().with_target(TARGET, level);
    tracing_subscriber::registry().with(line::Lines { writer, function }).with(ours)
}

/// The difference between this clock and DynamoDB's above which a warning is logged. The response
/// to the call at init takes seconds at most, and its `Date` is in whole seconds.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(10);

/// Logs a warning if this clock and DynamoDB's differ by more than ten seconds. No decision depends
/// on DynamoDB's clock: the times of tokens come from this one.
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
