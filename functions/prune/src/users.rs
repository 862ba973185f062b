//! Keeps what happened to users: in the audit log first, then on the bus. Prune is the one reader
//! of the stream of users.

use aws_lambda_events::event::dynamodb::EventRecord;
use hallpass_audit::{Area, Entry, Event, Image, Object, Written};
use hallpass_store::Failure;
use hallpass_token::Timestamp;
use serde_json::json;

use crate::{Prune, stream::values};

/// What a batch says, ready to be kept.
#[derive(Debug, Default)]
pub(crate) struct Said {
    objects: Vec<Object>,
    events: Vec<Event>,
}

impl Prune {
    /// Reads what happened to the users of a batch, if that is kept anywhere.
    pub(crate) fn said(&self, records: &[EventRecord], now: Timestamp) -> Said {
        let mut said = Said::default();
        if self.audit.is_none() && self.bus.is_none() {
            return said;
        }
        let (mut entries, mut first_at) = (Vec::new(), None);
        for record in records {
            let change = &record.change;
            let Some(number) = &change.sequence_number else { continue };
            let at = u64::try_from(change.approximate_creation_date_time.timestamp()).ok();
            let at = at.filter(|at| *at > 0).and_then(Timestamp::from_unix).unwrap_or(now);
            let principal = record.user_identity.as_ref().map(|user| user.principal_id.as_str());
            let written = Written { at, by_ttl: principal == Some(Written::TTL) };
            let image = |item: &serde_dynamo::Item| {
                let values = values(item.clone());
                (!values.is_empty()).then(|| Image::new(values))
            };
            let (old, new) = (image(&change.old_image), image(&change.new_image));
            match Entry::of_user(old.as_ref(), new.as_ref(), written, number) {
                Ok(some) if !some.is_empty() => {
                    first_at = first_at.or(Some(at));
                    entries.extend(some);
                }
                Ok(_) => {}
                // The images of a user have the password hash, which is kept nowhere else.
                Err(unreadable) => {
                    let raw = json!({
                        "sequence_number": number, "unreadable": unreadable.to_string(),
                    });
                    said.objects.push(Object::of_unreadable(at, number, &raw));
                }
            }
        }
        said.events = entries.iter().map(|entry| entry.event.clone()).collect();
        let object = first_at.and_then(|at| Object::of_entries(Area::Users, at, &entries));
        said.objects.extend(object);
        said
    }

    /// Keeps what was said.
    ///
    /// # Errors
    /// Returns a [`Failure`] if it cannot be kept everywhere. The batch must be delivered again.
    pub(crate) async fn keep(&self, said: Said) -> Result<(), Failure> {
        if let Some(bucket) = &self.audit {
            for object in said.objects {
                bucket.put(&object.key, object.bytes).await?;
            }
        }
        match &self.bus {
            Some(bus) => bus.publish(&said.events).await,
            None => Ok(()),
        }
    }
}
