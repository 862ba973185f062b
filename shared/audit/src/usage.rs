//! When, from where and by which clients a token is used. The stream delivers at most one use of a
//! token in an hour.

use std::collections::BTreeMap;

use hallpass_token::{
    Timestamp, TokenId, Value,
    network::{agent, network},
};
use serde_json::{Value as Json, json};

use crate::image::{Image, Unreadable, attribute};

/// The number of days that are kept.
pub const MAX_DAYS: usize = 90;

/// The number of networks and of agents that are kept.
pub const MAX_SEEN: usize = 5;

/// The length of a day's hours in [`Usage::to_attributes`], in bytes.
const DAY_LENGTH: usize = 3;

const FIRST_DAY: &str = "first_day";
const HOURS: &str = "hours";
const NETWORKS: &str = "networks";
const AGENTS: &str = "agents";

/// A use of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The token.
    pub token_id: TokenId,
    /// The time of the use.
    pub at: Timestamp,
    /// The network of the caller, as [`network`] returns it.
    pub network: Option<String>,
    /// The first product of the caller's `User-Agent`, as [`agent`] returns it.
    pub agent: Option<String>,
}

/// Returns the use that an update of a record stands for: the version is the same and
/// [`attribute::LAST_USED_AT`] is later. Returns `None` for a change, for an item that is no
/// record, and for a use that cannot be read, because a use is no reason to deliver a batch again.
pub fn usage(old: &Image, new: &Image) -> Option<Use> {
    let token_id = new.token_id().ok()?;
    let is_use =
        !new.is_other_item() && old.token_id() == Ok(token_id) && old.version() == new.version();
    let at = new.instant(attribute::LAST_USED_AT).ok().flatten()?;
    let before = old.instant(attribute::LAST_USED_AT).ok().flatten();
    let text = |name| new.text(name).ok().flatten();
    (is_use && before.is_none_or(|before| before < at)).then(|| Use {
        token_id,
        at,
        network: text(attribute::LAST_USED_FROM).and_then(network),
        agent: text(attribute::LAST_USED_AGENT).and_then(agent).map(str::to_owned),
    })
}

/// The uses of one token: its hours of up to 90 days in UTC, and the last five networks and agents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The first day with a use, counted from the Unix epoch.
    first_day: u64,
    /// The hours of each day from the first one on. Bit 0 is the first hour.
    days: Vec<u32>,
    networks: Seen,
    agents: Seen,
}

/// Names, and the time at which each was last seen.
type Seen = BTreeMap<String, Timestamp>;

const fn day_of(at: Timestamp) -> u64 {
    at.unix() / 86_400
}

fn length(days: &[u32]) -> u64 {
    u64::try_from(days.len()).unwrap_or(u64::MAX)
}

fn max_days() -> u64 {
    u64::try_from(MAX_DAYS).unwrap_or(u64::MAX)
}

/// Drops the names that were seen before all others, until few enough are left.
fn limit(seen: &mut Seen) {
    while seen.len() > MAX_SEEN {
        let oldest = seen.iter().min_by_key(|(name, at)| (**at, *name));
        let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { return };
        seen.remove(&oldest);
    }
}

/// The names with their times, the last seen first.
fn last_first(seen: &Seen) -> Vec<(&str, Timestamp)> {
    let mut names: Vec<_> = seen.iter().map(|(name, at)| (name.as_str(), *at)).collect();
    names.sort_by_key(|(name, at)| (std::cmp::Reverse(*at), *name));
    names
}

fn note(seen: &mut Seen, name: Option<&str>, at: Timestamp) {
    let Some(name) = name else { return };
    let last = seen.entry(name.to_owned()).or_insert(at);
    *last = at.max(*last);
    limit(seen);
}

impl Usage {
    /// Records a use, also one that was recorded before or that comes late. A use 90 days or more
    /// before the last one is ignored.
    pub fn record(&mut self, at: Timestamp, network: Option<&str>, agent: Option<&str>) {
        let day = day_of(at);
        if self.days.is_empty() {
            self.first_day = day;
        }
        let last_day = self.first_day.saturating_add(length(&self.days).saturating_sub(1));
        if last_day.saturating_sub(day) >= max_days() {
            return;
        }
        self.make_room(day);
        let index = usize::try_from(day.saturating_sub(self.first_day)).unwrap_or(usize::MAX);
        if let Some(hours) = self.days.get_mut(index) {
            *hours |= 1 << (at.unix() / 3600 % 24);
        }
        self.keep_from(day.max(last_day).saturating_sub(max_days().saturating_sub(1)));
        note(&mut self.networks, network, at);
        note(&mut self.agents, agent, at);
    }

    /// Adds days without uses up to this one, at either end.
    fn make_room(&mut self, day: u64) {
        if let Some(before) = self.first_day.checked_sub(day) {
            let count = usize::try_from(before).unwrap_or(0).min(MAX_DAYS);
            self.days.splice(0..0, std::iter::repeat_n(0, count));
            self.first_day = day;
        }
        // What is dropped soon need not be filled.
        self.drop_before(day.saturating_sub(max_days()));
        if self.days.is_empty() {
            self.first_day = day;
        }
        let count = day.saturating_sub(self.first_day).saturating_add(1);
        let count = usize::try_from(count).unwrap_or(0);
        self.days.resize(count.max(self.days.len()), 0);
    }

    /// Drops the days before this one.
    fn drop_before(&mut self, day: u64) {
        let old = usize::try_from(day.saturating_sub(self.first_day)).unwrap_or(usize::MAX);
        self.drop_first(old);
    }

