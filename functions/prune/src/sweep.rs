//! The schedule: one paged Scan of the tokens purges what TTL has been slow to delete, and invalidates what a lost stream
//! record should have invalidated.

use std::collections::{BTreeMap, BTreeSet};

use edge::log::TARGET;
use futures_util::future::try_join_all;
use serde::Serialize;
use store::{
    Failure,
    sessions::Session,
    sweep::{Entry, Invalidation, Kind, Part, Place},
};
use token::{Record, Timestamp, User, UserId, lifecycle};

use crate::{AT_ONCE, Prune};

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Items that were looked at.
    pub seen: u64,
    /// Items whose time had come, and that are gone now.
    pub purged: u64,
    /// Tokens and sessions whose user had changed, and that are invalidate now.
    pub invalidated: u64,
    /// Pointers of developer tokens that are no more, and markers of names that their users no longer have.
    pub dropped: u64,
    /// Items that this version cannot read, and users. They stay, a token's until its time comes.
    pub unreadable: u64,
    /// Whether it came to the end of the table; if not, the next sweep goes on where it stopped.
    pub finished: bool,
}

impl Prune {
    pub(crate) async fn sweep(&self, now: Timestamp, may_go_on: &(dyn Fn() -> bool + Sync)) -> Result<Swept, Failure> {
        let mut swept = Swept::default();
        let mut place = self.store.sweep_place().await?;
        while may_go_on() {
            let part = self.store.part(place.as_ref()).await?;
            let next = part.next.clone();
            self.sweep_part(part, now, &mut swept).await?;
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
            dropped = swept.dropped,
            unreadable = swept.unreadable,
            finished = swept.finished,
            "swept"
        );
        Ok(swept)
    }

    async fn sweep_part(&self, part: Part, now: Timestamp, swept: &mut Swept) -> Result<(), Failure> {
        swept.seen = swept.seen.saturating_add(length(&part.entries));
        let is_over = |entry: &Entry| entry.purge_at.is_some_and(|at| at.has_passed(now));
        let (over, rest): (Vec<Entry>, Vec<Entry>) = part.entries.into_iter().partition(is_over);
        for some in over.chunks(AT_ONCE) {
            let done = try_join_all(some.iter().map(|entry| self.store.purge(&entry.key, now))).await?;
            swept.purged = swept.purged.saturating_add(count_true(&done));
        }

        let mut records: Vec<Record> = Vec::new();
        let (mut pointers, mut sessions, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for entry in rest {
            match entry.kind {
                Kind::Record(record) if record.live_until().is_some_and(|end| !end.has_passed(now)) => {
                    records.push(*record);
                }
                Kind::Record(_) | Kind::Passing | Kind::Pointer { is_replaced: true, .. } => {}
                Kind::Session(session) => sessions.push((entry.key, *session)),
                Kind::Pointer { hash, owner, is_replaced: false } => pointers.push((hash, owner)),
                Kind::Name { key, owner } => names.push((key, owner)),
                Kind::Other => swept.unreadable = swept.unreadable.saturating_add(1),
            }
        }
        self.reconcile(&records, &sessions, now, swept).await?;
        self.drop_stale_names(&names, swept).await?;
        for some in pointers.chunks(AT_ONCE) {
            let dropping = some.iter().map(|(hash, owner)| self.store.drop_stale_pointer(hash, owner));
            swept.dropped = swept.dropped.saturating_add(count_true(&try_join_all(dropping).await?));
        }
        Ok(())
    }

    /// Removes the markers of names that their users no longer have. The markers were read before the users.
    async fn drop_stale_names(&self, names: &[(String, UserId)], swept: &mut Swept) -> Result<(), Failure> {
        let ids: BTreeSet<UserId> = names.iter().map(|(_, owner)| *owner).collect();
        let users = self.store.users(&ids.into_iter().collect::<Vec<_>>()).await?;
        for some in names.chunks(AT_ONCE) {
            let dropping = some.iter().map(|(key, owner)| {
                let user = users.get(owner).and_then(Option::as_ref);
                self.store.drop_stale_name(key, owner, user)
            });
            swept.dropped = swept.dropped.saturating_add(count_true(&try_join_all(dropping).await?));
        }
        Ok(())
    }

    /// Invalidates the records, and removes the sessions, whose user is not the one they were made for. They were read before the users. Of a
    /// user who cannot be read nothing can be told, and no token is let in.
    async fn reconcile(
        &self,
        records: &[Record],
        sessions: &[(Place, Session)],
        now: Timestamp,
        swept: &mut Swept,
    ) -> Result<(), Failure> {
        let of_sessions = sessions.iter().map(|(_, session)| session.user_id);
        let ids: BTreeSet<UserId> = records.iter().map(|record| record.id.user_id).chain(of_sessions).collect();
        let ids: Vec<UserId> = ids.into_iter().collect();
        let users: BTreeMap<UserId, Option<User>> = self.store.users(&ids).await?;
        swept.unreadable = swept.unreadable.saturating_add(length(users.values().filter(|user| user.is_none())));
        let is_over = |session: &Session| match users.get(&session.user_id) {
            Some(None) => false,
            user => session.invalidated(user.and_then(Option::as_ref)).is_some(),
        };
        let ended = sessions.iter().filter(|(_, session)| is_over(session)).map(|(place, _)| place);
        swept.invalidated = swept.invalidated.saturating_add(self.remove_sessions(ended).await?);
        let why = |record: &Record| match users.get(&record.id.user_id) {
            None => lifecycle::invalidated(record, None),
            Some(user) => lifecycle::invalidated(record, Some(user.as_ref()?)),
        };
        let invalidated = records.iter().filter_map(|record| Some(Invalidation::of(record, why(record)?)));
        let invalidated: Vec<Invalidation> = invalidated.collect();
        self.invalidate_all(&invalidated, now, &|| true).await?;
        swept.invalidated = swept.invalidated.saturating_add(length(&invalidated));
        Ok(())
    }
}

fn count_true(done: &[bool]) -> u64 {
    length(done.iter().filter(|done| **done))
}

fn length<T>(items: impl IntoIterator<Item = T>) -> u64 {
    items.into_iter().fold(0, |count, _| count.saturating_add(1))
}
