//! The scheduled sweep. A paged Scan of the tokens table purges items that TTL has not deleted yet,
//! and invalidates tokens whose stream record was lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future::try_join_all;
use hallpass_runtime::log::TARGET;
use hallpass_store::{
    Failure,
    sessions::Session,
    sweep::{Entry, Invalidation, Kind, Part, Place},
};
use hallpass_token::{Cause, Record, User, UserId, lifecycle};
use serde::Serialize;

use crate::{AT_ONCE, Prune};

/// The result of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// The number of items read.
    pub seen: u64,
    /// The number of items purged after their retention.
    pub purged: u64,
    /// The number of tokens and sessions invalidated because their user changed.
    pub invalidated: u64,
    /// The number of tokens whose owners are told that these expire soon.
    pub notified: u64,
    /// The number of pointers removed: those of deleted developer tokens, and of names that users
    /// no longer have.
    pub dropped: u64,
    /// The number of items and users that this version cannot read. They are kept, items until
    /// their `purge_at`.
    pub unreadable: u64,
    /// Whether the sweep reached the end of the table. If not, the next sweep continues where it
    /// stopped.
    pub finished: bool,
}

impl Prune {
    pub(crate) async fn sweep(
        &self,
        cause: &Cause<'_>,
        may_go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Swept, Failure> {
        let mut swept = Swept::default();
        let mut place = self.store.sweep_place().await?;
        while may_go_on() {
            let part = self.store.part(place.as_ref()).await?;
            let next = part.next.clone();
            self.sweep_part(part, cause, &mut swept).await?;
            self.store.save_sweep_place(next.as_ref()).await?;
            place = next;
            if place.is_none() {
                swept.finished = true;
                break;
            }
        }
        tracing::info!(
            target: TARGET,
            count = "purged",
            amount = swept.purged,
            seen = swept.seen,
            invalidated = swept.invalidated,
            notified = swept.notified,
            dropped = swept.dropped,
            unreadable = swept.unreadable,
            finished = swept.finished,
            actor = %cause.actor,
            request_id = cause.origin.request_id,
            "swept"
        );
        Ok(swept)
    }

    async fn sweep_part(
        &self,
        part: Part,
        cause: &Cause<'_>,
        swept: &mut Swept,
    ) -> Result<(), Failure> {
        let now = cause.at;
        swept.seen = swept.seen.saturating_add(length(&part.entries));
        let is_due = |entry: &Entry| entry.purge_at.is_some_and(|at| at.has_passed(now));
        let (due, rest): (Vec<Entry>, Vec<Entry>) = part.entries.into_iter().partition(is_due);
        for some in due.chunks(AT_ONCE) {
            let done =
                try_join_all(some.iter().map(|entry| self.store.purge(&entry.key, now))).await?;
            swept.purged = swept.purged.saturating_add(count_true(&done));
        }

        let mut records: Vec<Record> = Vec::new();
        let (mut pointers, mut sessions, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for entry in rest {
            match entry.kind {
                Kind::Record(record)
                    if record.live_until().is_some_and(|end| !end.has_passed(now)) =>
                {
                    records.push(*record);
                }
                Kind::Record(_) | Kind::Passing | Kind::Pointer { is_replaced: true, .. } => {}
                Kind::Session(session) => sessions.push((entry.key, *session)),
                Kind::Pointer { hash, owner, is_replaced: false } => pointers.push((hash, owner)),
                Kind::Name { key, owner } => names.push((key, owner)),
                Kind::Other => swept.unreadable = swept.unreadable.saturating_add(1),
            }
        }
        self.reconcile(&records, &sessions, cause, swept).await?;
        self.notify(&records, cause, swept).await?;
        self.drop_stale_names(&names, swept).await?;
        for some in pointers.chunks(AT_ONCE) {
            let dropping =
                some.iter().map(|(hash, owner)| self.store.drop_stale_pointer(hash, owner));
            swept.dropped =
                swept.dropped.saturating_add(count_true(&try_join_all(dropping).await?));
        }
        Ok(())
    }

    /// Removes the markers of names that users no longer have. The markers were read before the
    /// users.
    async fn drop_stale_names(
        &self,
        names: &[(String, UserId)],
        swept: &mut Swept,
    ) -> Result<(), Failure> {
        let ids: BTreeSet<UserId> = names.iter().map(|(_, owner)| *owner).collect();
        let users = self.store.users(&ids.into_iter().collect::<Vec<_>>()).await?;
        for some in names.chunks(AT_ONCE) {
            let dropping = some.iter().map(|(key, owner)| {
                let user = users.get(owner).and_then(Option::as_ref);
                self.store.drop_stale_name(key, owner, user)
            });
            swept.dropped =
                swept.dropped.saturating_add(count_true(&try_join_all(dropping).await?));
        }
        Ok(())
    }

    /// Invalidates the records and deletes the sessions whose user has changed. They were read
    /// before the users. Tokens of an unreadable user are skipped: they are rejected anyway.
    async fn reconcile(
        &self,
        records: &[Record],
        sessions: &[(Place, Session)],
        cause: &Cause<'_>,
        swept: &mut Swept,
    ) -> Result<(), Failure> {
        let of_sessions = sessions.iter().map(|(_, session)| session.user_id);
        let ids: BTreeSet<UserId> =
            records.iter().map(|record| record.id.user_id).chain(of_sessions).collect();
        let ids: Vec<UserId> = ids.into_iter().collect();
        let users: BTreeMap<UserId, Option<User>> = self.store.users(&ids).await?;
        swept.unreadable =
            swept.unreadable.saturating_add(length(users.values().filter(|user| user.is_none())));
        let is_invalid = |session: &Session| match users.get(&session.user_id) {
            Some(None) => false,
            user => session.invalidated(user.and_then(Option::as_ref)).is_some(),
        };
        let ended =
            sessions.iter().filter(|(_, session)| is_invalid(session)).map(|(place, _)| place);
        swept.invalidated = swept.invalidated.saturating_add(self.remove_sessions(ended).await?);
        let why = |record: &Record| match users.get(&record.id.user_id) {
            None => lifecycle::invalidated(record, None),
            Some(user) => lifecycle::invalidated(record, Some(user.as_ref()?)),
        };
        let invalidated =
            records.iter().filter_map(|record| Some(Invalidation::of(record, why(record)?)));
        let invalidated: Vec<Invalidation> = invalidated.collect();
        self.invalidate_all(&invalidated, cause, &|| true).await?;
        swept.invalidated = swept.invalidated.saturating_add(length(&invalidated));
        Ok(())
    }
}

impl Prune {
    /// Marks the records of tokens that expire soon.
    async fn notify(
        &self,
        records: &[Record],
        cause: &Cause<'_>,
        swept: &mut Swept,
    ) -> Result<(), Failure> {
        let due = |record| Some((record, self.notices.due(record, cause.at)?));
        let due: Vec<(&Record, Duration)> = records.iter().filter_map(due).collect();
        for some in due.chunks(AT_ONCE) {
            let marking = some
                .iter()
                .map(|(record, before)| self.store.record_notice(record, *before, cause));
            swept.notified =
                swept.notified.saturating_add(count_true(&try_join_all(marking).await?));
        }
        Ok(())
    }
}

fn count_true(done: &[bool]) -> u64 {
    length(done.iter().filter(|done| **done))
}

fn length<T>(items: impl IntoIterator<Item = T>) -> u64 {
    items.into_iter().fold(0, |count, _| count.saturating_add(1))
}