    /// Drops the days before this one, and days without uses at the beginning.
    fn keep_from(&mut self, day: u64) {
        self.drop_before(day);
        self.drop_first(self.days.iter().take_while(|hours| **hours == 0).count());
        if self.days.is_empty() {
            self.first_day = 0;
        }
    }

    fn drop_first(&mut self, count: usize) {
        let count = count.min(self.days.len());
        self.days.drain(..count);
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.first_day = self.first_day.saturating_add(count);
    }

    /// Drops everything that is 90 days old or older.
    pub fn prune(&mut self, now: Timestamp) {
        let first = day_of(now).saturating_sub(max_days().saturating_sub(1));
        self.keep_from(first);
        for seen in [&mut self.networks, &mut self.agents] {
            seen.retain(|_, at| day_of(*at) >= first);
        }
    }

    /// The hours of the uses, in order.
    pub fn hours(&self) -> impl Iterator<Item = Timestamp> {
        self.days.iter().zip(self.first_day..).flat_map(|(hours, day)| {
            let used = (0..24_u64).filter(move |hour| hours >> hour & 1 == 1);
            used.filter_map(move |hour| {
                let hour = day.checked_mul(24)?.checked_add(hour)?;
                Timestamp::from_unix(hour.checked_mul(3600)?)
            })
        })
    }

    /// The networks and the time at which each was last seen, the last seen first.
    pub fn networks(&self) -> Vec<(&str, Timestamp)> {
        last_first(&self.networks)
    }

    /// The agents and the time at which each was last seen, the last seen first.
    pub fn agents(&self) -> Vec<(&str, Timestamp)> {
        last_first(&self.agents)
    }

    /// The attributes of an item: the first day, three bytes for each day, with the first hour in
    /// the lowest bit of the last byte, and the networks and agents with their times.
    pub fn to_attributes(&self) -> BTreeMap<String, Value> {
        let [first_day, hours, networks, agents] =
            [FIRST_DAY, HOURS, NETWORKS, AGENTS].map(str::to_owned);
        let bytes =
            self.days.iter().flat_map(|hours| hours.to_be_bytes().into_iter().skip(1)).collect();
        let seen = |seen: &Seen| {
            let number = |at: &Timestamp| Value::Number(at.unix().to_string());
            Value::Map(seen.iter().map(|(name, at)| (name.clone(), number(at))).collect())
        };
        BTreeMap::from([
            (first_day, Value::Number(self.first_day.to_string())),
            (hours, Value::Bytes(bytes)),
            (networks, seen(&self.networks)),
            (agents, seen(&self.agents)),
        ])
    }

    /// Reads the attributes of an item, which can have others as well. Absent attributes count as
    /// no uses.
    ///
    /// # Errors
    /// Returns [`Unreadable`] if an attribute has another form.
    pub fn from_attributes(attributes: &BTreeMap<String, Value>) -> Result<Self, Unreadable> {
        let hours = match attributes.get(HOURS) {
            None => &[],
            Some(Value::Bytes(bytes)) => bytes.as_slice(),
            Some(_) => return Err(Unreadable(HOURS)),
        };
        let (days, rest) = hours.as_chunks::<DAY_LENGTH>();
        if !rest.is_empty() || days.len() > MAX_DAYS {
            return Err(Unreadable(HOURS));
        }
        let number = |value: &Value| {
            let Value::Number(number) = value else { return None };
            number.parse::<u64>().ok()
        };
        let first_day = attributes.get(FIRST_DAY).map(|value| {
            number(value).filter(|day| *day <= day_of(Timestamp::MAX)).ok_or(Unreadable(FIRST_DAY))
        });
        let seen = |name: &'static str| match attributes.get(name) {
            None => Ok(Seen::new()),
            Some(Value::Map(map)) => {
                let at = |value| number(value).and_then(Timestamp::from_unix);
                let members = map.iter().map(|(name, value)| Some((name.clone(), at(value)?)));
                let mut seen = members.collect::<Option<Seen>>().ok_or(Unreadable(name))?;
                limit(&mut seen);
                Ok(seen)
            }
            Some(_) => Err(Unreadable(name)),
        };
        let mut usage = Self {
            first_day: first_day.transpose()?.unwrap_or_default(),
            days: days.iter().map(|[a, b, c]| u32::from_be_bytes([0, *a, *b, *c])).collect(),
            networks: seen(NETWORKS)?,
            agents: seen(AGENTS)?,
        };
        usage.keep_from(0);
        Ok(usage)
    }

    /// The uses as JSON: each day with uses and its hours in UTC, and the networks and agents, the
    /// last seen first.
    pub fn to_json(&self) -> Json {
        let mut days: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for at in self.hours() {
            let date = at.to_string().split('T').next().unwrap_or_default().to_owned();
            days.entry(date).or_default().push(at.unix() / 3600 % 24);
        }
        let days = days.into_iter().map(|(date, hours)| json!({"date": date, "hours": hours}));
        let seen = |seen: &Seen, member: &str| {
            let json = |(name, at): (&str, Timestamp)| json!({member: name, "last_seen_at": at.to_string()});
            last_first(seen).into_iter().map(json).collect::<Vec<_>>()
        };
        json!({
            "days": days.collect::<Vec<_>>(),
            "networks": seen(&self.networks, "network"),
            "agents": seen(&self.agents, "agent"),
        })
    }
}

#[cfg(test)]
mod tests;
