//! `hallpass token issue` and `hallpass token rotate`. They use the code of the generate function,
//! so that their tokens are like all others.

use clap::Args;
use hallpass_http::view;
use hallpass_runtime::entropy;
use hallpass_service::Context;
use hallpass_service::operator::{self, Order};
use hallpass_token::{Period, Permission, Record, Scope, Text, Timestamp, TokenId};
use serde_json::Value;

use crate::{clock, error::CommandError, pasted, stack::Stack, terminal::Terminal, user};

/// The options of `hallpass token issue`.
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// User name, or `id:` followed by the user ID
    #[arg(value_parser = pasted::name)]
    user: String,
    /// Name of the token; named tokens count against the user's limit
    #[arg(long)]
    name: Option<String>,
    /// Description of the token
    #[arg(long)]
    description: Option<String>,
    /// Lifetime of the token, such as 90s, 15m, 12h, 30d, 2w, "1 month" or P30D [default: the
    /// stack's setting]
    #[arg(long, value_name = "DURATION", conflicts_with = "expires_at")]
    expires_in: Option<String>,
    /// Expiry of the token, an RFC 3339 timestamp such as 2027-01-31T09:30:00Z
    #[arg(long, value_name = "INSTANT")]
    expires_at: Option<String>,
    /// Limit the token to this permission; can be repeated [default: all permissions of the user]
    #[arg(long = "scope", value_name = "PERMISSION", value_parser = user::permission)]
    scopes: Vec<Permission>,
    /// Issue a JWT
    #[arg(long)]
    jwt: bool,
}

pub(super) async fn issue(
    args: IssueArgs,
    stack: &Stack,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let service = stack.service()?;
    let owner = user::find(&service.store, &args.user).await?;
    let now = clock::now(stack, terminal).await?;
    let scope: Option<Scope> =
        (!args.scopes.is_empty()).then(|| args.scopes.iter().cloned().collect());
    let held = owner.permissions.clone();
    let operator = stack.operator().await.to_owned();
    let order = Order {
        operator,
        jwt: args.jwt,
        name: args.name.clone(),
        description: args.description.clone(),
        expires_at: end(&args, service.settings.max_lifetime, now)?,
        scope,
        owner,
    };
    let randomness = entropy::randomness();
    let context = Context::new(&service, now, &randomness);
    let (text, record) = operator::issue(&context, order).await?;
    if let Err(error) = terminal.say_secret(text.expose_secret(), &view_of(&record, &text, &[])) {
        service.store.withdraw(&record, &stack.cause(now).await).await?;
        return Err(CommandError::Undelivered(format!(
            "the token could not be written and was deleted: {error}"
        )));
    }
    print_summary(terminal, &record);
    for left_out in args.scopes.iter().filter(|scope| !held.holds(scope.as_str())) {
        terminal.note(&format!(
            "left out {}: the user does not have this permission",
            left_out.as_str()
        ))?;
    }
    Ok(())
}

pub(super) async fn rotate(
    id: &TokenId,
    stack: &Stack,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let service = stack.service()?;
    let now = clock::now(stack, terminal).await?;
    let old = service.store.record(id).await?;
    old.ok_or_else(|| CommandError::rejected(format!("there is no token {id}")))?;
    let randomness = entropy::randomness();
    let context = Context::new(&service, now, &randomness);
    let rotation = operator::rotate(&context, stack.operator().await.to_owned(), id).await?;
    let ends_at = rotation.old_ends_at.to_string();
    let more = [("replaces", id.to_string()), ("replaced_ends_at", ends_at.clone())];
    let json = view_of(&rotation.record, &rotation.text, &more);
    if let Err(error) = terminal.say_secret(rotation.text.expose_secret(), &json) {
        service.store.withdraw(&rotation.record, &stack.cause(now).await).await?;
        let why = format!(
            "the new token could not be written and was deleted; {id} is unchanged: {error}"
        );
        return Err(CommandError::Undelivered(why));
    }
    print_summary(terminal, &rotation.record);
    // The token is delivered even if this note is not.
    let _ =
        terminal.note(&format!("{id} expires when the new token is first used, or at {ends_at}"));
    Ok(())
}

fn view_of(record: &Record, text: &Text, more: &[(&str, String)]) -> Value {
    let mut json = view::issued(record, text);
    if let Value::Object(members) = &mut json {
        members.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())));
    }
    json
}

/// Describes the token that was printed to standard output. The token is delivered even if this
/// note is not.
fn print_summary(terminal: Terminal, record: &Record) {
    let expiry = record
        .expires_at
        .map_or_else(|| "never expires".to_owned(), |at| format!("expires at {at}"));
    let scope =
        record.scope.as_ref().map_or_else(|| "all of its user".to_owned(), ToString::to_string);
    let _ = terminal.note(&format!("issued {}; {expiry}; permissions: {scope}", record.id));
}

/// What `--expires-in` is.
const DURATION: &str =
    "a duration of at least a second, such as 90s, 15m, 12h, 30d, 2w, \"1 month\" or P30D";

fn end(
    args: &IssueArgs,
    longest: Period,
    now: Timestamp,
) -> Result<Option<Timestamp>, CommandError> {
    if let Some(text) = &args.expires_at {
        let end = text.parse::<Timestamp>().ok();
        return end.map(Some).ok_or_else(|| {
            CommandError::rejected(
                "--expires-at must be an RFC 3339 timestamp, such as 2027-01-31T09:30:00Z",
            )
        });
    }
    let Some(text) = &args.expires_in else {
        return Ok(None);
    };
    if text.is_empty() {
        return Err(CommandError::rejected(format!("--expires-in needs {DURATION}")));
    }
    let lifetime = text.parse().ok().filter(|lifetime: &Period| !lifetime.is_zero());
    let lifetime = lifetime
        .ok_or_else(|| CommandError::rejected(format!("--expires-in: it is not {DURATION}")))?;
    let end = lifetime.after(now);
    if end > longest.after(now) {
        return Err(CommandError::rejected(format!(
            "--expires-in must be at most {longest} (HALLPASS_MAX_LIFETIME)"
        )));
    }
    Ok(Some(end))
}
