//! Rejected keyrings, and published test vectors of the primitives that use the subkeys.

use hmac::Mac as _;
use sha2::Digest as _;

use super::*;

const GOOD: &str = "tWgzVX2GrVrSa1xpsMMSlGqSOK4qGhdXh0bzg2cM2kM";

fn check(json: &str, expected: Result<usize, KeyringError>) {
    match (Keyring::parse(json), expected) {
        (Ok(keyring), Ok(count)) => assert_eq!(keyring.keys().len(), count, "{json}"),
        (Err(got), Err(bad)) => assert_eq!(got, bad, "{json}"),
        (got, expected) => panic!("{got:?} is not {expected:?}"),
    }
}

fn keyring(keys: &[(&str, &str)]) -> String {
    let keys: Vec<String> = keys
        .iter()
        .map(|(id, key)| format!(r#"{{"id":"{id}","key":"{key}","signs_from":0}}"#))
        .collect();
    format!("[{}]", keys.join(","))
}

/// 32 bytes that differ for each seed.
fn key(seed: u8) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest([seed]))
}

#[test]
fn a_keyring_has_one_to_four_good_keys() {
    check(&keyring(&[("a", GOOD)]), Ok(1));
    check(&keyring(&[("a", &key(1)), ("b", &key(2)), ("c", &key(3)), ("d", &key(4))]), Ok(4));
    check(
        &keyring(&[("a", &key(1)), ("b", &key(2)), ("c", &key(3)), ("d", &key(4)), ("e", &key(5))]),
        Err(KeyringError::WrongCount(5)),
    );
    check("[]", Err(KeyringError::WrongCount(0)));
    // A result of CloudFormation's GenerateSecretString.
    check(
        r#"{"id":"first","signs_from":0,"key":"u7Qm2ZpX4kD9sWc0LrYtHn5bVj8aEg3FqRiKxTdPzMoA"}"#,
        Ok(1),
    );
}

#[test]
fn short_empty_repeated_and_well_known_keys_are_rejected() {
    check(&keyring(&[("a", "")]), Err(KeyringError::TooShort("a".into())));
    check(
        &keyring(&[("a", &BASE64_URL_SAFE_NO_PAD.encode([7; 31]))]),
        Err(KeyringError::TooShort("a".into())),
    );
    check(
        &keyring(&[("a", &BASE64_URL_SAFE_NO_PAD.encode([7; 32]))]),
        Err(KeyringError::WellKnown("a".into())),
    );
    for guessable in weak::tests::guessable() {
        check(
            &keyring(&[("a", &BASE64_URL_SAFE_NO_PAD.encode(&guessable))]),
            Err(KeyringError::WellKnown("a".into())),
        );
    }
    check(&keyring(&[("a", GOOD), ("a", &key(1))]), Err(KeyringError::RepeatedId("a".into())));
    check(&keyring(&[("a", GOOD), ("b", GOOD)]), Err(KeyringError::RepeatedKey("b".into())));
    check(&keyring(&[("a", "not base64!")]), Err(KeyringError::NotBase64("a".into())));
    check(&keyring(&[("a b", GOOD)]), Err(KeyringError::BadId("a b".into())));
}

#[test]
fn the_error_of_a_malformed_keyring_does_not_quote_it() {
    for json in ["", "null", "{}", "[1]", r#"[{"id":"a","key":"SECRET"}]"#, r#"{"key":"SECRET"#] {
        let error = Keyring::parse(json).unwrap_err();
        assert!(matches!(error, KeyringError::InvalidJson(_)), "{json}");
        assert!(!error.to_string().contains("SECRET"));
        assert!(error.to_string().contains("see line 1, column "), "{json}: {error}");
    }
}

#[test]
fn a_keyring_parses_from_its_own_json() {
    let json = keyring(&[("a", GOOD), ("b", &key(1))]);
    assert_eq!(Keyring::parse(&json).unwrap().to_json().expose_secret(), json);
}

/// Each line is `key message tag` in hexadecimal. A short tag is truncated.
#[test]
fn rfc_4231() {
    for line in include_str!("rfc_4231.txt").lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<Vec<u8>> = line.split(' ').map(unhex).collect();
        let tag = Mac::new_from_slice(&fields[0])
            .unwrap()
            .chain_update(&fields[1])
            .finalize()
            .into_bytes();
        assert_eq!(&tag[..fields[2].len()], fields[2], "{line}");
    }
}

/// The example of a JWS with HS256. The three lines are the key, the signing input and the
/// signature.
#[test]
fn rfc_7515_a_1() {
    let lines: Vec<&str> =
        include_str!("rfc_7515_a_1.txt").lines().filter(|line| !line.starts_with('#')).collect();
    let key = BASE64_URL_SAFE_NO_PAD.decode(lines[0]).unwrap();
    assert!(weak::is_guessable(&key));
    let tag = Mac::new_from_slice(&key).unwrap().chain_update(lines[1]).finalize().into_bytes();
    assert_eq!(BASE64_URL_SAFE_NO_PAD.encode(tag), lines[2]);
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn an_error_gives_a_position_and_no_key() {
    let message = |json: &str| Keyring::parse(json).unwrap_err().to_string();
    assert!(
        message(r#"["topsecret"#).contains("; see line 1, column "),
        "{}",
        message(r#"["topsecret"#)
    );
    assert!(message("[]").contains("it has 0"), "{}", message("[]"));
    let printed = format!("{:?}", Keyring::parse(&keyring(&[("a", GOOD)])).unwrap().keys());
    assert!(printed.contains("\"a\"") && !printed.contains(GOOD), "{printed}");
}
