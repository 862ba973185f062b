//! The notes of tokens: their uses, and their last changes for the pages.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::try_join_all;
use hallpass_audit::{Event, History, Kind, Usage, Use};
use hallpass_store::Failure;
use hallpass_token::{Timestamp, TokenId};

use crate::Notify;

/// How long a note is kept after it was last written.
const KEPT: Duration = Duration::from_secs(400 * 86_400);

/// The number of notes that are written concurrently.
const AT_ONCE: usize = 16;

/// The number of attempts while another invocation writes the same note.
const TRIES: u32 = 8;

const WRITING: &str = "writing the usage of the tokens";

/// What a batch says about one token.
#[derive(Debug, Default)]
struct Said<'a> {
    events: Vec<&'a Event>,
    uses: Vec<&'a Use>,
}

impl Notify {
    /// Adds these events and uses to the notes of their tokens.
    pub(crate) async fn write_notes(
        &self,
        events: &[Event],
        uses: &[Use],
        now: Timestamp,
    ) -> Result<(), Failure> {
        let mut said = BTreeMap::<TokenId, Said<'_>>::new();
        for event in events {
            // Nothing reads the note of a token without a record.
            let is_last = matches!(event.kind, Kind::Purged | Kind::Withdrawn);
            let id = event.token_id.as_ref().and_then(|id| id.parse().ok());
            if let Some(id) = id.filter(|_| !is_last) {
                said.entry(id).or_default().events.push(event);
            }
        }
        for each in uses {
            said.entry(each.token_id).or_default().uses.push(each);
        }
        let said: Vec<(TokenId, Said<'_>)> = said.into_iter().collect();
        for some in said.chunks(AT_ONCE) {
            try_join_all(some.iter().map(|(id, said)| self.write_note(id, said, now))).await?;
        }
        Ok(())
    }

    async fn write_note(
        &self,
        id: &TokenId,
        said: &Said<'_>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        for _ in 0..TRIES {
            let read = self.store.note(id).await?;
            // What cannot be read is replaced: a note is no reason to stop.
            let mut usage = Usage::from_attributes(&read.note).unwrap_or_default();
            let mut history = History::from_attributes(&read.note).unwrap_or_default();
            for each in &said.uses {
                usage.record(each.at, each.network.as_deref(), each.agent.as_deref());
            }
            usage.prune(now);
            said.events.iter().for_each(|event| history.add(event));
            let mut note = usage.to_attributes();
            note.extend(history.to_attributes());
            if self.store.write_note(id, &read, note, now.after(KEPT)).await? {
                return Ok(());
            }
        }
        Err(Failure::new(WRITING, "another writer was faster at every attempt"))
    }
}
