//! The maintainers of service accounts. The account names its maintainers and each of them names
//! the account, so that a page finds the accounts of a user without reading the table. One
//! transaction writes both items, and only both together count.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use hallpass_token::{
    Cause, UserId, UserKind,
    user::attribute::{KIND, MAINTAINERS, MAINTAINS},
};

use crate::{
    Failure, Store,
    changes::{Sent, TRIES, WAIT, full},
    edit::Edit,
    item::{self, Item},
    names::{has_full_item, reasons},
    users::Written,
    verify::pause,
};

/// The maximum number of maintainers of an account.
pub const MAX_MAINTAINERS: usize = 20;

/// The outcome of adding or removing a maintainer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintenance {
    /// The maintainer was added or removed.
    Now,
    /// Nothing had to be changed.
    Before,
    /// The account does not exist.
    UnknownAccount,
    /// The user does not exist.
    UnknownUser,
    /// The user whose tokens are to be managed is not a service account, or is the maintainer.
    NoAccount,
    /// The account has [`MAX_MAINTAINERS`] maintainers.
    TooMany,
}

const CHANGING: &str = "changing the maintainers";

impl Store {
    /// Adds a maintainer to a service account. A repeated call changes nothing.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written, or if an item has no room for
    /// the change.
    pub async fn add_maintainer(
        &self,
        account: &UserId,
        user: &UserId,
        cause: &Cause<'_>,
    ) -> Result<Maintenance, Failure> {
        for tries in 1..=TRIES {
            let Some(of_account) = self.user_item(account).await? else {
                return Ok(Maintenance::UnknownAccount);
            };
            let Some(of_user) = self.user_item(user).await? else {
                return Ok(Maintenance::UnknownUser);
            };
            let app = item::text(UserKind::App.as_str());
            if account == user || of_account.get(KIND) != Some(&app) {
                return Ok(Maintenance::NoAccount);
            }
            let (maintainers, maintained) =
                (ids(&of_account, MAINTAINERS), ids(&of_user, MAINTAINS));
            let is_named = maintainers.contains(user.as_str());
            if is_named && maintained.contains(account.as_str()) {
                // After a failed attempt, this call or a concurrent one has added the maintainer.
                return Ok(if tries == 1 { Maintenance::Before } else { Maintenance::Now });
            }
            if !is_named && maintainers.len() >= MAX_MAINTAINERS {
                return Ok(Maintenance::TooMany);
            }
            let mut edit = with(&of_account, MAINTAINERS, user);
            edit.expect_named(KIND, &app);
            edit.name_cause(cause);
            let mut other = with(&of_user, MAINTAINS, account);
            other.name_cause(cause);
            let writes = vec![self.update_user(account, &edit)?, self.update_user(user, &other)?];
            match self.write_maintainers(writes, tries).await? {
                Sent::Done(_) => return Ok(Maintenance::Now),
                Sent::NoRoom => return Err(full()),
                Sent::Overtaken => {}
            }
        }
        Err(Failure::new(CHANGING, "other writers changed the users at every attempt"))
    }

    /// Removes a maintainer of a service account, or what is left of one who was removed. A
    /// repeated call changes nothing.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read or written.
    pub async fn remove_maintainer(
        &self,
        account: &UserId,
        user: &UserId,
        cause: &Cause<'_>,
    ) -> Result<Maintenance, Failure> {
        let mut has_room = true;
        for tries in 1..=TRIES {
            let mut writes = Vec::new();
            for (id, name, other) in [(account, MAINTAINERS, user), (user, MAINTAINS, account)] {
                let item = self.user_item(id).await?;
                let item = item.filter(|item| ids(item, name).contains(other.as_str()));
                if let Some(item) = item {
                    let mut edit = without(&item, name, other);
                    if has_room {
                        edit.name_cause(cause);
                    }
                    writes.push(self.update_user(id, &edit)?);
                }
            }
            if writes.is_empty() {
                return Ok(if tries == 1 { Maintenance::Before } else { Maintenance::Now });
            }
            match self.write_maintainers(writes, tries).await? {
                Sent::Done(_) => return Ok(Maintenance::Now),
                Sent::NoRoom if has_room => has_room = false,
                Sent::NoRoom => return Err(full()),
                Sent::Overtaken => {}
            }
        }
        Err(Failure::new(CHANGING, "other writers changed the users at every attempt"))
    }

    /// Writes both items. Pauses if another writer changed one of them.
    async fn write_maintainers(
        &self,
        writes: Vec<TransactWriteItem>,
        tries: u32,
    ) -> Result<Sent, Failure> {
        let sent = self.client.transact_write_items().set_transact_items(Some(writes));
        match sent.send().await {
            Ok(_) => Ok(Sent::Done(Written::Now)),
            Err(error) if reasons(&error).is_some() => {
                pause(WAIT.saturating_mul(tries)).await;
                Ok(Sent::Overtaken)
            }
            Err(error) if has_full_item(&error) => Ok(Sent::NoRoom),
            Err(error) => Err(Failure::of(CHANGING)(error)),
        }
    }
}

/// The texts in a set or a list.
fn ids(item: &Item, name: &str) -> BTreeSet<String> {
    match item.get(name) {
        Some(AttributeValue::Ss(texts)) => texts.iter().cloned().collect(),
        Some(AttributeValue::L(list)) => {
            list.iter().filter_map(|text| text.as_s().ok().cloned()).collect()
        }
        Some(_) | None => BTreeSet::new(),
    }
}

fn with(item: &Item, name: &'static str, id: &UserId) -> Edit {
    let mut ids = ids(item, name);
    ids.insert(id.to_string());
    edit(item, name, ids)
}

fn without(item: &Item, name: &'static str, id: &UserId) -> Edit {
    let mut ids = ids(item, name);
    ids.remove(id.as_str());
    edit(item, name, ids)
}

/// Returns the edit that sets the IDs, unless another writer has changed them.
fn edit(item: &Item, name: &'static str, ids: BTreeSet<String>) -> Edit {
    let mut edit = Edit::default();
    edit.set_texts(item, name, ids.into_iter().collect());
    edit
}
