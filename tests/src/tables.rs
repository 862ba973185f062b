//! Direct reads and writes of the tables, and records written by tests, with reproducible tokens.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use hallpass_store::developer::{Old, Replaced};
use hallpass_token::{
    Binding, Entropy, Family, Format, Issuer, Keyring, Record, Snapshot, TokenId,
    codec::{developer, jwt, signed},
    lifecycle,
};

use crate::{KEYS, World};

/// An item of a table.
pub type Item = HashMap<String, AttributeValue>;

/// A token whose record the test wrote.
#[derive(Clone, Debug)]
pub struct TestToken {
    /// The text of the token.
    pub text: String,
    /// The record, as it was written.
    pub record: Record,
}

/// The lifetime of signed tokens and JWTs that tests write, in seconds.
pub const LIFETIME: u64 = 3_600;

/// An attribute of an application, which fills a user's item.
pub const FILLER: &str = "notes";

/// How long a record stays after its end, in seconds: the default of `HALLPASS_RECORD_RETENTION`.
pub const RETENTION: u64 = 86_400;

impl World {
    /// Creates a token of this format. Its secret is `seed` repeated sixteen times.
    pub async fn create_token(&self, format: Format, user_id: &str, seed: u8) -> TestToken {
        self.create_token_with(format, user_id, seed, |_| {}).await
    }

    /// Creates a token of this format whose record is adjusted before it is written.
    pub async fn create_token_with(
        &self,
        format: Format,
        user_id: &str,
        seed: u8,
        adjust: impl FnOnce(&mut Record) + Send,
    ) -> TestToken {
        let mut token = self.unwritten(format, user_id, seed).await;
        adjust(&mut token.record);
        if format == Format::Developer {
            let old = self.developer_token(user_id).await;
            let purge_old_at = self.now().after(Duration::from_secs(RETENTION));
            let replaced = self
                .store
                .replace_developer(&token.record, old, None, purge_old_at, &crate::CAUSE)
                .await
                .unwrap();
            assert_eq!(replaced, Replaced::Now);
        } else {
            self.store.insert(&token.record, &crate::CAUSE).await.unwrap();
        }
        token
    }

    /// Returns a token of this format whose record is not written yet.
    pub async fn unwritten(&self, format: Format, user_id: &str, seed: u8) -> TestToken {
        let (keyring, issuer, secret) = (
            Keyring::parse(KEYS).unwrap(),
            Issuer::new("", "hallpass").unwrap(),
            Entropy::new([seed; 16]),
        );
        let (now, user_id) = (self.now(), user_id.parse().unwrap());
        let user = self.store.user(&user_id).await.unwrap().unwrap();
        let expires_at = now.after(Duration::from_secs(LIFETIME));
        let signed = match format {
            Format::Signed => signed::sign(&keyring, &issuer, now, user_id, expires_at, &secret),
            Format::Developer => developer::sign(&keyring, &issuer, now, user_id, &secret),
            Format::Jwt => {
                let audience = jwt::Audience::User;
                let contents =
                    jwt::Contents { user_id, audience, expires_at, name: user.display_name() };
                jwt::sign(&keyring, &issuer, now, contents, &secret)
            }
        };
        let signed = signed.unwrap();
        let binding = Binding::new(["username", "password_hash", "status"].map(str::to_owned));
        let expires_at = (format != Format::Developer).then_some(expires_at);
        let record = Record {
            id: signed.id,
            format,
            name: None,
            description: None,
            scope: None,
            issued_at: now,
            issued_by: user_id.to_string(),
            expires_at,
            disabled_at: None,
            revoked: None,
            fingerprint: binding.fingerprint(&user),
            snapshot: Snapshot::new(&signed.id.hash, &binding, &user),
            binding,
            key_id: signed.key_id.clone(),
            family: Family::new(signed.id),
            payload_digest: signed.payload_digest,
            authenticated_at: now,
            expiry_cap: None,
            replaces: None,
            replaced_by: None,
            replaced_at: None,
            last_used_at: None,
            expiry_notified: None,
            reused_at: None,
            purge_at: lifecycle::purge_at(expires_at, None, Duration::from_secs(RETENTION)),
        };
        TestToken { text: signed.text.expose_secret().to_owned(), record }
    }

