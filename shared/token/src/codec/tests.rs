//! Which texts each of the three formats accepts.

use std::{cell::Cell, str::FromStr, time::Duration};

use proptest::prelude::*;
use sha2::Digest;

use super::{jwt::Audience, *};
use crate::keyring::Key;

mod checksums;
mod cost;
mod jwts;
mod patterns;

const NOW: Timestamp = match Timestamp::from_unix(1_800_000_000) {
    Some(now) => now,
    None => Timestamp::MAX,
};

thread_local! {
    static CHECKS: Cell<usize> = const { Cell::new(0) };
}

/// Called for every comparison of a tag with a MAC.
pub(super) fn count_a_check() {
    CHECKS.set(CHECKS.get().saturating_add(1));
}

fn key(id: &str, signs_from: u64) -> Key {
    let bytes = sha2::Sha256::digest(id).to_vec();
    Key::new(id.to_owned(), Timestamp::from_unix(signs_from).unwrap(), bytes.into()).unwrap()
}

fn keyring() -> Keyring {
    Keyring::new(vec![key("old", 0), key("new", 1_700_000_000)]).unwrap()
}

fn issuer(prefix: &str) -> Issuer {
    Issuer::new(prefix, "hallpass").unwrap()
}

fn user(id: &str) -> UserId {
    UserId::from_str(id).unwrap()
}

/// What this text is, by the keys and the issuer of most tests.
fn read(text: &str) -> Result<Claim, Reason> {
    open(&keyring(), &issuer(""), text, NOW)
}

/// A token of each format for this user, signed at `NOW` and ending at `expires_at`.
fn one_of_each(
    prefix: &str,
    id: &str,
    expires_at: Timestamp,
    secret: [u8; 16],
) -> [(Format, IssuedText); 4] {
    let (keyring, issuer, id, secret) = (keyring(), issuer(prefix), user(id), Entropy::new(secret));
    let contents =
        |audience| jwt::Contents { user_id: id, audience, expires_at, name: "Ö \"quoted\"\u{7}" };
    [
        (Format::Signed, signed::sign(&keyring, &issuer, NOW, id, expires_at, &secret).unwrap()),
        (Format::Developer, developer::sign(&keyring, &issuer, NOW, id, &secret).unwrap()),
        (
            Format::Jwt,
            jwt::sign(&keyring, &issuer, NOW, contents(Audience::System), &secret).unwrap(),
        ),
        (
            Format::Jwt,
            jwt::sign(&keyring, &issuer, NOW, contents(Audience::User), &secret).unwrap(),
        ),
    ]
}

fn user_ids() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_-]{1,64}"
}

