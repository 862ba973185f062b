//! `/admin/tokens`: the tokens of all users, with filters, in pages.

use std::time::Duration;

use askama::Template;
use hallpass_http::{Problem, Response};
use hallpass_service::{
    Context,
    search::{self, OwnedRecord, TokenFilter, TokenState},
};
use hallpass_store::sweep::Place;
use hallpass_token::Timestamp;
use http::StatusCode;
use lambda_http::Request;

use super::{
    paging::{INVALID, Paging},
    session,
};
use crate::{
    Frame, Tab, parameter, reject, render, response,
    sign_in::Next,
    view::{Row, contained},
};

#[derive(Template)]
#[template(path = "all_tokens.html")]
struct AllTokens<'a> {
    frame: Frame,
    asked: &'a Asked,
    is_first: bool,
    rows: Vec<OwnedRow>,
    /// The number of items that were read.
    read: usize,
    /// The link of the next page.
    next: Option<String>,
    wrong: Option<&'static str>,
}

/// A token in the list.
struct OwnedRow {
    row: Row,
    user_id: String,
    /// The name of the user, or `None` if the user was removed.
    username: Option<String>,
}

/// The parameters of the page. An unknown value counts as absent.
struct Asked {
    expires: &'static str,
    used: &'static str,
    state: &'static str,
    permission: String,
}

/// The values of the parameters, besides any permission.
const EXPIRES: [&str; 2] = ["7", "30"];
const USED: [&str; 3] = ["30", "90", "never"];
/// `GET /admin/tokens`.
///
/// # Errors
/// Returns 303 or 401 without a live session, 400 for an invalid cursor, 403 if the user is not an
/// administrator, and 503 if DynamoDB cannot be read.
pub async fn tokens(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    let session = session(context, request, Next::AllTokens).await?;
    let asked = Asked::of(request);
    let paging = Paging::of(context, &session, request, "tokens").await?;
    let page = AllTokens {
        frame: session.frame(Tab::AllTokens),
        asked: &asked,
        is_first: paging.is_first(),
        rows: Vec::new(),
        read: 0,
        next: None,
        wrong: None,
    };
    let after = match paging.after() {
        Ok(after) => after.as_deref().and_then(Place::from_text),
        Err(problem) => {
            let page = AllTokens { wrong: Some(INVALID), ..page };
            return Err(reject(problem, render(&page)?));
        }
    };
    let found = search::tokens(&service.store, &asked.filter(), now, after).await?;
    let next = found.next.map(|place| paging.cursor(&place.to_text())).transpose()?;
    let page = AllTokens {
        rows: found.tokens.iter().map(|token| OwnedRow::new(token, now)).collect(),
        read: found.read,
        next: next.map(|next| asked.link(&page.frame, Some(&next))),
        ..page
    };
    Ok(response(StatusCode::OK, render(&page)?))
}

impl Asked {
    fn of(request: &Request) -> Self {
        let parameter = |name| parameter(request, name).unwrap_or_default();
        let chosen = |name, values: &[&'static str]| {
            let given = parameter(name);
            values.iter().copied().find(|value| *value == given).unwrap_or_default()
        };
        Self {
            expires: chosen("expires", &EXPIRES),
            used: chosen("used", &USED),
            state: chosen("state", &TokenState::NAMES.map(|(name, _)| name)),
            permission: parameter("permission").trim().to_owned(),
        }
    }

    fn filter(&self) -> TokenFilter {
        let days = |text: &str| {
            let days = text.parse::<u64>().ok()?;
            Some(Duration::from_secs(days.saturating_mul(86_400)))
        };
        TokenFilter {
            expires_within: days(self.expires),
            unused_for: days(self.used),
            is_unused: self.used == "never",
            permission: (!self.permission.is_empty()).then(|| self.permission.clone()),
            state: TokenState::named(self.state),
        }
    }

    fn is_set(&self) -> bool {
        self.filter().is_set()
    }

    /// Returns the link of the page of the list that begins at this cursor, or of the first page.
    fn link(&self, frame: &Frame, cursor: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let parameters = [
            ("expires", self.expires),
            ("used", self.used),
            ("state", self.state),
            ("permission", &self.permission),
            ("cursor", cursor.unwrap_or_default()),
        ];
        query.extend_pairs(parameters.into_iter().filter(|(_, value)| !value.is_empty()));
        frame.at(&format!("/admin/tokens?{}", query.finish()))
    }
}

impl AllTokens<'_> {
    /// Returns the link of the first page.
    fn first(&self) -> String {
        self.asked.link(&self.frame, None)
    }
}

impl OwnedRow {
    fn new(OwnedRecord { record, user }: &OwnedRecord, now: Timestamp) -> Self {
        Self {
            row: Row::new(record, user.as_deref(), now),
            user_id: record.id.user_id.to_string(),
            username: user.as_ref().map(|user| contained(&user.username)),
        }
    }
}
