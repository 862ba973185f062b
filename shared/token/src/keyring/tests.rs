//! Rings that are rejected, and published vectors of the primitives that the keyrings' subkeys feed.

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
    let keys: Vec<String> =
        keys.iter().map(|(id, key)| format!(r#"{{"id":"{id}","key":"{key}","signs_from":0}}"#)).collect();
    format!("[{}]", keys.join(","))
}

/// 32 bytes that differ from keyring to keyring.
fn key(seed: u8) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest([seed]))
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
    // What CloudFormation's GenerateSecretString makes.
    check(r#"{"id":"first","signs_from":0,"key":"u7Qm2ZpX4kD9sWc0LrYtHn5bVj8aEg3FqRiKxTdPzMoA"}"#, Ok(1));
}

#[test]
fn short_empty_repeated_and_well_known_keys_are_rejected() {
    check(&keyring(&[("a", "")]), Err(KeyringError::TooShort("a".into())));
    check(&keyring(&[("a", &Base64UrlUnpadded::encode_string(&[7; 31]))]), Err(KeyringError::TooShort("a".into())));
    check(&keyring(&[("a", &Base64UrlUnpadded::encode_string(&[7; 32]))]), Err(KeyringError::WellKnown("a".into())));
    for guessable in weak::tests::guessable() {
        check(
            &keyring(&[("a", &Base64UrlUnpadded::encode_string(&guessable))]),
            Err(KeyringError::WellKnown("a".into())),
        );
    }
    check(&keyring(&[("a", GOOD), ("a", &key(1))]), Err(KeyringError::RepeatedId("a".into())));
    check(&keyring(&[("a", GOOD), ("b", GOOD)]), Err(KeyringError::RepeatedKey("b".into())));
    check(&keyring(&[("a", "not base64!")]), Err(KeyringError::NotBase64("a".into())));
    check(&keyring(&[("a b", GOOD)]), Err(KeyringError::BadId("a b".into())));
}

#[test]
fn what_is_no_keyring_is_rejected_without_repeating_it() {
    for json in ["", "null", "{}", "[1]", r#"[{"id":"a","key":"SECRET"}]"#, r#"{"key":"SECRET"#] {
        let error = Keyring::parse(json).unwrap_err();
        assert!(matches!(error, KeyringError::NotARing(_)), "{json}");
        assert!(!error.to_string().contains("SECRET"));
    }
}

#[test]
fn a_keyring_survives_its_text() {
    let json = keyring(&[("a", GOOD), ("b", &key(1))]);
    assert_eq!(Keyring::parse(&json).unwrap().to_json().expose_secret(), json);
}

/// Lines of `key message tag`, all hexadecimal; a shorter tag is a truncated one.
#[test]
fn rfc_4231() {
    for line in include_str!("rfc_4231.txt").lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<Vec<u8>> = line.split(' ').map(unhex).collect();
        let tag = Mac::new_from_slice(&fields[0]).unwrap().chain_update(&fields[1]).finalize().into_bytes();
        assert_eq!(&tag[..fields[2].len()], fields[2], "{line}");
    }
}

/// The example of a JWS with HS256: its three lines are the key, the signing input and the signature.
#[test]
fn rfc_7515_a_1() {
    let lines: Vec<&str> = include_str!("rfc_7515_a_1.txt").lines().filter(|line| !line.starts_with('#')).collect();
    let key = Base64UrlUnpadded::decode_vec(lines[0]).unwrap();
    assert!(weak::is_guessable(&key));
    let tag = Mac::new_from_slice(&key).unwrap().chain_update(lines[1]).finalize().into_bytes();
    assert_eq!(Base64UrlUnpadded::encode_string(&tag), lines[2]);
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn what_is_wrong_with_a_keyring_is_said_without_its_text() {
    let message = |json: &str| Keyring::parse(json).unwrap_err().to_string();
    assert!(message(r#"["topsecret"#).contains(" at line 1, column "), "{}", message(r#"["topsecret"#));
    assert!(message("[]").contains("0 keys"), "{}", message("[]"));
    let printed = format!("{:?}", Keyring::parse(&keyring(&[("a", GOOD)])).unwrap().keys());
    assert!(printed.contains("\"a\"") && !printed.contains(GOOD), "{printed}");
}
