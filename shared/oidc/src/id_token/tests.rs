//! Tests of the checks of an ID token, with keys of every algorithm.

use hallpass_token::Timestamp;
use ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
use serde_json::json;

use super::*;
use crate::signer::{Signer, encode, keys};

const NOW: u64 = 1_800_000_000;

fn claims() -> Value {
    json!({
        "iss": "https://id.example.com", "aud": "hallpass", "sub": "24400320",
        "nonce": "n-0S6_WzA2Mj", "iat": NOW, "exp": NOW + 300,
    })
}

fn verified(text: &str, keys: &Keys) -> Result<Map<String, Value>, TokenError> {
    let expected = Expected {
        parties: Parties {
            issuer: "https://id.example.com",
            client_id: "hallpass",
            now: Timestamp::from_unix(NOW).unwrap(),
        },
        nonce: "n-0S6_WzA2Mj",
        access_token: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
    };
    verify(text, keys, expected)
}

#[test]
fn a_token_of_every_algorithm_is_accepted_with_its_key_alone() {
    let signers = Signer::all();
    for signer in &signers {
        let header = json!({"alg": signer.algorithm(), "kid": "1"});
        let text = signer.token(&header, &claims());
        let check = |published: &[Value], expected: Result<&str, TokenError>| {
            let subject = verified(&text, &keys(published)).map(|claims| claims["sub"].clone());
            assert_eq!(subject, expected.map(|subject| json!(subject)), "{header} {published:?}");
        };
        check(&[signer.jwk("1")], Ok("24400320"));
        check(&[signers[0].jwk("0"), signers[1].jwk("0"), signer.jwk("1")], Ok("24400320"));
        check(&[signer.jwk("2")], Err(TokenError::UnknownKey));
        check(&[], Err(TokenError::UnknownKey));
        let with = |name: &str, value: Value| {
            let mut jwk = signer.jwk("1");
            jwk[name] = value;
            jwk
        };
        check(&[with("use", json!("sig"))], Ok("24400320"));
        check(&[with("use", json!("enc"))], Err(TokenError::UnknownKey));
        check(&[with("alg", json!("RS512"))], Err(TokenError::UnknownKey));
        check(&[with("alg", json!(signer.algorithm()))], Ok("24400320"));
        check(&[with("kty", json!("oct"))], Err(TokenError::UnknownKey));
        check(&[with("kid", json!(null))], Ok("24400320"));
        let unnamed = signer.token(&json!({"alg": signer.algorithm()}), &claims());
        verified(&unnamed, &keys(&[signer.jwk("1")])).unwrap();
    }
    let [_, mine, _] = &signers;
    let other = Signer::P256(Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING));
    let text = other.token(&json!({"alg": "ES256", "kid": "1"}), &claims());
    assert_eq!(verified(&text, &keys(&[mine.jwk("1")])), Err(TokenError::Signature));
}

#[test]
fn a_header_is_rejected_that_names_another_algorithm_type_or_extension() {
    let signer = Signer::rsa();
    let keys = keys(&[signer.jwk("1")]);
    let check = |header: Value, expected: TokenError| {
        let text = signer.token(&header, &claims());
        assert_eq!(verified(&text, &keys).unwrap_err(), expected, "{header}");
    };
    // An HMAC with the public key as its secret would be HS256.
    for name in ["none", "None", "", "HS256", "HS512", "PS256", "RS512", "EdDSA", "rs256"] {
        check(json!({"alg": name, "kid": "1"}), TokenError::Algorithm);
    }
    check(json!({"kid": "1"}), TokenError::Malformed);
    check(json!({"alg": ["RS256"]}), TokenError::Malformed);
    check(json!({"alg": "RS256", "typ": "logout+jwt"}), TokenError::Header);
    check(json!({"alg": "RS256", "typ": "at+jwt"}), TokenError::Header);
    check(json!({"alg": "RS256", "crit": ["b64"], "b64": false}), TokenError::Header);
    check(json!({"alg": "ES256", "kid": "1"}), TokenError::UnknownKey);
    verified(&signer.token(&json!({"alg": "RS256", "typ": "jwt"}), &claims()), &keys).unwrap();
}

