//! The rate limit of log-ins: reservations, which are taken before the password is checked and
//! released afterwards.
//!
//! A reservation is a unique word in a set of strings. Adding and removing it are idempotent, so
//! that a write can be repeated if its response is lost, and concurrent attempts never have to
//! retry because of each other.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use hallpass_password::rate_limit::{self, Counters};
use hallpass_token::Timestamp;

use crate::{
    Failure, Store,
    failure::unmet_by,
    item::{self, Item, PURGE_AT},
};

mod known;
mod pair;

/// Whether an attempt is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// The attempt is counted. Check the password.
    Allowed,
    /// The attempt is not counted. Retry after this time.
    RetryAfter(Duration),
}

/// The outcome of an attempt whose pair has a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The password was wrong, or no user can log in by this name.
    Failed,
    /// The password was right. Earlier failures of the pair are deleted.
    Succeeded,
    /// No password was checked.
    Uncounted,
}

const DOING: &str = "counting the log-in";

/// The attribute with the reservations of an item, a set of strings.
const RESERVED: &str = "reserved";

/// The attribute names and the values of an expression.
type Names<'a> = Vec<(&'a str, &'a str)>;
type Values = Vec<(String, AttributeValue)>;

impl Store {
    /// Takes a reservation from the budget with this key.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written. The caller then rejects the attempt.
    pub async fn reserve(
        &self,
        counter: &str,
        id: &str,
        budget: u32,
        now: Timestamp,
    ) -> Result<RateLimit, Failure> {
        let names = vec![("#reserved", RESERVED), ("#purge", PURGE_AT)];
        let values = vec![
            (":own".to_owned(), set([id])),
            (":budget".to_owned(), AttributeValue::N(budget.to_string())),
            (":purge".to_owned(), item::number(now.after(rate_limit::WINDOW))),
        ];
        let condition = "attribute_not_exists(#reserved) OR size(#reserved) < :budget";
        let update = "ADD #reserved :own SET #purge = :purge";
        match self.update_attempt(counter, update, Some(condition), names, values).await? {
            None => Ok(RateLimit::Allowed),
            // The response to the first attempt of this write was lost.
            Some(old) if reserved(&old).iter().any(|other| other == id) => Ok(RateLimit::Allowed),
            Some(_) => {
                let elapsed =
                    now.unix().checked_rem(rate_limit::WINDOW.as_secs()).unwrap_or_default();
                Ok(RateLimit::RetryAfter(
                    rate_limit::WINDOW.saturating_sub(Duration::from_secs(elapsed)),
                ))
            }
        }
    }

    /// Releases a reservation of a budget.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written. The reservation then lasts until the
    /// window ends.
    pub async fn release(&self, counter: &str, id: &str, now: Timestamp) -> Result<(), Failure> {
        let names = vec![("#reserved", RESERVED), ("#purge", PURGE_AT)];
        let values = vec![
            (":own".to_owned(), set([id])),
            (":purge".to_owned(), item::number(now.after(rate_limit::WINDOW))),
        ];
        let update = "DELETE #reserved :own SET #purge = :purge";
        self.update_attempt(counter, update, None, names, values).await.map(drop)
    }

    /// Updates an item of the table of attempts. Returns the current item if the condition was not
    /// met.
    async fn update_attempt(
        &self,
        counter: &str,
        update: &str,
        condition: Option<&str>,
        names: Names<'_>,
        values: Values,
    ) -> Result<Option<Item>, Failure> {
        let call = self
            .client
            .update_item()
            .table_name(&self.tables.attempts)
            .set_key(Some(item::attempt_key(counter)))
            .update_expression(update)
            .set_condition_expression(condition.map(str::to_owned))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let call = names
            .into_iter()
            .fold(call, |call, (place, name)| call.expression_attribute_names(place, name));
        let call = values
            .into_iter()
            .fold(call, |call, (place, value)| call.expression_attribute_values(place, value));
        match call.send().await {
            Ok(_) => Ok(None),
            Err(error) => unmet_by(&error).map(Some).ok_or_else(|| Failure::of(DOING)(error)),
        }
    }
}

/// The number of the window that contains this instant.
pub fn window(now: Timestamp) -> u64 {
    now.unix().checked_div(rate_limit::WINDOW.as_secs()).unwrap_or_default()
}

/// The counters of an attempt at this name from this source address, now.
pub fn counters(name: &hallpass_password::NameKey, source_ip: &str, now: Timestamp) -> Counters {
    Counters::new(name, source_ip, window(now))
}

fn set<'a>(words: impl IntoIterator<Item = &'a str>) -> AttributeValue {
    AttributeValue::Ss(words.into_iter().map(str::to_owned).collect())
}

/// The reservations of an item. DynamoDB has no empty sets, so the attribute can be absent.
fn reserved(item: &Item) -> &[String] {
    item.get(RESERVED).and_then(|value| value.as_ss().ok()).map(Vec::as_slice).unwrap_or_default()
}
