//! The pair of a name and a source: failures in a row, and current reservations.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_password::rate_limit;
use hallpass_token::Timestamp;

use super::{DOING, Names, Outcome, RESERVED, RateLimit, Values, reserved, set};
use crate::{
    Failure, Store,
    failure::{Corrupt, if_met},
    item::{self, Item, PURGE_AT},
};

const FAILURES: &str = "failures";
const FAILED_AT: &str = "failed_at";

/// The maximum number of attempts to reserve, each after a removal of expired data.
const TRIES: u32 = 4;

impl Store {
    /// Takes a reservation of a pair.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written. The caller then rejects the
    /// attempt.
    pub async fn reserve_pair(
        &self,
        pair: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<RateLimit, Failure> {
        let word = word(id, now);
        for _ in 0..TRIES {
            let Some(old) = self.try_pair(pair, &word, now).await? else {
                return Ok(RateLimit::Allowed);
            };
            // A concurrent attempt has deleted the pair.
            if old.is_empty() {
                continue;
            }
            match Pair::read(&old).map_err(|bad| Failure::new(DOING, bad))?.judge(&word, now) {
                Judgement::Go => return Ok(RateLimit::Allowed),
                Judgement::Wait(wait) => return Ok(RateLimit::RetryAfter(wait)),
                Judgement::ItemExpired(purge_at) => self.delete_pair(pair, purge_at).await?,
                Judgement::Expired(words) => self.expire(pair, &words, now).await?,
            }
        }
        Ok(RateLimit::RetryAfter(rate_limit::BUSY_WAIT))
    }

    /// Releases the reservation of a pair and records the outcome. A repeated call changes nothing.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written. The response must then not show whether
    /// the password was right.
    pub async fn settle_pair(
        &self,
        pair: &str,
        id: &str,
        outcome: Outcome,
        reserved_at: Timestamp,
    ) -> Result<(), Failure> {
        let word = word(id, reserved_at);
        let mut names = vec![("#reserved", RESERVED), ("#purge", PURGE_AT)];
        let mut values = vec![
            (":own".to_owned(), set([word.as_str()])),
            (":purge".to_owned(), item::number(reserved_at.after(rate_limit::MEMORY))),
        ];
        let (update, condition) = match outcome {
            Outcome::Failed => {
                values.push((":one".to_owned(), AttributeValue::N("1".to_owned())));
                values.push((":now".to_owned(), item::number(reserved_at)));
                values.push((":word".to_owned(), item::text(word)));
                names.extend([("#failures", FAILURES), ("#failed", FAILED_AT)]);
                let update =
                    "DELETE #reserved :own ADD #failures :one SET #failed = :now, #purge = :purge";
                (update, Some("contains(#reserved, :word)"))
            }
            Outcome::Succeeded => {
                names.extend([("#failures", FAILURES), ("#failed", FAILED_AT)]);
                ("DELETE #reserved :own REMOVE #failures, #failed SET #purge = :purge", None)
            }
            Outcome::Uncounted => ("DELETE #reserved :own SET #purge = :purge", None),
        };
        self.update_attempt(pair, update, condition, names, values).await.map(drop)
    }

    /// Tries to take a reservation in one conditional write. Returns the current item if the
    /// condition was not met.
    async fn try_pair(
        &self,
        pair: &str,
        word: &str,
        now: Timestamp,
    ) -> Result<Option<Item>, Failure> {
        let names: Names<'_> = vec![
            ("#reserved", RESERVED),
            ("#purge", PURGE_AT),
            ("#failures", FAILURES),
            ("#failed", FAILED_AT),
        ];
        let at_once = i64::try_from(rate_limit::MAX_AT_ONCE).unwrap_or(i64::MAX);
        let mut values: Values = vec![
            (":own".to_owned(), set([word])),
            (":now".to_owned(), item::number(now)),
            (":purge".to_owned(), item::number(now.after(rate_limit::MEMORY))),
            (":most".to_owned(), AttributeValue::N(at_once.to_string())),
            (":free".to_owned(), AttributeValue::N(rate_limit::FREE_FAILURES.to_string())),
        ];
        // The wait grows with the failures. An expression cannot compute it, so each step is a
        // clause.
        let mut steps = Vec::new();
        for failures in rate_limit::FREE_FAILURES..=rate_limit::MAX_FAILURES {
            let equals = if failures == rate_limit::MAX_FAILURES { ">=" } else { "=" };
            steps.push(format!("(#failures {equals} :f{failures} AND #failed <= :t{failures})"));
            values.push((format!(":f{failures}"), AttributeValue::N(failures.to_string())));
            values.push((
                format!(":t{failures}"),
                item::number(now.before(rate_limit::wait_after(failures))),
            ));
        }
        let is_free = "(attribute_not_exists(#failures) OR #failures < :free) \
                       AND (attribute_not_exists(#reserved) OR size(#reserved) < :most)";
        let has_waited = format!("attribute_not_exists(#reserved) AND ({})", steps.join(" OR "));
        let condition = format!(
            "(attribute_not_exists(#purge) OR #purge > :now) AND (({is_free}) OR ({has_waited}))"
        );
        let update = "ADD #reserved :own SET #purge = :purge";
        self.update_attempt(pair, update, Some(&condition), names, values).await
    }

