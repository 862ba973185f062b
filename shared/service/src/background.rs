//! What the functions without a caller have in common: prune and notify.

use std::time::Duration;

use hallpass_runtime::Event;
use hallpass_store::Failure;
use hallpass_token::{Cause, Origin, Timestamp};
use lambda_runtime::{Context, Diagnostic};

/// The time before the end of an invocation at which its work stops. What is left is done by the
/// next one.
const RESERVE: Duration = Duration::from_secs(10);

/// The failure of an event as a whole. Lambda delivers the event again.
#[derive(Debug)]
pub struct Undone(Failure);

impl Undone {
    /// Logs the failure of an event.
    pub fn logged(failure: Failure, cause: &Cause<'_>) -> Self {
        Event::Failed(&failure).log(cause);
        Self(failure)
    }
}

impl From<Undone> for Failure {
    fn from(Undone(failure): Undone) -> Self {
        failure
    }
}

impl From<Undone> for Diagnostic {
    fn from(Undone(failure): Undone) -> Self {
        Self { error_type: "Hallpass".to_owned(), error_message: failure.to_string() }
    }
}

/// Returns the cause of what an invocation changes from now on.
pub fn cause(invocation: &Context, now: Timestamp) -> Cause<'_> {
    Cause { origin: Origin::new(None, Some(&invocation.request_id)), ..Cause::system(now) }
}

/// Returns whether an invocation has the time to go on.
pub fn may_go_on(invocation: &Context, now: Timestamp) -> bool {
    let deadline = Timestamp::from_unix(invocation.deadline / 1_000).unwrap_or(Timestamp::MAX);
    !deadline.before(RESERVE).has_passed(now)
}
