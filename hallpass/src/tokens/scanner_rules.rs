//! `hallpass token scanner-rules`: the rules by which secret scanners find the tokens of a
//! deployment.

use std::fmt::Write as _;

use clap::Args;
use hallpass_token::{
    Issuer,
    codec::pattern::{Pattern, patterns},
};
use serde_json::{Value, json};

use crate::{error::CommandError, pasted, stack::Stack, terminal::Terminal};

/// The options of `hallpass token scanner-rules`.
#[derive(Debug, Args)]
pub struct ScannerRulesArgs {
    #[command(flatten)]
    scanner: Scanner,
    /// Prefix of the tokens; no stack is needed [default: the stack's setting]
    #[arg(long, value_name = "PREFIX", value_parser = pasted::name)]
    prefix: Option<String>,
    /// The tokens can have a checksum [default: the stack's setting]
    #[arg(long, requires = "prefix")]
    checksum: bool,
}

/// For which scanner the rules are.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Scanner {
    /// Print rules for gitleaks, as TOML [default]
    #[arg(long)]
    gitleaks: bool,
    /// Print custom detectors for TruffleHog, as YAML
    #[arg(long)]
    trufflehog: bool,
    /// Print the regular expressions alone, for GitHub's partner program: of signed tokens, then of
    /// developer tokens
    #[arg(long)]
    github: bool,
}

/// The least Shannon entropy of a token, in bits per character. A token has more even with the
/// longest user ID of one repeated character; a placeholder of one repeated character has less.
const ENTROPY: &str = "3";

/// The reason for an error if the deployment has no prefix.
const NO_PREFIX: &str = "the stack's tokens have no prefix, so a scanner cannot tell them from other text; set \
     HALLPASS_PREFIX to one of your own, such as acme_, before you issue tokens: those without it are \
     rejected then. --prefix prints the rules of a prefix that is not set yet";

impl ScannerRulesArgs {
    /// Returns whether the arguments have the prefix, so that no stack is needed.
    pub const fn has_prefix(&self) -> bool {
        self.prefix.is_some()
    }

    /// The deployment that the arguments describe.
    fn issuer(&self) -> Result<Issuer, CommandError> {
        let issuer = Issuer::new(self.prefix.as_deref().unwrap_or_default(), "hallpass");
        let issuer = if self.checksum { issuer.and_then(Issuer::with_checksum) } else { issuer };
        issuer.map_err(|bad| CommandError::rejected(bad.to_string()))
    }
}

/// `token scanner-rules`: prints the rules of a stack, or of a prefix among the arguments.
///
/// # Errors
/// Returns a [`CommandError`] if the tokens have no prefix or it is invalid, or if standard output
/// cannot be written.
pub fn print(
    args: &ScannerRulesArgs,
    stack: Option<&Stack>,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let issuer = match stack.filter(|_| !args.has_prefix()) {
        Some(stack) => stack.settings()?.issuer,
        None => args.issuer()?,
    };
    let patterns = patterns(&issuer).ok_or_else(|| CommandError::rejected(NO_PREFIX))?;
    let rules = patterns.map(|pattern| (name(&issuer, &pattern), pattern));
    let text = if args.scanner.trufflehog {
        trufflehog(&rules)
    } else if args.scanner.github {
        rules.each_ref().map(|(_, pattern)| pattern.expression.as_str()).join("\n")
    } else {
        gitleaks(&rules)
    };
    Ok(terminal.say(text.trim_end(), &view(&rules))?)
}

/// The name of a rule: different for each deployment, so that the rules of several can be together.
fn name(issuer: &Issuer, pattern: &Pattern) -> String {
    let deployment = issuer.prefix().trim_matches(['-', '_']);
    let words = ["hallpass", deployment, pattern.format.as_str(), "token"];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

/// Rules of gitleaks (<https://github.com/gitleaks/gitleaks#configuration>). It compares keywords
/// in lower case.
fn gitleaks(rules: &[(String, Pattern)]) -> String {
    let mut text = String::from(
        "# Rules of gitleaks. To keep its default rules as well, begin the file with:\n\
         # [extend]\n\
         # useDefault = true\n",
    );
    for (name, Pattern { format, keyword, expression }) in rules {
        // Neither a quote nor, outside the expression, a backslash is in any of these.
        let _ = write!(
            text,
            "\n[[rules]]\n\
             id = \"{name}\"\n\
             description = \"A Hallpass token of the format {format}: revoke it with its family\"\n\
             regex = '''{expression}'''\n\
             secretGroup = 1\n\
             entropy = {ENTROPY}\n\
             keywords = [\"{}\"]\n",
            keyword.to_lowercase()
        );
    }
    text
}

/// Custom detectors of TruffleHog
/// (<https://github.com/trufflesecurity/trufflehog/blob/main/pkg/custom_detectors/CUSTOM_DETECTORS.md>).
/// Each has one expression, because all expressions of a detector have to match.
fn trufflehog(rules: &[(String, Pattern)]) -> String {
    let mut text = String::from("# Custom detectors of TruffleHog.\ndetectors:\n");
    for (name, Pattern { keyword, expression, .. }) in rules {
        let _ = write!(
            text,
            "  - name: {name}\n    \
                 keywords:\n      \
                   - '{keyword}'\n    \
                 regex:\n      \
                   token: '{expression}'\n    \
                 entropy: {ENTROPY}\n"
        );
    }
    text
}

fn view(rules: &[(String, Pattern)]) -> Value {
    let rule = |(name, pattern): &(String, Pattern)| {
        json!({
            "name": name,
            "format": pattern.format.as_str(),
            "keyword": pattern.keyword,
            "regex": pattern.expression,
        })
    };
    json!({ "rules": rules.iter().map(rule).collect::<Vec<_>>() })
}
