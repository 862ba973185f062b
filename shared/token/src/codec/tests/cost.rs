//! The cost of rejecting a forged token.

use std::time::Duration;

use super::{CHECKS, NOW, issuer, key, keyring, one_of_each};
use crate::{Format, Keyring, Reason, open};

#[test]
fn a_forged_token_costs_at_most_one_check_per_key() {
    let expires_at = NOW.after(Duration::from_secs(60));
    let checks = |keyring: &Keyring, text: &str| {
        CHECKS.set(0);
        let reason = open(keyring, &issuer(""), text, NOW).unwrap_err();
        (reason, CHECKS.get())
    };
    for count in 1..=Keyring::MAX_KEYS {
        let other_keyring =
            Keyring::new((0..count).map(|index| key(&format!("other-{index}"), 0)).collect())
                .unwrap();
        for (format, signed) in one_of_each("", "1", expires_at, [7; 16]) {
            // The header of a JWT names its key, and this keyring has no key of that name.
            let most = if format == Format::Jwt { 0 } else { count };
            assert_eq!(
                checks(&other_keyring, signed.text.expose_secret()),
                (Reason::Forged, most),
                "{format}"
            );
        }
        assert_eq!(
            checks(&other_keyring, "sk_live_7Zb4TgFhV0sLx2QkPmNc9RwY"),
            (Reason::Malformed, 0)
        );
    }
    let forged = one_of_each("", "1", expires_at, [7; 16]).map(|(format, signed)| {
        let text = signed.text.expose_secret();
        let (rest, signature) = text.split_at(text.len() - 43);
        (
            format,
            format!(
                "{rest}{}{}",
                if signature.starts_with('A') { 'B' } else { 'A' },
                &signature[1..]
            ),
        )
    });
    for (format, text) in forged {
        let most = if format == Format::Jwt { 1 } else { keyring().keys().len() };
        assert_eq!(checks(&keyring(), &text), (Reason::Forged, most), "{format}");
    }
}
