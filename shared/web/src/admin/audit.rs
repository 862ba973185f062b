//! `/admin/audit`: the entries of the audit log, with filters, in pages.

use std::collections::BTreeMap;

use askama::Template;
use hallpass_audit::{
    Event,
    listing::{Asked, Filter, Page},
};
use hallpass_http::{Problem, Response};
use hallpass_password::NameKey;
use hallpass_service::{Context, Service};
use hallpass_store::Failure;
use hallpass_token::{Timestamp, TokenId, User, UserId};
use http::StatusCode;
use lambda_http::Request;

use super::{
    paging::{INVALID, Paging},
    session,
};
use crate::{
    Frame, Tab,
    happened::{By, words},
    parameter, reject, render, response, sentence,
    sign_in::Next,
    view::{Instant, contained},
};

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage<'a> {
    frame: Frame,
    typed: &'a Typed,
    /// Whose entries are shown, unless those of all.
    about: Option<About>,
    is_first: bool,
    rows: Vec<EntryRow>,
    /// The link of the next page.
    next: Option<String>,
    wrong: Option<&'a str>,
}

/// The parameters of the page, as they were typed.
struct Typed {
    /// A user name, the ID of a user or the ID of a token.
    who: String,
    /// The first and the last day.
    from: String,
    until: String,
}

/// Whose entries a list shows.
#[derive(Clone, Debug)]
enum About {
    User(UserId, Option<String>),
    Token(TokenId),
}

/// An entry in the list.
struct EntryRow {
    what: &'static str,
    at: Instant,
    token_id: Option<String>,
    /// The name of the token.
    name: Option<String>,
    user: Person,
    by: By,
    /// The user who made the change, or whose token did.
    author: Option<Person>,
    source: Option<String>,
    because: Option<String>,
}

/// A user. The name is absent if the user does not exist now.
struct Person {
    id: String,
    name: Option<String>,
}

/// The names of users by their IDs.
type Names = BTreeMap<UserId, String>;

const BAD_DAY: &str = "From and until must be days such as 2027-01-31.";
const NO_RANGE: &str = "Until must not be before from.";
const UNKNOWN: &str = "This is neither the name or the ID of a user nor the ID of a token.";

/// `GET /admin/audit`. `read` returns a page of the log, or is absent if the stack keeps none.
///
/// # Errors
/// Returns 303 or 401 without a live session, 400 for an invalid filter or cursor, 403 if the user
/// is not an administrator, 404 if the stack keeps no audit log, and 503 if DynamoDB or S3 cannot be
/// read.
pub async fn audit<Read, Reading>(
    context: &Context<'_>,
    request: &Request,
    read: Option<Read>,
) -> Result<Response, Problem>
where
    Read: FnOnce(Filter, Option<String>) -> Reading + Send,
    Reading: Future<Output = Result<Page, Failure>> + Send,
{
    let session = session(context, request, Next::Audit).await?;
    let typed = &Typed::of(request);
    let page = AuditPage {
        frame: session.frame(Tab::Audit),
        typed,
        about: None,
        is_first: true,
        rows: Vec::new(),
        next: None,
        wrong: None,
    };
    let Some(read) = read else { return Err(page.rejected(Problem::no_audit_log(), None)) };
    let (about, asked) = match typed.asked(context.service).await? {
        Ok(asked) => asked,
        Err(wrong) => {
            return Err(page.rejected(Problem::invalid_request(wrong), Some(wrong)));
        }
    };
    let paging = Paging::of(context, &session, request, asked.name()).await?;
    let page = AuditPage { about, is_first: paging.is_first(), ..page };
    let after = match paging.after() {
        Ok(after) => after,
        Err(problem) => return Err(page.rejected(problem, Some(INVALID))),
    };
    let found = read(asked.filter(context.now), after).await?;
    let next = found.next.map(|place| paging.cursor(&place)).transpose()?;
    let events: Vec<Event> = found.entries.into_iter().map(|entry| entry.event).collect();
    let names = names(context.service, &events).await?;
    let page = AuditPage {
        rows: events.iter().map(|event| EntryRow::new(event, &names, context.now)).collect(),
        next: next.map(|next| typed.link(&page.frame, Some(&next))),
        ..page
    };
    Ok(response(StatusCode::OK, render(&page)?))
}

/// Reads the names of the users in these events. A user who was removed has none.
async fn names(service: &Service, events: &[Event]) -> Result<Names, Failure> {
    let mut ids: Vec<UserId> = Vec::new();
    for event in events {
        ids.extend(event.user_id.parse::<UserId>().ok());
        ids.extend(By::read(&event.actor).user_id());
    }
    ids.sort();
    ids.dedup();
    let users = service.store.users(&ids).await?;
    let name = |(id, user): (UserId, Option<User>)| {
        (id, user.map(|user| contained(&user.username)).unwrap_or_default())
    };
    Ok(users.into_iter().map(name).collect())
}

