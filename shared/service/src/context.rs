//! What an operation depends on besides its request.

use hallpass_token::Timestamp;

use crate::Service;
use hallpass_runtime::entropy::Randomness;

/// What an operation depends on besides its request: the clients and settings, the time, and the
/// random bytes.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The clients and settings of the function.
    pub service: &'a Service,
    /// When the request arrived. All times that it writes and compares are this one.
    pub now: Timestamp,
    /// The random bytes for this request.
    pub randomness: &'a Randomness,
}
