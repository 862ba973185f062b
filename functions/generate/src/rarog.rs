//! `POST /rest/pat/1.0/token/user/create` and `…/app/create`, as Rarog has them: named tokens with authorities of their
//! own, for the user who asks or for the application account.

use edge::{Answer, Problem, Service, body, body::Members, caller::refuse_cookie_alone, entropy::Draw, problem};
use http::StatusCode;
use lambda_http::Request;
use serde_json::json;
use store::marks::Marked;
use token::{Scope, Timestamp, User};

use crate::{
    caller::Caller,
    create::{LONGEST_NAME, bounded, line, scopes},
    mint::{Shape, Wanted, mint},
};

struct Asked {
    name: String,
    expires_at: Timestamp,
    authorities: Scope,
}

pub(crate) async fn create_for_user(
    service: &Service,
    request: &Request,
    now: Timestamp,
    draw: &Draw,
) -> Result<Answer, Problem> {
    let caller = caller(service, request, now, draw).await?;
    let asked = read(service, body::json_object(request.headers(), request.body())?, now)?;
    create(service, &caller, None, asked, now, draw).await
}

pub(crate) async fn create_for_app(
    service: &Service,
    request: &Request,
    now: Timestamp,
    draw: &Draw,
) -> Result<Answer, Problem> {
    let caller = caller(service, request, now, draw).await?;
    if !service.is_administrator(caller.scope()) {
        return Err(Problem::not_permitted());
    }
    let asked = read(service, body::json_object(request.headers(), request.body())?, now)?;
    let none = || Problem::conflict("There is no application account");
    let id = service.settings.app_user.ok_or_else(none)?;
    let app = service.store.marked_user(&id).await?.ok_or_else(none)?;
    create(service, &caller, Some(&app), asked, now, draw).await
}

async fn caller(service: &Service, request: &Request, now: Timestamp, draw: &Draw) -> Result<Caller, Problem> {
    refuse_cookie_alone(request.headers())?;
    Caller::of(service, request, now, draw).await
}

async fn create(
    service: &Service,
    caller: &Caller,
    app: Option<&Marked<User>>,
    asked: Asked,
    now: Timestamp,
    draw: &Draw,
) -> Result<Answer, Problem> {
    let granted = asked.authorities.intersection(app.map_or_else(|| caller.scope(), |app| &app.value.permissions));
    if granted.is_empty() {
        return Err(Problem::invalid_member("authorities", "nothing of it may be granted"));
    }
    let administers = [service.settings.admin_permission.as_str()];
    let wanted = Wanted {
        other: app,
        permissions: if app.is_some() { &administers } else { &[] },
        shape: Shape::Signed,
        continues_family: false,
        name: Some(asked.name),
        description: None,
        scope: Some(granted),
        expires_at: asked.expires_at,
    };
    let (text, record) = mint(service, caller, wanted, now, draw).await?;
    let body = json!({
        "name": record.name,
        "expiration": record.expires_at.map(Timestamp::with_milliseconds),
        "value": text.reveal(),
        "id": record.id.to_string(),
        "authorities": record.scope.iter().flat_map(Scope::names).collect::<Vec<_>>(),
    });
    Ok(problem::json(StatusCode::OK, &body))
}

fn read(service: &Service, mut body: Members, now: Timestamp) -> Result<Asked, Problem> {
    let missing = |member: &str| Problem::invalid_member(member, "it is missing");
    let name = body.take_text("name")?.ok_or_else(|| missing("name"))?;
    let expiration = body.take_text("expiration")?.ok_or_else(|| missing("expiration"))?;
    let authorities = body.take("authorities").ok_or_else(|| missing("authorities"))?;
    body.done()?;
    let wrong = || Problem::invalid_member("expiration", "it is not an instant of RFC 3339");
    let expires_at = Timestamp::parse_rfc3339(&expiration).ok_or_else(wrong)?;
    let expires_at = bounded(service, "expiration", expires_at, now)?;
    Ok(Asked { name: line("name", &name, LONGEST_NAME)?, expires_at, authorities: scopes("authorities", authorities)? })
}
