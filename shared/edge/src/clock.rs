//! The one place that reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use token::Timestamp;

/// Now, in whole seconds. A clock before 1970 reads as 1970, so that nothing is signed yet; one after 9999 as 9999, so
/// that everything has expired.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn now() -> Timestamp {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default();
    Timestamp::from_unix(seconds).unwrap_or(Timestamp::MAX)
}
