//! What the log says about each token.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet, VecDeque},
};

use hallpass_token::{Timestamp, TokenId, UserId};

use super::{Options, Report, line::Read};
use crate::{
    finding::{Finding, Found, Place},
    hour::Hour,
    image::{Image, Unreadable, attribute},
    sum::Sum,
};

/// The number of entries of a token, from the last one back, whose repeats are compared.
const COMPARED: usize = 8;

/// How long an ended token is kept, in hours: a stream delivers a change again for 24 hours at
/// most.
const KEPT: u64 = 25;

/// The state of one token, of a fixed size.
#[derive(Debug)]
struct Token {
    first: u64,
    version: u64,
    /// The last lifecycle image. `None` once the token has ended.
    image: Option<Sum>,
    /// The beginnings of the sums of the last entries, by version modulo [`COMPARED`].
    contents: [u64; COMPARED],
    /// Which of them are known: bit `n` is that of `version - n`.
    known: u8,
    at: Timestamp,
    purge_at: Option<Timestamp>,
    is_developer: bool,
    is_in_table: bool,
}

/// All tokens that have not ended, or have ended recently.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    states: HashMap<TokenId, Token>,
    ended: VecDeque<(Hour, TokenId)>,
    hour: Option<Hour>,
    /// The users with a new developer token that is not in the log yet.
    regenerated: HashSet<UserId>,
}

/// Why an entry does not follow from the ones before it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Misplaced {
    Differs,
    Gap(u64),
    Backwards(u64),
    AfterEnd,
}

impl Misplaced {
    pub(super) fn finding(self, object: &str, line: u64, read: &Read) -> Finding {
        let Read { token_id, version, .. } = *read;
        let place = Place { object: object.to_owned(), line, token_id, version };
        match self {
            Self::Differs => Finding::EntryRepeated(place),
            Self::Gap(expected) => Finding::VersionGap(place, expected),
            Self::Backwards(last) => Finding::VersionBackwards(place, last),
            Self::AfterEnd => Finding::EntryAfterEnd(place),
        }
    }
}

fn slot(version: u64) -> usize {
    let count = u64::try_from(COMPARED).unwrap_or(1).max(1);
    usize::try_from(version.checked_rem(count).unwrap_or(0)).unwrap_or(0)
}

/// The bit of the version this far behind the last one.
fn bit(behind: u64) -> u8 {
    u32::try_from(behind).ok().and_then(|behind| 1_u8.checked_shl(behind)).unwrap_or(0)
}

impl Token {
    fn new(read: &Read, content: u64) -> Self {
        let mut token = Self {
            first: read.version,
            version: read.version,
            image: None,
            contents: [0; COMPARED],
            known: 0,
            at: read.at,
            purge_at: None,
            is_developer: read.is_developer,
            is_in_table: false,
        };
        token.advance(read, content);
        token
    }

    fn advance(&mut self, read: &Read, content: u64) {
        let by = u32::try_from(read.version.saturating_sub(self.version)).unwrap_or(u32::MAX);
        self.known = self.known.checked_shl(by).unwrap_or(0);
        self.version = read.version;
        self.image = read.image;
        self.at = read.at;
        self.purge_at = read.purge_at;
        self.note(read.version, content);
    }

    fn note(&mut self, version: u64, content: u64) {
        self.known |= bit(self.version.saturating_sub(version));
        if let Some(known) = self.contents.get_mut(slot(version)) {
            *known = content;
        }
    }

    fn take(&mut self, read: &Read, content: u64, report: &mut Report) -> Option<Misplaced> {
        if let Some(behind) = self.version.checked_sub(read.version) {
            return self.take_again(read.version, behind, content, report);
        }
        report.entries = report.entries.saturating_add(1);
        let expected = self.version.saturating_add(1);
        let misplaced = if self.image.is_none() {
            Some(Misplaced::AfterEnd)
        } else {
            (read.version != expected).then_some(Misplaced::Gap(expected))
        };
        self.advance(read, content);
        misplaced
    }

    /// Takes an entry whose version is not later than the last one.
    fn take_again(
        &mut self,
        version: u64,
        behind: u64,
        content: u64,
        report: &mut Report,
    ) -> Option<Misplaced> {
        if self.known & bit(behind) != 0 {
            let is_same = self.contents.get(slot(version)) == Some(&content);
            report.repeats = report.repeats.saturating_add(u64::from(is_same));
            return (!is_same).then_some(Misplaced::Differs);
        }
        if bit(behind) == 0 && version >= self.first {
            report.old_repeats = report.old_repeats.saturating_add(1);
            return None;
        }
        report.entries = report.entries.saturating_add(1);
        if bit(behind) != 0 {
            self.note(version, content);
        }
        Some(Misplaced::Backwards(self.version))
    }
}

impl Tokens {
    /// Begins an hour, and drops the tokens that ended too long ago to be delivered again.
    pub(super) fn advance(&mut self, hour: Hour) {
        self.hour = Some(hour);
        while let Some((_, token_id)) =
            self.ended.pop_front_if(|(ended, _)| hour.since(*ended) > KEPT)
        {
            if self.states.get(&token_id).is_some_and(|token| token.image.is_none()) {
                self.states.remove(&token_id);
            }
        }
    }

