//! The faults that a tap injects.

use std::{fmt, time::Duration};

use serde_json::Value;

use crate::damage::Damage;

/// A fault of a request.
#[derive(Clone, Copy)]
pub enum Fault {
    /// The request is not executed, and the connection is closed without a response.
    Drop,
    /// The request is executed, and the connection is closed without a response.
    Lose,
    /// No response ever arrives.
    Hang,
    /// The request is executed, and the connection breaks in the middle of the response.
    Break,
    /// The request is executed, and half of the response arrives as if it were complete.
    Halve,
    /// The request is not executed; the response is an error of DynamoDB with this status and type.
    Reject(u16, &'static str),
    /// A transaction is cancelled without effect, with these reasons for its writes, in order.
    Cancel(&'static [&'static str]),
    /// No key of a `BatchGetItem` is processed.
    Unprocessed,
    /// The request is executed, and the response is changed.
    Change(fn(&mut Value)),
    /// The request is executed, and an attribute of an item in the response is damaged.
    Damage(Damage),
    /// The request is executed after this delay.
    Delay(Duration),
    /// The request is executed once the test releases it: see [`meanwhile`](super::Tap::meanwhile).
    Hold,
}

/// All faults with an immediate response that is not a valid one.
pub const ANSWERED_AT_ONCE: [Fault; 8] = [
    Fault::Drop,
    Fault::Lose,
    Fault::Break,
    Fault::Halve,
    Fault::Reject(500, "InternalServerError"),
    Fault::Reject(400, "ProvisionedThroughputExceededException"),
    Fault::Reject(400, "ThrottlingException"),
    Fault::Reject(400, "ResourceNotFoundException"),
];

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drop => f.write_str("Drop"),
            Self::Lose => f.write_str("Lose"),
            Self::Hang => f.write_str("Hang"),
            Self::Break => f.write_str("Break"),
            Self::Halve => f.write_str("Halve"),
            Self::Reject(status, kind) => write!(f, "Reject({status}, {kind})"),
            Self::Cancel(codes) => write!(f, "Cancel({codes:?})"),
            Self::Unprocessed => f.write_str("Unprocessed"),
            Self::Change(_) => f.write_str("Change"),
            Self::Damage(damage) => damage.fmt(f),
            Self::Hold => f.write_str("Hold"),
            Self::Delay(time) => write!(f, "Delay({time:?})"),
        }
    }
}
