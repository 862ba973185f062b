//! The limiter of log-ins: three counters, written before the password is looked at, so that parallel guesses count.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use login::pace::{self, Counters};
use token::Timestamp;

use crate::{
    Failure, Store,
    failure::{Corrupt, unmet_by},
    item::{self, FORGET_AT, Item},
};

/// Whether an attempt may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It was counted; check the password.
    Go,
    /// Not before this much time has passed.
    Wait(Duration),
}

const COUNT: &str = "count";
const NEXT_AT: &str = "next_at";
const DOING: &str = "counting the log-in";

/// How often a pair is tried again when parallel attempts write it between this one's look and its write.
const TRIES: u32 = 8;

impl Store {
    /// Counts an attempt with all three counters, and says whether it may go on.
    ///
    /// # Errors
    /// When the store fails; the caller refuses then.
    pub async fn count_attempt(&self, counters: &Counters, now: Timestamp) -> Result<Pace, Failure> {
        // An attempt that its own pair holds back is spent on no budget, or one source could lock a name for all others.
        if let Pace::Wait(wait) = self.count_failure(&counters.pair, now).await? {
            return Ok(Pace::Wait(wait));
        }
        let (name, source) = tokio::try_join!(
            Box::pin(self.count_in_window(&counters.name, pace::NAME_BUDGET, now)),
            Box::pin(self.count_in_window(&counters.source, pace::SOURCE_BUDGET, now)),
        )?;
        Ok(name.or(source))
    }

    /// Forgets the failures of a pair, after a success. The budgets of the name and the source stay as they are.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn clear_attempts(&self, counters: &Counters) -> Result<(), Failure> {
        let call = self
            .client
            .delete_item()
            .table_name(&self.tables.attempts)
            .set_key(Some(item::attempt_key(&counters.pair)));
        call.send().await.map_err(Failure::of("forgetting failed log-ins"))?;
        Ok(())
    }

    /// Counts one more failure in a row, in advance: a success forgets it again. Each write names the count it builds
    /// on, so that of two parallel attempts one has to look again.
    async fn count_failure(&self, counter: &str, now: Timestamp) -> Result<Pace, Failure> {
        let mut failures = 0;
        for _ in 0..TRIES {
            match self.write_failure(counter, failures, now).await? {
                None => return Ok(Pace::Go),
                Some(old) => {
                    let (count, next_at, forget_at) = old.map_err(|bad| Failure::new(DOING, bad))?;
                    if next_at > now {
                        return Ok(Pace::Wait(next_at.since(now)));
                    }
                    failures = if forget_at.has_come(now) { 0 } else { count };
                }
            }
        }
        // So many parallel attempts at one name from one source are not a person's.
        Ok(Pace::Wait(Duration::from_secs(1)))
    }

    /// `None` if the failure was written over `failures` of before, else what is there instead.
    async fn write_failure(&self, counter: &str, failures: u64, now: Timestamp) -> Result<Option<Pair>, Failure> {
        let count = failures.saturating_add(1);
        let condition = if failures == 0 {
            "attribute_not_exists(#attempt) OR #forget <= :now"
        } else {
            "#count = :failures AND #next <= :now AND #forget > :now"
        };
        let mut call =
            self.client.update_item().table_name(&self.tables.attempts).set_key(Some(item::attempt_key(counter)));
        if failures == 0 {
            call = call.expression_attribute_names("#attempt", item::ATTEMPT);
        } else {
            call = call.expression_attribute_values(":failures", AttributeValue::N(failures.to_string()));
        }
        let call = call
            .update_expression("SET #count = :count, #next = :next, #forget = :forget")
            .condition_expression(condition)
            .expression_attribute_names("#count", COUNT)
            .expression_attribute_names("#next", NEXT_AT)
            .expression_attribute_names("#forget", FORGET_AT)
            .expression_attribute_values(":count", AttributeValue::N(count.to_string()))
            .expression_attribute_values(":next", item::number(now.after(pace::wait_after(count))))
            .expression_attribute_values(":forget", item::number(now.after(pace::MEMORY)))
            .expression_attribute_values(":now", item::number(now))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match call.send().await {
            Ok(_) => Ok(None),
            Err(error) => match unmet_by(&error) {
                Some(old) => Ok(Some(pair_of(&old))),
                None => Err(Failure::of(DOING)(error)),
            },
        }
    }

    /// Counts an attempt in the window that the counter's key names.
    async fn count_in_window(&self, counter: &str, budget: u64, now: Timestamp) -> Result<Pace, Failure> {
        let call =
            self.client.update_item().table_name(&self.tables.attempts).set_key(Some(item::attempt_key(counter)));
        let call = call
            .update_expression("ADD #count :one SET #forget = :forget")
            .expression_attribute_names("#count", COUNT)
            .expression_attribute_names("#forget", FORGET_AT)
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":forget", item::number(now.after(pace::WINDOW)))
            .return_values(ReturnValue::AllNew);
        let answer = call.send().await.map_err(Failure::of(DOING))?;
        let count = count(answer.attributes().unwrap_or(&Item::new())).map_err(|bad| Failure::new(DOING, bad))?;
        if count <= budget {
            return Ok(Pace::Go);
        }
        let over = now.unix().checked_rem(pace::WINDOW.as_secs()).unwrap_or_default();
        Ok(Pace::Wait(pace::WINDOW.saturating_sub(Duration::from_secs(over))))
    }
}

impl Pace {
    /// The longer of two waits.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Go, other) => other,
            (wait, Self::Go) => wait,
            (Self::Wait(one), Self::Wait(two)) => Self::Wait(one.max(two)),
        }
    }
}

/// The number of the window that this instant lies in.
pub fn window(now: Timestamp) -> u64 {
    now.unix().checked_div(pace::WINDOW.as_secs()).unwrap_or_default()
}

/// What is there of a pair: failures in a row, when the next attempt may come, when all of it is forgotten.
type Pair = Result<(u64, Timestamp, Timestamp), Corrupt>;

fn pair_of(item: &Item) -> Pair {
    // Another attempt's success has forgotten the pair meanwhile.
    if item.is_empty() {
        return Ok((0, Timestamp::EPOCH, Timestamp::EPOCH));
    }
    let next_at = item::instant(item, NEXT_AT)?.ok_or(Corrupt(NEXT_AT))?;
    let forget_at = item::instant(item, FORGET_AT)?.ok_or(Corrupt(FORGET_AT))?;
    Ok((count(item)?, next_at, forget_at))
}

fn count(item: &Item) -> Result<u64, Corrupt> {
    let count = item.get(COUNT).and_then(|count| count.as_n().ok());
    count.and_then(|count| count.parse().ok()).ok_or(Corrupt(COUNT))
}