/// Returns the user with this ID or, if no user has it, the one with this name. The index by name
/// may lag behind, so each user is read from the table and compared.
async fn user(service: &Service, who: &str) -> Result<Option<User>, Failure> {
    if let Ok(id) = who.parse::<UserId>()
        && let Some(user) = service.store.user(&id).await?
    {
        return Ok(Some(user));
    }
    let key = NameKey::new(who);
    for id in service.store.ids_by_name(&key).await? {
        let user = service.store.user(&id).await?;
        if let Some(user) = user.filter(|user| NameKey::new(&user.username) == key) {
            return Ok(Some(user));
        }
    }
    Ok(None)
}

/// Returns the first second of a day such as `2027-01-31`.
fn start(day: &str) -> Option<Timestamp> {
    let is_date = day.len() == 10;
    is_date.then(|| format!("{day}T00:00:00Z").parse().ok())?
}

/// The length of a day.
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

impl Typed {
    fn of(request: &Request) -> Self {
        let parameter = |name| parameter(request, name).unwrap_or_default().trim().to_owned();
        Self { who: parameter("who"), from: parameter("from"), until: parameter("until") }
    }

    fn is_set(&self) -> bool {
        [&self.who, &self.from, &self.until].into_iter().any(|text| !text.is_empty())
    }

    /// Returns what is asked for, or what is wrong with it.
    async fn asked(
        &self,
        service: &Service,
    ) -> Result<Result<(Option<About>, Asked), &'static str>, Failure> {
        let day = |text: &str| match text {
            "" => Ok(None),
            text => start(text).map(Some).ok_or(BAD_DAY),
        };
        let (from, until) = match (day(&self.from), day(&self.until)) {
            (Ok(from), Ok(until)) => (from, until.map(|until| until.after(DAY))),
            (Err(wrong), _) | (_, Err(wrong)) => return Ok(Err(wrong)),
        };
        if from.zip(until).is_some_and(|(from, until)| from >= until) {
            return Ok(Err(NO_RANGE));
        }
        let about = match self.who.as_str() {
            "" => None,
            who => match About::of(service, who).await? {
                Some(about) => Some(about),
                None => return Ok(Err(UNKNOWN)),
            },
        };
        let asked = match &about {
            None => Asked { from, until, ..Asked::default() },
            Some(About::User(id, _)) => {
                Asked { user_id: Some(*id), from, until, ..Asked::default() }
            }
            Some(About::Token(id)) => {
                Asked { token_id: Some(*id), from, until, ..Asked::default() }
            }
        };
        Ok(Ok((about, asked)))
    }

    /// Returns the link of the page of the list that begins at this cursor, or of the first page.
    fn link(&self, frame: &Frame, cursor: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let parameters = [
            ("who", self.who.as_str()),
            ("from", &self.from),
            ("until", &self.until),
            ("cursor", cursor.unwrap_or_default()),
        ];
        query.extend_pairs(parameters.into_iter().filter(|(_, value)| !value.is_empty()));
        frame.at(&format!("/admin/audit?{}", query.finish()))
    }
}

impl About {
    /// Reads whose entries are asked for. A user or a token that no longer exists has entries, so
    /// that any ID will do.
    async fn of(service: &Service, who: &str) -> Result<Option<Self>, Failure> {
        if let Ok(id) = who.parse::<TokenId>() {
            return Ok(Some(Self::Token(id)));
        }
        Ok(match user(service, who).await? {
            Some(user) => Some(Self::User(user.id, Some(contained(&user.username)))),
            None => who.parse().ok().map(|id| Self::User(id, None)),
        })
    }
}

impl AuditPage<'_> {
    /// Returns the link of the first page.
    fn first(&self) -> String {
        self.typed.link(&self.frame, None)
    }

    /// Returns the page with what is wrong.
    fn rejected(self, problem: Problem, wrong: Option<&str>) -> Problem {
        let detail = sentence(problem.detail());
        let page = AuditPage { wrong: Some(wrong.unwrap_or(&detail)), ..self };
        match render(&page) {
            Ok(html) => reject(problem, html),
            Err(failure) => failure.into(),
        }
    }
}

impl EntryRow {
    fn new(event: &Event, names: &Names, now: Timestamp) -> Self {
        let by = By::read(&event.actor);
        let person = |id: &str| Person {
            id: contained(id),
            name: id.parse().ok().and_then(|id: UserId| names.get(&id).cloned()),
        };
        Self {
            what: words(event.kind),
            at: Instant::new(event.at, now),
            token_id: event.token_id.as_deref().map(contained),
            name: event.name.as_deref().map(contained),
            user: person(&event.user_id),
            author: by.user_id().map(|id| person(id.as_str())),
            by,
            source: event.source.as_deref().map(contained),
            because: event.because.as_deref().map(contained),
        }
    }
}