proptest! {
    #[test]
    fn a_signed_text_verifies_as_the_same_claim(
        prefix in "[A-Za-z0-9_-]{0,20}",
        id in user_ids(),
        life in 1_u64..100_000_000,
        secret: [u8; 16],
    ) {
        let expires_at = NOW.after(Duration::from_secs(life));
        for (format, signed) in one_of_each(&prefix, &id, expires_at, secret) {
            let text = signed.text.expose_secret();
            let claim = open(&keyring(), &issuer(&prefix), text, NOW).unwrap();
            let has_expiry = format != Format::Developer;
            prop_assert_eq!(claim, Claim {
                format,
                user_id: has_expiry.then(|| user(&id)),
                hash: signed.id.hash,
                expires_at: has_expiry.then_some(expires_at),
                payload: signed
                    .payload_digest
                    .map(|digest| jwt::Payload { digest, issued_at: NOW }),
            });
            prop_assert_eq!(signed.key_id.as_str(), "new");
        }
    }

    #[test]
    fn any_one_character_change_is_rejected(
        id in user_ids(),
        secret: [u8; 16],
        place: prop::sample::Index,
        other in prop::char::any(),
    ) {
        for (_, signed) in one_of_each("", &id, NOW.after(Duration::from_secs(60)), secret) {
            let mut text: Vec<char> = signed.text.expose_secret().chars().collect();
            let place = place.index(text.len());
            prop_assume!(text[place] != other);
            text[place] = other;
            let changed: String = text.iter().collect();
            prop_assert!(read(&changed).is_err(), "{}", changed);
            text.remove(place);
            let shorter: String = text.iter().collect();
            prop_assert!(read(&shorter).is_err(), "{}", shorter);
        }
    }

    #[test]
    fn no_text_is_of_two_formats(
        prefix in "(6879-|ey|[a-z0-9_-]{0,6})",
        id in "(6879-|ey)?[A-Za-z0-9_-]{1,58}",
        secret: [u8; 16],
    ) {
        for (_, signed) in one_of_each(&prefix, &id, NOW.after(Duration::from_secs(60)), secret) {
            let text = signed.text.expose_secret();
            let knows = |validator: &&Validator| {
                !matches!(validator(&keyring(), &issuer(&prefix), text, NOW), Verdict::NotMine)
            };
            prop_assert_eq!(VALIDATORS.iter().filter(knows).count(), 1);
        }
    }

    #[test]
    fn a_signature_of_one_format_is_rejected_in_every_other(
        id in user_ids(),
        life in 1_u64..100_000_000,
        secret: [u8; 16],
    ) {
        let expires_at = NOW.after(Duration::from_secs(life));
        let texts = one_of_each("", &id, expires_at, secret)
            .map(|(_, signed)| signed.text.expose_secret().to_owned());
        // Each of them, and the signature of a JWT, has 43 characters.
        let parts = texts
            .each_ref()
            .map(|text| text.split_at(text.len().saturating_sub(SignedSecret::TEXT_LENGTH)));
        for (one, (front, own)) in parts.iter().enumerate() {
            for (other, (_, signature)) in parts.iter().enumerate() {
                let opens = read(&format!("{front}{signature}")).is_ok();
                prop_assert_eq!(opens, one == other, "{} with {} for {}", front, signature, own);
            }
        }
        // Nor does a subkey of another format sign a JWT.
        let (keyring, (message, _)) = (keyring(), texts[2].rsplit_once('.').unwrap());
        for key in keyring.keys() {
            let signs_jwt = key.id() == "new";
            let subkeys = [
                (key.signed.of(false), false),
                (key.signed.of(true), false),
                (key.developer.of(false), false),
                (key.developer.of(true), false),
                (&key.jwt, signs_jwt),
            ];
            for (subkey, is_valid) in subkeys {
                let tag = subkey.clone().chain_update(message).finalize().into_bytes();
                let text = format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag));
                let opens = open(&keyring, &issuer(""), &text, NOW).is_ok();
                prop_assert_eq!(opens, is_valid, "{}", text);
            }
        }
    }

    #[test]
    fn different_fields_are_different_inputs_of_the_mac(
        one in ("[a-z]{0,3}", "[a-z]{1,4}", 0_u64..3, 0_u8..2),
        two in ("[a-z]{0,3}", "[a-z]{1,4}", 0_u64..3, 0_u8..2),
    ) {
        let tag = |(prefix, id, after, secret): &(String, String, u64, u8)| {
            let (issuer, entropy) = (issuer(prefix), Entropy::new([*secret; 16]));
            let expires_at = NOW.after(Duration::from_secs(*after));
            let signed = signed::sign(&keyring(), &issuer, NOW, user(id), expires_at, &entropy);
            let signed = signed.unwrap();
            signed.text.expose_secret().rsplit_once('.').unwrap().1.to_owned()
        };
        prop_assert_eq!(tag(&one) == tag(&two), one == two);
    }

    #[test]
    fn no_text_panics(text in any::<String>(), other in "[A-Za-z0-9._=-]{0,120}") {
        for text in [text, other] {
            prop_assert!(read(&text).is_err());
        }
    }
}

#[test]
fn a_token_is_rejected_from_the_second_of_its_expiry() {
    let expires_at = NOW.after(Duration::from_secs(60));
    let check = |now: Timestamp, good: bool| {
        for (format, signed) in one_of_each("", "1", expires_at, [7; 16]) {
            let expected =
                if good || format == Format::Developer { None } else { Some(Reason::Expired) };
            assert_eq!(
                open(&keyring(), &issuer(""), signed.text.expose_secret(), now).err(),
                expected,
                "{format} at {now}"
            );
        }
    };
    check(expires_at.before(Duration::from_secs(1)), true);
    check(expires_at, false);
    check(expires_at.after(Duration::from_secs(1)), false);
    check(Timestamp::MAX, false);
}

#[test]
fn the_signed_format_is_the_one_of_the_original() {
    let signed = signed::sign(
        &keyring(),
        &issuer(""),
        NOW,
        user("1"),
        Timestamp::from_unix(0x5665_e083_u64 + 1_000_000_000).unwrap(),
        &Entropy::new([1; 16]),
    )
    .unwrap();
    let parts: Vec<&str> = signed.text.expose_secret().split('.').collect();
    assert_eq!((parts[0], parts[1], parts[2].len()), ("1", "9200aa83", 43));
}

#[test]
fn every_other_spelling_of_a_signed_token_is_rejected() {
    let text = one_of_each("", "1", NOW.after(Duration::from_secs(60)), [7; 16])[0]
        .1
        .text
        .expose_secret()
        .to_owned();
    let (id, rest) = text.split_once('.').unwrap();
    let (expires, signature) = rest.split_once('.').unwrap();
    for other in [
        format!("{id}.0{expires}.{signature}"),
        format!("{id}.{}.{signature}", expires.to_uppercase()),
        format!("{id}.+{expires}.{signature}"),
        format!("{id}.{expires}.{signature}="),
        format!("{id}.{expires}.{signature}A"),
        format!("{id}.{expires}.{signature}."),
        format!(" {text}"),
        format!("{text}\n"),
        format!("{id}.{expires}.{}", signature.replace(['-', '_'], "+")),
    ] {
        if other != text {
            assert!(read(&other).is_err(), "{other}");
        }
    }
}

