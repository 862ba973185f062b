//! A table of the differences between the engines and DynamoDB. What the table does not list, every
//! engine does.
//!
//! A test that needs something that an engine lacks calls [`lacks`] and says there what it checks
//! instead. `tests/engines.rs` tries every capability on the engine under test and fails if the
//! table is wrong, in either direction.

use std::io::Write;

use crate::engine::{self, Kind};

/// A behaviour of DynamoDB that not every engine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// The test sets the clock of the engine, so that the records of its stream carry the time of
    /// the test.
    Clock,
    /// A development stack delivers the stream of this engine to prune.
    DevStack,
    /// Expired items are deleted while a test waits, and the stream of the table reports the
    /// deletion.
    Ttl,
    /// A write that changes nothing adds no record to the stream.
    QuietWrites,
    /// A transaction that is sent again with the same `ClientRequestToken` succeeds and is not
    /// applied again.
    Idempotency,
    /// A value is rejected if its type is not that of the index.
    KeyTypes,
    /// `BatchGetItem` returns the correct consumed capacity.
    Capacity,
}

/// A capability that an engine lacks.
#[derive(Clone, Copy, Debug)]
pub struct Lack {
    /// The engine.
    pub engine: Kind,
    /// The missing capability.
    pub capability: Capability,
    /// Why it is missing, and how the tests deal with that.
    pub reason: &'static str,
}

/// All capabilities.
pub const ALL: [Capability; 7] = [
    Capability::Clock,
    Capability::DevStack,
    Capability::Ttl,
    Capability::QuietWrites,
    Capability::Idempotency,
    Capability::KeyTypes,
    Capability::Capacity,
];

/// All missing capabilities.
pub const LACKS: [Lack; 14] = [
    row(
        Kind::Embedded,
        Capability::QuietWrites,
        "it records a put that changes nothing; prune finds no change in it",
    ),
    row(Kind::DynamoDbLocal, Capability::Clock, MACHINE),
    row(Kind::DynamoDbLocal, Capability::DevStack, OWN),
    row(Kind::MiniStack, Capability::Clock, MACHINE),
    row(Kind::MiniStack, Capability::DevStack, OWN),
    row(
        Kind::MiniStack,
        Capability::Ttl,
        "it checks once a minute, and its stream does not report what it deletes",
    ),
    row(
        Kind::MiniStack,
        Capability::Capacity,
        "its BatchGetItem returns none, so costs are not measured on it",
    ),
    row(Kind::Moto, Capability::Clock, MACHINE),
    row(Kind::Moto, Capability::DevStack, OWN),
    row(
        Kind::Moto,
        Capability::QuietWrites,
        "it records every write; prune finds no change in those that changed nothing",
    ),
    row(Kind::Moto, Capability::Ttl, "it keeps the setting and deletes nothing"),
    row(
        Kind::Moto,
        Capability::Idempotency,
        "it ignores ClientRequestToken and applies the transaction again",
    ),
    row(Kind::Moto, Capability::KeyTypes, "it checks the types of a table's own key only"),
    row(
        Kind::Moto,
        Capability::Capacity,
        "it counts items and not their size, so costs are not measured on it",
    ),
];

/// The reason for engines in another process.
const MACHINE: &str = "its clock is this machine's: the tests stamp its records with their own \
                       time and leave TTL off";

/// The reason for engines in another process.
const OWN: &str =
    "hallpass dev delivers only the stream of its own engine, which its tests therefore keep";

const fn row(engine: Kind, capability: Capability, reason: &'static str) -> Lack {
    Lack { engine, capability, reason }
}

/// Returns why the engine lacks the capability, or `None` if it has it.
pub fn reason(engine: Kind, capability: Capability) -> Option<&'static str> {
    let row = LACKS.iter().find(|row| row.engine == engine && row.capability == capability);
    row.map(|row| row.reason)
}

/// Returns whether the engine under test lacks the capability. If it does, this writes a line to
/// standard error directly, because the test harness hides the output of a test that succeeds.
pub async fn lacks(capability: Capability, instead: &str) -> bool {
    let engine = engine::kind().await;
    let Some(reason) = reason(engine, capability) else { return false };
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("{test}: {engine:?} lacks {capability:?} ({reason}): {instead}\n");
    say(&line);
    true
}

/// Writes everything that the engine under test lacks to standard error.
pub async fn say_all() {
    let engine = engine::kind().await;
    for row in LACKS.iter().filter(|row| row.engine == engine) {
        say(&format!("{engine:?} lacks {:?}: {}\n", row.capability, row.reason));
    }
}

/// Writes a line to standard error, bypassing the capture of the test harness.
pub fn say(line: &str) {
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
