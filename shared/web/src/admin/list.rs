//! `/admin/users`: the list of all users, with a search and a filter, in pages.

use askama::Template;
use hallpass_http::{Problem, Response};
use hallpass_password::NameKey;
use hallpass_service::{
    Context, Service,
    search::{self, UserFilter},
};
use hallpass_token::{Status, User, UserId};
use http::StatusCode;
use lambda_http::Request;

use super::{
    Found,
    paging::{INVALID, Paging},
    session,
};
use crate::{Frame, Tab, parameter, reject, render, response, sign_in::Next};

#[derive(Template)]
#[template(path = "users.html")]
struct Users<'a> {
    frame: Frame,
    asked: &'a Asked,
    is_first: bool,
    /// The users with exactly the name or ID that was asked for, on the first page.
    exact: Vec<Found>,
    found: Vec<Found>,
    /// The number of users that were read.
    read: usize,
    /// The link of the next page.
    next: Option<String>,
    wrong: Option<&'static str>,
}

/// The parameters of the page.
struct Asked {
    name: String,
    status: Option<Status>,
}

/// `GET /admin/users`. Users with exactly the name or ID of `?name=` are found at once, and come
/// first.
///
/// # Errors
/// Returns 303 or 401 without a live session, 400 for an invalid cursor, 403 if the user is not an
/// administrator, and 503 if DynamoDB cannot be read.
pub async fn users(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let service = context.service;
    let session = session(context, request, Next::Users).await?;
    let asked = Asked::of(request);
    let paging = Paging::of(context, &session, request, "users").await?;
    let is_first = paging.is_first();
    let page = Users {
        frame: session.frame(Tab::Users),
        asked: &asked,
        is_first,
        exact: Vec::new(),
        found: Vec::new(),
        read: 0,
        next: None,
        wrong: None,
    };
    let after = match paging.after() {
        Ok(after) => after,
        Err(problem) => {
            let page = Users { wrong: Some(INVALID), ..page };
            return Err(reject(problem, render(&page)?));
        }
    };
    let filter = asked.filter();
    let exact = exact(service, &filter, &asked.name).await?;
    let found = search::users(&service.store, &filter, after).await?;
    let next = found.next.map(|place| paging.cursor(&place)).transpose()?;
    let is_other = |user: &&User| exact.iter().all(|one| one.id != user.id);
    let page = Users {
        found: found.users.iter().filter(is_other).map(Found::new).collect(),
        exact: exact.iter().filter(|_| is_first).map(Found::new).collect(),
        read: found.read,
        next: next.map(|next| asked.link(&page.frame, Some(&next))),
        ..page
    };
    Ok(response(StatusCode::OK, render(&page)?))
}

/// Finds the users with exactly this name or ID. The index by name may lag behind or be wrong, so
/// each user is read from the table and compared.
async fn exact(service: &Service, filter: &UserFilter, asked: &str) -> Result<Vec<User>, Problem> {
    let mut ids = match filter.name() {
        Some(name) => service.store.ids_by_name(name).await?,
        None => Vec::new(),
    };
    ids.extend(asked.parse::<UserId>().ok());
    ids.sort();
    ids.dedup();
    let mut found = Vec::new();
    for id in ids {
        found.extend(service.store.user(&id).await?);
    }
    let is_named = |user: &User| filter.name() == Some(&NameKey::new(&user.username));
    found.retain(|user| {
        (user.id.as_str() == asked || is_named(user)) && filter.lists_status(user.status)
    });
    Ok(found)
}

impl Asked {
    fn of(request: &Request) -> Self {
        let parameter = |name| parameter(request, name).unwrap_or_default();
        let statuses = [Status::Active, Status::Blocked];
        let state = parameter("state");
        Self {
            name: parameter("name").trim().to_owned(),
            status: statuses.into_iter().find(|status| status.as_str() == state),
        }
    }

    fn filter(&self) -> UserFilter {
        UserFilter::new(&self.name, self.status)
    }

    fn is_set(&self) -> bool {
        self.filter().is_set()
    }

    /// Whether the users of this status are asked for, in the words of the parameter.
    fn is_status(&self, status: &str) -> bool {
        self.status.is_some_and(|asked| asked.as_str() == status)
    }

    /// Returns the link of the page of the list that begins at this cursor, or of the first page.
    fn link(&self, frame: &Frame, cursor: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !self.name.is_empty() {
            query.append_pair("name", &self.name);
        }
        if let Some(status) = self.status {
            query.append_pair("state", status.as_str());
        }
        if let Some(cursor) = cursor {
            query.append_pair("cursor", cursor);
        }
        frame.at(&format!("/admin/users?{}", query.finish()))
    }
}

impl Users<'_> {
    /// Returns every user on the page, in order.
    fn all(&self) -> impl Iterator<Item = &Found> {
        self.exact.iter().chain(&self.found)
    }

    /// Returns the link of the first page.
    fn first(&self) -> String {
        self.asked.link(&self.frame, None)
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.found.is_empty()
    }
}