#[test]
fn a_text_that_is_not_the_signed_one_is_rejected() {
    let signer = Signer::rsa();
    let keys = keys(&[signer.jwk("1")]);
    let text = signer.token(&json!({"alg": "RS256", "kid": "1"}), &claims());
    let [header, payload, signature] = text.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let mut forged = claims();
    forged["sub"] = json!("another");
    let forged = encode(forged.to_string());
    let check = |text: String, expected: TokenError| {
        assert_eq!(verified(&text, &keys).unwrap_err(), expected, "{text}");
    };
    check(format!("{header}.{forged}.{signature}"), TokenError::Signature);
    check(format!("{header}.{payload}."), TokenError::Signature);
    check(format!("{header}.{payload}.AAAA"), TokenError::Signature);
    check(format!("{header}.{payload}"), TokenError::Malformed);
    check(format!("{header}.{payload}.{signature}="), TokenError::Malformed);
    check(format!("{header}..{payload}.{signature}"), TokenError::Signature);
    check(String::new(), TokenError::Malformed);
    check("..".to_owned(), TokenError::Malformed);
    let unsigned = encode(json!({"alg": "none"}).to_string());
    check(format!("{unsigned}.{payload}."), TokenError::Algorithm);
}

#[test]
fn every_claim_is_checked() {
    use TokenError::{AccessToken, Audience, Issuer, Nonce, Subject, Time};

    let signer = Signer::P256(Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING));
    let keys = keys(&[signer.jwk("1")]);
    let check = |name: &str, value: Value, expected: Option<TokenError>| {
        let mut claims = claims();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
        let text = signer.token(&json!({"alg": "ES256", "kid": "1"}), &claims);
        assert_eq!(verified(&text, &keys).err(), expected, "{name} {value}");
    };
    check("extra", json!({"any": 1}), None);
    for wrong in [json!(null), json!("https://id.example.com/"), json!("https://evil.example.com")]
    {
        check("iss", wrong, Some(Issuer));
    }
    for wrong in
        [json!(null), json!("other"), json!([]), json!(["other"]), json!(1), json!([["hallpass"]])]
    {
        check("aud", wrong, Some(Audience));
    }
    check("aud", json!(["hallpass"]), None);
    check("aud", json!(["hallpass", "other"]), Some(Audience));
    check("azp", json!("hallpass"), None);
    check("azp", json!("other"), Some(Audience));
    for wrong in [json!(null), json!("1800000300"), json!(NOW - 61), json!(-1)] {
        check("exp", wrong, Some(Time));
    }
    check("exp", json!(NOW - 59), None);
    for wrong in [json!(null), json!(NOW + 61), json!(NOW - 601), json!("now")] {
        check("iat", wrong, Some(Time));
    }
    check("iat", json!(NOW + 60), None);
    check("iat", json!(NOW - 599), None);
    check("nbf", json!(NOW + 60), None);
    check("nbf", json!(NOW + 61), Some(Time));
    check("nbf", json!("now"), Some(Time));
    for wrong in [json!(null), json!(""), json!("n-0S6_WzA2Mk"), json!(1)] {
        check("nonce", wrong, Some(Nonce));
    }
    // The example of OpenID Connect Core 1.0 appendix A.3.
    check("at_hash", json!("77QmUPtjPfzWtF2AnpK9RQ"), None);
    check("at_hash", json!("77QmUPtjPfzWtF2AnpK9RA"), Some(AccessToken));
    check("at_hash", json!(1), Some(AccessToken));
    for wrong in [json!(null), json!(""), json!(1), json!("s".repeat(256))] {
        check("sub", wrong, Some(Subject));
    }
    check("sub", json!("s".repeat(255)), None);
}

#[test]
fn the_party_of_a_token_for_several_clients_is_this_one() {
    let signer = Signer::P256(Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING));
    let keys = keys(&[signer.jwk("1")]);
    let check = |audience: Value, party: Option<&str>, is_accepted: bool| {
        let mut claims = claims();
        claims["aud"] = audience.clone();
        if let Some(party) = party {
            claims["azp"] = json!(party);
        }
        let text = signer.token(&json!({"alg": "ES256"}), &claims);
        assert_eq!(verified(&text, &keys).is_ok(), is_accepted, "{audience} {party:?}");
    };
    check(json!(["hallpass", "api"]), Some("hallpass"), true);
    check(json!(["hallpass", "api"]), Some("api"), false);
    check(json!(["api", "other"]), Some("hallpass"), false);
    check(json!(["hallpass", "hallpass"]), None, true);
}
