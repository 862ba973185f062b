//! Regular expressions by which secret scanners find the texts of a deployment. Their syntax is
//! that of RE2 (gitleaks, TruffleHog), of Hyperscan (GitHub) and of Rust.

use super::{Format, Issuer, SignedSecret, checksum, developer, signed};

/// The expression of the texts of one format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The format.
    pub format: Format,
    /// What every text begins with: scanners look for it before they try the expression.
    pub keyword: String,
    /// The expression. Its one group is the text.
    pub expression: String,
}

/// Returns the expressions of an issuer, or `None` without a prefix: a text without one looks like
/// many others. A JWT has no prefix.
///
/// If the issuer adds a checksum, it is optional in the expressions, because tokens from before are
/// valid as well.
pub fn patterns(issuer: &Issuer) -> Option<[Pattern; 2]> {
    let prefix = issuer.prefix();
    // A word boundary is a change between two kinds of characters. A hyphen is of the other kind.
    let start = if prefix.starts_with('-') { r"\B" } else { r"\b" };
    let checksum =
        if issuer.has_checksum() { format!("(?:{})?", checksum::PATTERN) } else { String::new() };
    let secret = SignedSecret::PATTERN;
    let pattern = |format, front: &str, keyword: String| Pattern {
        format,
        expression: format!(r"{start}({prefix}{front}{secret}{checksum})\b"),
        keyword,
    };
    (!prefix.is_empty()).then(|| {
        [
            pattern(Format::Signed, signed::PATTERN, prefix.to_owned()),
            pattern(Format::Developer, developer::MARK, format!("{prefix}{}", developer::MARK)),
        ]
    })
}
