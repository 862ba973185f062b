//! Keeps a batch of the stream: in the audit log first, then on the bus, then in the notes.

use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use hallpass_audit::{Area, Entry, Event, Object, Use, usage};
use hallpass_runtime::{Event as ServiceEvent, log::TARGET};
use hallpass_store::Failure;
use hallpass_token::Cause;
use serde_json::Value;

use crate::{
    Notify,
    record::{self, Delivered},
};

/// What a batch says.
#[derive(Debug, Default)]
struct Read<'a> {
    entries: Vec<Entry>,
    uses: Vec<Use>,
    /// The records that cannot be read.
    unread: Vec<&'a Delivered<'a>>,
}

impl Notify {
    /// Keeps a batch. If a part of it cannot be kept, the whole batch is delivered again.
    pub(crate) async fn batch(
        &self,
        records: &[Value],
        cause: &Cause<'_>,
        may_go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<DynamoDbEventResponse, Failure> {
        const DOING: &str = "reading the stream of the tokens";
        let delivered = records.iter().map(|raw| record::read(raw, cause.at));
        let delivered: Vec<Delivered<'_>> = delivered
            .collect::<Option<_>>()
            .ok_or_else(|| Failure::new(DOING, "a record has no sequence number"))?;
        let mut response = DynamoDbEventResponse::default();
        let Some(first) = delivered.first() else { return Ok(response) };
        let read = Read::of(&delivered);
        if let Err(failure) = self.keep(&read, first, cause, may_go_on).await {
            ServiceEvent::Failed(&failure).log(cause);
            let mut failed = DynamoDbBatchItemFailure::default();
            failed.item_identifier = Some(first.sequence_number.to_owned());
            response.batch_item_failures.push(failed);
        }
        Ok(response)
    }

    async fn keep(
        &self,
        read: &Read<'_>,
        first: &Delivered<'_>,
        cause: &Cause<'_>,
        may_go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), Failure> {
        for record in &read.unread {
            tracing::error!(
                target: TARGET,
                {
                    count = "unread", sequence_number = record.sequence_number,
                    request_id = cause.origin.request_id,
                },
                "a record of the stream cannot be read"
            );
        }
        if let Some((bucket, _key)) = &self.audit {
            let unread = read
                .unread
                .iter()
                .map(|record| Object::of_unreadable(record.at, record.sequence_number, record.raw));
            for object in unread.chain(Object::of_entries(Area::Tokens, first.at, &read.entries)) {
                bucket.put(&object.key, object.bytes).await?;
            }
        }
        let events: Vec<Event> = read.entries.iter().map(|entry| entry.event.clone()).collect();
        if let Some(bus) = &self.bus {
            bus.publish(&events).await?;
        }
        self.write_notes(&events, &read.uses, cause.at).await?;
        self.end_reused(&events, cause, may_go_on).await
    }
}

impl<'a> Read<'a> {
    fn of(delivered: &'a [Delivered<'a>]) -> Self {
        let mut read = Self::default();
        for record in delivered {
            let Ok(change) = &record.change else {
                read.unread.push(record);
                continue;
            };
            let (old, new) = (change.old.as_ref(), change.new.as_ref());
            match Entry::of_token(old, new, change.written, record.sequence_number) {
                Ok(entries) => read.entries.extend(entries),
                Err(_unreadable) => read.unread.push(record),
            }
            read.uses.extend(old.zip(new).and_then(|(old, new)| usage(old, new)));
        }
        read
    }
}
