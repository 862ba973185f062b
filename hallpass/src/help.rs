//! The help of the command: examples of every subcommand, wrapped to the width of the terminal.

use std::io::{self, Write};

use clap::Command;
use console::{Term, measure_text_width, strip_ansi_codes};

use crate::terminal::Terminal;

/// Examples of each subcommand, as they are typed into a shell.
pub const EXAMPLES: [(&str, &[&str]); 37] = [
    (
        "dev",
        &[
            "hallpass dev",
            "hallpass dev --fresh --port 8443",
            "hallpass dev --upstream http://localhost:8080 --protect '/reports/*=reports'",
        ],
    ),
    (
        "user add",
        &[
            "hallpass user add ada --full-name 'Ada Lovelace' --permission ROLE_USER",
            "hallpass user add backup --app --no-password",
        ],
    ),
    (
        "user list",
        &["hallpass user list --state blocked --sort id", "hallpass --json user list --search ada"],
    ),
    ("user show", &["hallpass user show ada", "hallpass user show id:1"]),
    ("user passwd", &["hallpass user passwd ada", "hallpass user passwd ada <password.txt"]),
    ("user rename", &["hallpass user rename ada grace"]),
    ("user link", &["hallpass user link ada --subject 24400320 --issuer https://id.example.com"]),
    ("user unlink", &["hallpass user unlink ada"]),
    ("user block", &["hallpass user block ada", "hallpass --stack hallpass user block ada"]),
    ("user unblock", &["hallpass user unblock ada"]),
    ("user remove", &["hallpass user remove ada", "hallpass user remove id:1 --yes"]),
    ("user maintainer add", &["hallpass user maintainer add ci-bot ada"]),
    ("user maintainer remove", &["hallpass user maintainer remove ci-bot id:1"]),
    ("user permission add", &["hallpass user permission add ada reports"]),
    ("user permission remove", &["hallpass user permission remove ada reports"]),
    (
        "user import",
        &[
            "hallpass user import users.csv --dry-run",
            "hallpass user import users.csv --update",
            "hallpass user import --format jsonl - <users.jsonl",
        ],
    ),
    (
        "token issue",
        &[
            "hallpass token issue ada",
            "hallpass token issue ada --name ci --expires-in '1 month' --scope reports",
        ],
    ),
    (
        "token list",
        &["hallpass token list ada", "hallpass token list id:1 --state live --sort expires"],
    ),
    ("token show", &["hallpass token show 1.24LZRCIrYYNTCeRZ6quIqQ"]),
    (
        "token revoke",
        &[
            "hallpass token revoke 1.24LZRCIrYYNTCeRZ6quIqQ",
            "hallpass token revoke 1.24LZRCIrYYNTCeRZ6quIqQ --family --descendants",
            "hallpass token revoke --all ada --reason 'left the company'",
            "hallpass token revoke 1.24LZRCIrYYNTCeRZ6quIqQ --leaked",
        ],
    ),
    ("token rotate", &["hallpass token rotate 1.24LZRCIrYYNTCeRZ6quIqQ"]),
    ("token inspect", &["hallpass token inspect <token.txt"]),
    (
        "token explain",
        &[
            "hallpass token explain 1.24LZRCIrYYNTCeRZ6quIqQ",
            "hallpass --stack hallpass token explain - --method GET --path /reports/1 <token.txt",
        ],
    ),
    (
        "token scanner-rules",
        &[
            "hallpass --stack hallpass token scanner-rules >>.gitleaks.toml",
            "hallpass token scanner-rules --trufflehog --prefix acme_ --checksum",
        ],
    ),
    ("key new", &["hallpass key new --out ring.json"]),
    ("key list", &["hallpass key list"]),
    ("key rotate", &["hallpass key rotate"]),
    ("key export", &["hallpass key export --jwt"]),
    ("key retire", &["hallpass key retire first", "hallpass key retire first --end-tokens"]),
    ("doctor", &["hallpass doctor", "hallpass doctor --fix"]),
    ("events tail", &["hallpass events tail", "hallpass --json events tail --all --limit 10"]),
    (
        "audit verify",
        &["hallpass --stack hallpass audit verify", "hallpass audit verify --log-only"],
    ),
    (
        "audit list",
        &[
            "hallpass audit list --user ada --limit 20",
            "hallpass audit list --token 1.24LZRCIrYYNTCeRZ6quIqQ --from 2027-01-31T09:30:00Z",
        ],
    ),
    ("audit export", &["hallpass --stack hallpass audit export --out audit.jsonl"]),
    ("prune", &["hallpass --stack hallpass prune"]),
    (
        "completions",
        &["hallpass completions bash >~/.local/share/bash-completion/completions/hallpass"],
    ),
    ("man", &["hallpass man | man -l -", "hallpass man --out pages"]),
];

