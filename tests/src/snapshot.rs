//! Snapshots of whole responses, with secrets and random values redacted.
//!
//! `INSTA_UPDATE=always cargo test --workspace` writes those that differ.

use insta::{Settings, assert_snapshot};

/// What is redacted: a pattern, and what it becomes.
const REDACTED: [(&str, &str); 8] = [
    // Tokens: signed, JWT, developer.
    (r"\b(\w+)\.[0-9a-f]{8,9}\.[\w-]{43}", "$1.<expiry>.<secret>"),
    (r"\beyJ[\w-]+\.[\w-]+\.[\w-]+", "<JWT>"),
    (r"\b6879-[\w-]+", "<developer token>"),
    // The session of the legacy flow, and its authenticity token.
    (r"JSESSIONID=\w+\.[0-9a-f]{64}", "JSESSIONID=<secret>"),
    (r"\b[0-9a-f]{64}\b", "<secret>"),
    (r#""(family|family_id|cursor|next|jti)": "[\w-]+""#, r#""$1": "<random>""#),
    // A hyphen is a digit of base64url, so that a word boundary can be inside a secret.
    (r"(^|[^\w-])[\w-]{43}([^\w-]|$)", "$1<secret>$2"),
    // IDs of tokens: the user, and a hash of the text.
    (r"\b(\w+)\.[\w-]{22}([^\w-]|$)", "$1.<hash>$2"),
];

/// Compares a text with the snapshot of this name, which is in `tests/tests/snapshots`.
pub fn check(name: &str, text: &str) {
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (pattern, redacted) in REDACTED {
        settings.add_filter(pattern, redacted);
    }
    settings.bind(|| assert_snapshot!(name, text));
}
