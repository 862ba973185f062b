//! Measures the cost of a verification with more tokens, more tokens of the user, and more keys,
//! and the cost of prune per token.

use std::{fmt, path::Path, slice::from_ref, time::Duration};

use dynoxide::Database;
use serde_json::{Map, Value, json};

use crate::{
    Outcome,
    cloud::{self, Cloud},
    functions::{self, Case, Function, KEYS},
    measure::{CallReadings, Calls, TURNS, call_for_response, ready, uncounted},
    report::{row, size, time},
};

/// A size of the data.
enum Size {
    /// The number of tokens in the table.
    Table(u32),
    /// The number of tokens of the user whose token is verified.
    OneUser(u32),
}

/// The sizes, in order. Tokens are only added.
const SIZES: [Size; 6] = [
    Size::Table(100),
    Size::OneUser(100),
    Size::Table(10_000),
    Size::OneUser(10_000),
    Size::Table(100_000),
    Size::Table(1_000_000),
];

/// The largest table that is swept. In a larger one, a page of a scan takes the embedded engine
/// longer than prune waits.
const SWEPT: u64 = 110_000;

/// The user whose token is verified.
const OWNER: &str = "1";

/// The number of tokens of every other user.
const OF_OTHERS: u32 = 100;

/// The maximum number of items in a `BatchWriteItem`.
const BATCH: u32 = 25;

/// The results under one condition.
#[derive(Debug)]
struct Row {
    condition: String,
    allowed: Calls,
    forged: Calls,
    /// A valid token in the same turns, with one key and a nearly empty table.
    plain: Calls,
}

/// A function, its cases and its environment.
struct Side<'a> {
    function: &'a Function,
    cloud: &'a Cloud,
    /// The valid tokens, used in turns.
    cases: &'a [Case],
}

/// Measures each condition in turns with the plain one, so that variations of the machine affect
/// both.
struct Turns<'a> {
    plain: Side<'a>,
    warm: u32,
    log: &'a Path,
}

/// One sweep of the whole table.
#[derive(Debug)]
struct Sweep {
    tokens: u64,
    took: Duration,
    peak_memory: u64,
}

/// All results. Displayed as two Markdown tables.
#[derive(Debug, Default)]
pub struct Growth {
    rows: Vec<Row>,
    sweeps: Vec<Sweep>,
}

/// Measures growth. Fills the tables of `cloud` and leaves those of `small` unchanged.
pub async fn measure(
    cloud: &Cloud,
    small: &Cloud,
    build: &Path,
    warm: u32,
    log: &Path,
) -> Outcome<Growth> {
    let mut growth = Growth::default();
    let plain = functions::authorizer(small, build, small.keyring.expose_secret())?;
    let turns = Turns {
        plain: Side { function: &plain, cloud: small, cases: from_ref(&plain.allowed) },
        warm,
        log,
    };
    for keys in 1..=KEYS {
        let function =
            functions::authorizer(small, build, cloud::keyring_of(keys)?.expose_secret())?;
        let side = Side { function: &function, cloud: small, cases: from_ref(&function.allowed) };
        growth.rows.push(turns.row(format!("{keys} keys"), &side).await?);
    }
    let authorizer = functions::authorizer(cloud, build, cloud.keyring.expose_secret())?;
    let grown = Side { function: &authorizer, cloud, cases: from_ref(&authorizer.allowed) };
    let mut shelf = Shelf::of(&cloud.database)?;
    let prune = functions::prune(cloud, build)?;
    for size in SIZES {
        let condition = match size {
            Size::Table(tokens) => {
                shelf.fill_others(tokens)?;
                format!("{} tokens in the table", shelf.tokens)
            }
            Size::OneUser(tokens) => {
                shelf.fill_owner(tokens)?;
                format!("{tokens} tokens of one user")
            }
        };
        growth.rows.push(turns.row(condition, &grown).await?);
        if matches!(size, Size::Table(_)) && shelf.tokens <= SWEPT {
            growth.sweeps.push(sweep(&prune, shelf.tokens, log).await?);
        }
    }
    // Unused tokens, so that every call records a use, which a token costs once an hour.
    let tokens = cloud.unused(TURNS * (turns.calls() + uncounted(turns.calls()))).await?;
    let cases: Vec<Case> =
        tokens.iter().map(|token| Case::allowed(token.expose_secret())).collect();
    growth
        .rows
        .push(turns.row("a use to note".to_owned(), &Side { cases: &cases, ..grown }).await?);
    Ok(growth)
}

impl Turns<'_> {
    /// Returns the number of calls of each kind in a turn.
    fn calls(&self) -> u32 {
        self.warm.div_ceil(TURNS)
    }

    async fn row(&self, condition: String, side: &Side<'_>) -> Outcome<Row> {
        eprintln!("{condition}");
        let [mut plain, mut allowed, mut forged] = <[CallReadings; 3]>::default();
        let forgery = side.function.rejected.first().ok_or("no forged token")?;
        let each_turn = usize::try_from(self.calls() + uncounted(self.calls()))?;
        let mut cases = side.cases.chunks(each_turn).cycle();
        for _ in 0..TURNS {
            let (mut running, _) = ready(self.plain.function, self.log).await?;
            plain
                .read(&mut running, self.plain.cases, &self.plain.cloud.dynamodb, self.calls())
                .await?;
            running.stop().await?;
            let (mut running, _) = ready(side.function, self.log).await?;
            let cases = cases.next().ok_or("no case")?;
            allowed.read(&mut running, cases, &side.cloud.dynamodb, self.calls()).await?;
            forged
                .read(&mut running, from_ref(forgery), &side.cloud.dynamodb, self.calls())
                .await?;
            running.stop().await?;
        }
        let (allowed, forged) = (allowed.calls("allowed")?, forged.calls(forgery.name)?);
        Ok(Row { condition, allowed, forged, plain: plain.calls("allowed")? })
    }
}

