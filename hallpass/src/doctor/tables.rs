//! Checks that the three tables are as `template.yaml` declares them, and that this machine's clock
//! agrees with the database's.

use std::time::Duration;

use hallpass_store::{
    Failure, Store,
    inspection::{Inspected, Shape},
};
use hallpass_token::Timestamp;

use super::{Finding, Verdict};

const DEPLOY: &str = "deploy template.yaml, which declares it";

/// The largest acceptable difference between the clocks. AWS rejects signatures five minutes off,
/// and a token must not be issued in the future.
const CLOSE: Duration = Duration::from_secs(30);

pub(super) async fn check(store: &Store) -> Vec<Finding> {
    let tables = store.tables();
    let mut findings = Vec::new();
    if let Some(users) = shape(store, "users", &tables.users, &["user_id"], &mut findings).await {
        findings.push(index(&users));
        findings.push(stream(&users));
        findings.push(recovery(store, "users", &tables.users).await);
    }
    if let Some(tokens) =
        shape(store, "tokens", &tables.tokens, &["user_id", "token"], &mut findings).await
    {
        findings.push(live_index(&tokens));
        findings.push(ttl(store, "tokens", &tables.tokens).await);
        findings.push(recovery(store, "tokens", &tables.tokens).await);
    }
    if shape(store, "attempts", &tables.attempts, &["attempt"], &mut findings).await.is_some() {
        findings.push(ttl(store, "attempts", &tables.attempts).await);
    }
    findings
}

/// Compares this machine's clock with the database's.
pub(super) async fn check_clock(store: &Store, now: impl Fn() -> Timestamp) -> Finding {
    let before = now();
    let time = store.clock(&store.tables().tokens).await;
    let after = now();
    match time {
        Ok(Some(database)) => {
            let difference = database.since(after).max(before.since(database));
            if difference > CLOSE {
                let seconds = difference.as_secs();
                let detail = format!(
                    "this machine's clock is {after} and the database's is {database}: {seconds} \
                     seconds apart"
                );
                return Finding::new(
                    "clock",
                    Verdict::Error,
                    detail,
                    "synchronize this machine's clock with NTP",
                );
            }
            Finding::ok("clock", "this machine and the database agree")
        }
        Ok(None) => {
            let advice = "compare this machine's clock with another one";
            Finding::new("clock", Verdict::Skipped, "the database does not return its time", advice)
        }
        Err(failure) => cannot_read("clock", &failure),
    }
}

/// Returns the table's description if the table exists and its key is correct.
async fn shape(
    store: &Store,
    which: &str,
    table: &str,
    key: &[&str],
    findings: &mut Vec<Finding>,
) -> Option<Shape> {
    let of = format!("{which} table");
    let shape = match store.shape(table).await {
        Ok(Some(shape)) => shape,
        Ok(None) => {
            findings.push(Finding::new(
                of,
                Verdict::Error,
                format!("{table} does not exist"),
                DEPLOY,
            ));
            return None;
        }
        Err(failure) => {
            findings.push(cannot_read(of, &failure));
            return None;
        }
    };
    if shape.key == key {
        findings.push(Finding::ok(of, format!("{table}, key {}", key.join(" and "))));
        return Some(shape);
    }
    let detail =
        format!("the key of {table} is {}, not {}", shape.key.join(" and "), key.join(" and "));
    findings.push(Finding::new(
        of,
        Verdict::Error,
        detail,
        "a key cannot be changed; deploy a new table",
    ));
    None
}

fn index(users: &Shape) -> Finding {
    const OF: &str = "index by name";
    match &users.name_index {
        Some(key) if key == &["username_key"] => Finding::ok(OF, "username_key, ready"),
        Some(key) => {
            let detail = format!("its key is {}, not username_key", key.join(" and "));
            Finding::new(OF, Verdict::Error, detail, DEPLOY)
        }
        None => Finding::new(OF, Verdict::Error, "missing or not ready: no one can log in", DEPLOY),
    }
}

fn live_index(tokens: &Shape) -> Finding {
    const OF: &str = "index of live tokens";
    const ADVICE: &str = "a local index cannot be added; deploy a new table from template.yaml";
    match &tokens.live_index {
        Some(key) if key == &["user_id", "live_until"] => Finding::ok(OF, "live_until"),
        Some(key) => {
            let detail = format!("its key is {}, not user_id and live_until", key.join(" and "));
            Finding::new(OF, Verdict::Error, detail, ADVICE)
        }
        None => Finding::new(OF, Verdict::Error, "missing: no token can be issued", ADVICE),
    }
}

fn stream(users: &Shape) -> Finding {
    const OF: &str = "user stream";
    const ADVICE: &str = "enable the stream with NEW_AND_OLD_IMAGES: `aws dynamodb update-table`, \
                          or deploy template.yaml";
    match users.stream.as_deref() {
        Some("NEW_AND_OLD_IMAGES") => Finding::ok(OF, "NEW_AND_OLD_IMAGES"),
        Some(other) => Finding::new(
            OF,
            Verdict::Error,
            format!("its view type is {other}, not NEW_AND_OLD_IMAGES"),
            ADVICE,
        ),
        None => Finding::new(
            OF,
            Verdict::Error,
            "off: undoing a change of a user makes the user's old tokens valid again",
            ADVICE,
        ),
    }
}

async fn ttl(store: &Store, which: &str, table: &str) -> Finding {
    const ADVICE: &str =
        "enable TTL on purge_at: `aws dynamodb update-time-to-live`, or deploy template.yaml";
    let of = format!("TTL of {which}");
    match store.ttl(table).await {
        Ok(Inspected::This(Some(attribute))) if attribute == "purge_at" => {
            Finding::ok(of, "purge_at")
        }
        Ok(Inspected::This(Some(other))) => Finding::new(
            of,
            Verdict::Error,
            format!("its attribute is {other}, not purge_at"),
            ADVICE,
        ),
        Ok(Inspected::This(None)) => {
            Finding::new(of, Verdict::Error, "off: the table grows without limit", ADVICE)
        }
        Ok(Inspected::NotOffered) => not_offered(of),
        Err(failure) => cannot_read(of, &failure),
    }
}

async fn recovery(store: &Store, which: &str, table: &str) -> Finding {
    const ADVICE: &str =
        "enable it: `aws dynamodb update-continuous-backups`, or deploy template.yaml";
    let of = format!("recovery of {which}");
    match store.is_recoverable(table).await {
        Ok(Inspected::This(true)) => Finding::ok(of, "point-in-time recovery is on"),
        Ok(Inspected::This(false)) => {
            Finding::new(of, Verdict::Warning, "point-in-time recovery is off", ADVICE)
        }
        Ok(Inspected::NotOffered) => not_offered(of),
        Err(failure) => Finding::new(
            of,
            Verdict::Skipped,
            failure.report(),
            "grant the permission dynamodb:DescribeContinuousBackups",
        ),
    }
}

fn not_offered(of: impl Into<String>) -> Finding {
    const ADVICE: &str = "run doctor on the deployed stack: DynamoDB on AWS reports it";
    Finding::new(of, Verdict::Skipped, "this database does not report it", ADVICE)
}

fn cannot_read(of: impl Into<String>, failure: &Failure) -> Finding {
    const ADVICE: &str = "check the region, the credentials and their permissions";
    Finding::new(of, Verdict::Error, failure.report(), ADVICE)
}
