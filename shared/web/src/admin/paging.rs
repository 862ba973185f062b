//! The pages of a list over a whole table. A link to the next page holds a cursor that is valid for
//! the same administrator and list only.

use std::sync::Arc;

use hallpass_http::Problem;
use hallpass_service::Context;
use hallpass_store::Failure;
use hallpass_token::{
    Keyring, Timestamp, UserId,
    cursor::{self, Table},
};
use lambda_http::Request;

use crate::{WebSession, parameter};

/// What a page says to an invalid cursor.
pub(super) const INVALID: &str = "The link to this page of the list is not valid. Search again.";

/// The page of a list that a request is for.
pub(super) struct Paging {
    keyring: Arc<Keyring>,
    caller: UserId,
    /// The name of the list.
    list: String,
    now: Timestamp,
    /// The parameter `cursor`.
    cursor: Option<String>,
}

impl Paging {
    /// Reads the parameter `cursor` of a request for this list.
    pub(super) async fn of(
        context: &Context<'_>,
        session: &WebSession,
        request: &Request,
        list: impl Into<String>,
    ) -> Result<Self, Problem> {
        let Context { service, now, .. } = *context;
        let keyring = service.keyring(now).await?;
        let (caller, list) = (session.user().id, list.into());
        Ok(Self { keyring, caller, list, now, cursor: parameter(request, "cursor") })
    }

    fn table(&self) -> Table<'_> {
        Table { caller: self.caller, list: &self.list }
    }

    /// Whether the request is for the first page.
    pub(super) const fn is_first(&self) -> bool {
        self.cursor.is_none()
    }

    /// Returns the position after which the page starts, or `None` for the first page.
    ///
    /// # Errors
    /// Returns 400 if the cursor is invalid.
    pub(super) fn after(&self) -> Result<Option<String>, Problem> {
        let Some(cursor) = self.cursor.as_deref() else { return Ok(None) };
        match cursor::decrypt_table(&self.keyring, &self.table(), cursor) {
            Some(place) => Ok(Some(place)),
            None => Err(Problem::invalid_member("cursor", "it was not issued for this list")),
        }
    }

    /// Returns the cursor of the page that starts after this position.
    pub(super) fn cursor(&self, place: &str) -> Result<String, Failure> {
        cursor::encrypt_table(&self.keyring, &self.table(), place, self.now)
            .ok_or_else(|| Failure::new("encrypting the cursor", "no key signs"))
    }
}
