//! The requests that passed a tap.

use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use serde_json::Value;

/// A request that passed.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The operation, such as `BatchGetItem`.
    pub operation: String,
    /// The body.
    pub body: Value,
    /// The headers.
    pub headers: HeaderMap,
    arrival: Arc<Arrival>,
}

/// The engine's response, or none if the client did not wait for it.
pub(super) type Arrival = OnceLock<Option<Value>>;

impl Seen {
    pub(super) fn new(operation: String, body: Value, headers: HeaderMap) -> Self {
        Self { operation, body, headers, arrival: Arc::default() }
    }

    /// Returns the engine's response, if there is one yet. Concurrent requests receive theirs in
    /// any order.
    pub fn response(&self) -> Option<&Value> {
        self.arrival.get()?.as_ref()
    }

    /// Returns the items of the response to a query, or none without such a response.
    pub fn items(&self) -> &[Value] {
        self.response().and_then(|response| response["Items"].as_array()).map_or(&[], Vec::as_slice)
    }

    pub(super) fn arrival(&self) -> Arc<Arrival> {
        Arc::clone(&self.arrival)
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.arrival.get() == Some(&None)
    }
}

/// Notes, when it is dropped before a response, that the client did not wait for it.
pub(super) struct Abandoned(pub(super) Arc<Arrival>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        // After a response this has no effect.
        let _ = self.0.set(None);
    }
}
