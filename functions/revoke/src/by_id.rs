//! `DELETE /tokens/{id}`: revokes one token. With `family=true`, revokes its family. With
//! `descendants=true`, also revokes every token that the family issued.

use hallpass_http::{Problem, Response, gateway, problem};
use hallpass_service::{
    Context, Revoker, authentication,
    family::{Issuer, Search},
};
use hallpass_store::Failure;
use hallpass_token::{Actor, Admitted, Record, TokenId, cursor};
use http::StatusCode;
use lambda_http::{Request, RequestExt};
use serde_json::{Value, json};

use crate::note_in_query;

/// The maximum number of table pages that one request reads. At a megabyte each, this takes far
/// less than the timeout of the function.
const PAGES: u32 = 4;

/// The maximum number of tokens that one request revokes, rounded up to a page.
const MAX_REVOKED: u64 = 1_000;

/// The extent of a revocation.
pub(crate) enum Extent {
    Token,
    Family,
    /// Holds the cursor of the search to continue, if any.
    Descendants(Option<String>),
}

impl Extent {
    pub(crate) fn read(request: &Request) -> Result<Self, Problem> {
        let parameters = request.query_string_parameters_ref();
        let parameter = |name: &str| parameters.and_then(|parameters| parameters.first(name));
        if parameter("chain").is_some() {
            return Err(Problem::invalid_member("chain", "is now family or descendants"));
        }
        let switch = |name: &str| match parameter(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::invalid_member(name, "must be true or false")),
        };
        let (family, descendants) = (switch("family")?, switch("descendants")?);
        match (descendants, parameter("cursor")) {
            (true, cursor) => Ok(Self::Descendants(cursor.map(str::to_owned))),
            (false, Some(_)) => Err(Problem::invalid_member("cursor", "requires descendants=true")),
            (false, None) => Ok(if family { Self::Family } else { Self::Token }),
        }
    }
}

pub(crate) async fn revoke(
    context: &Context<'_>,
    request: &Request,
    extent: Extent,
) -> Result<Response, Problem> {
    let service = context.service;
    let caller = authentication::admit(context, request.headers()).await?;
    let reason = note_in_query(request)?;
    let revoker = &Revoker::of(context, Actor::Token(caller.record.id)).because(reason.as_ref());
    let id = gateway::path_parameter(request, "id");
    let record = match (service.managed(&caller, &id).await, &extent, id.parse::<TokenId>()) {
        (Ok(record), _, _) => record,
        // Descendants can outlive the record of their issuer. Administrators can revoke them by its
        // ID alone.
        (Err(problem), Extent::Descendants(cursor), Ok(id))
            if problem.status() == StatusCode::NOT_FOUND
                && service.is_administrator(&caller.scope) =>
        {
            return descendants(context, revoker, &caller, id, cursor.as_deref()).await;
        }
        (Err(problem), _, _) => return Err(problem),
    };
    let ended = match extent {
        Extent::Token => {
            revoker.revoke_record(&record).await?;
            1
        }
        Extent::Family => {
            let of_family = |other: &Record| other.family.id == record.family.id;
            of_user(context, revoker, &caller, &record.id, of_family).await?
        }
        Extent::Descendants(cursor) => {
            return descendants(context, revoker, &caller, record.id, cursor.as_deref()).await;
        }
    };
    Ok(response(context, &record.id, ended, None))
}

/// Revokes the family and everything it issued: at once among the tokens of its own user, and a few
/// pages at a time among the tokens of all users. Only administrators can do the latter.
async fn descendants(
    context: &Context<'_>,
    revoker: &Revoker<'_>,
    caller: &Admitted,
    id: TokenId,
    cursor: Option<&str>,
) -> Result<Response, Problem> {
    let Context { service, now, .. } = *context;
    if !service.manages_all(caller) {
        return Err(Problem::forbidden(&service.settings.issuer));
    }
    let (keyring, of) =
        (service.keyring(now).await?, cursor::Search { caller: caller.user.id, token: id });
    let mut search = match cursor {
        Some(cursor) => cursor::decrypt_search(&keyring, &of, cursor)
            .and_then(|text| Search::from_text(&text))
            .ok_or_else(|| Problem::invalid_member("cursor", "it was not issued for this token"))?,
        None => begin(revoker, id).await?,
    };
    let (mut ended, mut is_over) = (0_u64, !service.is_administrator(&caller.scope));
    ended = ended.saturating_add(own(context, revoker, caller, &search).await?);
    for _ in 0..PAGES {
        if is_over || ended > MAX_REVOKED {
            break;
        }
        let step = search.step(revoker).await?;
        ended = ended.saturating_add(step.revoked);
        is_over = step.is_over;
        if step.found_family {
            ended = ended.saturating_add(own(context, revoker, caller, &search).await?);
        }
    }
    let next = (!is_over).then(|| {
        let encrypted = cursor::encrypt_search(&keyring, &of, &search.to_text(), now);
        encrypted.ok_or_else(|| Failure::new("encrypting the cursor", "no key signs"))
    });
    Ok(response(context, &id, ended, next.transpose()?))
}

/// Begins a search. If the ID is the family of a browser session, deletes the session first.
async fn begin(revoker: &Revoker<'_>, id: TokenId) -> Result<Search, Problem> {
    revoker.end_session(&id).await?;
    Ok(Search::new(Issuer::find(revoker.store, id).await?))
}

/// Revokes the family itself, and what it issued for its own user.
async fn own(
    context: &Context<'_>,
    revoker: &Revoker<'_>,
    caller: &Admitted,
    search: &Search,
) -> Result<u64, Problem> {
    let family = search.issuer().family();
    let ends = |other: &Record| other.family.id == family || other.family.descends_from(&family);
    of_user(context, revoker, caller, &family, ends).await
}

async fn of_user(
    context: &Context<'_>,
    revoker: &Revoker<'_>,
    caller: &Admitted,
    owner: &TokenId,
    ends: impl Fn(&Record) -> bool,
) -> Result<u64, Problem> {
    let service = context.service;
    let ends = |other: &Record| ends(other) && service.manages(caller, other);
    let ended = revoker.revoke_matching(&owner.user_id, ends).await?;
    ended.ok_or_else(|| Problem::conflict("The family grew while it was being revoked; try again"))
}

/// Returns 200 if the revocation is complete, and 202 with a cursor if there may be more tokens.
fn response(context: &Context<'_>, id: &TokenId, ended: u64, next: Option<String>) -> Response {
    let Context { service, now, .. } = *context;
    let status = if next.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    let mut body = json!({
        "id": id.to_string(), "revoked": ended,
        "effective_at": service.effective_at(now).to_string(),
    });
    if let (Value::Object(members), Some(next)) = (&mut body, next) {
        members.insert("next".to_owned(), next.into());
    }
    problem::json(status, &body)
}
