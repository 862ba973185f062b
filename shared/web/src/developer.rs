//! `/profile/developer`: the pages of a user's own tokens. One lists them, one is for each token,
//! one has the form for a new token, and one shows a token that was just created.

use std::time::Duration;

use askama::Template;
use hallpass_http::{Problem, Response, gateway};
use hallpass_service::Context;
use hallpass_token::{Scope, Timestamp, TokenId};
use http::StatusCode;
use lambda_http::Request;

use crate::{
    CreatedToken, Form, Frame, Tab, WebSession,
    account::{self, AccountLink},
    offer::OfferRow,
    parameter, reject, render, response, sentence,
    sign_in::Next,
    usage::Activity,
    view::{self, Row, Tokens, notice},
};

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage<'a> {
    frame: Frame,
    tokens: Tokens,
    offers: Vec<OfferRow>,
    filter: Filter,
    /// The service accounts that the user maintains.
    accounts: Vec<AccountLink>,
    wrong: Option<&'a str>,
    notice: Option<String>,
}

#[derive(Template)]
#[template(path = "token.html")]
struct TokenPage {
    frame: Frame,
    row: Row,
    activity: Activity,
    effective: String,
    window: String,
}

#[derive(Template)]
#[template(path = "new_token.html")]
struct NewToken<'a> {
    frame: Frame,
    make: CreateForm<'a>,
}

#[derive(Template)]
#[template(path = "created.html")]
struct Created<'a> {
    frame: Frame,
    shown: &'a CreatedToken,
    /// The URL of a route that the examples call.
    url: String,
}

/// Which of the current tokens the page lists, by the parameters of its URL.
#[derive(Debug, Default)]
struct Filter {
    /// A part of the name or the ID, in any case.
    search: String,
    /// Only tokens that expire within a week.
    expires_soon: bool,
    /// Only tokens that were never used.
    unused: bool,
}

/// The form for a new token, with the values that were typed and the error.
#[derive(Debug, Default)]
pub(crate) struct CreateForm<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    /// The expiry dates to choose from.
    pub(crate) presets: Vec<Preset>,
    /// Whether another day is chosen than those of the presets.
    pub(crate) is_custom: bool,
    pub(crate) expires: &'a str,
    /// The first and the last day that can be chosen.
    pub(crate) days: (String, String),
    pub(crate) limited: bool,
    pub(crate) scopes: Vec<(String, bool)>,
    /// Whether the token can have all permissions of its user.
    pub(crate) offers_all: bool,
    pub(crate) wrong: Option<Wrong<'a>>,
}

/// An expiry date to choose from.
#[derive(Debug)]
pub(crate) struct Preset {
    pub(crate) days: u64,
    pub(crate) date: String,
    pub(crate) is_chosen: bool,
}

/// The error of a form.
#[derive(Debug)]
pub(crate) struct Wrong<'a> {
    pub(crate) field: &'a str,
    pub(crate) message: String,
}

/// `GET /profile/developer`.
///
/// # Errors
/// Returns 303 or 401 without a live session, and 503 if DynamoDB cannot be read.
pub async fn page(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let session = WebSession::of(context, request, Next::Developer).await?;
    let notice = parameter(request, "done").and_then(|done| notice(context, &done));
    let filter = Filter::of(request);
    Ok(response(StatusCode::OK, tokens_page(context, &session, filter, None, notice).await?))
}

/// `GET /profile/developer/new`.
///
/// # Errors
/// Returns 303 or 401 without a live session, and 503 if DynamoDB cannot be read.
pub async fn new_token(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let session = WebSession::of(context, request, Next::NewToken).await?;
    let make = CreateForm::new(context, session.user(), None, None).within(session.limit());
    let page = NewToken { frame: session.frame(Tab::Tokens), make };
    Ok(response(StatusCode::OK, render(&page)?))
}

