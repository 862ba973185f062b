//! An update of an item: of a user, or of the record of a token.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use hallpass_token::{
    Cause, Format, Timestamp, TokenId,
    user::attribute::{TOKEN_GENERATION, USER_ID},
};

use crate::{
    Failure,
    condition::{self, LIVES},
    item,
    item::Item,
};

/// An update of an item, and the values that the item has after it.
#[derive(Debug, Default)]
pub(crate) struct Edit {
    set: Vec<String>,
    remove: Vec<String>,
    conditions: Vec<String>,
    names: Vec<(String, String)>,
    values: Vec<(String, AttributeValue)>,
    after: Vec<(&'static str, Option<AttributeValue>)>,
    raises_version: bool,
}

/// The maximum generation that is raised. Beyond it, the increment could be lost to rounding.
pub(crate) const MAX_GENERATION: i64 = 1 << 53;

impl Edit {
    /// A lifecycle change of a record: raises its version, and names the cause.
    pub(crate) fn of_record(cause: &Cause<'_>) -> Self {
        let mut edit = Self { raises_version: true, ..Self::default() };
        edit.names.push(("#version".to_owned(), item::VERSION.to_owned()));
        edit.values.push((":one".to_owned(), AttributeValue::N("1".to_owned())));
        edit.name_cause(cause);
        edit
    }

    /// Names the cause of the change in the item.
    pub(crate) fn name_cause(&mut self, cause: &Cause<'_>) {
        for (name, value) in item::of_cause(cause) {
            self.set_or_remove(name, value);
        }
    }

    pub(crate) fn set(&mut self, name: &'static str, value: AttributeValue) {
        self.set.push(format!("#{name} = :{name}"));
        self.names.push((format!("#{name}"), name.to_owned()));
        self.values.push((format!(":{name}"), value.clone()));
        self.after.push((name, Some(value)));
    }

    pub(crate) fn set_or_remove(&mut self, name: &'static str, value: Option<AttributeValue>) {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    pub(crate) fn remove(&mut self, name: &'static str) {
        self.remove.push(format!("#{name}"));
        self.names.push((format!("#{name}"), name.to_owned()));
        self.after.push((name, None));
    }

    /// Sets an attribute that is a set of texts. A concurrent change of it must not be lost.
    pub(crate) fn set_texts(&mut self, item: &Item, name: &'static str, texts: Vec<String>) {
        if texts.is_empty() {
            self.remove(name);
        } else {
            self.set(name, AttributeValue::Ss(texts));
        }
        match item.get(name) {
            None => self.expect_absent(name),
            Some(old @ AttributeValue::Ss(_)) => self.expect(name, old),
            Some(_) => self.expect_no(name, "SS"),
        }
    }

    /// Requires that an attribute which the edit does not change is as it was read.
    pub(crate) fn expect_same(&mut self, item: &Item, name: &'static str) {
        if let Some(old) = item.get(name) {
            return self.expect_named(name, old);
        }
        self.expect_absent_named(name);
    }

    /// Requires that the attribute is present.
    pub(crate) fn expect_present(&mut self, name: &'static str) {
        self.conditions.push(format!("attribute_exists(#{name})"));
    }

    /// Requires that the attribute is still absent.
    pub(crate) fn expect_absent(&mut self, name: &'static str) {
        self.conditions.push(format!("attribute_not_exists(#{name})"));
    }

    /// Requires that the attribute is absent, whether the edit changes it or not.
    pub(crate) fn expect_absent_named(&mut self, name: &'static str) {
        self.names.push((format!("#{name}"), name.to_owned()));
        self.expect_absent(name);
    }

    /// Requires that the attribute still has another type than this one of DynamoDB.
    fn expect_no(&mut self, name: &'static str, of_type: &str) {
        self.conditions.push(format!("NOT attribute_type(#{name}, :no_{name})"));
        self.values.push((format!(":no_{name}"), item::text(of_type)));
    }

