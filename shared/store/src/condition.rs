//! The condition that a record is live, for transactions. It covers what
//! [`hallpass_token::lifecycle::state`] checks in a record: revoked, disabled, replaced, expired.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, TransactWriteItem};
use hallpass_token::{Format, Record, Timestamp};

use crate::{Failure, Store, item};

/// The condition expression, which uses [`names`] and [`values`].
pub(crate) const LIVES: &str = "attribute_exists(#user) AND attribute_not_exists(#revoked) AND \
     attribute_not_exists(#disabled) AND (attribute_not_exists(#replaced) OR #replaced > :now) AND \
     (attribute_not_exists(#expires) OR #expires > :now)";

pub(crate) fn names() -> HashMap<String, String> {
    [
        ("#user", item::USER_ID),
        ("#revoked", item::REVOKED_AT),
        ("#disabled", item::DISABLED_AT),
        ("#replaced", item::REPLACED_AT),
        ("#expires", item::EXPIRES_AT),
    ]
    .map(|(name, attribute)| (name.to_owned(), attribute.to_owned()))
    .into()
}

pub(crate) fn values(now: Timestamp) -> HashMap<String, AttributeValue> {
    HashMap::from([(":now".to_owned(), item::number(now))])
}

impl Store {
    /// A condition check for a transaction: the token, which the transaction does not write, must
    /// be live.
    pub(crate) fn require_live(
        &self,
        token: &Record,
        now: Timestamp,
    ) -> Result<TransactWriteItem, Failure> {
        let check = ConditionCheck::builder()
            .table_name(&self.tables.tokens)
            .set_key(Some(item::record_key(&token.id, token.format)))
            .set_expression_attribute_names(Some(names()))
            .set_expression_attribute_values(Some(values(now)));
        // The key of a developer record does not contain the token's hash.
        let check = if token.format == Format::Developer {
            check
                .condition_expression(format!("{LIVES} AND #hash = :hash"))
                .expression_attribute_names("#hash", item::TOKEN_HASH)
                .expression_attribute_values(":hash", item::text(&*token.id.hash.text()))
        } else {
            check.condition_expression(LIVES)
        };
        let check =
            check.build().map_err(|error| Failure::new("checking the caller's token", error))?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }
}
