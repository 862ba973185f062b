//! `/rs/authorize-implicit` and its decision, by GET or POST: Terminalfour's legacy flow. It is
//! deprecated there and here (RFC 9745), and responses carry its sunset date (RFC 8594).

use std::time::Duration;

use hallpass_http::{Problem, Response, body, cookies, problem};
use hallpass_service::{Context, Service, caller::Caller, recheck::confirm_log_in};
use hallpass_store::{flows::Flow, marks::Marked, sessions::Session};
use hallpass_token::{Format, Status, UserId, secret::Digest};
use http::{HeaderName, HeaderValue, Method, StatusCode, header::SET_COOKIE};
use lambda_http::{Request, RequestExt};
use serde_json::json;
use zeroize::Zeroizing;

use crate::authorise::temporary;

/// The lifetime of a flow.
const FLOW: Duration = Duration::from_secs(600);

/// The date of the deprecation: 1 January 2026, before the first release.
const DEPRECATED_SINCE: &str = "@1767225600";

/// The longest `client_id`, in bytes.
const MAX_CLIENT_ID_LENGTH: usize = 256;

const SESSION: &str = "JSESSIONID";

/// The value of a flow's cookie: `<user id>.<secret>`. The flow is stored in the user's partition.
struct Cookie {
    user_id: UserId,
    digest: Digest,
}