/// Measures one scheduled run of prune, which must see every token and finish.
async fn sweep(prune: &Function, tokens: u64, log: &Path) -> Outcome<Sweep> {
    let (mut running, _) = ready(prune, log).await?;
    let (took, response) = call_for_response(&mut running, &prune.allowed).await?;
    let response: Value = serde_json::from_str(&response)?;
    let nothing_to_do = json!({
        "seen": tokens, "purged": 0, "invalidated": 0, "notified": 0, "dropped": 0, "unreadable": 0,
        "finished": true,
    });
    if response != nothing_to_do {
        return Err(format!("prune: expected {nothing_to_do}, got {response}").into());
    }
    let peak_memory = running.peak_memory()?;
    running.stop().await?;
    Ok(Sweep { tokens, took, peak_memory })
}

/// The tables, and a token and a user to copy.
struct Shelf<'a> {
    database: &'a Database,
    token: Map<String, Value>,
    user: Map<String, Value>,
    /// The number of tokens in the table.
    tokens: u64,
    owned: u32,
    others: u32,
}

impl<'a> Shelf<'a> {
    fn of(database: &'a Database) -> Outcome<Self> {
        let tokens = items(database, "Tokens")?;
        let of_format =
            |item: &&Map<String, Value>| item.get("format") == Some(&json!({"S": "signed"}));
        let token = tokens.iter().find(of_format).ok_or("no token to copy")?.clone();
        let users = items(database, "Users")?;
        let user = users.into_iter().find(|item| item.get("user_id") == token.get("user_id"));
        let user = user.ok_or("no user to copy")?;
        let owned = tokens.len();
        Ok(Self {
            database,
            token,
            user,
            tokens: owned.try_into()?,
            owned: owned.try_into()?,
            others: 0,
        })
    }

    /// Adds tokens of the owner until the owner has `until`.
    fn fill_owner(&mut self, until: u32) -> Outcome<()> {
        let present = self.owned;
        self.owned = until;
        self.fill(OWNER, present, until)
    }

    fn fill(&mut self, user_id: &str, present: u32, until: u32) -> Outcome<()> {
        let numbers: Vec<u32> = (present..until).collect();
        for some in numbers.chunks(BATCH.try_into()?) {
            let items = some.iter().map(|number| {
                let mut item = self.token.clone();
                item.insert("user_id".to_owned(), json!({"S": user_id}));
                // 22 characters of base64url, the last of which ends in four zeros.
                item.insert("token".to_owned(), json!({"S": format!("{number:021}A")}));
                item
            });
            self.put("Tokens", items)?;
            self.tokens += u64::try_from(some.len())?;
        }
        Ok(())
    }

    /// Adds users with tokens until the table has at least `until` tokens.
    fn fill_others(&mut self, until: u32) -> Outcome<()> {
        while self.tokens < u64::from(until) {
            let user_id = format!("user-{}", self.others);
            self.others += 1;
            let mut user = self.user.clone();
            user.insert("user_id".to_owned(), json!({"S": user_id}));
            self.put("Users", [user])?;
            self.fill(&user_id, 0, OF_OTHERS)?;
        }
        Ok(())
    }

    fn put(&self, table: &str, items: impl IntoIterator<Item = Map<String, Value>>) -> Outcome<()> {
        let puts: Vec<Value> =
            items.into_iter().map(|item| json!({"PutRequest": {"Item": item}})).collect();
        let request = json!({"RequestItems": {table: puts}});
        self.database.batch_write_item(serde_json::from_value(request)?)?;
        Ok(())
    }
}

fn items(database: &Database, table: &str) -> Outcome<Vec<Map<String, Value>>> {
    let response = database.scan(serde_json::from_value(json!({"TableName": table}))?)?;
    Ok(serde_json::from_value(serde_json::to_value(response)?["Items"].take())?)
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        row(
            f,
            &[
                "a verification with",
                "allowed, p50",
                "its CPU",
                "its reads",
                "forged, p50",
                "its CPU",
                "plain CPU",
            ],
        )?;
        row(f, &["---"; 7])?;
        for Row { condition, allowed, forged, plain } in &self.rows {
            let reads = format!("{:.2}", allowed.requests);
            let cells = [
                condition,
                &time(allowed.time.p50),
                &time(allowed.cpu),
                &reads,
                &time(forged.time.p50),
                &time(forged.cpu),
                &time(plain.cpu),
            ];
            row(f, &cells.map(String::as_str))?;
        }
        writeln!(f)?;
        row(f, &["a sweep of", "took", "records a second", "peak RSS of prune"])?;
        row(f, &["---"; 4])?;
        for Sweep { tokens, took, peak_memory } in &self.sweeps {
            let a_second = u128::from(*tokens) * 1_000_000 / took.as_micros().max(1);
            let cells = [
                format!("{tokens} tokens"),
                format!("{:.2} s", took.as_secs_f64()),
                a_second.to_string(),
                size(*peak_memory),
            ];
            row(f, &cells.each_ref().map(String::as_str))?;
        }
        Ok(())
    }
}
