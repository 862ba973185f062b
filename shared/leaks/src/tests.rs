//! Requests of GitHub, and of everyone else.

use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::FutureExt;
use hallpass_token::Timestamp;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use serde_json::json;

use crate::{
    Delivery, Error, Fetched, KeyCache, Label, Leak,
    cache::Cause,
    delivery::{KEY_ID, MAX_BODY, SIGNATURE},
    report::{MAX_LEAKS, response},
    signer::{Signer, document, headers},
};

const NOW: Timestamp = match Timestamp::from_unix(1_800_000_000) {
    Some(now) => now,
    None => Timestamp::MAX,
};

/// The sample request of GitHub's documentation, and the key that GitHub publishes for it.
const SAMPLE: &str = r#"[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]"#;
const SAMPLE_SIGNATURE: &str = "MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg==";
const SAMPLE_KEYS: &str = r#"{"public_keys":[
    {"key_identifier":"90a421169f0a406205f1563a953312f0be898d3c7b6c06b681aa86a874555f4a",
     "key":"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9MJJHnMfn2+H4xL4YaPDA4RpJqUq\nkCmRCBnYERxZanmcpzQSXs1X/AljlKkbJ8qpVIW4clayyef9gWhFbNHWAA==\n-----END PUBLIC KEY-----\n",
     "is_current":false},
    {"key_identifier":"bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c",
     "key":"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\nAjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==\n-----END PUBLIC KEY-----\n",
     "is_current":true}]}"#;

/// Reads a request with these keys published.
fn read(keys: &[u8], headers: &HeaderMap, body: &[u8]) -> Result<Vec<Leak>, Error> {
    let delivery = Delivery::new(headers, body)?;
    let fetch = async |_| Ok::<_, Cause>(Fetched::Document { body: keys.to_vec(), etag: None });
    let cache = KeyCache::default();
    cache.verify(&delivery, NOW, fetch).now_or_never().unwrap()?.leaks()
}

#[test]
fn the_sample_request_of_github_s_documentation_is_read() {
    let signature = BASE64_STANDARD.decode(SAMPLE_SIGNATURE).unwrap();
    let id = "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c";
    let leaks = read(SAMPLE_KEYS.as_bytes(), &headers(id, &signature), SAMPLE.as_bytes());
    let leaks = leaks.unwrap();
    assert_eq!(leaks.len(), 1);
    let leak = &leaks[0];
    assert_eq!((leak.token.expose_secret(), leak.kind.as_str()), ("some_token", "some_type"));
    assert_eq!(leak.source.as_deref(), Some("commit"));
    assert_eq!(leak.url.as_deref(), Some("https://example.com/base-repo-url/"));
    // The other key did not sign it.
    let other = "90a421169f0a406205f1563a953312f0be898d3c7b6c06b681aa86a874555f4a";
    let read = read(SAMPLE_KEYS.as_bytes(), &headers(other, &signature), SAMPLE.as_bytes());
    assert!(matches!(read, Err(Error::Signature)));
}

/// Changes headers that are right.
type Change = fn(&mut HeaderMap);

/// Headers that no request of GitHub has.
const CHANGES: [(&str, Change); 9] = [
    ("no key ID", |headers| {
        headers.remove(KEY_ID);
    }),
    ("no signature", |headers| {
        headers.remove(SIGNATURE);
    }),
    ("two key IDs", |headers| {
        headers.append(KEY_ID, HeaderValue::from_static("a"));
    }),
    ("two signatures", |headers| {
        headers.append(SIGNATURE, HeaderValue::from_static("MEQ="));
    }),
    ("an empty key ID", |headers| {
        headers.insert(KEY_ID, HeaderValue::from_static(""));
    }),
    ("a key ID that is not text", |headers| {
        headers.insert(KEY_ID, HeaderValue::from_bytes(b"\xff").unwrap());
    }),
    ("a long key ID", |headers| {
        headers.insert(KEY_ID, HeaderValue::from_str(&"a".repeat(129)).unwrap());
    }),
    ("a signature that is not base64", |headers| {
        headers.insert(SIGNATURE, HeaderValue::from_static("MEQCIQ-_"));
    }),
    ("a long signature", |headers| {
        headers.insert(SIGNATURE, HeaderValue::from_str(&"A".repeat(104)).unwrap());
    }),
];

#[test]
fn every_request_with_other_headers_or_another_signature_is_rejected() {
    let (github, other, p384) = (Signer::p256("a"), Signer::p256("b"), Signer::p384("c"));
    let (keys, body) = (document(&[&github, &p384]), SAMPLE.as_bytes());
    let right = github.sign(body);
    let check = |what: &str, headers: &HeaderMap, status: u16, message: &str| {
        let got = read(&keys, headers, body).unwrap_err();
        assert_eq!((got.status(), got.to_string().as_str()), (status, message), "{what}");
    };
    assert_eq!(read(&keys, &headers("a", &right), body).unwrap().len(), 1);
    let bad_headers = "the headers github-public-key-identifier and github-public-key-signature \
                       must be there once each";
    for (what, change) in CHANGES {
        let mut headers = headers("a", &right);
        change(&mut headers);
        check(what, &headers, 401, bad_headers);
    }
    let unknown = "the key is not published by GitHub";
    check("an unknown key", &headers("b", &other.sign(body)), 401, unknown);
    check("a key on another curve", &headers("c", &p384.sign(body)[..72]), 401, unknown);
    check("a key ID in another case", &headers("A", &right), 401, unknown);
    let wrong = "the signature is not that of the body";
    let truncated = &right[..right.len() - 1];
    let longer = [right.as_slice(), &[0]].concat();
    let flipped: Vec<u8> = right.iter().rev().copied().collect();
    for (what, signature) in [
        ("another key", other.sign(body).as_slice()),
        ("another body", &github.sign(b"[]")),
        ("the body with a line break", &github.sign(format!("{SAMPLE}\n").as_bytes())),
        ("the form of JWS", &github.sign_fixed(body)),
        ("truncated DER", truncated),
        ("DER with one byte more", &longer),
        ("DER backwards", &flipped),
        ("zeros", &[0; 71]),
        ("one byte", &[0x30]),
        ("r and s of zero", &[0x30, 6, 2, 1, 0, 2, 1, 0]),
    ] {
        check(what, &headers("a", signature), 401, wrong);
    }
}