    /// Requires that the attribute still has the value that was read.
    pub(crate) fn expect(&mut self, name: &'static str, old: &AttributeValue) {
        self.conditions.push(format!("#{name} = :old_{name}"));
        self.values.push((format!(":old_{name}"), old.clone()));
    }

    /// Requires the value of an attribute that the edit does not change.
    pub(crate) fn expect_named(&mut self, name: &'static str, old: &AttributeValue) {
        self.names.push((format!("#{name}"), name.to_owned()));
        self.expect(name, old);
    }

    /// Requires the record to be that of this token. The key of a developer record does not contain
    /// the token's hash.
    pub(crate) fn expect_hash(&mut self, id: &TokenId, format: Format) {
        if format == Format::Developer {
            self.expect_named(item::TOKEN_HASH, &item::text(&*id.hash.text()));
        }
    }

    pub(crate) fn raise_generation(&mut self, item: &Item, fresh: u32) {
        let old = item.get(TOKEN_GENERATION);
        let number = old.and_then(|value| value.as_n().ok());
        let raised = number
            .and_then(|number| number.parse::<i64>().ok())
            .and_then(|number| number.checked_add(1));
        let raised = raised.filter(|number| *number <= MAX_GENERATION);
        let raised = raised.unwrap_or_else(|| i64::from(fresh));
        self.set(TOKEN_GENERATION, AttributeValue::N(raised.to_string()));
        match old {
            None => self.expect_absent(TOKEN_GENERATION),
            Some(old @ AttributeValue::N(_)) => self.expect(TOKEN_GENERATION, old),
            Some(_) => self.expect_no(TOKEN_GENERATION, "N"),
        }
    }

    pub(crate) fn update(&self) -> String {
        let mut update = String::new();
        if !self.set.is_empty() {
            update.push_str("SET ");
            update.push_str(&self.set.join(", "));
        }
        if !self.remove.is_empty() {
            update.push_str(" REMOVE ");
            update.push_str(&self.remove.join(", "));
        }
        if self.raises_version {
            update.push_str(" ADD #version :one");
        }
        update
    }

    /// The condition expression. It uses `#user` for the key of the table.
    pub(crate) fn condition(&self) -> String {
        let conditions = self.conditions.iter().map(String::as_str);
        std::iter::once("attribute_exists(#user)")
            .chain(conditions)
            .collect::<Vec<_>>()
            .join(" AND ")
    }

    /// Requires that the record is live at this time.
    pub(crate) fn expect_live(&mut self, now: Timestamp) {
        self.conditions.push(LIVES.to_owned());
        self.names.extend(condition::names());
        self.values.extend(condition::values(now));
    }

    /// The update of the item with this key, for a transaction.
    pub(crate) fn transacted(
        &self,
        table: &str,
        key: Item,
        doing: &'static str,
    ) -> Result<TransactWriteItem, Failure> {
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(key))
            .update_expression(self.update())
            .condition_expression(self.condition())
            .set_expression_attribute_names(Some(self.names()))
            .set_expression_attribute_values(Some(self.values()).filter(|some| !some.is_empty()))
            .expression_attribute_names("#user", USER_ID);
        let update = update.build().map_err(|error| Failure::new(doing, error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// The names of the placeholders in the expressions, without `#user`.
    pub(crate) fn names(&self) -> HashMap<String, String> {
        self.names.iter().cloned().collect()
    }

    /// The values of the placeholders in the expressions.
    pub(crate) fn values(&self) -> HashMap<String, AttributeValue> {
        self.values.iter().cloned().collect()
    }

    /// Whether the item already has all the values of this edit.
    pub(crate) fn is_applied(&self, item: &Item) -> bool {
        self.after.iter().all(|(name, value)| match (value, item.get(*name)) {
            (Some(value), Some(found)) => item::is_same_value(value, found),
            (value, found) => value.is_none() && found.is_none(),
        })
    }
}
