//! Parses the lines of a file of users. Errors have a line number and never repeat text of the
//! line, which could be a password in the wrong column.

use std::{collections::HashMap, fmt};

use csv::{ReaderBuilder, StringRecord, Trim};
use hallpass_password::{NameKey, password, strength, text};
use hallpass_store::links::Identity;
use hallpass_token::{Permission, Scope, Status, UserId, UserKind};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{link, usable_name, wrong_full_name};

/// The names of the CSV columns and JSON members.
const COLUMNS: [&str; 9] = [
    "user_id",
    "username",
    "full_name",
    "kind",
    "status",
    "permissions",
    "password",
    "password_hash",
    "oidc_subject",
];

/// The format of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated values with a header (RFC 4180)
    Csv,
    /// One JSON object per line
    Jsonl,
}

/// A user of the file.
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) id: UserId,
    pub(super) username: String,
    pub(super) key: NameKey,
    pub(super) full_name: Option<String>,
    pub(super) kind: UserKind,
    pub(super) status: Status,
    pub(super) permissions: Scope,
    pub(super) password: Password,
    pub(super) subject: Option<String>,
    /// The identity of the subject, once the issuer is known.
    pub(super) identity: Option<Identity>,
    pub(super) given: Given,
}

/// Which attributes with a default a line has.
#[derive(Clone, Copy)]
pub(super) struct Given {
    pub(super) kind: bool,
    pub(super) status: bool,
    pub(super) permissions: bool,
}

/// The password of a user in the file.
pub(super) enum Password {
    /// None: an external user.
    None,
    /// A plain password, not yet hashed.
    Plain(Zeroizing<String>),
    /// A hash that log-in can verify.
    Hash(String),
}

/// An error in a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) line: u64,
    pub(super) what: String,
}

/// The fields of a line before validation.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    user_id: Option<String>,
    username: Option<String>,
    full_name: Option<String>,
    kind: Option<String>,
    status: Option<String>,
    permissions: Option<Vec<String>>,
    password: Option<String>,
    password_hash: Option<String>,
    oidc_subject: Option<String>,
}

/// Parses the whole file, and returns its users and its errors.
pub(super) fn read(text: &str, format: Format) -> (Vec<Row>, Vec<Wrong>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = match format {
        Format::Csv => csv_lines(text),
        Format::Jsonl => json_lines(text),
    };
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    let (mut ids, mut names, mut subjects) = (HashMap::new(), HashMap::new(), HashMap::new());
    for (line, fields) in lines {
        match fields.and_then(|fields| row(line, fields)) {
            Err(what) => wrong.push(Wrong { line, what }),
            Ok(row) => {
                if let Some(first) = ids.insert(row.id, line) {
                    wrong.push(Wrong {
                        line,
                        what: format!("user_id: already used in line {first}"),
                    });
                } else if let Some(first) = names.insert(row.key.as_str().to_owned(), line) {
                    wrong.push(Wrong {
                        line,
                        what: format!("username: already used in line {first}"),
                    });
                } else if let Some(subject) = &row.subject
                    && let Some(first) = subjects.insert(subject.clone(), line)
                {
                    wrong.push(Wrong {
                        line,
                        what: format!("oidc_subject: already used in line {first}"),
                    });
                } else {
                    rows.push(row);
                }
            }
        }
    }
    (rows, wrong)
}

type Lines = Vec<(u64, Result<Fields, String>)>;

fn json_lines(text: &str) -> Lines {
    let numbered = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let read = |(line, number): (&str, u64)| {
        // serde would accept an array with the values in order as an object.
        if !line.trim_start().starts_with('{') {
            return (number, Err("not a JSON object".to_owned()));
        }
        let fields = serde_json::from_str(line).map_err(|error: serde_json::Error| {
            let column = error.column();
            if error.is_data() {
                format!("a member near column {column} is unknown, repeated, or of the wrong type")
            } else {
                format!("invalid JSON at column {column}")
            }
        });
        (number, fields)
    };
    numbered.map(read).collect()
}

/// White space around a password in CSV may be part of it or come from the program that wrote the
/// file.
const FRAMED: &str =
    "password: it begins or ends with white space; remove it, or import the user from JSON lines";

fn is_framed(text: &str) -> bool {
    text::trimmed(text).len() < text.len()
}

fn csv_lines(text: &str) -> Lines {
    let mut reader = ReaderBuilder::new().trim(Trim::Headers).from_reader(text.as_bytes());
    let head = match reader.headers() {
        Ok(head) => head.iter().map(str::to_owned).collect::<Vec<_>>(),
        Err(_) => return vec![(1, Err("the header cannot be read".to_owned()))],
    };
    for (name, number) in head.iter().zip(1..) {
        if !COLUMNS.contains(&name.as_str()) {
            let what =
                format!("column {number} of the header must be one of {}", COLUMNS.join(", "));
            return vec![(1, Err(what))];
        }
        if head.iter().filter(|other| *other == name).count() > 1 {
            return vec![(1, Err(format!("the header has {name} more than once")))];
        }
    }
    let mut lines = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                let fields = csv_fields(&head, &record);
                let is_framed = fields.password.as_deref().is_some_and(is_framed);
                lines.push((line, if is_framed { Err(FRAMED.to_owned()) } else { Ok(fields) }));
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                let what = if let csv::ErrorKind::UnequalLengths { expected_len, len, .. } =
                    error.kind()
                {
                    format!("the line has {len} fields, and the header has {expected_len}")
                } else {
                    "the line cannot be read".to_owned()
                };
                lines.push((line, Err(what)));
            }
        }
    }
    lines
}

