//! The switch for the long form of tests.

/// Returns whether `HALLPASS_LONG=1` asks for the long form.
#[expect(
    clippy::disallowed_methods,
    reason = "settings are for the product; this is for the tests alone"
)]
pub fn long() -> bool {
    std::env::var("HALLPASS_LONG").is_ok_and(|value| value == "1")
}
