//! An update of a user's item.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_token::user::attribute::TOKEN_GENERATION;

use crate::{item, item::Item};

/// An update of a user's item, and the values that the item has after it.
#[derive(Debug, Default)]
pub(crate) struct Edit {
    set: Vec<String>,
    remove: Vec<String>,
    conditions: Vec<String>,
    pub(crate) names: Vec<(String, String)>,
    pub(crate) values: Vec<(String, AttributeValue)>,
    after: Vec<(&'static str, Option<AttributeValue>)>,
}

/// The maximum generation that is raised. Beyond it, the increment could be lost to rounding.
pub(crate) const MAX_GENERATION: i64 = 1 << 53;

impl Edit {
    pub(crate) fn set(&mut self, name: &'static str, value: AttributeValue) {
        self.set.push(format!("#{name} = :{name}"));
        self.names.push((format!("#{name}"), name.to_owned()));
        self.values.push((format!(":{name}"), value.clone()));
        self.after.push((name, Some(value)));
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
        self.names.push((format!("#{name}"), name.to_owned()));
        self.expect_absent(name);
    }

    /// Requires that the attribute is still absent.
    pub(crate) fn expect_absent(&mut self, name: &'static str) {
        self.conditions.push(format!("attribute_not_exists(#{name})"));
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

    /// Whether the item already has all the values of this edit.
    pub(crate) fn is_applied(&self, item: &Item) -> bool {
        self.after.iter().all(|(name, value)| match (value, item.get(*name)) {
            (Some(value), Some(found)) => item::is_same_value(value, found),
            (value, found) => value.is_none() && found.is_none(),
        })
    }
}