/// `GET /profile/developer/tokens/{id}`.
///
/// # Errors
/// Returns 303 or 401 without a live session, 404 if the user has no such token, and 503 if
/// DynamoDB cannot be read.
pub async fn token(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    let id = gateway::path_parameter(request, "id").parse::<TokenId>().ok();
    let next = id.as_ref().map_or(Next::Developer, |id| Next::Token(*id));
    let session = WebSession::of(context, request, next).await?;
    let user = session.user();
    let id = id.filter(|id| id.user_id == user.id).ok_or_else(Problem::not_found)?;
    let record = service.store.record(&id).await?.ok_or_else(Problem::not_found)?;
    let page = TokenPage {
        frame: session.frame(Tab::Tokens),
        row: Row::new(&record, Some(user), now).within(session.limit()),
        activity: Activity::of(context, &id).await,
        effective: view::effective(service.settings.authorizer_cache),
        window: view::in_words(service.settings.rotation_window),
    };
    Ok(response(StatusCode::OK, render(&page)?))
}

/// Returns the page with a newly created token, and how to use it.
///
/// # Errors
/// Returns 503 if the page cannot be rendered.
pub fn created_page(session: &WebSession, shown: &CreatedToken) -> Result<Response, Problem> {
    let url = session.url("/rs/profile");
    let page = Created { frame: session.frame(Tab::Tokens), shown, url };
    Ok(response(StatusCode::CREATED, render(&page)?))
}

/// Returns the page of a form with its error and the values that were typed.
pub async fn rejected(
    context: &Context<'_>,
    session: &WebSession,
    form: &Form,
    problem: Problem,
) -> Problem {
    let html = if form.field("do") == "make" {
        let make = CreateForm::new(context, session.user(), Some(form), Some(&problem));
        let make = make.within(session.limit());
        render(&NewToken { frame: session.frame(Tab::Tokens), make }).map_err(Problem::from)
    } else {
        let wrong = sentence(problem.detail());
        tokens_page(context, session, Filter::default(), Some(&wrong), None).await
    };
    match html {
        Ok(html) => reject(problem, html),
        Err(failed) => failed,
    }
}

/// Returns the URL of the page, with the name of the action that was done.
pub fn path(base: &str, done: &str) -> String {
    format!("{base}/profile/developer/?done={done}")
}

async fn tokens_page(
    context: &Context<'_>,
    session: &WebSession,
    filter: Filter,
    wrong: Option<&str>,
    notice: Option<String>,
) -> Result<String, Problem> {
    let mut tokens = Tokens::of(context, session.user()).await?;
    tokens.current.retain(|row| filter.lists(row));
    let rows = std::mem::take(&mut tokens.current).into_iter();
    tokens.current = rows.map(|row| row.within(session.limit())).collect();
    // A portal session accepts no offer.
    let offers = match session.limit() {
        Some(_) => Vec::new(),
        None => OfferRow::of(context, session.user()).await?,
    };
    let accounts = account::links(context.service, session).await?;
    let frame = session.frame(Tab::Tokens);
    Ok(render(&TokensPage { frame, tokens, offers, filter, accounts, wrong, notice })?)
}

impl Filter {
    fn of(request: &Request) -> Self {
        let parameter = |name| parameter(request, name).unwrap_or_default();
        Self {
            search: parameter("search").trim().to_owned(),
            expires_soon: parameter("expires") == "soon",
            unused: parameter("used") == "never",
        }
    }

    /// Whether the filter leaves out any token.
    fn is_set(&self) -> bool {
        !self.search.is_empty() || self.expires_soon || self.unused
    }

    fn lists(&self, row: &Row) -> bool {
        let search = self.search.to_lowercase();
        (row.name.to_lowercase().contains(&search) || row.id.to_lowercase().contains(&search))
            && (!self.expires_soon || row.expires_soon)
            && (!self.unused || row.last_used.is_none())
    }
}

