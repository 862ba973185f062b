//! `hallpass token explain`.

use clap::Args;
use hallpass_runtime::settings::{Lookup, Settings, text};
use hallpass_service::explain::{Call, Check, Explanation, Outcome, Question, Rules};
use hallpass_token::TokenId;

use crate::{
    clock,
    error::CommandError,
    pasted,
    stack::Stack,
    terminal::{self, Terminal},
};

/// The options of `hallpass token explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Token ID, or `-` to read the token itself from a prompt or standard input
    #[arg(value_name = "TOKEN_ID", value_parser = pasted::name)]
    token: String,
    /// Method of a request, such as GET, to compare with the stack's route rules
    #[arg(long, value_parser = pasted::name, requires = "path")]
    method: Option<String>,
    /// Path of that request, without the stage and the query
    #[arg(long, value_parser = pasted::name, requires = "method")]
    path: Option<String>,
}

/// The mark of the check that decides.
const DECIDING: &str = ">";

/// What is given in place of an ID to read the token itself.
const FROM_INPUT: &str = "-";

/// Prints which check decides about a token. Explaining is no use of the token.
///
/// # Errors
/// Returns a [`CommandError`] if the arguments are invalid, the token does not exist, or the stack
/// cannot be read.
pub(super) async fn explain(
    args: &ExplainArgs,
    stack: &Stack,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let call = Call::parse(args.method.as_deref(), args.path.as_deref())
        .map_err(|bad| CommandError::Usage(format!("--{bad}")))?;
    let id = (args.token != FROM_INPUT).then(|| args.token.parse::<TokenId>()).transpose();
    let id = id.map_err(|_| {
        CommandError::Usage("TOKEN_ID must be the ID of a token, or - to read a token".to_owned())
    })?;
    let (service, lookup) = (stack.service()?, stack.lookup());
    let rules = rules(&service.settings, &lookup);
    let call = call.as_ref();
    let explanation = if let Some(id) = id {
        let record = service.store.record(&id).await?;
        let record =
            record.ok_or_else(|| CommandError::rejected(format!("there is no token {id}")))?;
        let now = clock::now(stack, terminal).await?;
        service.explain_record(&record, &Question { call, rules, now }).await?
    } else {
        let text = terminal::token("Token")?;
        let now = clock::now(stack, terminal).await?;
        service.explain_text(&text, &Question { call, rules, now }).await?
    };
    print(&explanation, terminal)
}

/// The route rules of the stack. They are not known if the stack was not named and the variable is
/// not set.
fn rules<'a>(settings: &'a Settings, lookup: Lookup<'_>) -> Rules<'a> {
    const ROUTES: &str = "HALLPASS_ROUTES";
    match &settings.routes {
        Some(routes) => Rules::Known(routes),
        None if lookup(ROUTES).is_some() && text(lookup, ROUTES).is_none() => Rules::Absent,
        None => Rules::Unknown,
    }
}

fn print(explanation: &Explanation, terminal: Terminal) -> Result<(), CommandError> {
    let view = explanation.view();
    if !terminal.is_json() {
        terminal.say(&summary(explanation), &view)?;
    }
    let row = |check: &Check| {
        let is_deciding = check.outcome == Outcome::Failed;
        let since = check.since.map(|at| at.to_string());
        let changed = check.changed.as_ref().map(|names| format!(": {}", names.join(", ")));
        let scopes = check.scopes.as_ref().map(|scope| format!(": {scope}"));
        let named = changed.or(scopes.filter(|scopes| scopes.len() > 2)).unwrap_or_default();
        [
            if is_deciding { DECIDING } else { "" }.to_owned(),
            check.name.as_str().to_owned(),
            check.outcome.as_str().to_owned(),
            since.unwrap_or_default(),
            check.detail.as_ref().map(|detail| format!("{detail}{named}")).unwrap_or_default(),
        ]
    };
    let rows: Vec<[String; 5]> = explanation.checks.iter().map(row).collect();
    Ok(terminal.table(["", "CHECK", "OUTCOME", "SINCE", "DETAIL"], &rows, &view)?)
}

/// Returns the verdict, and who last changed the record, in a few lines.
fn summary(explanation: &Explanation) -> String {
    let Explanation { token_id, reason, since, effective_at, last_change, .. } = explanation;
    let token = token_id.map_or_else(|| "the token".to_owned(), |id| id.to_string());
    let Some(reason) = reason else { return format!("{token} is accepted") };
    let since = since.map(|at| format!(" since {at}")).unwrap_or_default();
    let mut lines = vec![format!("{token} is rejected: {reason}{since}")];
    let until = effective_at.filter(|at| Some(*at) != explanation.since);
    lines.extend(
        until.map(|at| format!("APIs that cache authorizer responses can accept it until {at}")),
    );
    if let Some(change) = last_change {
        let because =
            change.because.as_ref().map(|because| format!(": {because}")).unwrap_or_default();
        let by = terminal::printable(&format!("{}{because}", change.by));
        lines.push(format!("its record was last changed at {} by {by}", change.at));
    }
    lines.join("\n")
}
