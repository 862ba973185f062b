//! Reads the lines of the log.

use hallpass_token::{Timestamp, TokenId};
use serde::Deserialize;

use crate::{entry::checked, event::Event, image::attribute::DEVELOPER, sum::Sum};

/// What a verifier needs of an entry of a token.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) token_id: TokenId,
    pub(super) version: u64,
    pub(super) at: Timestamp,
    pub(super) image: Option<Sum>,
    pub(super) issued_at: Option<Timestamp>,
    pub(super) purge_at: Option<Timestamp>,
    /// Whether it is a developer token, whose record the next one overwrites.
    pub(super) is_developer: bool,
}

#[derive(Deserialize)]
struct Members {
    event: Event,
    record: Option<Record>,
    image_sha256: Option<Sum>,
    sequence_number: String,
}

#[derive(Deserialize)]
struct Record {
    token: Option<String>,
    issued_at: Option<Timestamp>,
    purge_at: Option<Timestamp>,
}

/// A line that was read.
#[derive(Debug)]
pub(super) enum Line {
    /// An entry of a token.
    Token(Read),
    /// An entry of a user.
    User,
}

/// Reads a line. Returns `None` if it is no entry.
pub(super) fn read(line: &[u8]) -> Option<Line> {
    let line: Members = serde_json::from_slice(line).ok()?;
    let Event { id, token_id, version, user_id, at, .. } = line.event;
    let sequence_number = checked(&line.sequence_number).ok()?;
    let Some(token_id) = token_id else {
        return (id == format!("{user_id}#{sequence_number}")).then_some(Line::User);
    };
    let version = version.filter(|version| id == format!("{token_id}#{version}"))?;
    let record = line.record?;
    Some(Line::Token(Read {
        token_id: token_id.parse().ok()?,
        version,
        at,
        image: line.image_sha256,
        issued_at: record.issued_at,
        purge_at: record.purge_at,
        is_developer: record.token.as_deref() == Some(DEVELOPER),
    }))
}