/// The lifetimes to choose from, in days, and the one that is chosen at first.
const PRESETS: [u64; 4] = [7, 30, 60, 90];
const FIRST_PRESET: u64 = 30;

/// The fields of the forms: the name in the API and the label on the page.
const FIELDS: [(&str, &str); 10] = [
    ("name", "Name"),
    ("description", "Description"),
    ("expires_at", "Expiry date"),
    ("scopes", "Permissions"),
    ("username", "User name"),
    ("full_name", "Full name"),
    ("kind", "Kind"),
    ("password", "Password"),
    ("permission", "Permission"),
    ("permissions", "Permissions"),
];

/// Returns the day of an instant in UTC, such as `2027-01-31`.
pub fn day(at: Timestamp) -> String {
    at.to_string().chars().take_while(|c| *c != 'T').collect()
}

impl<'a> CreateForm<'a> {
    /// Creates the form for a token of this user.
    pub(crate) fn new(
        context: &Context<'_>,
        user: &hallpass_token::User,
        form: Option<&'a Form>,
        problem: Option<&'a Problem>,
    ) -> Self {
        let Context { service, now, .. } = *context;
        let field = |name| form.map(|form| form.field(name)).unwrap_or_default();
        let chosen =
            |name: &str| form.is_some_and(|form| form.fields("scope").any(|field| field == name));
        let latest = service.settings.latest_expiry(now);
        let presets = PRESETS.into_iter().filter_map(|days| {
            let at = now.after(Duration::from_secs(days.saturating_mul(86_400)));
            let is_chosen = match field("until") {
                "" => form.is_none() && days == FIRST_PRESET,
                until => until == day(at),
            };
            (at <= latest).then(|| Preset { days, date: day(at), is_chosen })
        });
        let presets: Vec<_> = presets.collect();
        Self {
            name: field("name"),
            description: field("description"),
            is_custom: !presets.iter().any(|preset| preset.is_chosen),
            presets,
            expires: field("expires"),
            days: (day(now), day(latest)),
            // Ticked permissions are shown also in a form that asks for all of them.
            limited: field("limit") != "all"
                || form.is_some_and(|form| form.fields("scope").next().is_some()),
            scopes: user.permissions.names().map(|name| (name.to_owned(), chosen(name))).collect(),
            offers_all: true,
            wrong: problem.map(Wrong::new),
        }
    }

    /// Leaves out what exceeds the scope of a portal session.
    pub(crate) fn within(mut self, limit: Option<&Scope>) -> Self {
        if let Some(limit) = limit {
            self.scopes.retain(|(name, _)| limit.holds(name));
            (self.offers_all, self.limited) = (false, true);
        }
        self
    }

    /// Returns the error if it concerns a field of the form. It is shown in the form.
    pub(crate) fn wrong_field(&self) -> Option<&Wrong<'a>> {
        self.wrong.as_ref().filter(|wrong| FIELDS.iter().any(|(field, _)| *field == wrong.field))
    }

    /// Returns the error if it does not concern a field of the form. It is shown at the top of the
    /// page.
    pub(crate) fn wrong_otherwise(&self) -> Option<&Wrong<'a>> {
        self.wrong.as_ref().filter(|_| self.wrong_field().is_none())
    }

    /// Returns whether the error concerns this field.
    pub(crate) fn is_wrong(&self, field: &str) -> bool {
        self.wrong.as_ref().is_some_and(|wrong| wrong.field == field)
    }
}

impl<'a> Wrong<'a> {
    pub(crate) fn new(problem: &'a Problem) -> Self {
        let member = problem.member().unwrap_or_default();
        let detail = problem.detail();
        let label = FIELDS.iter().find(|(field, _)| *field == member).map(|(_, label)| label);
        let message =
            match (detail.strip_prefix(member).and_then(|rest| rest.strip_prefix(": ")), label) {
                (Some(wrong), Some(label)) => format!("{label}: {wrong}."),
                _ => sentence(detail),
            };
        Self { field: member, message }
    }
}
