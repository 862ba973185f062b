//! Where the engines differ from DynamoDB and from each other, in one table. Whatever is not in it, all of them do.
//!
//! A test that needs what an engine lacks asks [`lacks`] and says there what it does instead. `tests/engines.rs` tries
//! every capability on the engine under test and fails when the table says otherwise, in either direction.

use std::io::Write;

use crate::engine::{self, Kind};

/// Something that not every engine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Its clock is the test's, so that a record of its stream carries the time of the test.
    Clock,
    /// A dev stack delivers its stream to prune.
    DevStack,
    /// What has expired is removed while a test waits for it, and the stream of the table tells of it.
    Ttl,
    /// A write that changes nothing makes no record in the stream.
    QuietWrites,
    /// A transaction that is sent again with the same `ClientRequestToken` succeeds and is not done again.
    Idempotency,
    /// A value of another type than its index wants is rejected.
    KeyTypes,
    /// The consumed capacity of a `BatchGetItem` is told, and right.
    Capacity,
}

/// What an engine lacks.
#[derive(Clone, Copy, Debug)]
pub struct Lack {
    /// The engine.
    pub engine: Kind,
    /// What it lacks.
    pub capability: Capability,
    /// Why, and what the tests do about it.
    pub reason: &'static str,
}

/// Every capability.
pub const ALL: [Capability; 7] = [
    Capability::Clock,
    Capability::DevStack,
    Capability::Ttl,
    Capability::QuietWrites,
    Capability::Idempotency,
    Capability::KeyTypes,
    Capability::Capacity,
];

/// The table.
pub const LACKS: [Lack; 14] = [
    row(
        Kind::Embedded,
        Capability::QuietWrites,
        "it records a put of what is there already; prune finds nothing in it",
    ),
    row(Kind::DynamoDbLocal, Capability::Clock, MACHINE),
    row(Kind::DynamoDbLocal, Capability::DevStack, OWN),
    row(Kind::MiniStack, Capability::Clock, MACHINE),
    row(Kind::MiniStack, Capability::DevStack, OWN),
    row(Kind::MiniStack, Capability::Ttl, "it looks once a minute, and its stream tells nothing of what it removes"),
    row(Kind::MiniStack, Capability::Capacity, "its BatchGetItem tells none, so that costs are not measured over it"),
    row(Kind::Moto, Capability::Clock, MACHINE),
    row(Kind::Moto, Capability::DevStack, OWN),
    row(
        Kind::Moto,
        Capability::QuietWrites,
        "it records every write; prune finds nothing in those that changed nothing",
    ),
    row(Kind::Moto, Capability::Ttl, "it keeps the setting and removes nothing"),
    row(Kind::Moto, Capability::Idempotency, "it ignores ClientRequestToken and does the transaction again"),
    row(Kind::Moto, Capability::KeyTypes, "it checks the types of a table's own key alone"),
    row(Kind::Moto, Capability::Capacity, "it counts items and not their size, so that costs are not measured over it"),
];

/// Of an engine in another process.
const MACHINE: &str = "its clock is this machine's: the tests stamp its records with their time and leave TTL off";

/// Of an engine in another process.
const OWN: &str = "hallpass dev delivers the stream of its own engine alone, and so keeps that one in its own tests";

const fn row(engine: Kind, capability: Capability, reason: &'static str) -> Lack {
    Lack { engine, capability, reason }
}

/// Why this engine lacks this, if it does.
pub fn reason(engine: Kind, capability: Capability) -> Option<&'static str> {
    let row = LACKS.iter().find(|row| row.engine == engine && row.capability == capability);
    row.map(|row| row.reason)
}

/// Whether the engine under test lacks this. If it does, a line says so on standard error, past the test harness, which
/// would keep it to itself when the test succeeds.
pub async fn lacks(capability: Capability, instead: &str) -> bool {
    let engine = engine::kind().await;
    let Some(reason) = reason(engine, capability) else { return false };
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("{test}: {engine:?} lacks {capability:?} ({reason}): {instead}\n");
    say(&line);
    true
}

/// Says on standard error all that the engine under test lacks.
pub async fn say_all() {
    let engine = engine::kind().await;
    for row in LACKS.iter().filter(|row| row.engine == engine) {
        say(&format!("{engine:?} lacks {:?}: {}\n", row.capability, row.reason));
    }
}

/// Says something on standard error, past the test harness.
pub fn say(line: &str) {
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
