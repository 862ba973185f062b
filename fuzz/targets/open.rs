//! `hallpass_token::open` on signed and developer tokens, with and without a checksum: arbitrary
//! texts, and valid tokens with edits.
//!
//! A token that verifies has a single text: signed again it is byte for byte the same. A valid
//! token with any edit is rejected.
#![no_main]

use std::time::Duration;

use fuzz::{from_url, issuer, keyring, now};
use hallpass_token::{
    Claim, Entropy, Format, IssuedText, Issuer, Keyring, Reason, Timestamp, UserId,
    codec::{checksum::Checksum, developer, inspect, signed},
    open,
};
use libfuzzer_sys::fuzz_target;

const PREFIXES: [&str; 3] = ["", "acme_", "6879-"];

/// The characters of a user ID.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

fuzz_target!(|data: &[u8]| {
    let keyring = keyring();
    if let Ok(text) = std::str::from_utf8(data) {
        for prefix in PREFIXES {
            let issuer = issuer(prefix);
            let appearance = inspect::inspect(&issuer, text);
            if let Ok(claim) = open(&keyring, &issuer, text, now()) {
                has_one_text(&keyring, &issuer, text, &claim);
                assert!(
                    appearance
                        .is_some_and(|seen| seen.hash == claim.hash && seen.format == claim.format)
                );
            }
        }
    }
    edited(&keyring, data);
});

/// Checks that signing the claim with the text's secret, in the text's form, gives the same text.
fn has_one_text(keyring: &Keyring, issuer: &Issuer, text: &str, claim: &Claim) {
    let seen = inspect::inspect(issuer, text).expect("a verified token");
    assert_ne!(seen.checksum, Checksum::Wrong, "a token with a wrong checksum verifies");
    let has_checksum = seen.checksum == Checksum::Right;
    let signer = fuzz::issuer(issuer.prefix());
    let issuer = &if has_checksum { checking(&signer) } else { signer };
    let text_of_secret = if has_checksum { &text[..text.len() - 6] } else { text };
    let signed = match (claim.format, claim.user_id, claim.expires_at) {
        (Format::Signed, Some(user), Some(end)) => {
            signed::sign(keyring, issuer, now(), user, end, &secret_of(text_of_secret))
        }
        (Format::Developer, None, None) => {
            developer::sign(keyring, issuer, now(), some_user(), &secret_of(text_of_secret))
        }
        (Format::Jwt, Some(_), Some(_)) => return,
        other => panic!("an impossible claim: {other:?}"),
    };
    assert_eq!(signed.expect("a signing key").text.expose_secret(), text);
}

/// Adds checksums, unless the issuer has no prefix.
fn checking(issuer: &Issuer) -> Issuer {
    issuer.clone().with_checksum().unwrap_or_else(|_| issuer.clone())
}

fn secret_of(text: &str) -> Entropy {
    let signature = from_url(&text[text.len() - 43..]).expect("a verified token");
    Entropy::new(*signature.first_chunk().expect("32 bytes"))
}

fn some_user() -> UserId {
    "1".parse().expect("an id")
}

/// Signs a token and edits it. The data is the secret of 16 bytes, then format, prefix, lifetime,
/// user ID, and edits.
fn edited(keyring: &Keyring, data: &[u8]) {
    let Some((secret, rest)) = data.split_first_chunk::<16>() else { return };
    let Some((&[kind, prefix, seconds, length], rest)) = rest.split_first_chunk::<4>() else {
        return;
    };
    let (id, edits) = rest.split_at(rest.len().min(1 + usize::from(length % 64)));
    let id: String = id.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect();
    let Ok(user) = id.parse::<UserId>() else { return };
    let issuer = issuer(PREFIXES[usize::from(prefix) % PREFIXES.len()]);
    let issuer = if kind & 2 == 0 { issuer } else { checking(&issuer) };
    let ends = now().after(Duration::from_secs(seconds.into()));
    let secret = Entropy::new(*secret);
    let is_signed = kind % 2 == 0;
    let signed = if is_signed {
        signed::sign(keyring, &issuer, now(), user, ends, &secret)
    } else {
        developer::sign(keyring, &issuer, now(), user, &secret)
    };
    let signed = signed.expect("a signing key");
    let text = signed.text.expose_secret();
    let expected_end = is_signed.then_some(ends);
    unedited(keyring, &issuer, &signed, expected_end);
    for other in PREFIXES.into_iter().filter(|other| *other != issuer.prefix()) {
        assert!(
            open(keyring, &fuzz::issuer(other), text, now()).is_err(),
            "another deployment's token verifies"
        );
    }
    if let Some(other) = with_edits(text, edits).filter(|other| other != text) {
        assert!(open(keyring, &issuer, &other, now()).is_err(), "an edited token verifies");
    }
}

/// Checks that an unedited token verifies until it expires, and identifies its user.
fn unedited(keyring: &Keyring, issuer: &Issuer, signed: &IssuedText, ends: Option<Timestamp>) {
    let opened = open(keyring, issuer, signed.text.expose_secret(), now());
    if ends.is_some_and(|ends| ends <= now()) {
        assert_eq!(opened, Err(Reason::Expired));
        return;
    }
    let claim = opened.expect("a valid token");
    assert!(claim.hash == signed.id.hash && claim.expires_at == ends);
    assert!(claim.user_id.is_none_or(|user| user == signed.id.user_id));
    has_one_text(keyring, issuer, signed.text.expose_secret(), &claim);
}

/// Applies edits of three bytes: the position, the operation, and the character.
fn with_edits(text: &str, edits: &[u8]) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    for edit in edits.chunks_exact(3) {
        let at = usize::from(edit[0]) % (bytes.len() + 1);
        match edit[1] % 3 {
            0 => bytes.insert(at, edit[2]),
            1 if at < bytes.len() => bytes[at] = edit[2],
            _ if at < bytes.len() => drop(bytes.remove(at)),
            _ => {}
        }
    }
    String::from_utf8(bytes).ok()
}