/// Handles the first request: begins a flow for a user with a password.
pub(crate) async fn begin(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let Context { service, now, randomness, .. } = *context;
    let parameters = Parameters::of(request)?;
    if parameters.get("response_type") != Some("token") {
        return Err(Problem::invalid_member("response_type", "it must be token"));
    }
    let client_id =
        parameters.get("client_id").filter(|id| (1..=MAX_CLIENT_ID_LENGTH).contains(&id.len()));
    let client_id = client_id
        .ok_or_else(|| Problem::invalid_member("client_id", "it is missing or too long"))?;
    let caller = Caller::of_password(context, request).await?;
    let (session, authenticity) = randomness.session()?;
    let (session, authenticity) =
        (format!("{}.{}", caller.user().id, hex(&session)), hex(&authenticity));
    let binding = service.settings.binding(Format::Jwt).clone();
    let flow = Flow {
        session: Session::of(caller.user(), binding, now, now.after(FLOW)),
        client_id: client_id.to_owned(),
        authenticity: Digest::of(authenticity.as_bytes()),
    };
    let place = service.store.begin_flow(&Digest::of(session.as_bytes()), &flow).await?;
    confirm_log_in(service, &caller, &place).await?;
    let mut response = problem::json(StatusCode::OK, &json!({"authenticityToken": authenticity}));
    if let Ok(cookie) = HeaderValue::try_from(cookies::set(SESSION, &session, "/", FLOW)) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Handles the second request: ends the flow, and issues a token if the decision is `allow`. A
/// wrong authenticity token does not end the flow.
pub(crate) async fn decide(context: &Context<'_>, request: &Request) -> Result<Response, Problem> {
    let service = context.service;
    let issuer = &service.settings.issuer;
    if !service.settings.generate_takes_passwords {
        return Err(Problem::invalid_credentials(issuer));
    }
    // Java servers use this cookie name, so another application on the host may have set it too.
    if cookies::values(request.headers(), SESSION, Some).is_empty() {
        return Err(Problem::unauthenticated(issuer));
    }
    let parameters = Parameters::of(request)?;
    let shown = parameters.get("session_authenticity_token").unwrap_or_default();
    let wrong =
        || Problem::invalid_member("session_authenticity_token", "it is missing, wrong or used");
    let (cookie, flow) = find(context, request, shown).await?.ok_or_else(wrong)?;
    if parameters.get("client_id") != Some(flow.client_id.as_str()) {
        return Err(Problem::invalid_member(
            "client_id",
            "must be the client_id that began the flow",
        ));
    }
    // Read the marks while the flow exists. Prune leaves another mark for a later change, and has
    // removed the flow for an earlier one.
    let marks = service.store.change_marks(&cookie.user_id).await?;
    if !service.store.end_flow(&cookie.user_id, &cookie.digest).await? {
        return Err(wrong());
    }
    if parameters.get("oauthDecision") != Some("allow") {
        return Ok(problem::json(StatusCode::FORBIDDEN, &json!({"error": "access_denied"})));
    }
    // The user may have changed since the password was checked.
    let user = service.store.user(&flow.session.user_id).await?;
    let user = user.filter(|user| user.status == Status::Active && flow.session.is_of(user));
    let value = user.ok_or_else(|| Problem::invalid_credentials(issuer))?;
    let caller =
        Caller::LogIn { user: Box::new(Marked { value, marks }), at: flow.session.started_at };
    let caller = caller.permitted(service)?;
    temporary(context, &caller).await
}

/// Returns the flow that this authenticity token belongs to, with its cookie.
async fn find(
    context: &Context<'_>,
    request: &Request,
    authenticity: &str,
) -> Result<Option<(Cookie, Flow)>, Problem> {
    let Context { service, now, .. } = *context;
    for cookie in cookies::values(request.headers(), SESSION, Cookie::read) {
        let flow = service.store.flow(&cookie.user_id, &cookie.digest).await?;
        let is_meant = |flow: &Flow| {
            !flow.session.expires_at.has_passed(now)
                && flow.authenticity.is_of(authenticity.as_bytes())
        };
        if let Some(flow) = flow.filter(is_meant) {
            return Ok(Some((cookie, flow)));
        }
    }
    Ok(None)
}

impl Cookie {
    fn read(text: &str) -> Option<Self> {
        let (user_id, secret) = text.split_once('.')?;
        let is_hex = secret.len() == 64
            && secret.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        Some(Self {
            user_id: user_id.parse().ok().filter(|_| is_hex)?,
            digest: Digest::of(text.as_bytes()),
        })
    }
}

/// Adds the deprecation and sunset dates to the response.
pub(crate) fn deprecated(
    service: &Service,
    response: Result<Response, Problem>,
) -> Result<Response, Problem> {
    let dates = [
        ("deprecation", DEPRECATED_SINCE.to_owned()),
        ("sunset", service.settings.sunset.http_date()),
    ];
    match response {
        Ok(mut response) => {
            for (name, date) in dates {
                if let Ok(date) = HeaderValue::try_from(date) {
                    response.headers_mut().insert(HeaderName::from_static(name), date);
                }
            }
            Ok(response)
        }
        Err(problem) => Err(dates.into_iter().fold(problem, |problem, (name, date)| {
            problem.with_header(HeaderName::from_static(name), date)
        })),
    }
}

/// The parameters of the query and, for a POST, of the form. Apache CXF, the base of Terminalfour's
/// flow, accepts both.
struct Parameters(Vec<(String, Zeroizing<String>)>);

impl Parameters {
    fn of(request: &Request) -> Result<Self, Problem> {
        let query = request.query_string_parameters_ref();
        let query = query.into_iter().flat_map(|parameters| parameters.iter());
        let mut all: Vec<_> = query
            .map(|(name, value)| (name.to_owned(), Zeroizing::new(value.to_owned())))
            .collect();
        if request.method() == Method::POST && !body::bytes(request.body()).is_empty() {
            body::expect_media_type(request.headers(), "application/x-www-form-urlencoded")?;
            all.extend(body::form_parameters(request.body())?);
        }
        match body::first_repeated(all.iter().map(|(name, _)| name)) {
            Some(name) => Err(body::repeated(&name)),
            None => Ok(Self(all)),
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_a_user_and_32_bytes_in_lower_case_hexadecimal() {
        let check = |text: &str, user: Option<&str>| {
            let read = Cookie::read(text);
            assert_eq!(read.as_ref().map(|cookie| cookie.user_id.as_str()), user, "{text}");
            assert!(read.is_none_or(|cookie| cookie.digest.is_of(text.as_bytes())), "{text}");
        };
        check(&format!("1.{}", "0f".repeat(32)), Some("1"));
        for secret in [
            "",
            "0f",
            &"0f".repeat(31),
            &"0f".repeat(33),
            &"0F".repeat(32),
            &"0g".repeat(32),
            &"0/".repeat(32),
        ] {
            check(&format!("1.{secret}"), None);
        }
        check(&format!(".{}", "0f".repeat(32)), None);
        check(&format!("a b.{}", "0f".repeat(32)), None);
        check(&"0f".repeat(32), None);
    }
}
