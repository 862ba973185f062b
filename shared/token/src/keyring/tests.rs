//! Rings that are refused, and published vectors of the primitives that the rings' subkeys feed.

use hmac::Mac as _;
use sha2::Digest as _;

use super::*;

const GOOD: &str = "tWgzVX2GrVrSa1xpsMMSlGqSOK4qGhdXh0bzg2cM2kM";

fn check(json: &str, expected: Result<usize, BadKeyring>) {
    match (Keyring::parse(json), expected) {
        (Ok(ring), Ok(count)) => assert_eq!(ring.keys().len(), count, "{json}"),
        (Err(got), Err(bad)) => assert_eq!(got, bad, "{json}"),
        (got, expected) => panic!("{got:?} is not {expected:?}"),
    }
}

fn ring(keys: &[(&str, &str)]) -> String {
    let keys: Vec<String> =
        keys.iter().map(|(id, key)| format!(r#"{{"id":"{id}","key":"{key}","signs_from":0}}"#)).collect();
    format!("[{}]", keys.join(","))
}

/// 32 bytes that differ from ring to ring.
fn key(seed: u8) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest([seed]))
}

#[test]
fn a_ring_has_one_to_four_good_keys() {
    check(&ring(&[("a", GOOD)]), Ok(1));
    check(&ring(&[("a", &key(1)), ("b", &key(2)), ("c", &key(3)), ("d", &key(4))]), Ok(4));
    check(
        &ring(&[("a", &key(1)), ("b", &key(2)), ("c", &key(3)), ("d", &key(4)), ("e", &key(5))]),
        Err(BadKeyring::WrongCount(5)),
    );
    check("[]", Err(BadKeyring::WrongCount(0)));
    // What CloudFormation's GenerateSecretString makes.
    check(r#"{"id":"first","signs_from":0,"key":"u7Qm2ZpX4kD9sWc0LrYtHn5bVj8aEg3FqRiKxTdPzMoA"}"#, Ok(1));
}

#[test]
fn short_empty_repeated_and_well_known_keys_are_refused() {
    check(&ring(&[("a", "")]), Err(BadKeyring::TooShort("a".into())));
    check(&ring(&[("a", &Base64UrlUnpadded::encode_string(&[7; 31]))]), Err(BadKeyring::TooShort("a".into())));
    check(&ring(&[("a", &Base64UrlUnpadded::encode_string(&[7; 32]))]), Err(BadKeyring::WellKnown("a".into())));
    for guessable in weak::tests::guessable() {
        check(&ring(&[("a", &Base64UrlUnpadded::encode_string(&guessable))]), Err(BadKeyring::WellKnown("a".into())));
    }
    check(&ring(&[("a", GOOD), ("a", &key(1))]), Err(BadKeyring::RepeatedId("a".into())));
    check(&ring(&[("a", GOOD), ("b", GOOD)]), Err(BadKeyring::RepeatedKey("b".into())));
    check(&ring(&[("a", "not base64!")]), Err(BadKeyring::NotBase64("a".into())));
    check(&ring(&[("a b", GOOD)]), Err(BadKeyring::BadId("a b".into())));
}

#[test]
fn what_is_no_ring_is_refused_without_repeating_it() {
    for json in ["", "null", "{}", "[1]", r#"[{"id":"a","key":"SECRET"}]"#, r#"{"key":"SECRET"#] {
        let error = Keyring::parse(json).unwrap_err();
        assert!(matches!(error, BadKeyring::NotARing(_)), "{json}");
        assert!(!error.to_string().contains("SECRET"));
    }
}

#[test]
fn a_ring_survives_its_text() {
    let json = ring(&[("a", GOOD), ("b", &key(1))]);
    assert_eq!(Keyring::parse(&json).unwrap().to_json().reveal(), json);
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
fn what_is_wrong_with_a_ring_is_said_without_its_text() {
    let message = |json: &str| Keyring::parse(json).unwrap_err().to_string();
    assert!(message(r#"["topsecret"#).contains(" at line 1, column "), "{}", message(r#"["topsecret"#));
    assert!(message("[]").contains("0 keys"), "{}", message("[]"));
    let printed = format!("{:?}", Keyring::parse(&ring(&[("a", GOOD)])).unwrap().keys());
    assert!(printed.contains("\"a\"") && !printed.contains(GOOD), "{printed}");
}
