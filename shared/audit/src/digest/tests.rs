//! Tests of digests and signatures.

use super::*;
use crate::{
    sample::{at, ready, signer},
    signature::{KeyError, LocalSigner, PublicKey, PublicKeyError},
};

fn digest() -> Digest {
    let listed = |key: &str| Listed {
        key: key.to_owned(),
        sha256: Sum::of(key.as_bytes()),
        bytes: 3,
        entries: 1,
    };
    let previous = Link { key: key(Hour::of(at(0))), sha256: Sum::of(b"") };
    Digest::new(Hour::of(at(3600)), vec![listed("b"), listed("a"), listed("b")], Some(previous))
}

#[test]
fn the_form_of_a_digest_is_fixed() {
    let expected = format!(
        "{{\"form\":1,\"from\":\"1970-01-01T01:00:00Z\",\"to\":\"1970-01-01T02:00:00Z\",\"objects\":[\
         {{\"key\":\"a\",\"sha256\":\"{}\",\"bytes\":3,\"entries\":1}},\
         {{\"key\":\"b\",\"sha256\":\"{}\",\"bytes\":3,\"entries\":1}}],\
         \"previous\":{{\"key\":\"audit/digests/1970/01/01/00.json\",\"sha256\":\"{}\"}}}}",
        Sum::of(b"a"),
        Sum::of(b"b"),
        Sum::of(b"")
    );
    assert_eq!(digest().message(), expected);
}

#[test]
fn a_signed_digest_is_read_and_verified() {
    let key_pair = signer("key-1");
    let signed = ready(digest().sign(&key_pair)).unwrap();
    assert_eq!(signed.key, "audit/digests/1970/01/01/01.json");
    let read = read(&signed.bytes).unwrap();
    assert_eq!((&read.digest, read.key_id.as_str()), (&digest(), "key-1"));
    let key = PublicKey::from_spki(&key_pair.public_key()).unwrap();
    assert!(key.verifies(read.message, &read.signature));
    assert!(!key.verifies(&read.message[1..], &read.signature));
    assert_eq!(link(&signed.bytes), Some(signed.link()));
}

#[test]
fn contents_of_another_form_are_no_digest() {
    let signed = ready(digest().sign(&signer("key-1"))).unwrap();
    let text = String::from_utf8(signed.bytes).unwrap();
    assert!(read(text.as_bytes()).is_some());
    let check = |changed: String| assert!(read(changed.as_bytes()).is_none(), "{changed}");
    check(String::new());
    check("\n\n".to_owned());
    check(text.trim_end().to_owned());
    check(format!("{text}{{}}\n"));
    check(text.replace("\"form\":1", "\"form\":2"));
    check(text.replace("ECDSA_SHA_256", "ECDSA_SHA_384"));
    check(text.replace("T02:00:00Z", "T03:00:00Z"));
    check(text.replace("T01:00:00Z", "T01:00:01Z"));
    check(text.lines().next().unwrap().to_owned() + "\n");
}

#[test]
fn only_the_key_of_a_digest_has_an_hour() {
    let hour = Hour::of("2026-01-31T09:30:00Z".parse().unwrap());
    assert_eq!(key(hour), "audit/digests/2026/01/31/09.json");
    assert_eq!(hour_of("audit/digests/2026/01/31/09.json"), Some(hour));
    for other in ["audit/digests/2026/01/31/09", "audit/2026/01/31/09.json", ""] {
        assert_eq!(hour_of(other), None, "{other}");
    }
}

/// The vector `es256` of RFC 7515 appendix A.3 with its key as `SubjectPublicKeyInfo` and its
/// signature in DER: not made with this crate's signer.
#[test]
fn a_signature_by_another_implementation_verifies() {
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL;
    let decode = |text: &str| URL.decode(text).unwrap();
    let x = decode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
    let y = decode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    let spki = [&signer("any").public_key()[..26], &[4], &x[..], &y[..]].concat();
    let message = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6\
                   Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = decode(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    );
    let integer = |bytes: &[u8]| {
        let bytes = if bytes[0] > 127 { [&[0], bytes].concat() } else { bytes.to_vec() };
        [&[2, u8::try_from(bytes.len()).unwrap()], &bytes[..]].concat()
    };
    let both = [integer(&signature[..32]), integer(&signature[32..])].concat();
    let der = [&[0x30, u8::try_from(both.len()).unwrap()], &both[..]].concat();
    let key = PublicKey::from_spki(&spki).unwrap();
    assert!(key.verifies(message.as_bytes(), &der));
    assert!(!key.verifies(message.as_bytes(), &signature));
}

#[test]
fn a_key_of_another_kind_is_rejected() {
    let spki = signer("key-1").public_key();
    assert!(PublicKey::from_spki(&spki).is_ok());
    let mut compressed = spki.clone();
    compressed[26] = 2;
    for other in [&spki[1..], &spki[..90], &[&spki[..], &[0]].concat(), &compressed, &[]] {
        assert_eq!(PublicKey::from_spki(other), Err(PublicKeyError));
    }
    let random = ring::rand::SystemRandom::new();
    assert_eq!(LocalSigner::from_pkcs8("k", &spki, random).err(), Some(KeyError));
}

#[test]
fn a_signer_does_not_print_its_key() {
    assert_eq!(format!("{:?}", signer("key-1")), "LocalSigner { key_id: \"key-1\", .. }");
}
