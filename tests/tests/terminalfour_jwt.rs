//! JWTs between Hallpass and other software: the `jsonwebtoken` crate verifies Hallpass's JWTs with
//! the exported key, and Hallpass judges JWTs that the crate signs with that key.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    decode, encode,
    errors::{Error, ErrorKind},
    signature::{Error as SignatureError, Signer, Verifier},
};
use serde_json::{Value, json};
use sha2::Sha256;
use tests::{START, World, api::bearer, basic, system::exported_key, tap::Tap};

/// HS256 for the crate, which comes without cryptography of its own.
struct Hs256(Vec<u8>);

static HS256: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Hs256::new(*algorithm, key.as_bytes())?)),
    verifier_factory: |algorithm, key| {
        Ok(Box::new(Hs256::new(*algorithm, key.try_get_as_bytes()?)?))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

impl Hs256 {
    fn new(algorithm: Algorithm, key: &[u8]) -> Result<Self, Error> {
        if algorithm == Algorithm::HS256 {
            Ok(Self(key.to_vec()))
        } else {
            Err(ErrorKind::InvalidAlgorithm.into())
        }
    }

    fn mac(&self, message: &[u8]) -> Hmac<Sha256> {
        <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0).unwrap().chain_update(message)
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(self.mac(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], tag: &Vec<u8>) -> Result<(), SignatureError> {
        self.mac(message).verify_slice(tag).map_err(|_| SignatureError::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

/// Creates a world behind a tap.
async fn world() -> (World, Tap) {
    // The first test of the process installs it.
    let _ = HS256.install_default();
    World::tapped(&[]).await
}

async fn temporary(world: &World) -> String {
    let request = tests::Request::new("GET", "/rs/authorise")
        .authorization(&basic("my_username", "topsecret"));
    let response = world.send("Generate", request).await;
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()["accessToken"].as_str().unwrap().to_owned()
}

async fn key(world: &World) -> String {
    let token = world.token().await;
    world.created(&token, &json!({"name": "key", "format": "jwt"})).await["token"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn expecting(audience: &str) -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = 0;
    validation.set_audience(&[audience]);
    validation.set_issuer(&["hallpass"]);
    validation.set_required_spec_claims(&["exp", "sub", "aud", "iss"]);
    validation
}

/// Returns claims like Hallpass's, in the same order.
fn claims() -> Value {
    json!({
        "iss": "hallpass", "sub": "1", "aud": "hallpass", "iat": START, "exp": START + 1_800,
        "name": "my_username",
        "jti": "AAECAwQFBgcICQoLDA0ODw",
    })
}

/// Signs any header and claims with the exported key.
fn signed(header: &str, claims: &str) -> String {
    let [header, claims] =
        [header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.as_bytes()));
    let message = format!("{header}.{claims}");
    let key = EncodingKey::from_base64_secret(&padded()).unwrap();
    let tag = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{tag}")
}

/// Returns the exported key in the alphabet of the crate, which needs padding and has no `-` or
/// `_`.
fn padded() -> String {
    format!("{}=", exported_key().replace('-', "+").replace('_', "/"))
}

#[tokio::test]
async fn other_software_verifies_jwts_with_the_exported_key() {
    let (world, _tap) = world().await;
    let key_of_others = DecodingKey::from_base64_secret(&padded()).unwrap();
    for (jwt, audience) in [(temporary(&world).await, "hallpass"), (key(&world).await, "1")] {
        let data = decode::<Value>(&jwt, &key_of_others, &expecting(audience)).unwrap();
        assert_eq!((data.header.alg, data.header.typ.as_deref()), (Algorithm::HS256, Some("JWT")));
        assert_eq!(data.header.kid.as_deref(), Some("test"));
        assert_eq!(
            (&data.claims["sub"], &data.claims["name"]),
            (&json!("1"), &json!("my_username"))
        );
        let rejected = |key: &DecodingKey, audience| {
            decode::<Value>(&jwt, key, &expecting(audience)).unwrap_err()
        };
        assert_eq!(rejected(&key_of_others, "other").kind(), &ErrorKind::InvalidAudience);
        let master = DecodingKey::from_base64_secret(
            &(tests::KEYS.split('"').nth(7).unwrap().replace('-', "+") + "="),
        )
        .unwrap();
        assert_eq!(
            rejected(&master, audience).kind(),
            &ErrorKind::InvalidSignature,
            "the keyring's key itself is no JWT key"
        );
    }
}

#[tokio::test]
async fn the_exported_key_does_not_give_access() {
    let (world, tap) = world().await;
    let signing = EncodingKey::from_base64_secret(&padded()).unwrap();
    // The crate orders the members of the header differently, which makes it a different text.
    let header = Header { kid: Some("test".to_owned()), ..Header::new(Algorithm::HS256) };
    let foreign = encode(&header, &claims(), &signing).unwrap();
    assert_eq!(world.verdict(&bearer(&foreign)).await, "malformed");
    let exact = signed(r#"{"alg":"HS256","typ":"JWT","kid":"test"}"#, &claims().to_string());
    tap.seen();
    assert_eq!(world.verdict(&bearer(&exact)).await, "unknown");
    assert_eq!(tap.operations(), ["BatchGetItem"]);
    for authorization in [bearer(&exact), basic(&exact, "")] {
        assert_eq!(world.generate(&authorization).await.problem(401)["reason"], "unknown");
        assert_eq!(
            world.create(&authorization, &json!({"name": "a"})).await.problem(401)["reason"],
            "unknown"
        );
    }
    assert_eq!(world.count_records("1").await, 0);
}

/// Each claim of an issued JWT, its new value from a holder of the exported key, the rejection
/// reason, and whether the rejection takes a read.
const REWRITTEN: [(&str, &str, &str, bool); 22] = [
    ("name", "\"admin\"", "malformed", true),
    ("name", "\"\"", "malformed", true),
    ("name", "\"My_username\"", "malformed", true),
    ("name", "\"my_username \"", "malformed", true),
    ("name", "null", "malformed", false),
    ("name", "[\"my_username\"]", "malformed", false),
    ("aud", "\"<other>\"", "malformed", true),
    ("aud", "\"2\"", "malformed", false),
    ("aud", "[\"1\"]", "malformed", false),
    ("iat", "1799999999", "malformed", true),
    ("iat", "1800000001", "malformed", true),
    ("iat", "0", "malformed", true),
    ("iat", "1800000006", "malformed", false),
    ("exp", "1800000060", "malformed", true),
    ("exp", "1900000000", "malformed", true),
    ("exp", "253402300799", "malformed", true),
    ("exp", "1800000000", "expired", false),
    ("iss", "\"elsewhere\"", "malformed", false),
    ("iss", "\"Hallpass\"", "malformed", false),
    ("sub", "\"2\"", "malformed", false),
    ("jti", "\"AAECAwQFBgcICQoLDA0ODw\"", "unknown", true),
    ("jti", "\"AAECAwQFBgcICQoLDA0ODx\"", "malformed", false),
];

/// Returns the claims with one replaced, in the same order.
fn rewritten(payload: &str, claim: &str, value: &str) -> String {
    let claims: Value = serde_json::from_str(payload).unwrap();
    let other = if claims["aud"] == "hallpass" { "1" } else { "hallpass" };
    let (from, to) = (
        format!("\"{claim}\":{}", claims[claim]),
        format!("\"{claim}\":{}", value.replace("<other>", other)),
    );
    assert!(payload.contains(&from) && from != to, "{payload} {from}");
    payload.replace(&from, &to)
}

#[tokio::test]
async fn a_claim_that_differs_from_what_was_issued_is_malformed() {
    let (world, tap) = world().await;
    for real in [temporary(&world).await, key(&world).await] {
        assert_eq!(world.verdict(&bearer(&real)).await, "allow");
        let payload = BASE64_URL_SAFE_NO_PAD.decode(real.split('.').nth(1).unwrap()).unwrap();
        let payload = String::from_utf8(payload).unwrap();
        for (claim, value, reason, reads) in REWRITTEN {
            // A temporary JWT of another user is still for the system, but has no record.
            let is_of_system = payload.contains(r#""aud":"hallpass""#);
            let (reason, reads) =
                if claim == "sub" && is_of_system { ("unknown", true) } else { (reason, reads) };
            let text = signed(
                r#"{"alg":"HS256","typ":"JWT","kid":"test"}"#,
                &rewritten(&payload, claim, value),
            );
            tap.seen();
            assert_eq!(world.verdict(&bearer(&text)).await, reason, "{claim} {value}");
            assert_eq!(
                tap.operations(),
                if reads { vec!["BatchGetItem"] } else { vec![] },
                "{claim} {value}"
            );
            assert_eq!(world.generate(&bearer(&text)).await.problem(401)["reason"], reason);
            let request =
                tests::Request::new("POST", "/oauth/introspect").authorization(&bearer(&real));
            let request = request
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body(&format!("token={text}"));
            assert_eq!(
                world.send("Console", request).await.json(),
                json!({"active": false}),
                "{claim} {value}"
            );
        }
        let rotated = world.another();
        assert_eq!(rotated.verdict(&bearer(&real)).await, "allow", "it is as it was");
    }
}

#[tokio::test]
async fn a_record_without_a_digest_is_compared_by_its_times() {
    let (world, _tap) = world().await;
    let token = world
        .create_token_with(hallpass_token::Format::Jwt, "1", 1, |record| {
            record.payload_digest = None;
        })
        .await;
    assert_eq!(world.verdict(&bearer(&token.text)).await, "allow");
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.text.split('.').nth(1).unwrap()).unwrap();
    let payload = String::from_utf8(payload).unwrap();
    for (claim, value) in [("iat", "1799999999"), ("exp", "1900000000")] {
        let text = signed(
            r#"{"alg":"HS256","typ":"JWT","kid":"test"}"#,
            &rewritten(&payload, claim, value),
        );
        assert_eq!(world.verdict(&bearer(&text)).await, "malformed", "{claim}");
    }
}

#[tokio::test]
async fn a_jwt_that_differs_from_the_issued_form_is_rejected_without_a_read() {
    let (world, tap) = world().await;
    let header = r#"{"alg":"HS256","typ":"JWT","kid":"test"}"#;
    let ours = claims().to_string();
    let check = async |jwt: &str, reason: &str| {
        tap.seen();
        assert_eq!(world.verdict(&bearer(jwt)).await, reason, "{jwt}");
        assert_eq!(tap.operations().is_empty(), reason != "unknown", "{jwt}");
    };
    for other in [
        r#"{"alg":"none","typ":"JWT","kid":"test"}"#,
        r#"{"alg":"HS512","typ":"JWT","kid":"test"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"test","crit":["exp"]}"#,
        r#"{"alg":"HS256","typ":"JWE","kid":"test"}"#,
        r#"{"alg":"HS256","kid":"test"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"other"}"#,
        r#"{"alg":"HS256","alg":"none","typ":"JWT","kid":"test"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"test" }"#,
    ] {
        check(&signed(other, &ours), "malformed").await;
    }
    check(&signed(header, &ours), "unknown").await;
    for (from, to, reason) in [
        (r#""aud":"hallpass""#, r#""aud":"1""#, "unknown"),
        (r#""aud":"hallpass""#, r#""aud":"2""#, "malformed"),
        (r#""aud":"hallpass","#, "", "malformed"),
        (r#""iss":"hallpass""#, r#""iss":"elsewhere""#, "malformed"),
        (r#""iss":"hallpass","#, "", "malformed"),
        (r#""iat":1800000000"#, r#""iat":1800000005"#, "unknown"),
        (r#""iat":1800000000"#, r#""iat":1800000006"#, "malformed"),
        (r#""exp":1800001800"#, r#""exp":1800000001"#, "unknown"),
        (r#""exp":1800001800"#, r#""exp":1800000000"#, "expired"),
        (r#""exp":1800001800"#, r#""exp":"1800001800""#, "malformed"),
        (r#""exp":1800001800,"#, "", "malformed"),
        (r#""sub":"1""#, r#""sub":"1","sub":"1""#, "malformed"),
        (r#""sub":"1""#, r#""sub": "1""#, "malformed"),
        (r#"ODw""#, r#"ODx""#, "malformed"),
    ] {
        let changed = ours.replace(from, to);
        assert_ne!(changed, ours, "{from}");
        check(&signed(header, &changed), reason).await;
    }
    let whole = signed(header, &ours);
    let (message, tag) = whole.rsplit_once('.').unwrap();
    check(&format!("{whole}="), "malformed").await;
    check(&format!("{message}=.{tag}"), "malformed").await;
    check(&format!("{message}."), "malformed").await;
    // 43 characters have two bits more than 32 bytes: another last character decodes to the same
    // bytes.
    let (rest, last) = whole.split_at(whole.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let twin = alphabet.as_bytes()[alphabet.find(last).unwrap() + 1] as char;
    check(&format!("{rest}{twin}"), "malformed").await;
}