/// The narrowest column of text, in columns of the terminal.
const NARROWEST: usize = 20;

/// Adds the examples to the help of every subcommand.
pub(crate) fn with_examples(command: Command) -> Command {
    command.mut_subcommands(|below| {
        let path = below.get_name().to_owned();
        with_examples_at(below, &path)
    })
}

fn with_examples_at(command: Command, path: &str) -> Command {
    let of_this = EXAMPLES.iter().find(|(of, _)| *of == path).map(|(_, lines)| *lines);
    let command = match of_this {
        Some(lines) => {
            let before = command.get_after_help().map(|help| format!("{help}\n\n"));
            let lines: Vec<String> = lines.iter().map(|line| format!("  {line}")).collect();
            let help = format!("{}Examples:\n{}", before.unwrap_or_default(), lines.join("\n"));
            command.after_help(help)
        }
        None => command,
    };
    command.mut_subcommands(|below| {
        let path = format!("{path} {}", below.get_name());
        with_examples_at(below, &path)
    })
}

/// Prints help or the version, in the width of the terminal. Help in place of a missing subcommand
/// goes to standard error.
///
/// # Errors
/// Returns an [`io::Error`] if it cannot be written.
pub fn print(help: &clap::Error) -> io::Result<()> {
    let is_error = help.use_stderr();
    let (term, text) = (if is_error { Term::stderr() } else { Term::stdout() }, help.render());
    let has_colours = !is_error && Terminal::new(false).has_colours();
    let text = if has_colours { text.ansi().to_string() } else { text.to_string() };
    let width = term.size_checked().map(|(_, columns)| usize::from(columns));
    let text = width.map_or_else(|| text.clone(), |width| wrapped(&text, width));
    if is_error {
        return io::stderr().lock().write_all(text.as_bytes());
    }
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Breaks lines that are longer than a width between words. The rest of a line begins in the column
/// of its description.
fn wrapped(text: &str, width: usize) -> String {
    let mut all = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if measure_text_width(line.trim_end()) <= width {
            all.push_str(line);
            continue;
        }
        let indent = " ".repeat(indent(&strip_ansi_codes(line), width));
        let mut used = 0_usize;
        for word in line.split_inclusive(' ') {
            let needed = measure_text_width(word.trim_end());
            if used > indent.len() && needed > 0 && used.saturating_add(needed) > width {
                all.truncate(all.trim_end_matches(' ').len());
                all.push('\n');
                all.push_str(&indent);
                used = indent.len();
            }
            all.push_str(word);
            used = used.saturating_add(measure_text_width(word.trim_end_matches('\n')));
        }
    }
    all
}

/// Returns the column in which the rest of a line begins: that of its description, after the first
/// gap of two spaces, or a little behind the line itself if there is too little room. Without a
/// description it is the column of the line.
fn indent(line: &str, width: usize) -> usize {
    let begin = line.len().saturating_sub(line.trim_start().len());
    let rest = line.get(begin..).unwrap_or_default();
    let after_gap = rest.find("  ").map(|gap| {
        let spaces = rest.get(gap..).unwrap_or_default();
        let behind = rest.len().saturating_sub(spaces.trim_start().len());
        begin.saturating_add(measure_text_width(rest.get(..behind).unwrap_or_default()))
    });
    let has_room = |column: usize| column.saturating_add(NARROWEST) <= width;
    match after_gap {
        Some(column) if has_room(column) => column,
        Some(_) => begin.saturating_add(4),
        None => begin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_break_between_words_and_keep_their_column() {
        let check = |text: &str, width: usize, expected: &str| {
            assert_eq!(wrapped(text, width), expected, "{text:?}");
        };
        check("short\n", 40, "short\n");
        check("one two three four\n", 9, "one two\nthree\nfour\n");
        check("one two three", 9, "one two\nthree");
        check(
            "  --yes  Do not ask for a confirmation of it\n  -h  Help\n",
            36,
            "  --yes  Do not ask for a\n         confirmation of it\n  -h  Help\n",
        );
        check(
            "          Do not ask for a confirmation\n",
            36,
            "          Do not ask for a\n          confirmation\n",
        );
        check("  --yes  Do not ask\n", 16, "  --yes  Do not\n      ask\n");
        check("a-word-that-is-too-long b\n", 10, "a-word-that-is-too-long\nb\n");
        check("\u{1b}[1mred two\u{1b}[0m three\n", 14, "\u{1b}[1mred two\u{1b}[0m three\n");
        check("\u{1b}[1mred two\u{1b}[0m three\n", 9, "\u{1b}[1mred two\u{1b}[0m\nthree\n");
    }
}