#[test]
fn a_signed_body_that_is_no_report_is_malformed() {
    let github = Signer::p256("a");
    let keys = document(&[&github]);
    let item = json!({"token": "t", "type": "y"});
    let check = |what: &str, body: &str, status: Option<u16>| {
        let headers = headers("a", &github.sign(body.as_bytes()));
        let got = read(&keys, &headers, body.as_bytes());
        assert_eq!(got.as_ref().err().map(Error::status), status, "{what}");
        let printed = format!("{got:?}");
        assert!(!printed.contains("topsecret"), "{printed}");
    };
    for (what, body) in [
        ("an empty body", ""),
        ("no JSON", "topsecret"),
        ("an object", r#"{"token":"topsecret","type":"y"}"#),
        ("text in place of an object", r#"["topsecret"]"#),
        ("no token", r#"[{"type":"y"}]"#),
        ("no type", r#"[{"token":"topsecret"}]"#),
        ("a number as the token", r#"[{"token":1,"type":"topsecret"}]"#),
        ("no token in the second", r#"[{"token":"topsecret","type":"y"},{"type":"y"}]"#),
        ("a repeated token", r#"[{"token":"topsecret","token":"u","type":"y"}]"#),
        (
            "a repeated token with an escape",
            r#"[{"token":"topsecret","t\u006fken":"u","type":"y"}]"#,
        ),
        ("more after the list", r#"[{"token":"topsecret","type":"y"}] []"#),
        ("a truncated list", r#"[{"token":"topsecret","type":"y"}"#),
        ("a list in a list", r#"[[{"token":"topsecret","type":"y"}]]"#),
        ("half a surrogate", r#"[{"token":"\ud800topsecret","type":"y"}]"#),
    ] {
        check(what, body, Some(400));
    }
    let list = |count| serde_json::to_string(&vec![&item; count]).unwrap();
    check("no leak", "[]", None);
    check("the most leaks", &list(MAX_LEAKS), None);
    check("a leak more", &list(MAX_LEAKS + 1), Some(400));
    let url = r#"[{"token":"topsecret","type":"y","url":"","source":null,"other":[1]}]"#;
    check("an empty URL, no source, another member", url, None);
    let padded = |length: usize| format!("{}{}", list(1), " ".repeat(length - list(1).len()));
    check("the largest body", &padded(MAX_BODY), None);
    check("a byte more", &padded(MAX_BODY + 1), Some(413));
}

#[test]
fn a_body_that_is_too_large_is_not_verified_and_no_key_is_fetched_for_bad_headers() {
    let cache = KeyCache::default();
    let fetch = async |_| -> Result<Fetched, Cause> { panic!("it was fetched") };
    let body = vec![b' '; MAX_BODY + 1];
    let right = headers("a", &[0x30]);
    for (headers, body) in [(&right, body.as_slice()), (&HeaderMap::new(), b"[]".as_slice())] {
        if let Ok(delivery) = Delivery::new(headers, body) {
            let _ = cache.verify(&delivery, NOW, fetch).now_or_never();
            panic!("it was accepted");
        }
    }
}

#[test]
fn a_response_names_each_token_by_its_hash() {
    let leak = |token: &str, kind: &str| Leak {
        token: hallpass_token::Text::new(token),
        kind: kind.to_owned(),
        url: None,
        source: None,
    };
    let leaks = [leak("abc", "y"), leak("", "\"z")];
    let labels = leaks.iter().zip([Label::TruePositive, Label::FalsePositive]);
    // The SHA-256 of FIPS 180-4 of "abc" and of the empty text.
    let expected = r#"[{"token_hash":"ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=","token_type":"y","label":"true_positive"},{"token_hash":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=","token_type":"\"z","label":"false_positive"}]"#;
    assert_eq!(response(labels), expected);
    assert_eq!(response([]), "[]");
}

proptest! {
    #[test]
    fn no_body_panics_and_every_report_is_read(
        tokens in prop::collection::vec(("\\PC{0,40}", "[a-z_]{1,20}"), 0..20),
        body: Vec<u8>,
    ) {
        let reported: Vec<_> = tokens
            .iter()
            .map(|(token, kind)| json!({"token": token, "type": kind, "url": "u", "source": "s"}))
            .collect();
        let leaks = crate::report::parse(json!(reported).to_string().as_bytes()).unwrap();
        let read: Vec<_> = leaks
            .iter()
            .map(|leak| (leak.token.expose_secret().to_owned(), leak.kind.clone()))
            .collect();
        prop_assert_eq!(read, tokens);
        let _ = crate::report::parse(&body);
        let _ = crate::keys::Keys::parse(&body);
    }
}
