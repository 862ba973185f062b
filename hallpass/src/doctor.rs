//! `hallpass doctor`: checks a stack for problems and prints how to fix them. It changes nothing
//! except, with `--fix`, the names of users.

use std::fmt;

use clap::Args;
use hallpass_runtime::clock;
use serde_json::json;

use crate::{
    error::CommandError,
    stack::Stack,
    terminal::{Colour, Terminal},
};

mod attributes;
mod identity_provider;
mod keys;
mod permissions;
mod repair;
mod roles;
mod settings;
mod tables;
mod users;

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The checked part of the stack.
    of: String,
    verdict: Verdict,
    /// The state found.
    detail: String,
    /// The remedy: how to fix it, or how to have it checked. Empty if it is correct.
    advice: &'static str,
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Correct.
    Ok,
    /// It works but needs attention.
    Warning,
    /// It does not work, or will stop working.
    Error,
    /// It could not be checked, or there is nothing to check.
    Skipped,
}

impl Finding {
    fn ok(of: impl Into<String>, detail: impl fmt::Display) -> Self {
        Self { of: of.into(), verdict: Verdict::Ok, detail: detail.to_string(), advice: "" }
    }

    fn new(
        of: impl Into<String>,
        verdict: Verdict,
        detail: impl fmt::Display,
        advice: &'static str,
    ) -> Self {
        Self { of: of.into(), verdict, detail: detail.to_string(), advice }
    }
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }

    const fn colour(self) -> Colour {
        match self {
            Self::Ok => Colour::Good,
            Self::Warning | Self::Skipped => Colour::Warning,
            Self::Error => Colour::Bad,
        }
    }
}

/// The remedy for users who cannot be read.
const SCAN: &str = "check the permission dynamodb:Scan";

/// The options of `hallpass doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Repair user names first: write `username_key` where it is missing or stale
    #[arg(long)]
    fix: bool,
}

/// Runs all checks and prints their results.
///
/// # Errors
/// Returns [`CommandError::Rejected`] if a check fails, or another [`CommandError`] if a name
/// cannot be repaired or standard output cannot be written.
pub async fn run(args: &DoctorArgs, stack: &Stack, terminal: Terminal) -> Result<(), CommandError> {
    if args.fix {
        repair::names(&stack.store()?, terminal).await?;
    }
    let mut findings = settings::check(stack);
    // Without valid settings the tables and the keys cannot be found.
    if let Ok(store) = stack.store() {
        findings.extend(tables::check(&store).await);
        let now =
            store.clock(&store.tables().tokens).await.ok().flatten().unwrap_or_else(clock::now);
        findings.push(tables::check_clock(&store, clock::now).await);
        findings.extend(keys::check(stack, now).await);
        findings.extend(users::check(&store).await);
        if let Ok(settings) = stack.settings() {
            findings.extend(attributes::check(&store, &settings).await);
            findings.extend(roles::check(&store, &settings).await);
            findings.extend(permissions::check(&store, &settings, &stack.lookup()).await);
            findings.extend(identity_provider::check(stack, &settings, now).await);
        }
    }
    say(&findings, terminal)?;
    let wrong = findings.iter().filter(|finding| finding.verdict == Verdict::Error).count();
    if wrong == 0 {
        Ok(())
    } else {
        Err(CommandError::rejected(format!("{wrong} of {} checks failed", findings.len())))
    }
}

fn say(findings: &[Finding], terminal: Terminal) -> Result<(), CommandError> {
    if terminal.is_json() {
        let one = |finding: &Finding| {
            let advice = (!finding.advice.is_empty()).then_some(finding.advice);
            let verdict = finding.verdict.as_str();
            json!({
                "of": finding.of, "verdict": verdict, "detail": finding.detail, "advice": advice,
            })
        };
        let ok = findings.iter().all(|finding| finding.verdict != Verdict::Error);
        let json = json!({"ok": ok, "findings": findings.iter().map(one).collect::<Vec<_>>()});
        return Ok(terminal.say("", &json)?);
    }
    let longest =
        findings.iter().map(|finding| finding.of.chars().count()).max().unwrap_or_default();
    for Finding { of, verdict, detail, advice } in findings {
        let mark = terminal.paint(&format!("{:<7}", verdict.as_str()), verdict.colour());
        let line = format!("{mark}  {of:longest$}  {}", crate::terminal::printable(detail));
        terminal.say(&line, &json!(null))?;
        if !advice.is_empty() {
            terminal.say(&format!("{:7}  {:longest$}  → {advice}", "", ""), &json!(null))?;
        }
    }
    Ok(())
}
