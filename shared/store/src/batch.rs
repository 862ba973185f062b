//! Reads many items by their keys.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::KeysAndAttributes;

use crate::{Failure, Store, item::Item, verify::pause};

/// The waits in milliseconds before unprocessed keys are read again, two and a half seconds in
/// total.
const WAITS: [u64; 7] = [20, 40, 80, 160, 320, 640, 1_280];

impl Store {
    /// Reads the items with these keys with strong consistency, in no particular order. Items that
    /// do not exist are omitted.
    pub(crate) async fn get_all(
        &self,
        table: &str,
        keys: Vec<Item>,
        doing: &'static str,
    ) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::new();
        // BatchGetItem takes at most 100 keys.
        for chunk in keys.chunks(100) {
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(chunk.to_vec()))
                .consistent_read(true)
                .build();
            let mut request =
                HashMap::from([(table.to_owned(), keys.map_err(|bad| Failure::new(doing, bad))?)]);
            let mut waits = WAITS.into_iter();
            loop {
                let call = self.client.batch_get_item().set_request_items(Some(request));
                let response = call.send().await.map_err(Failure::of(doing))?;
                items.extend(response.responses.unwrap_or_default().into_values().flatten());
                request = response.unprocessed_keys.unwrap_or_default();
                if request.is_empty() {
                    break;
                }
                let Some(wait) = waits.next() else {
                    return Err(Failure::new(
                        doing,
                        "DynamoDB left keys unprocessed at every attempt",
                    ));
                };
                pause(Duration::from_millis(wait)).await;
            }
        }
        Ok(items)
    }
}
