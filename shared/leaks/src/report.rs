//! The tokens of a report, and the response that says which of them are real.

use base64::{Engine, prelude::BASE64_STANDARD};
use hallpass_token::Text;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::Error;

/// The maximum number of tokens in a report.
pub const MAX_LEAKS: usize = 1_000;

/// A text that matched an expression of this deployment in a public place.
#[derive(Clone, Debug)]
pub struct Leak {
    /// The text. It is a secret until it is revoked.
    pub token: Text,
    /// The name under which the expression is registered.
    pub kind: String,
    /// Where the text is, if GitHub says so.
    pub url: Option<String>,
    /// The kind of place, such as `commit` or `issue_comment`, if GitHub says so.
    pub source: Option<String>,
}

/// Whether a text is a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// This deployment issued the text as a token, live or not.
    TruePositive,
    /// The text is not a token of this deployment.
    FalsePositive,
}

/// A member of a report. Serde rejects one that is repeated.
#[derive(Deserialize)]
struct Reported {
    token: Zeroizing<String>,
    #[serde(rename = "type")]
    kind: String,
    url: Option<String>,
    source: Option<String>,
}

#[derive(Serialize)]
struct Feedback<'a> {
    token_hash: String,
    token_type: &'a str,
    label: Label,
}

pub(crate) fn parse(body: &[u8]) -> Result<Vec<Leak>, Error> {
    // The error of the parser can repeat a part of the body.
    let reported: Vec<Reported> = serde_json::from_slice(body).map_err(|_| Error::Malformed)?;
    if reported.len() > MAX_LEAKS {
        return Err(Error::Malformed);
    }
    let leak = |Reported { mut token, kind, url, source }: Reported| Leak {
        token: Text::new(std::mem::take(&mut *token)),
        kind,
        url: url.filter(|url| !url.is_empty()),
        source: source.filter(|source| !source.is_empty()),
    };
    Ok(reported.into_iter().map(leak).collect())
}

/// Returns the JSON of the response, with one member for each leak. It names a token by its SHA-256
/// (FIPS 180-4) in base64, so that it does not repeat the token.
pub fn response<'a>(labels: impl IntoIterator<Item = (&'a Leak, Label)>) -> String {
    let feedback = |(leak, label): (&'a Leak, Label)| Feedback {
        token_hash: BASE64_STANDARD.encode(Sha256::digest(leak.token.expose_secret())),
        token_type: &leak.kind,
        label,
    };
    let feedback: Vec<_> = labels.into_iter().map(feedback).collect();
    // Texts and names are always JSON.
    serde_json::to_string(&feedback).unwrap_or_default()
}