    /// Removes the reservations of crashed functions.
    async fn expire(&self, pair: &str, words: &[String], now: Timestamp) -> Result<(), Failure> {
        let names = vec![("#reserved", RESERVED), ("#purge", PURGE_AT)];
        let values = vec![
            (":expired".to_owned(), set(words.iter().map(String::as_str))),
            (":purge".to_owned(), item::number(now.after(rate_limit::MEMORY))),
        ];
        let update = "DELETE #reserved :expired SET #purge = :purge";
        self.update_attempt(pair, update, None, names, values).await.map(drop)
    }

    /// Deletes an expired pair, unless a concurrent attempt has changed it.
    async fn delete_pair(&self, pair: &str, purge_at: Timestamp) -> Result<(), Failure> {
        let call = self
            .client
            .delete_item()
            .table_name(&self.tables.attempts)
            .set_key(Some(item::attempt_key(pair)))
            .condition_expression("#purge = :purge")
            .expression_attribute_names("#purge", PURGE_AT)
            .expression_attribute_values(":purge", item::number(purge_at));
        if_met("purging failed log-ins", call.send().await).map(drop)
    }
}

/// The contents of a pair's item.
struct Pair {
    failures: u32,
    failed_at: Timestamp,
    purge_at: Timestamp,
    reserved: Vec<String>,
}

/// How to proceed with a pair that did not accept a reservation.
enum Judgement {
    Go,
    Wait(std::time::Duration),
    /// The whole item has expired, at this time.
    ItemExpired(Timestamp),
    /// These reservations have expired.
    Expired(Vec<String>),
}

impl Pair {
    fn read(item: &Item) -> Result<Self, Corrupt> {
        let failures = match item.get(FAILURES) {
            None => 0,
            Some(count) => {
                let count = count.as_n().ok().and_then(|count| count.parse().ok());
                count.ok_or(Corrupt(FAILURES))?
            }
        };
        let failed_at = item::instant(item, FAILED_AT)?;
        if failures > 0 && failed_at.is_none() {
            return Err(Corrupt(FAILED_AT));
        }
        Ok(Self {
            failures,
            failed_at: failed_at.unwrap_or(Timestamp::EPOCH),
            purge_at: item::instant(item, PURGE_AT)?.ok_or(Corrupt(PURGE_AT))?,
            reserved: reserved(item).to_vec(),
        })
    }

    fn judge(self, word: &str, now: Timestamp) -> Judgement {
        if self.reserved.iter().any(|other| other == word) {
            // The response to the first attempt of this write was lost.
            return Judgement::Go;
        }
        if self.purge_at.has_passed(now) {
            return Judgement::ItemExpired(self.purge_at);
        }
        let next_at = self.failed_at.after(rate_limit::wait_after(self.failures));
        if self.failures >= rate_limit::FREE_FAILURES && next_at > now {
            return Judgement::Wait(next_at.since(now));
        }
        let expired: Vec<String> =
            self.reserved.into_iter().filter(|other| is_expired(other, now)).collect();
        if expired.is_empty() {
            Judgement::Wait(rate_limit::BUSY_WAIT)
        } else {
            Judgement::Expired(expired)
        }
    }
}

/// The word of a reservation: its expiry and its ID.
fn word(id: &str, reserved_at: Timestamp) -> String {
    format!("{}.{id}", reserved_at.after(rate_limit::RESERVATION).unix())
}

/// Whether a reservation has expired. An unreadable one counts as expired, because it would never
/// be released.
fn is_expired(word: &str, now: Timestamp) -> bool {
    let end =
        word.split_once('.').and_then(|(end, _)| end.parse().ok()).and_then(Timestamp::from_unix);
    end.is_none_or(|end| end.has_passed(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_without_a_time_are_corrupt_and_are_not_counted_as_long_ago() {
        let check = |failures: u64, failed_at: Option<u64>, is_read: bool| {
            let number = |number: u64| AttributeValue::N(number.to_string());
            let mut item = Item::from([
                (PURGE_AT.to_owned(), number(9)),
                (FAILURES.to_owned(), number(failures)),
            ]);
            item.extend(failed_at.map(|at| (FAILED_AT.to_owned(), number(at))));
            assert_eq!(Pair::read(&item).is_ok(), is_read, "{failures} {failed_at:?}");
        };
        check(0, None, true);
        check(0, Some(5), true);
        check(1, Some(5), true);
        check(1, None, false);
        check(9, None, false);
    }
}
