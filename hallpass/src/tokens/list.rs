//! `hallpass token list`.

use clap::{Args, ValueEnum, builder::PossibleValuesParser};
use hallpass_password::NameKey;
use hallpass_store::Store;
use hallpass_token::{Reason, Record, Timestamp, User, UserId, lifecycle};

use super::{or_never, state, view};
use crate::{
    arguments::count, clock, error::CommandError, pasted, stack::Stack, table::Pages,
    terminal::Terminal, user,
};

/// The number of tokens that a page of a list holds in memory.
const PAGE: usize = 500;

/// The states of a token that has a record.
const STATES: [&str; 10] = [
    "live",
    Reason::Expired.as_str(),
    Reason::Revoked.as_str(),
    Reason::Leaked.as_str(),
    Reason::Disabled.as_str(),
    Reason::Replaced.as_str(),
    Reason::UserBlocked.as_str(),
    Reason::UserChanged.as_str(),
    Reason::UserRemoved.as_str(),
    Reason::SignInRequired.as_str(),
];

/// The options of `hallpass token list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// User name, or `id:` followed by the user ID
    #[arg(value_parser = pasted::name)]
    user: String,
    /// List tokens in this state only
    #[arg(long, value_parser = PossibleValuesParser::new(STATES))]
    state: Option<String>,
    /// List tokens whose ID, name or description contains this text, in any case
    #[arg(long, value_name = "TEXT", value_parser = pasted::name)]
    search: Option<String>,
    /// List at most this many tokens
    #[arg(long, value_name = "COUNT", value_parser = count)]
    limit: Option<usize>,
    /// Sort all tokens by this, those without it last [default: as stored, oldest first within each
    /// 500]
    #[arg(long)]
    sort: Option<Order>,
}

/// The order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    Expires,
    Issued,
    LastUsed,
    Name,
}

/// The user whose tokens are listed, if the user still exists, and the time.
struct List<'a> {
    args: &'a ListArgs,
    user: Option<User>,
    now: Timestamp,
    pages: Pages<6>,
    left: usize,
}

pub(super) async fn list(
    args: &ListArgs,
    stack: &Stack,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let store = stack.store()?;
    let (id, user) = match user::find(&store, &args.user).await {
        Ok(user) => (user.id, Some(user)),
        // The records of a removed user stay for the retention.
        Err(error) => (removed(&store, &args.user).await?.ok_or(error)?, None),
    };
    let now = clock::now(stack, terminal).await?;
    let pages = terminal.pages(["ID", "NAME", "FORMAT", "STATE", "EXPIRES", "LAST USED"]);
    let left = args.limit.unwrap_or(usize::MAX);
    let mut list = List { args, user, now, pages, left };
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let mut page = store.page_of(&id, PAGE, after, None).await?;
        page.records.sort_by_key(|record| record.issued_at);
        page.records.retain(|record| list.has(record));
        match args.sort {
            None => list.print(page.records)?,
            Some(_) => all.append(&mut page.records),
        }
        after = page.next;
        if after.is_none() || list.left == 0 {
            break;
        }
    }
    if let Some(order) = args.sort {
        all.sort_by_cached_key(|record| place(record, order));
        list.print(all)?;
    }
    Ok(list.pages.end()?)
}

impl List<'_> {
    /// Returns whether a token is searched for.
    fn has(&self, record: &Record) -> bool {
        let state = lifecycle::state(record, self.user.as_ref(), self.now).as_str();
        let is_in_state = self.args.state.as_deref().is_none_or(|wanted| wanted == state);
        is_in_state && self.args.search.as_deref().is_none_or(|text| contains(record, text))
    }

    /// Prints tokens up to the limit.
    fn print(&mut self, mut records: Vec<Record>) -> Result<(), CommandError> {
        records.truncate(self.left);
        self.left = self.left.saturating_sub(records.len());
        let (user, now) = (self.user.as_ref(), self.now);
        let row = |record: &Record| {
            [
                record.id.to_string(),
                record.name.clone().unwrap_or_default(),
                record.format.to_string(),
                state(record, user, now),
                or_never(record.expires_at),
                or_never(record.last_used_at),
            ]
        };
        let rows: Vec<[String; 6]> = records.iter().map(row).collect();
        let json: Vec<_> = records.iter().map(|record| view(record, user, now)).collect();
        Ok(self.pages.print(&rows, &json)?)
    }
}

fn contains(record: &Record, text: &str) -> bool {
    let folded = |text: &str| NameKey::new(text).as_str().to_owned();
    let text = folded(text);
    let parts = [Some(record.id.to_string()), record.name.clone(), record.description.clone()];
    parts.into_iter().flatten().any(|part| folded(&part).contains(&text))
}

/// Returns what a token is sorted by. A token without it is last.
fn place(record: &Record, order: Order) -> (bool, Option<Timestamp>, String) {
    let at = match order {
        Order::Expires => record.expires_at,
        Order::Issued => Some(record.issued_at),
        Order::LastUsed => record.last_used_at,
        Order::Name => {
            let name = record.name.as_deref().map(|name| NameKey::new(name).as_str().to_owned());
            return (name.is_none(), None, name.unwrap_or_default());
        }
    };
    (at.is_none(), at, String::new())
}

/// Returns the ID after `id:` if records of a user with this ID are left.
async fn removed(store: &Store, name: &str) -> Result<Option<UserId>, CommandError> {
    let Some(id) = name.strip_prefix("id:").and_then(|id| id.parse().ok()) else { return Ok(None) };
    let page = store.page_of(&id, 1, None, None).await?;
    Ok((!page.records.is_empty()).then_some(id))
}
