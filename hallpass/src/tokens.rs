//! `hallpass token`: manages the tokens of users, and decodes any token.

use clap::{Args, Subcommand};
use hallpass_http::view;
use hallpass_token::{
    Issuer, Reason, Record, Timestamp, TokenHash, TokenId, User,
    codec::{checksum::Checksum, inspect},
    lifecycle,
};
use serde_json::{Value, json};

use crate::{
    clock,
    error::CommandError,
    stack::Stack,
    terminal::{self, Terminal},
};

mod explain;
mod issue;
mod list;
mod revoke;
mod scanner_rules;

pub use scanner_rules::print as print_scanner_rules;

/// Shown for an attribute that the token's text does not contain.
const IN_RECORD: &str = "in the token's record";

/// The subcommands of `hallpass token`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Issue a token for a user; it is printed once, alone on standard output
    Issue(issue::IssueArgs),
    /// List a user's tokens, oldest first within each 500
    List(list::ListArgs),
    /// Show a token's record
    Show {
        /// Token ID, as printed by `list` and `inspect`
        id: TokenId,
    },
    /// Revoke a token, its family, everything its family issued, or all tokens of a user
    Revoke(revoke::RevokeArgs),
    /// Issue a replacement for a token; it is printed once, alone on standard output
    Rotate {
        /// ID of the token to replace
        id: TokenId,
    },
    /// Decode a token offline, without verifying it; the token is read from a prompt or standard
    /// input
    Inspect(InspectArgs),
    /// Say which check decides about a token, and since when; this is no use of the token
    Explain(explain::ExplainArgs),
    /// Print the rules by which a secret scanner finds the stack's tokens
    ScannerRules(scanner_rules::ScannerRulesArgs),
}

/// The options of `hallpass token inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Prefix of the deployment's tokens
    #[arg(long, default_value = "", env = "HALLPASS_PREFIX", hide_env_values = true)]
    prefix: String,
}

/// Runs a subcommand.
///
/// # Errors
/// Returns a [`CommandError`] if the subcommand fails or rejects its arguments.
pub async fn run(command: Command, stack: &Stack, terminal: Terminal) -> Result<(), CommandError> {
    match command {
        Command::Issue(args) => Box::pin(issue::issue(args, stack, terminal)).await,
        Command::List(args) => list::list(&args, stack, terminal).await,
        Command::Show { id } => show(stack, &id, terminal).await,
        Command::Revoke(args) => Box::pin(revoke::run(args, stack, terminal)).await,
        Command::Rotate { id } => Box::pin(issue::rotate(&id, stack, terminal)).await,
        Command::Inspect(args) => inspect(&args, terminal),
        Command::Explain(args) => Box::pin(explain::explain(&args, stack, terminal)).await,
        Command::ScannerRules(args) => scanner_rules::print(&args, Some(stack), terminal),
    }
}

/// `token inspect`: decodes a token without a stack, a key or the network. It does not verify the
/// token.
///
/// # Errors
/// Returns [`CommandError::Rejected`] if the input is not a token, or [`CommandError::Io`] if it
/// cannot be read.
pub fn inspect(args: &InspectArgs, terminal: Terminal) -> Result<(), CommandError> {
    let issuer = Issuer::new(&args.prefix, "hallpass")
        .map_err(|bad| CommandError::rejected(bad.to_string()))?;
    let text = terminal::token("Token")?;
    let seen = inspect::inspect(&issuer, text.expose_secret()).ok_or_else(|| {
        CommandError::rejected("not a Hallpass token, or a token with another prefix; see --prefix")
    })?;
    // This command makes no request, so it uses this machine's clock.
    let now = hallpass_runtime::clock::now();
    let id =
        seen.user_id.map_or_else(|| format!("….{}", seen.hash), |id| format!("{id}.{}", seen.hash));
    let state = match seen.expires_at {
        Some(end) if end.has_passed(now) => "expired, by this machine's clock",
        Some(_) => "not expired, by this machine's clock",
        None => IN_RECORD,
    };
    let mut rows = vec![
        ("format", seen.format.to_string()),
        ("user id", seen.user_id.map_or_else(|| IN_RECORD.to_owned(), |id| id.to_string())),
        ("token id", id),
        ("expires", seen.expires_at.map_or_else(|| IN_RECORD.to_owned(), |at| at.to_string())),
        ("state", state.to_owned()),
        ("signature", "not verified: verification needs the key".to_owned()),
    ];
    let checksum = match seen.checksum {
        Checksum::Absent => None,
        Checksum::Right => Some("right"),
        Checksum::Wrong => Some("wrong: the token is incomplete, mistyped or made up"),
    };
    rows.extend(checksum.map(|checksum| ("checksum", checksum.to_owned())));
    rows.extend(seen.issued_at.map(|at| ("issued", at.to_string())));
    rows.extend(seen.audience.clone().map(|audience| ("audience", audience)));
    let rows: Vec<[String; 2]> =
        rows.into_iter().map(|(name, value)| [name.to_owned(), value]).collect();
    let json = json!({
        "format": seen.format.as_str(),
        "user_id": seen.user_id.map(|id| id.to_string()),
        "hash": seen.hash.to_string(),
        "id": seen.user_id.map(|id| format!("{id}.{}", seen.hash)),
        "expires_at": seen.expires_at.map(|at| at.to_string()),
        "is_expired": seen.expires_at.map(|at| at.has_passed(now)),
        "issued_at": seen.issued_at.map(|at| at.to_string()),
        "audience": seen.audience,
        "is_checksum_right": checksum.map(|_| seen.checksum == Checksum::Right),
        "signature_verified": false,
    });
    Ok(terminal.table(["ATTRIBUTE", "VALUE"], &rows, &json)?)
}

