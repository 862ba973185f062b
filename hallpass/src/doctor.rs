//! `hallpass doctor`: looks whether a stack is as it should be, and says what to do where it is not. It changes nothing,
//! but for the names of users, and those only with `--fix`.

use std::fmt;

use clap::Args;
use edge::clock;
use serde_json::json;

use crate::{
    error::CommandError,
    stack::Stack,
    terminal::{Colour, Terminal},
};

mod attributes;
mod keys;
mod repair;
mod settings;
mod tables;
mod users;

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    of: String,
    verdict: Verdict,
    /// What is so.
    detail: String,
    /// What to do about it.
    advice: &'static str,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and wants looking at.
    Warning,
    /// It does not work, or will not.
    Wrong,
    /// Nobody says.
    CannotTell,
}

impl Finding {
    fn ok(of: impl Into<String>, detail: impl fmt::Display) -> Self {
        Self { of: of.into(), verdict: Verdict::Ok, detail: detail.to_string(), advice: "" }
    }

    fn new(of: impl Into<String>, verdict: Verdict, detail: impl fmt::Display, advice: &'static str) -> Self {
        Self { of: of.into(), verdict, detail: detail.to_string(), advice }
    }
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Wrong => "wrong",
            Self::CannotTell => "cannot tell",
        }
    }

    const fn colour(self) -> Colour {
        match self {
            Self::Ok => Colour::Good,
            Self::Warning | Self::CannotTell => Colour::Warning,
            Self::Wrong => Colour::Bad,
        }
    }
}

/// How to look.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Repair the names of users first: write `username_key` where it is missing or stale
    #[arg(long)]
    fix: bool,
}

/// Looks at everything, and says what it found.
///
/// # Errors
/// When something is wrong, or standard output cannot be written.
pub async fn run(args: &DoctorArgs, stack: &Stack, terminal: Terminal) -> Result<(), CommandError> {
    if args.fix {
        repair::names(&stack.store()?, terminal).await?;
    }
    let mut findings = settings::check(stack);
    // Without its settings a stack has neither tables nor keys to look at.
    if let Ok(store) = stack.store() {
        findings.extend(tables::check(&store).await);
        let now = store.clock(&store.tables().tokens).await.ok().flatten().unwrap_or_else(clock::now);
        findings.push(tables::check_clock(&store, clock::now).await);
        findings.extend(keys::check(stack, now).await);
        findings.extend(users::check(&store).await);
        if let Ok(settings) = stack.settings() {
            findings.extend(attributes::check(&store, &settings).await);
        }
    }
    say(&findings, terminal)?;
    let wrong = findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count();
    if wrong == 0 { Ok(()) } else { Err(CommandError::rejected(format!("{wrong} of {} are wrong", findings.len()))) }
}

fn say(findings: &[Finding], terminal: Terminal) -> Result<(), CommandError> {
    if terminal.is_json() {
        let one = |finding: &Finding| {
            let advice = (!finding.advice.is_empty()).then_some(finding.advice);
            let verdict = finding.verdict.as_str();
            json!({"of": finding.of, "verdict": verdict, "detail": finding.detail, "advice": advice})
        };
        let ok = findings.iter().all(|finding| finding.verdict != Verdict::Wrong);
        let json = json!({"ok": ok, "findings": findings.iter().map(one).collect::<Vec<_>>()});
        return Ok(terminal.say("", &json)?);
    }
    let longest = findings.iter().map(|finding| finding.of.chars().count()).max().unwrap_or_default();
    for Finding { of, verdict, detail, advice } in findings {
        let mark = terminal.paint(&format!("{:<11}", verdict.as_str()), verdict.colour());
        let line = format!("{mark}  {of:longest$}  {}", crate::terminal::printable(detail));
        terminal.say(&line, &json!(null))?;
        if !advice.is_empty() {
            terminal.say(&format!("{:11}  {:longest$}  → {advice}", "", ""), &json!(null))?;
        }
    }
    Ok(())
}
