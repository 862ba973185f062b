//! `hallpass token issue` and `hallpass token rotate`: through the code of `generate`, so that a token made here is one
//! like every other.

use clap::Args;
use edge::{entropy, settings, view};
use generate::operator::{self, Order};
use serde_json::Value;
use token::{Permission, Record, Scope, Text, Timestamp, TokenId};

use crate::{clock, error::CommandError, stack::Stack, terminal::Terminal, user};

/// The token that is asked for.
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// The name the user logs in with, or `id:` and the user's id
    user: String,
    /// What to call it; a named token counts against the limit of its user
    #[arg(long)]
    name: Option<String>,
    /// What to say about it
    #[arg(long)]
    description: Option<String>,
    /// How long it lives: 90s, 15m, 12h or 30d [default: as the stack is configured]
    #[arg(long, value_name = "DURATION", conflicts_with = "expires_at")]
    expires_in: Option<String>,
    /// When it ends, an instant of RFC 3339 such as 2027-01-31T09:30:00Z
    #[arg(long, value_name = "INSTANT")]
    expires_at: Option<String>,
    /// A permission to limit it to; may be repeated [default: all that the user may do]
    #[arg(long = "scope", value_name = "PERMISSION")]
    scopes: Vec<Permission>,
    /// Make it a JWT
    #[arg(long)]
    jwt: bool,
}

pub(super) async fn issue(args: IssueArgs, stack: &Stack, terminal: Terminal) -> Result<(), CommandError> {
    let service = stack.service()?;
    let owner = user::find(&service.store, &args.user).await?;
    let now = clock::now(stack, terminal).await?;
    let scope: Option<Scope> = (!args.scopes.is_empty()).then(|| args.scopes.iter().cloned().collect());
    let held = owner.permissions.clone();
    let order = Order {
        jwt: args.jwt,
        name: args.name.clone(),
        description: args.description.clone(),
        expires_at: end(&args, now)?,
        scope,
        owner,
    };
    let (text, record) = operator::issue(&service, order, now, &entropy::randomness()?).await?;
    if let Err(error) = terminal.say_secret(text.expose_secret(), &view_of(&record, &text, &[])) {
        service.store.withdraw(&record).await?;
        return Err(CommandError::Undelivered(format!("the token could not be written, and was deleted: {error}")));
    }
    say(terminal, &record);
    for left_out in args.scopes.iter().filter(|scope| !held.holds(scope.as_str())) {
        terminal.note(&format!("left out {}: the user may not do it", left_out.as_str()))?;
    }
    Ok(())
}

pub(super) async fn rotate(id: &TokenId, stack: &Stack, terminal: Terminal) -> Result<(), CommandError> {
    let service = stack.service()?;
    let now = clock::now(stack, terminal).await?;
    let old = service.store.record(id).await?;
    old.ok_or_else(|| CommandError::rejected(format!("there is no token {id}")))?;
    let rotation = operator::rotate(&service, id, now, &entropy::randomness()?).await?;
    let ends_at = rotation.old_ends_at.to_string();
    let more = [("replaces", id.to_string()), ("replaced_ends_at", ends_at.clone())];
    let json = view_of(&rotation.record, &rotation.text, &more);
    if let Err(error) = terminal.say_secret(rotation.text.expose_secret(), &json) {
        service.store.withdraw(&rotation.record).await?;
        let why = format!("the new token could not be written, and was deleted; {id} stays as it was: {error}");
        return Err(CommandError::Undelivered(why));
    }
    say(terminal, &rotation.record);
    // The token is delivered, even if the words about it are not.
    let _ = terminal.note(&format!("{id} ends at the first use of the new token, or at {ends_at}"));
    Ok(())
}

fn view_of(record: &Record, text: &Text, more: &[(&str, String)]) -> Value {
    let mut json = view::issued(record, text);
    if let Value::Object(members) = &mut json {
        members.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())));
    }
    json
}

/// What the token is that stands alone on standard output. The token is delivered, even if these words are not.
fn say(terminal: Terminal, record: &Record) {
    let end = record.expires_at.map_or_else(|| "never ends".to_owned(), |at| format!("ends at {at}"));
    let scope = record.scope.as_ref().map_or_else(|| "all that its user may do".to_owned(), ToString::to_string);
    let _ = terminal.note(&format!("issued {}; it {end} and may do: {scope}", record.id));
}

fn end(args: &IssueArgs, now: Timestamp) -> Result<Option<Timestamp>, CommandError> {
    if let Some(text) = &args.expires_at {
        let end = Timestamp::parse_rfc3339(text);
        return end.map(Some).ok_or_else(|| CommandError::rejected("--expires-at: it is not an instant of RFC 3339"));
    }
    let Some(text) = &args.expires_in else {
        return Ok(None);
    };
    let lifetime = settings::duration_or_zero(&|_| Some(text.clone()), "--expires-in", std::time::Duration::ZERO);
    Ok(Some(now.after(lifetime.map_err(|bad| CommandError::rejected(bad.to_string()))?)))
}
