//! Changes of a user. They work on every item that an application may have written: no value of any attribute keeps a
//! user from being blocked, or the user's tokens from being revoked.
//!
//! Every change that invalidates the tokens of all formats raises `token_generation` in the same update, so that they
//! stay invalid when the change is undone. A generation that is absent or not a whole number cannot be raised; it is
//! replaced by one that no token has. An item of 400 KB, DynamoDB's limit, may have no room for a longer value: then
//! the change is made without raising the generation, and the tokens are revoked one by one.

use std::{fmt, time::Duration};

use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use token::{
    Permission, UserId,
    user::attribute::{PASSWORD_HASH, PERMISSIONS, STATUS, TOKEN_GENERATION, USER_ID},
};

use crate::{
    Failure, Store,
    failure::unmet_by,
    item::{self, Item},
    marking::Invalidate,
    users::Written,
    verify::pause,
};

/// A change of a user.
pub enum Change {
    /// A new password, as a PHC string.
    Password(String),
    /// The user is blocked, and every token with the user.
    Block,
    /// The user may log in again; earlier tokens stay invalid.
    Unblock,
    /// One permission more.
    Grant(Permission),
    /// One permission less.
    Deny(Permission),
}

/// An update of a user's item, and how the item looks when it is made.
#[derive(Debug, Default)]
pub(crate) struct Edit {
    set: Vec<String>,
    remove: Vec<String>,
    conditions: Vec<String>,
    pub(crate) names: Vec<(String, String)>,
    pub(crate) values: Vec<(String, AttributeValue)>,
    after: Vec<(&'static str, Option<AttributeValue>)>,
}

/// How often a change is tried while others change the same user.
pub(crate) const TRIES: u32 = 8;

/// How long a change waits for the others, times the tries so far.
pub(crate) const WAIT: Duration = Duration::from_millis(25);

/// Beyond this, a raise could be lost in the rounding of a number.
const MAX_GENERATION: i64 = 1 << 53;

const DOING: &str = "changing the user";

const NO_ROOM_FOR_PASSWORD: &str = "the user's item has no room for the new password: DynamoDB's limit is 400 KB. The \
                                    old password no longer works, and the tokens are revoked";

impl Store {
    /// Changes a user, and invalidates the tokens that the user has, if told how.
    ///
    /// # Errors
    /// When the store fails, or the user's item has no room for the change. A password that has no room is removed, so
    /// that the one of before ends all the same.
    pub async fn change_user(
        &self,
        id: &UserId,
        change: &Change,
        invalidate: Option<Invalidate>,
    ) -> Result<Written, Failure> {
        let whole = |item: &Item| {
            let mut edit = change.edit(item);
            if let Some(how) = invalidate {
                edit.raise_generation(item, how.fresh);
            }
            edit
        };
        if let Some(written) = self.edit_user(id, whole).await? {
            return Ok(written);
        }
        let alone = self.edit_user(id, |item| change.edit(item)).await?;
        let written = match (alone, change) {
            (Some(written), _) => written,
            // Without a status the user is blocked, and without a hash no password is right.
            (None, Change::Block) => self.remove_attribute(id, STATUS).await?,
            (None, Change::Password(_)) => self.remove_attribute(id, PASSWORD_HASH).await?,
            (None, Change::Unblock | Change::Grant(_) | Change::Deny(_)) => return Err(full()),
        };
        if let Some(how) = invalidate.filter(|_| written == Written::Now) {
            self.end_one_by_one(id, how).await?;
        }
        match (alone, change) {
            (None, Change::Password(_)) if written == Written::Now => Err(Failure::new(DOING, NO_ROOM_FOR_PASSWORD)),
            _ => Ok(written),
        }
    }

