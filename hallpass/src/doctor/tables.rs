//! The three tables, as `template.yaml` declares them, and the clock of the engine that holds them.

use std::time::Duration;

use store::{
    Failure, Store,
    inspection::{Inspected, Shape},
};
use token::Timestamp;

use super::{Finding, Verdict};

const DEPLOY: &str = "deploy template.yaml, which declares it";

/// How far the clocks may be apart: AWS rejects signatures at five minutes, and tokens of tomorrow help nobody.
const CLOSE: Duration = Duration::from_secs(30);

pub(super) async fn check(store: &Store) -> Vec<Finding> {
    let tables = store.tables();
    let mut findings = Vec::new();
    if let Some(users) = shape(store, "users", &tables.users, &["user_id"], &mut findings).await {
        findings.push(index(&users));
        findings.push(stream(&users));
        findings.push(recovery(store, "users", &tables.users).await);
    }
    if let Some(tokens) = shape(store, "tokens", &tables.tokens, &["user_id", "token"], &mut findings).await {
        findings.push(live_index(&tokens));
        findings.push(ttl(store, "tokens", &tables.tokens).await);
        findings.push(recovery(store, "tokens", &tables.tokens).await);
    }
    if shape(store, "attempts", &tables.attempts, &["attempt"], &mut findings).await.is_some() {
        findings.push(ttl(store, "attempts", &tables.attempts).await);
    }
    findings
}

/// Compares the clock of this machine with the engine's.
pub(super) async fn check_clock(store: &Store, now: impl Fn() -> Timestamp) -> Finding {
    let before = now();
    let said = store.clock(&store.tables().tokens).await;
    let after = now();
    match said {
        Ok(Some(theirs)) => {
            let apart = theirs.since(after).max(before.since(theirs));
            if apart > CLOSE {
                let detail =
                    format!("this machine says {after}, and the engine {theirs}: {} seconds apart", apart.as_secs());
                return Finding::new("clock", Verdict::Wrong, detail, "set this machine's clock, by NTP");
            }
            Finding::ok("clock", "this machine and the engine agree")
        }
        Ok(None) => Finding::new("clock", Verdict::CannotTell, "the engine does not say its time", ""),
        Err(failure) => cannot_read("clock", &failure),
    }
}

/// What the table is like, if it is there and its key is right.
async fn shape(store: &Store, which: &str, table: &str, key: &[&str], findings: &mut Vec<Finding>) -> Option<Shape> {
    let of = format!("{which} table");
    let shape = match store.shape(table).await {
        Ok(Some(shape)) => shape,
        Ok(None) => {
            findings.push(Finding::new(of, Verdict::Wrong, format!("{table} is not there"), DEPLOY));
            return None;
        }
        Err(failure) => {
            findings.push(cannot_read(of, &failure));
            return None;
        }
    };
    if shape.key == key {
        findings.push(Finding::ok(of, format!("{table}, by {}", key.join(" and "))));
        return Some(shape);
    }
    let detail = format!("the key of {table} is {}, and not {}", shape.key.join(" and "), key.join(" and "));
    findings.push(Finding::new(of, Verdict::Wrong, detail, "a key cannot be changed; deploy a new table"));
    None
}

fn index(users: &Shape) -> Finding {
    const OF: &str = "index by name";
    match &users.name_index {
        Some(key) if key == &["username_key"] => Finding::ok(OF, "username_key, ready"),
        Some(key) => {
            let detail = format!("its key is {}, and not username_key", key.join(" and "));
            Finding::new(OF, Verdict::Wrong, detail, DEPLOY)
        }
        None => Finding::new(OF, Verdict::Wrong, "it is not there, or not ready: nobody can log in", DEPLOY),
    }
}

fn live_index(tokens: &Shape) -> Finding {
    const OF: &str = "index of live tokens";
    const ADVICE: &str = "a local index cannot be added; deploy a new table from template.yaml";
    match &tokens.live_index {
        Some(key) if key == &["user_id", "live_until"] => Finding::ok(OF, "live_until"),
        Some(key) => {
            let detail = format!("its key is {}, and not user_id and live_until", key.join(" and "));
            Finding::new(OF, Verdict::Wrong, detail, ADVICE)
        }
        None => Finding::new(OF, Verdict::Wrong, "it is not there: no token can be issued", ADVICE),
    }
}

fn stream(users: &Shape) -> Finding {
    const OF: &str = "user stream";
    const ADVICE: &str =
        "switch the stream on with NEW_AND_OLD_IMAGES: `aws dynamodb update-table`, or deploy template.yaml";
    match users.stream.as_deref() {
        Some("NEW_AND_OLD_IMAGES") => Finding::ok(OF, "NEW_AND_OLD_IMAGES"),
        Some(other) => Finding::new(OF, Verdict::Wrong, format!("it tells {other}, and not both images"), ADVICE),
        None => Finding::new(OF, Verdict::Wrong, "it is off: a change that is undone revives tokens", ADVICE),
    }
}

async fn ttl(store: &Store, which: &str, table: &str) -> Finding {
    const ADVICE: &str = "switch TTL on for purge_at: `aws dynamodb update-time-to-live`, or deploy template.yaml";
    let of = format!("TTL of {which}");
    match store.ttl(table).await {
        Ok(Inspected::This(Some(attribute))) if attribute == "purge_at" => Finding::ok(of, "purge_at"),
        Ok(Inspected::This(Some(other))) => {
            Finding::new(of, Verdict::Wrong, format!("it is by {other}, and not by purge_at"), ADVICE)
        }
        Ok(Inspected::This(None)) => Finding::new(of, Verdict::Wrong, "it is off: the table grows for ever", ADVICE),
        Ok(Inspected::NotOffered) => not_offered(of),
        Err(failure) => cannot_read(of, &failure),
    }
}

async fn recovery(store: &Store, which: &str, table: &str) -> Finding {
    const ADVICE: &str = "switch it on: `aws dynamodb update-continuous-backups`, or deploy template.yaml";
    let of = format!("recovery of {which}");
    match store.is_recoverable(table).await {
        Ok(Inspected::This(true)) => Finding::ok(of, "to any second"),
        Ok(Inspected::This(false)) => Finding::new(of, Verdict::Warning, "point-in-time recovery is off", ADVICE),
        Ok(Inspected::NotOffered) => not_offered(of),
        Err(failure) => {
            Finding::new(of, Verdict::CannotTell, failure.report(), "permit dynamodb:DescribeContinuousBackups")
        }
    }
}

fn not_offered(of: impl Into<String>) -> Finding {
    Finding::new(of, Verdict::CannotTell, "this engine does not say", "")
}

fn cannot_read(of: impl Into<String>, failure: &Failure) -> Finding {
    const ADVICE: &str = "look at the region, the credentials and their permissions";
    Finding::new(of, Verdict::Wrong, failure.report(), ADVICE)
}