    /// Creates `count` copies of this token. They bypass the store, so that thousands are possible.
    pub async fn multiply(&self, token: &TestToken, count: usize) {
        let table = self.table("Tokens");
        let item = self.record_item(&token.record).await;
        for some in (0..count).collect::<Vec<_>>().chunks(25) {
            let mut puts = Vec::new();
            for number in some {
                let mut item = item.clone();
                // A hash has 128 bits, which do not fill the last of 22 characters.
                item.insert("token".to_owned(), AttributeValue::S(format!("{number:0>21}A")));
                let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
                puts.push(WriteRequest::builder().put_request(put).build());
            }
            self.dynamodb.batch_write_item().request_items(&table, puts).send().await.unwrap();
        }
    }

    /// The developer token of the user, if any.
    pub async fn developer_token(&self, user_id: &str) -> Option<Old> {
        let records = self.store.records_of(&user_id.parse().unwrap()).await.unwrap();
        records
            .into_iter()
            .find(|record| record.format == Format::Developer)
            .map(|record| Old::of(&record))
    }

    /// Returns the record of a token, which must exist.
    pub async fn record(&self, id: &TokenId) -> Record {
        self.store.record(id).await.unwrap().unwrap()
    }

    /// Returns the item of a user, which must exist.
    pub async fn user_item(&self, id: &str) -> Item {
        let call = self
            .dynamodb
            .get_item()
            .table_name(self.table("Users"))
            .key("user_id", AttributeValue::S(id.to_owned()));
        call.consistent_read(true).send().await.unwrap().item.unwrap()
    }

    /// Returns the item of a record, which must exist.
    pub async fn record_item(&self, record: &Record) -> Item {
        let call = self
            .dynamodb
            .get_item()
            .table_name(self.table("Tokens"))
            .set_key(Some(record_key(record)));
        call.consistent_read(true).send().await.unwrap().item.unwrap()
    }

    /// Writes a whole item.
    pub async fn put(&self, table: &str, item: Item) {
        self.dynamodb
            .put_item()
            .table_name(self.table(table))
            .set_item(Some(item))
            .send()
            .await
            .unwrap();
    }

    /// Writes this item of a user with as much of the attribute [`FILLER`] as the engine takes, and
    /// returns it.
    pub async fn fill_user(&self, mut item: Item) -> Item {
        let (mut fits, mut too_much) = (0, 409_600);
        while fits + 1 < too_much {
            let size = usize::midpoint(fits, too_much);
            item.insert(FILLER.to_owned(), AttributeValue::S("x".repeat(size)));
            let call = self
                .dynamodb
                .put_item()
                .table_name(self.table("Users"))
                .set_item(Some(item.clone()));
            if call.send().await.is_ok() {
                fits = size;
            } else {
                too_much = size;
            }
        }
        item.insert(FILLER.to_owned(), AttributeValue::S("x".repeat(fits)));
        self.put("Users", item.clone()).await;
        item
    }

    /// Removes the item of a user.
    pub async fn remove_user(&self, id: &str) {
        let call = self
            .dynamodb
            .delete_item()
            .table_name(self.table("Users"))
            .key("user_id", AttributeValue::S(id.to_owned()));
        call.send().await.unwrap();
    }

    /// Sets or removes an attribute of a record.
    pub async fn set_record(
        &self,
        record: &Record,
        attribute: &str,
        value: Option<AttributeValue>,
    ) {
        let call = self
            .dynamodb
            .update_item()
            .table_name(self.table("Tokens"))
            .set_key(Some(record_key(record)));
        let call = call.expression_attribute_names("#a", attribute);
        let call = match value {
            Some(value) => {
                call.update_expression("SET #a = :a").expression_attribute_values(":a", value)
            }
            None => call.update_expression("REMOVE #a"),
        };
        call.send().await.unwrap();
    }

    /// Returns every item of a table as sorted text, for comparisons.
    pub async fn dump(&self, table: &str) -> Vec<String> {
        let response = self
            .dynamodb
            .scan()
            .table_name(self.table(table))
            .consistent_read(true)
            .send()
            .await
            .unwrap();
        let text = |item: Item| {
            let mut attributes: Vec<String> =
                item.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
            attributes.sort();
            attributes.join(", ")
        };
        let mut items: Vec<String> =
            response.items.unwrap_or_default().into_iter().map(text).collect();
        items.sort();
        items
    }
}

fn record_key(record: &Record) -> Item {
    let token = match record.format {
        Format::Developer => "developer".to_owned(),
        Format::Signed | Format::Jwt => record.id.hash.to_string(),
    };
    [("user_id", record.id.user_id.to_string()), ("token", token)]
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value)))
        .into()
}