    /// Invalidates every token of a user, of every format, in one write: raises `token_generation`, or replaces it
    /// where it cannot be raised.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn raise_generation(&self, id: &UserId, how: Invalidate) -> Result<Written, Failure> {
        let call = self.client.update_item().table_name(&self.tables.users).set_key(Some(item::user_key(id)));
        let call = call
            .update_expression("ADD #generation :one")
            .condition_expression(
                "attribute_exists(#user) AND attribute_type(#generation, :number) AND #generation < :max",
            )
            .expression_attribute_names("#user", USER_ID)
            .expression_attribute_names("#generation", TOKEN_GENERATION)
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":number", item::text("N"))
            .expression_attribute_values(":max", AttributeValue::N(MAX_GENERATION.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        // Repeated because its answer was lost, it raises the generation twice, which says nothing else.
        let Err(error) = call.send().await else { return Ok(Written::Now) };
        let edit = |item: &Item| {
            let mut edit = Edit::default();
            edit.raise_generation(item, how.fresh);
            edit
        };
        let written = match unmet_by(&error) {
            None if has_no_room(error.code()) => None,
            None => return Err(Failure::of(DOING)(error)),
            Some(old) if old.is_empty() => return Ok(Written::Unknown),
            Some(_) => self.edit_user(id, edit).await?,
        };
        match written {
            Some(written) => Ok(written),
            None => self.end_one_by_one(id, how).await.map(|()| Written::Now),
        }
    }

    /// `None` if the item has no room for the edit.
    async fn edit_user(&self, id: &UserId, edit: impl Fn(&Item) -> Edit) -> Result<Option<Written>, Failure> {
        for tries in 1..=TRIES {
            let Some(item) = self.user_item(id).await? else { return Ok(Some(Written::Unknown)) };
            match self.send_edit(id, edit(&item)).await? {
                Sent::Done(written) => return Ok(Some(written)),
                Sent::NoRoom => return Ok(None),
                Sent::Overtaken => pause(WAIT.saturating_mul(tries)).await,
            }
        }
        Err(Failure::new(DOING, "others changed it again and again"))
    }

    async fn send_edit(&self, id: &UserId, edit: Edit) -> Result<Sent, Failure> {
        let mut call = self.client.update_item().table_name(&self.tables.users).set_key(Some(item::user_key(id)));
        for (place, name) in &edit.names {
            call = call.expression_attribute_names(place, name);
        }
        for (place, value) in &edit.values {
            call = call.expression_attribute_values(place, value.clone());
        }
        let call = call
            .update_expression(edit.update())
            .condition_expression(edit.condition())
            .expression_attribute_names("#user", USER_ID)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = call.send().await else { return Ok(Sent::Done(Written::Now)) };
        Ok(match unmet_by(&error) {
            Some(old) if old.is_empty() => Sent::Done(Written::Unknown),
            // An attempt of this call made it, and its answer was lost.
            Some(old) if edit.is_applied(&old) => Sent::Done(Written::Now),
            Some(_) => Sent::Overtaken,
            None if has_no_room(error.code()) => Sent::NoRoom,
            None => return Err(Failure::of(DOING)(error)),
        })
    }

    async fn remove_attribute(&self, id: &UserId, name: &str) -> Result<Written, Failure> {
        let call = self.client.update_item().table_name(&self.tables.users).set_key(Some(item::user_key(id)));
        let call = call
            .update_expression("REMOVE #name")
            .condition_expression("attribute_exists(#user)")
            .expression_attribute_names("#name", name)
            .expression_attribute_names("#user", USER_ID);
        let met = crate::failure::if_met(DOING, call.send().await)?;
        Ok(if met { Written::Now } else { Written::Unknown })
    }
}

/// What became of an edit that was sent.
enum Sent {
    /// It was made, or there is no such user.
    Done(Written),
    /// Another writer changed the user between the read and the write.
    Overtaken,
    /// The item has no room for it.
    NoRoom,
}

/// Whether DynamoDB's answer says that the item would become too large. It has no code of its own.
pub(crate) fn has_no_room(code: Option<&str>) -> bool {
    // A transaction says it without the word Exception.
    matches!(code, Some("ValidationException" | "ValidationError"))
}

/// The failure of a change for which the user's item has no room.
pub(crate) fn full() -> Failure {
    Failure::new(DOING, "the user's item has no room for it: DynamoDB's limit is 400 KB")
}

impl Change {
    fn edit(&self, item: &Item) -> Edit {
        let mut edit = Edit::default();
        match self {
            Self::Password(phc) => edit.set(PASSWORD_HASH, item::text(phc)),
            Self::Block => edit.set(STATUS, item::text("blocked")),
            Self::Unblock => edit.set(STATUS, item::text("active")),
            Self::Grant(_) | Self::Deny(_) => self.edit_permissions(item, &mut edit),
        }
        edit
    }

