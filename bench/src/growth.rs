//! What a verification costs when there are more tokens, more tokens of its user, or more keys; and what prune costs for
//! each of many tokens.

use std::{fmt, path::Path, slice::from_ref, time::Duration};

use dynoxide::Database;
use serde_json::{Map, Value, json};

use crate::{
    Outcome,
    cloud::{self, Cloud},
    functions::{self, Case, Function, KEYS},
    measure::{CallReadings, Calls, TURNS, call_for_answer, ready, uncounted},
    report::{row, size, time},
};

/// What grows.
enum Size {
    /// There are so many tokens, all together.
    Table(u32),
    /// The user whose token is verified has so many.
    OneUser(u32),
}

/// One after the other; nothing is taken away in between.
const SIZES: [Size; 6] = [
    Size::Table(100),
    Size::OneUser(100),
    Size::Table(10_000),
    Size::OneUser(10_000),
    Size::Table(100_000),
    Size::Table(1_000_000),
];

/// The largest table that is swept. With more the embedded engine takes longer for a page of a scan than prune waits.
const SWEPT: u64 = 110_000;

/// The user whose token is verified.
const OWNER: &str = "1";

/// How many tokens every other user has.
const OF_OTHERS: u32 = 100;

/// The most items of one `BatchWriteItem`.
const BATCH: u32 = 25;

/// One verification of each kind, under one condition.
#[derive(Debug)]
struct Row {
    condition: String,
    allowed: Calls,
    forged: Calls,
    /// A good token in the same turns, with one key and hardly a token in the table.
    plain: Calls,
}

/// A function, what it is asked, and where.
struct Side<'a> {
    function: &'a Function,
    cloud: &'a Cloud,
    /// The good tokens it gets, in turns.
    cases: &'a [Case],
}

/// Measures condition after condition, each in turns with the plain one: what a machine does better now and worse then
/// is shared by both.
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

/// Everything that was measured, as two tables in Markdown.
#[derive(Debug, Default)]
pub struct Growth {
    rows: Vec<Row>,
    sweeps: Vec<Sweep>,
}

/// Measures growth. The tables of `cloud` are full afterwards, those of `small` are as they were.
pub async fn measure(cloud: &Cloud, small: &Cloud, build: &Path, warm: u32, log: &Path) -> Outcome<Growth> {
    let mut growth = Growth::default();
    let plain = functions::authorizer(small, build, small.keyring.expose_secret())?;
    let turns = Turns { plain: Side { function: &plain, cloud: small, cases: from_ref(&plain.allowed) }, warm, log };
    for keys in 1..=KEYS {
        let function = functions::authorizer(small, build, cloud::ring_of(keys)?.expose_secret())?;
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
    // Tokens that were never used before, so that every call notes a use: what a token costs once in an hour.
    let tokens = cloud.unused(TURNS * (turns.calls() + uncounted(turns.calls()))).await?;
    let cases: Vec<Case> = tokens.iter().map(|token| Case::allowed(token.expose_secret())).collect();
    growth.rows.push(turns.row("a use to note".to_owned(), &Side { cases: &cases, ..grown }).await?);
    Ok(growth)
}

impl Turns<'_> {
    /// How many calls of each kind there are in a turn.
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
            plain.read(&mut running, self.plain.cases, &self.plain.cloud.dynamodb, self.calls()).await?;
            running.stop().await?;
            let (mut running, _) = ready(side.function, self.log).await?;
            let cases = cases.next().ok_or("there is no case")?;
            allowed.read(&mut running, cases, &side.cloud.dynamodb, self.calls()).await?;
            forged.read(&mut running, from_ref(forgery), &side.cloud.dynamodb, self.calls()).await?;
            running.stop().await?;
        }
        let (allowed, forged) = (allowed.calls("allowed")?, forged.calls(forgery.name)?);
        Ok(Row { condition, allowed, forged, plain: plain.calls("allowed")? })
    }
}

/// One invocation by the schedule, which must see every token and come to the end.
async fn sweep(prune: &Function, tokens: u64, log: &Path) -> Outcome<Sweep> {
    let (mut running, _) = ready(prune, log).await?;
    let (took, answer) = call_for_answer(&mut running, &prune.allowed).await?;
    let answer: Value = serde_json::from_str(&answer)?;
    let nothing_to_do =
        json!({"seen": tokens, "purged": 0, "invalidated": 0, "dropped": 0, "unreadable": 0, "finished": true});
    if answer != nothing_to_do {
        return Err(format!("prune: expected {nothing_to_do}, got {answer}").into());
    }
    let peak_memory = running.peak_memory()?;
    running.stop().await?;
    Ok(Sweep { tokens, took, peak_memory })
}

/// The tables, with one token and one user to copy.
struct Shelf<'a> {
    database: &'a Database,
    token: Map<String, Value>,
    user: Map<String, Value>,
    /// How many tokens there are.
    tokens: u64,
    owned: u32,
    others: u32,
}

impl<'a> Shelf<'a> {
    fn of(database: &'a Database) -> Outcome<Self> {
        let tokens = items(database, "Tokens")?;
        let of_format = |item: &&Map<String, Value>| item.get("format") == Some(&json!({"S": "signed"}));
        let token = tokens.iter().find(of_format).ok_or("there is no token to copy")?.clone();
        let users = items(database, "Users")?;
        let user = users.into_iter().find(|item| item.get("user_id") == token.get("user_id"));
        let user = user.ok_or("there is no user to copy")?;
        let owned = tokens.len();
        Ok(Self { database, token, user, tokens: owned.try_into()?, owned: owned.try_into()?, others: 0 })
    }

    /// Gives the owner tokens until there are so many.
    fn fill_owner(&mut self, until: u32) -> Outcome<()> {
        let there = self.owned;
        self.owned = until;
        self.fill(OWNER, there, until)
    }

    fn fill(&mut self, user_id: &str, there: u32, until: u32) -> Outcome<()> {
        let numbers: Vec<u32> = (there..until).collect();
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

    /// Adds users with tokens until there are at least so many tokens.
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
        let puts: Vec<Value> = items.into_iter().map(|item| json!({"PutRequest": {"Item": item}})).collect();
        let request = json!({"RequestItems": {table: puts}});
        self.database.batch_write_item(serde_json::from_value(request)?)?;
        Ok(())
    }
}

fn items(database: &Database, table: &str) -> Outcome<Vec<Map<String, Value>>> {
    let answer = database.scan(serde_json::from_value(json!({"TableName": table}))?)?;
    Ok(serde_json::from_value(serde_json::to_value(answer)?["Items"].take())?)
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        row(
            f,
            &["a verification with", "allowed, p50", "its CPU", "its reads", "forged, p50", "its CPU", "plain CPU"],
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
