//! What an operation depends on besides its request.

use hallpass_token::{Actor, Cause, Origin, Timestamp};

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
    /// Where the request comes from.
    pub origin: Origin<'a>,
}

impl<'a> Context<'a> {
    /// Creates a context for an operation without a request.
    pub const fn new(service: &'a Service, now: Timestamp, randomness: &'a Randomness) -> Self {
        Self {
            service,
            now,
            randomness,
            origin: Origin { source_ip: None, request_id: None, agent: None },
        }
    }

    /// Returns the same context for a request from this origin.
    #[must_use]
    pub const fn with_origin(&self, origin: Origin<'a>) -> Self {
        Self { origin, ..*self }
    }

    /// Returns the cause of what this actor changes with the request.
    pub const fn cause(&self, actor: Actor<'a>) -> Cause<'a> {
        Cause { at: self.now, actor, origin: self.origin, reason: None }
    }
}
