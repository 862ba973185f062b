//! One JSON line for each decision, with the same words everywhere: `token.id`, `user.id`, `reason`.
//!
//! The subscriber accepts events of the target `hallpass` alone, whatever the level: at TRACE the SDK prints response
//! bodies and the Lambda runtime whole events. No event of ours takes a token, a password, a key or a header.

use token::{Reason, TokenId, UserId};
use tracing::{Level, Subscriber};
use tracing_subscriber::{
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::problem::{Answer, Problem};

/// The target of every event of ours.
pub const TARGET: &str = "hallpass";

/// Starts the log of this process, on standard error, which Lambda keeps. A second start does nothing.
pub fn start() {
    let _ = subscriber(std::io::stderr).try_init();
}

/// What writes the log: events of the target [`TARGET`] alone, each as one line of JSON.
pub fn subscriber(writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) -> impl Subscriber + Send + Sync {
    let lines = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
    let ours = Targets::new().with_target(TARGET, Level::TRACE);
    tracing_subscriber::registry().with(lines.with_writer(writer)).with(ours)
}

/// Something was decided about a token in favour of the caller.
pub fn allowed(what: &'static str, token_id: Option<&TokenId>, user_id: Option<&UserId>) {
    let user_id = user_id.or(token_id.map(|id| &id.user_id));
    tracing::info!(
        target: TARGET,
        { token.id = token_id.map(tracing::field::display), user.id = user_id.map(tracing::field::display) },
        "{what}"
    );
}

/// A token was refused.
pub fn refused(reason: Reason, token_id: Option<&TokenId>) {
    tracing::info!(
        target: TARGET,
        {
            reason = reason.as_str(),
            token.id = token_id.map(tracing::field::display),
            user.id = token_id.map(|id| tracing::field::display(&id.user_id)),
        },
        "refused"
    );
}

/// A token was taken back because its user changed.
pub fn voided(because: Reason, token_id: &TokenId) {
    tracing::info!(
        target: TARGET,
        { reason = because.as_str(), token.id = %token_id, user.id = %token_id.user_id },
        "voided"
    );
}

/// Something failed. The caller learns that it did, the log learns why.
pub fn failed(failure: &store::Failure) {
    tracing::error!(target: TARGET, failure = failure.report(), "failed");
}

/// Ends a request: logs what its handler did not, and answers.
pub fn conclude(outcome: Result<Answer, Problem>) -> Answer {
    let problem = match outcome {
        Ok(answer) => return answer,
        Err(problem) => problem,
    };
    let details = problem.details();
    match (&details.failure, details.reason) {
        (Some(failure), _) => failed(failure),
        (None, Some(reason)) => refused(reason, details.token_id.as_ref()),
        // No token was refused: a log-in, or what was asked for. Nothing of the request is logged.
        (None, None) => tracing::info!(target: TARGET, status = details.status.as_u16(), "refused"),
    }
    problem.into_answer()
}