    /// Takes an entry.
    pub(super) fn take(
        &mut self,
        read: &Read,
        content: u64,
        began: Option<Timestamp>,
        report: &mut Report,
    ) -> Option<Misplaced> {
        let misplaced = if let Some(token) = self.states.get_mut(&read.token_id) {
            token.take(read, content, report)
        } else {
            report.entries = report.entries.saturating_add(1);
            self.states.insert(read.token_id, Token::new(read, content));
            // The first entry of a token is its issue, unless it was issued before the log began.
            let is_first = read.version <= 1 || predates(read.issued_at, began);
            (!is_first).then_some(Misplaced::Gap(1))
        };
        if read.image.is_none() {
            self.ended.extend(self.hour.map(|hour| (hour, read.token_id)));
        }
        misplaced
    }

    /// Compares an item of the table. Returns what is wrong with it.
    pub(super) fn compare(
        &mut self,
        item: &Image,
        began: Option<Timestamp>,
        options: &Options,
        report: &mut Report,
    ) -> Option<Finding> {
        let row = match Row::read(item) {
            Ok(row) => row,
            Err(Unreadable(attribute)) => {
                let user = item.user_id().map(|id| id.to_string()).unwrap_or_default();
                return Some(Finding::RecordUnreadable(user, attribute));
            }
        };
        let Row { token_id, version, issued_at, changed_at, is_developer } = row;
        let is_new = changed_at.is_some_and(|at| !at.after(options.lag).has_passed(options.now));
        let found = Found { token_id, version };
        let Some(token) = self.states.get_mut(&token_id) else {
            return if predates(issued_at, began) && predates(changed_at.or(issued_at), began) {
                count(&mut report.predating)
            } else if is_new {
                self.regenerated.extend(is_developer.then_some(token_id.user_id));
                count(&mut report.pending)
            } else {
                Some(Finding::RecordUnknown(found))
            };
        };
        token.is_in_table = true;
        let Some(image) = token.image else { return Some(Finding::RecordAfterEnd(found)) };
        match version.cmp(&token.version) {
            Ordering::Less => Some(Finding::RecordBehind(found, token.version)),
            Ordering::Equal if item.lifecycle_sum() == image => count(&mut report.equal),
            Ordering::Equal => Some(Finding::RecordDiffers(found)),
            Ordering::Greater if is_new => count(&mut report.pending),
            Ordering::Greater => Some(Finding::RecordAhead(found, token.version)),
        }
    }

    /// The tokens that the table must have and does not, sorted. A record that was due to be
    /// purged, one that was overwritten by a new developer token, and one that changed so recently
    /// that its removal need not be in the log, are counted as pending.
    pub(super) fn missing(&self, options: &Options, report: &mut Report) -> Vec<Finding> {
        let absent =
            self.states.iter().filter(|(_, token)| token.image.is_some() && !token.is_in_table);
        let (pending, missing): (Vec<_>, Vec<_>) = absent.partition(|(token_id, token)| {
            token.purge_at.is_some_and(|at| at.has_passed(options.now))
                || token.is_developer && self.regenerated.contains(&token_id.user_id)
                || !token.at.after(options.lag).has_passed(options.now)
        });
        let pending = u64::try_from(pending.len()).unwrap_or(u64::MAX);
        report.pending = report.pending.saturating_add(pending);
        let finding = |(token_id, token): (&TokenId, &Token)| {
            Finding::RecordMissing(Found { token_id: *token_id, version: token.version })
        };
        let mut missing: Vec<Finding> = missing.into_iter().map(finding).collect();
        missing.sort();
        missing
    }

    /// The number of tokens that are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// The tokens that have not ended.
    pub(super) fn live(&self) -> impl Iterator<Item = (TokenId, u64, Sum)> {
        self.states
            .iter()
            .filter_map(|(token_id, token)| Some((*token_id, token.version, token.image?)))
    }
}

/// What is compared of a record of the table.
struct Row {
    token_id: TokenId,
    version: u64,
    issued_at: Option<Timestamp>,
    changed_at: Option<Timestamp>,
    is_developer: bool,
}

impl Row {
    fn read(item: &Image) -> Result<Self, Unreadable> {
        Ok(Self {
            token_id: item.token_id()?,
            version: item.version()?,
            issued_at: item.instant(attribute::ISSUED_AT)?,
            changed_at: item.instant(attribute::CHANGED_AT)?,
            is_developer: item.text(attribute::TOKEN)? == Some(attribute::DEVELOPER),
        })
    }
}

/// Counts a record with which nothing is wrong.
fn count(number: &mut u64) -> Option<Finding> {
    *number = number.saturating_add(1);
    None
}

/// Whether a token was issued before the log began.
fn predates(issued_at: Option<Timestamp>, began: Option<Timestamp>) -> bool {
    issued_at.zip(began).is_some_and(|(issued_at, began)| issued_at < began)
}
