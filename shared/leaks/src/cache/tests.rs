//! When the keys are fetched, and what holds if they cannot be.

use std::{cell::RefCell, io};

use futures_util::FutureExt;

use super::*;
use crate::signer::{Signer, document, headers};

const BODY: &[u8] = br#"[{"token":"t","type":"y"}]"#;

/// One response of GitHub.
enum Reply {
    /// The document, and its `ETag`.
    Keys(Vec<u8>, &'static str),
    NotModified,
    Failure,
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::EPOCH.after(Duration::from_secs(seconds))
}

/// Verifies a request of this signer. Returns the outcome, and the `ETag` that was sent if the keys
/// were fetched.
fn ask(cache: &KeyCache, signer: &Signer, seconds: u64, reply: Reply) -> (String, String) {
    let headers = headers(&signer.id, &signer.sign(BODY));
    let delivery = Delivery::new(&headers, BODY).unwrap();
    let asked = RefCell::new("not fetched".to_owned());
    let fetch = async |etag: Option<String>| {
        *asked.borrow_mut() = etag.unwrap_or_else(|| "fetched".to_owned());
        match reply {
            Reply::Keys(body, etag) => Ok(Fetched::Document { body, etag: Some(etag.to_owned()) }),
            Reply::NotModified => Ok(Fetched::NotModified),
            Reply::Failure => Err(io::Error::other("no route")),
        }
    };
    let outcome = match cache.verify(&delivery, at(seconds), fetch).now_or_never().unwrap() {
        Ok(verified) => match verified.stale {
            None => format!("{} leak", verified.leaks().unwrap().len()),
            Some(cause) => format!("1 leak, but {cause}"),
        },
        Err(error) => {
            let cause = error::Error::source(&error).map(|cause| format!(": {cause}"));
            format!("{} {}", error.status(), cause.unwrap_or_default())
        }
    };
    (outcome, asked.into_inner())
}

#[test]
fn keys_are_fetched_at_most_every_five_minutes_and_known_ones_stay_valid() {
    let (cache, old, new) = (KeyCache::default(), Signer::p256("old"), Signer::p256("new"));
    let before = || Reply::Keys(document(&[&old]), "\"1\"");
    let after = || Reply::Keys(document(&[&new, &old]), "\"2\"");
    let check = |signer: &Signer, seconds: u64, reply: Reply, outcome: &str, asked: &str| {
        let got = ask(&cache, signer, seconds, reply);
        assert_eq!((got.0.as_str(), got.1.as_str()), (outcome, asked), "at {seconds}");
    };
    // Without keys, nothing is accepted, and the next attempt is five minutes later.
    check(&old, 0, Reply::Failure, "503 : no route", "fetched");
    check(&old, 299, before(), "503 ", "not fetched");
    check(&old, 300, Reply::NotModified, NO_KEYS, "fetched");
    check(&old, 600, Reply::Keys(b"{}".to_vec(), "\"0\""), NO_KEYS, "fetched");
    check(&old, 900, before(), "1 leak", "fetched");
    check(&old, 901, after(), "1 leak", "not fetched");
    // A key that is not known leads to one attempt in five minutes.
    check(&new, 902, after(), "401 ", "not fetched");
    check(&new, 1_200, Reply::NotModified, "401 ", "\"1\"");
    check(&new, 1_201, after(), "401 ", "not fetched");
    check(&new, 1_500, Reply::Failure, "503 : no route", "\"1\"");
    check(&new, 1_501, after(), "503 ", "not fetched");
    check(&old, 1_502, Reply::Failure, "1 leak", "not fetched");
    check(&new, 1_800, after(), "1 leak", "\"1\"");
    check(&old, 1_801, after(), "1 leak", "not fetched");
    // After an hour the keys are looked up again, and used if that fails.
    check(&old, 1_800 + 3_599, after(), "1 leak", "not fetched");
    check(&old, 1_800 + 3_600, Reply::Failure, "1 leak, but no route", "\"2\"");
    check(&old, 1_800 + 3_601, after(), "1 leak", "not fetched");
    let garbage = Reply::Keys(b"[]".to_vec(), "\"3\"");
    check(&old, 1_800 + 3_900, garbage, &format!("1 leak, but {NO_KEYS_ALONE}"), "\"2\"");
    check(&old, 1_800 + 4_200, Reply::NotModified, "1 leak", "\"2\"");
    check(&old, 1_800 + 4_500, after(), "1 leak", "not fetched");
    // A key that is withdrawn is rejected when the keys have been looked up.
    let withdrawn = Reply::Keys(document(&[&new]), "\"4\"");
    check(&old, 1_800 + 4_200 + 3_600, withdrawn, "401 ", "\"2\"");
}

const NO_KEYS: &str = "503 : the document has no public key on P-256";
const NO_KEYS_ALONE: &str = "the document has no public key on P-256";

#[test]
fn a_verification_can_move_between_threads() {
    const fn check<T: Send>(_: &T) {}
    let (cache, headers) = (KeyCache::default(), headers("a", &[0x30]));
    let delivery = Delivery::new(&headers, BODY).unwrap();
    check(&cache.verify(&delivery, at(0), async |_| Err::<Fetched, Cause>("no route".into())));
}

#[test]
fn a_document_without_a_usable_key_is_rejected() {
    let (one, p384) = (Signer::p256("a"), Signer::p384("b"));
    let parse = |json: &[u8]| Keys::parse(json).map(|keys| (keys.has("a"), keys.has("b")));
    assert_eq!(parse(&document(&[&one, &p384])), Ok((true, false)));
    let pem = one.pem();
    let with = |pem: &str| {
        serde_json::json!({"public_keys": [{"key_identifier": "a", "key": pem}]}).to_string()
    };
    assert_eq!(parse(with(&pem).as_bytes()), Ok((true, false)));
    let (large, compressed) =
        (" ".repeat(crate::keys::MAX_DOCUMENT), pem.replace("DQgAE", "DQgAC"));
    for bad in [
        document(&[]),
        document(&[&p384]),
        document(&[&one, &one]),
        with("").into_bytes(),
        with(&pem.replace("PUBLIC", "PRIVATE")).into_bytes(),
        with(&pem.replace("MFkw", "MFgw")).into_bytes(),
        with(&pem.replace('\n', "")).into_bytes(),
        br#"{"public_keys":{}}"#.to_vec(),
        br#"{"public_keys":[{"key":"a"}]}"#.to_vec(),
        b"[]".to_vec(),
        b"".to_vec(),
        format!("{}{large}", with(&pem)).into_bytes(),
    ] {
        assert_eq!(parse(&bad), Err(NoKeys), "{}", String::from_utf8_lossy(&bad));
    }
    // A point that is not on the curve has signed nothing.
    let keys = Keys::parse(with(&compressed).as_bytes()).unwrap();
    assert_eq!(keys.verify("a", BODY, &one.sign(BODY)), Some(false));
}
