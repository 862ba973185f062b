//! `/profile/developer/`: the page of a user's own tokens, including the developer token.

use askama::Template;
use hallpass_http::{Problem, Response};
use hallpass_service::Context;
use hallpass_token::Timestamp;
use http::StatusCode;
use lambda_http::Request;

use crate::{
    CreatedToken, Form, Frame, WebSession, parameter, reject, render, response, sentence,
    view::{Tokens, notice},
};

#[derive(Template)]
#[template(path = "developer.html")]
struct Developer<'a> {
    frame: Frame,
    tokens: Tokens,
    make: CreateForm<'a>,
    shown: Option<&'a CreatedToken>,
    notice: Option<String>,
}

/// The form for a new token, with the values that were typed and the error.
#[derive(Debug, Default)]
pub(crate) struct CreateForm<'a> {
    pub(crate) name: &'a str,
    pub(crate) expires: &'a str,
    /// The first and the last day that can be chosen.
    pub(crate) days: (String, String),
    pub(crate) limited: bool,
    pub(crate) scopes: Vec<(String, bool)>,
    pub(crate) wrong: Option<Wrong<'a>>,
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
    let session = WebSession::of(context, request, "developer").await?;
    let notice = parameter(request, "done").and_then(|done| notice(context, &done));
    let html = render_page(
        context,
        &session,
        CreateForm::new(context, session.user(), None, None),
        None,
        notice,
    )
    .await?;
    Ok(response(StatusCode::OK, html))
}

/// Returns the page with a newly created token.
///
/// # Errors
/// Returns 503 if DynamoDB cannot be read.
pub async fn created_page(
    context: &Context<'_>,
    session: &WebSession,
    shown: &CreatedToken,
) -> Result<Response, Problem> {
    let make = CreateForm::new(context, session.user(), None, None);
    Ok(response(StatusCode::CREATED, render_page(context, session, make, Some(shown), None).await?))
}

/// Returns the page with the error of a form and the values that were typed.
pub async fn rejected(
    context: &Context<'_>,
    session: &WebSession,
    form: &Form,
    problem: Problem,
) -> Problem {
    let make = CreateForm::new(context, session.user(), Some(form), Some(&problem));
    match render_page(context, session, make, None, None).await {
        Ok(html) => reject(problem, html),
        Err(failed) => failed,
    }
}

/// Returns the URL of the page, with the name of the action that was done.
pub fn path(base: &str, done: &str) -> String {
    format!("{base}/profile/developer/?done={done}")
}

async fn render_page(
    context: &Context<'_>,
    session: &WebSession,
    make: CreateForm<'_>,
    shown: Option<&CreatedToken>,
    notice: Option<String>,
) -> Result<String, Problem> {
    let tokens = Tokens::of(context, session.user()).await?;
    Ok(render(&Developer { frame: session.frame(), tokens, make, shown, notice })?)
}

/// The fields of the form: the name in the API and the label on the page.
const FIELDS: [(&str, &str); 3] =
    [("name", "Name"), ("expires_at", "Expiry date"), ("scopes", "Permissions")];

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
        let chosen =
            |name: &str| form.is_some_and(|form| form.fields("scope").any(|field| field == name));
        Self {
            name: form.map(|form| form.field("name")).unwrap_or_default(),
            expires: form.map(|form| form.field("expires")).unwrap_or_default(),
            days: (day(now), day(service.settings.latest_expiry(now))),
            limited: form.is_some_and(|form| form.field("limit") == "some"),
            scopes: user.permissions.names().map(|name| (name.to_owned(), chosen(name))).collect(),
            wrong: problem.map(Wrong::new),
        }
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