#[test]
fn the_signature_covers_the_prefix() {
    let signed = one_of_each("acme_", "1", NOW.after(Duration::from_secs(60)), [7; 16]);
    for (format, signed) in &signed[..2] {
        let text = signed.text.expose_secret();
        assert!(text.starts_with("acme_"));
        let bare = text.trim_start_matches("acme_");
        assert!(read(bare).is_err(), "{format}");
        assert!(read(text).is_err(), "{format}");
        assert!(open(&keyring(), &issuer("acm"), text, NOW).is_err(), "{format}");
    }
}

#[test]
fn a_text_that_is_too_long_is_malformed_before_any_validator_runs() {
    let tried: Validator = |_, _, _, _| Verdict::Rejected(Reason::Disabled);
    let opened = |length| {
        open_with(&[tried], &keyring(), &issuer(""), &".".repeat(length), NOW).unwrap_err()
    };
    assert_eq!((opened(MAX_LENGTH), opened(MAX_LENGTH + 1)), (Reason::Disabled, Reason::Malformed));
}

#[test]
fn a_text_that_begins_like_a_developer_token_goes_on_to_the_other_validators() {
    let substitute: Validator = |_, _, _, _| Verdict::Rejected(Reason::Disabled);
    for text in ["6879-", "6879-abc", &format!("6879-{}", "A".repeat(43))] {
        let got = open_with(&[developer::open, substitute], &keyring(), &issuer(""), text, NOW);
        assert_eq!(got, Err(Reason::Disabled), "{text}");
    }
}

#[test]
fn all_keys_verify_and_the_latest_active_key_signs() {
    let check = |now: u64, signs: Option<&str>| {
        let keyring = Keyring::new(vec![key("b", 200), key("a", 100), key("c", 300)]).unwrap();
        assert_eq!(keyring.signing(Timestamp::from_unix(now).unwrap()).map(Key::id), signs);
    };
    check(99, None);
    let (early, later) =
        (Timestamp::from_unix(99).unwrap(), Keyring::new(vec![key("a", 100)]).unwrap());
    let failure = developer::sign(&later, &issuer(""), early, user("1"), &Entropy::new([1; 16]))
        .err()
        .unwrap();
    assert_eq!(
        failure.to_string(),
        "no key of the keyring signs yet: every signs_from is in the future"
    );
    check(100, Some("a"));
    check(200, Some("b"));
    check(299, Some("b"));
    check(1_000, Some("c"));
    let signed = &one_of_each("", "1", NOW.after(Duration::from_secs(60)), [7; 16])[0].1;
    let after_rotation = keyring().with(key("newer", 0)).unwrap().without("old").unwrap();
    assert!(open(&after_rotation, &issuer(""), signed.text.expose_secret(), NOW).is_ok());
    let after_retirement = after_rotation.without("new").unwrap();
    assert_eq!(
        open(&after_retirement, &issuer(""), signed.text.expose_secret(), NOW),
        Err(Reason::Forged)
    );
}

#[test]
fn secrets_are_not_printed() {
    let signed = &one_of_each("", "1", NOW.after(Duration::from_secs(60)), [7; 16])[0].1;
    let signature = signed.text.expose_secret().rsplit_once('.').unwrap().1;
    let printed = format!("{signed:?} {:?} {:?}", keyring(), Entropy::new([7; 16]));
    assert!(!printed.contains(signature) && !printed.contains("[7, 7"), "{printed}");
}

#[test]
fn a_text_is_inspected_without_a_key_and_without_its_secret() {
    let expires_at = NOW.after(Duration::from_secs(60));
    for (format, signed) in one_of_each("acme_", "1", expires_at, [7; 16]) {
        let seen = inspect::inspect(&issuer("acme_"), signed.text.expose_secret()).unwrap();
        assert_eq!((seen.format, seen.hash), (format, signed.id.hash));
        let says_whose = format != Format::Developer;
        assert_eq!((seen.user_id.is_some(), seen.expires_at.is_some()), (says_whose, says_whose));
    }
    for text in ["", "a", "1.2.3", "eyJ.eyJ.x"] {
        assert_eq!(inspect::inspect(&issuer(""), text), None, "{text}");
    }
}

#[test]
fn a_format_is_written_in_the_form_that_is_read() {
    for format in [Format::Signed, Format::Developer, Format::Jwt] {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
}