fn csv_fields(head: &[String], record: &StringRecord) -> Fields {
    let mut fields = Fields::default();
    // A field with only white space counts as empty, except a password.
    let is_given = |name: &str, value: &str| {
        !value.is_empty() && (name == "password" || !text::trimmed(value).is_empty())
    };
    for (name, value) in head.iter().zip(record).filter(|(name, value)| is_given(name, value)) {
        let value = value.to_owned();
        match name.as_str() {
            "user_id" => fields.user_id = Some(value),
            "username" => fields.username = Some(value),
            "full_name" => fields.full_name = Some(value),
            "kind" => fields.kind = Some(value),
            "status" => fields.status = Some(value),
            "password" => fields.password = Some(value),
            "password_hash" => fields.password_hash = Some(value),
            "oidc_subject" => fields.oidc_subject = Some(value),
            _ => {
                fields.permissions =
                    Some(value.split(';').map(|name| name.trim().to_owned()).collect());
            }
        }
    }
    fields
}

fn row(line: u64, fields: Fields) -> Result<Row, String> {
    let fields = fields.trimmed();
    let id = fields.user_id.ok_or("user_id: missing")?;
    let id = id.parse().map_err(|_| "user_id: must be 1 to 64 of A-Z a-z 0-9 _ -")?;
    let username = fields.username.ok_or("username: missing")?;
    let key = usable_name(&username).map_err(|wrong| format!("username: {wrong}"))?;
    if let Some(wrong) = fields.full_name.as_deref().and_then(wrong_full_name) {
        return Err(format!("full_name: {wrong}"));
    }
    if let Some(subject) = &fields.oidc_subject {
        link::check_subject(subject).map_err(|wrong| format!("oidc_subject: {wrong}"))?;
    }
    let given = Given {
        kind: fields.kind.is_some(),
        status: fields.status.is_some(),
        permissions: fields.permissions.is_some(),
    };
    let kind = match fields.kind.as_deref() {
        None => UserKind::Person,
        Some(kind) if kind == UserKind::Person.as_str() => UserKind::Person,
        Some(kind) if kind == UserKind::App.as_str() => UserKind::App,
        Some(_) => return Err("kind: must be person or app".to_owned()),
    };
    let status = match fields.status.as_deref() {
        None => Status::Active,
        Some(status) if status == Status::Active.as_str() => Status::Active,
        Some(status) if status == Status::Blocked.as_str() => Status::Blocked,
        Some(_) => return Err("status: must be active or blocked".to_owned()),
    };
    let permissions = fields.permissions.unwrap_or_default();
    let permissions =
        permissions.iter().map(|name| name.parse::<Permission>()).collect::<Result<Scope, _>>();
    let permissions = permissions.map_err(|_| "permissions: one is not a valid permission name")?;
    let password = match (fields.password.map(Zeroizing::new), fields.password_hash) {
        (None, None) => Password::None,
        (Some(_), Some(_)) => return Err("password: cannot be used with password_hash".to_owned()),
        (Some(plain), None) => match strength::check(&plain) {
            Ok(()) => Password::Plain(plain),
            Err(weak) => return Err(format!("password: {weak}")),
        },
        (None, Some(hash)) => match password::check(&hash) {
            Ok(()) => Password::Hash(hash),
            Err(unsupported) => return Err(format!("password_hash: {unsupported}")),
        },
    };
    Ok(Row {
        line,
        id,
        username,
        key,
        full_name: fields.full_name,
        kind,
        status,
        permissions,
        password,
        subject: fields.oidc_subject,
        identity: None,
        given,
    })
}

impl Fields {
    /// Removes the white space around values, which many editors add. A password is left unchanged.
    fn trimmed(self) -> Self {
        let trim = |value: Option<String>| value.map(|value| text::trimmed(&value).to_owned());
        Self {
            user_id: trim(self.user_id),
            username: trim(self.username),
            full_name: trim(self.full_name).filter(|name| !name.is_empty()),
            kind: trim(self.kind),
            status: trim(self.status),
            permissions: self
                .permissions
                .map(|names| names.iter().map(|name| text::trimmed(name).to_owned()).collect()),
            password: self.password,
            oidc_subject: trim(self.oidc_subject),
            password_hash: self
                .password_hash
                .map(|hash| hallpass_token::secret::trimmed(&hash).to_owned()),
        }
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row")
            .field("line", &self.line)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