    /// The set that was there and one more or less. What is no set of strings is replaced by the set it means, or by an
    /// empty one where it means none.
    fn edit_permissions(&self, item: &Item, edit: &mut Edit) {
        let old = item.get(PERMISSIONS);
        let mut names: Vec<String> = match old {
            Some(AttributeValue::Ss(names)) => names.clone(),
            Some(AttributeValue::L(list)) => list.iter().filter_map(|name| name.as_s().ok().cloned()).collect(),
            Some(_) | None => Vec::new(),
        };
        names.sort();
        names.dedup();
        match self {
            Self::Grant(name) if !names.iter().any(|it| it == name.as_str()) => names.push(name.as_str().to_owned()),
            Self::Deny(name) => names.retain(|it| it != name.as_str()),
            Self::Grant(_) | Self::Password(_) | Self::Block | Self::Unblock => {}
        }
        if names.is_empty() {
            edit.remove(PERMISSIONS);
        } else {
            edit.set(PERMISSIONS, AttributeValue::Ss(names));
        }
        // Another change of the permissions must not be lost.
        match old {
            None => edit.conditions.push(format!("attribute_not_exists(#{PERMISSIONS})")),
            Some(old @ AttributeValue::Ss(_)) => edit.expect(PERMISSIONS, old),
            Some(_) => {
                edit.conditions.push(format!("NOT attribute_type(#{PERMISSIONS}, :set)"));
                edit.values.push((":set".to_owned(), item::text("SS")));
            }
        }
    }
}

impl Edit {
    pub(crate) fn set(&mut self, name: &'static str, value: AttributeValue) {
        self.set.push(format!("#{name} = :{name}"));
        self.names.push((format!("#{name}"), name.to_owned()));
        self.values.push((format!(":{name}"), value.clone()));
        self.after.push((name, Some(value)));
    }

    fn remove(&mut self, name: &'static str) {
        self.remove.push(format!("#{name}"));
        self.names.push((format!("#{name}"), name.to_owned()));
        self.after.push((name, None));
    }

    /// The value must still be the one that was read.
    pub(crate) fn expect(&mut self, name: &'static str, old: &AttributeValue) {
        self.conditions.push(format!("#{name} = :old_{name}"));
        self.values.push((format!(":old_{name}"), old.clone()));
    }

    /// The same, of an attribute that the edit leaves alone.
    pub(crate) fn expect_named(&mut self, name: &'static str, old: &AttributeValue) {
        self.names.push((format!("#{name}"), name.to_owned()));
        self.expect(name, old);
    }

    pub(crate) fn raise_generation(&mut self, item: &Item, fresh: u32) {
        let old = item.get(TOKEN_GENERATION);
        let number = old.and_then(|value| value.as_n().ok());
        let raised = number.and_then(|number| number.parse::<i64>().ok()).and_then(|number| number.checked_add(1));
        let raised = raised.filter(|number| *number <= MAX_GENERATION);
        let raised = raised.unwrap_or_else(|| i64::from(fresh));
        self.set(TOKEN_GENERATION, AttributeValue::N(raised.to_string()));
        match old {
            None => self.conditions.push(format!("attribute_not_exists(#{TOKEN_GENERATION})")),
            Some(old @ AttributeValue::N(_)) => self.expect(TOKEN_GENERATION, old),
            Some(_) => {
                self.conditions.push(format!("NOT attribute_type(#{TOKEN_GENERATION}, :number)"));
                self.values.push((":number".to_owned(), item::text("N")));
            }
        }
    }

    pub(crate) fn update(&self) -> String {
        let mut update = String::new();
        if !self.set.is_empty() {
            update.push_str("SET ");
            update.push_str(&self.set.join(", "));
        }
        if !self.remove.is_empty() {
            update.push_str(" REMOVE ");
            update.push_str(&self.remove.join(", "));
        }
        update
    }

    /// `#user` is the key of the table.
    pub(crate) fn condition(&self) -> String {
        let conditions = self.conditions.iter().map(String::as_str);
        std::iter::once("attribute_exists(#user)").chain(conditions).collect::<Vec<_>>().join(" AND ")
    }

    /// Whether the item is as this edit leaves it.
    pub(crate) fn is_applied(&self, item: &Item) -> bool {
        self.after.iter().all(|(name, value)| match (value, item.get(*name)) {
            (Some(value), Some(there)) => item::is_same_value(value, there),
            (value, there) => value.is_none() && there.is_none(),
        })
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password",
            Self::Block => "Block",
            Self::Unblock => "Unblock",
            Self::Grant(_) => "Grant",
            Self::Deny(_) => "Deny",
        })
    }
}