async fn show(stack: &Stack, id: &TokenId, terminal: Terminal) -> Result<(), CommandError> {
    let store = stack.store()?;
    let record = store.record(id).await?;
    let record = record.ok_or_else(|| CommandError::rejected(format!("there is no token {id}")))?;
    let user = store.user(&id.user_id).await?;
    let now = clock::now(stack, terminal).await?;
    let scope = record
        .scope
        .as_ref()
        .map_or_else(|| "all permissions of its user".to_owned(), ToString::to_string);
    let rows = [
        ("id", record.id.to_string()),
        ("name", record.name.clone().unwrap_or_default()),
        ("description", record.description.clone().unwrap_or_default()),
        ("user", user.as_ref().map(|user| user.username.clone()).unwrap_or_default()),
        ("format", record.format.to_string()),
        ("state", state(&record, user.as_ref(), now)),
        ("changed", changed(&record, user.as_ref(), now)),
        ("scope", scope),
        ("issued", record.issued_at.to_string()),
        ("issued by", record.issued_by.clone()),
        ("family", record.family.id.to_string()),
        (
            "issued by family",
            record.family.issued_by().map(|family| family.to_string()).unwrap_or_default(),
        ),
        ("expires", or_never(record.expires_at)),
        ("last used", or_never(record.last_used_at)),
        ("replaces", other(&record, record.replaces)),
        ("replaced by", other(&record, record.replaced_by)),
        ("key", record.key_id.clone()),
    ];
    let rows = rows.map(|(name, value)| [name.to_owned(), value]);
    Ok(terminal.table(["ATTRIBUTE", "VALUE"], &rows, &view(&record, user.as_ref(), now))?)
}

/// Returns the state of a token, and of one under rotation also how long it can still be used.
fn state(record: &Record, user: Option<&User>, now: Timestamp) -> String {
    let state = lifecycle::state(record, user, now);
    match record.replaced_at.filter(|_| state.is_live()) {
        Some(until) => format!("{}, rotating until {until}", state.as_str()),
        None => state.as_str().to_owned(),
    }
}

/// Returns a token in JSON, with the tokens of its rotation.
fn view(record: &Record, user: Option<&User>, now: Timestamp) -> Value {
    let mut view = view::token(record, user, now);
    let of = |hash: Option<TokenHash>| hash.map(|_| other(record, hash));
    let rotation = [
        ("replaces", of(record.replaces)),
        ("replaced_by", of(record.replaced_by)),
        ("replaced_at", record.replaced_at.map(|at| at.to_string())),
    ];
    if let Value::Object(members) = &mut view {
        let known = rotation.into_iter().filter_map(|(name, value)| Some((name, value?)));
        members.extend(known.map(|(name, value)| (name.to_owned(), value.into())));
    }
    view
}

/// Returns the ID of another token of the same user.
fn other(record: &Record, hash: Option<TokenHash>) -> String {
    hash.map(|hash| format!("{}.{hash}", record.id.user_id)).unwrap_or_default()
}

/// Returns the attributes of the user that changed, if a change is the reason why the token is
/// rejected and the record can identify them.
fn changed(record: &Record, user: Option<&User>, now: Timestamp) -> String {
    let is_changed = lifecycle::state(record, user, now).reason() == Some(Reason::UserChanged);
    let differences = user.filter(|_| is_changed).map(|user| lifecycle::differences(record, user));
    differences.map(|differences| differences.attributes.join(", ")).unwrap_or_default()
}

fn or_never(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| at.to_string())
}
