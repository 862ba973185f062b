//! JWTs with a valid signature: the first line of the input is the header, and the rest is the
//! claims.
//!
//! A JWT that verifies is byte for byte the one that Hallpass would issue. No JWT verifies with
//! another signature.
#![no_main]

use fuzz::{from_url, issuer, keyring, now, url};
use hallpass_token::{
    Entropy, Format, Keyring, Reason, Timestamp,
    codec::{
        inspect,
        jwt::{self, Audience, Contents},
    },
    open,
};
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use sha2::Sha256;

fuzz_target!(|data: &[u8]| {
    let (keyring, issuer) = (keyring(), issuer("acme_"));
    let (header, claims) = match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (br#"{"alg":"HS256","typ":"JWT","kid":"fuzz"}"#.as_slice(), data),
    };
    let message = format!("{}.{}", url(header), url(claims));
    let tag = tag(&keyring, &message);
    let text = format!("{message}.{}", url(&tag));
    match open(&keyring, &issuer, &text, now()) {
        Err(Reason::Malformed | Reason::Forged | Reason::Expired) => {}
        Err(other) => panic!("rejected as {other}, which the text alone cannot be"),
        Ok(claim) => {
            assert_eq!(claim.format, Format::Jwt);
            assert_eq!(issued_again(&keyring, claims), text);
            let appearance = inspect::inspect(&issuer, &text).expect("the shape of a JWT");
            assert!(appearance.hash == claim.hash && appearance.user_id == claim.user_id);
        }
    }
    let mut other = tag;
    other[0] ^= 1;
    assert!(
        open(&keyring, &issuer, &format!("{message}.{}", url(&other)), now()).is_err(),
        "a forged JWT verifies"
    );
    assert!(
        open(&keyring, &issuer, &message, now()).is_err(),
        "a JWT without a signature verifies"
    );
});

fn tag(keyring: &Keyring, message: &str) -> [u8; 32] {
    let key = from_url(keyring.keys()[0].export_jwt().expose_secret()).expect("a key");
    let mac = Hmac::<Sha256>::new_from_slice(&key).expect("any key is valid");
    mac.chain_update(message).finalize().into_bytes().into()
}

/// Issues the JWT with these claims.
fn issued_again(keyring: &Keyring, claims: &[u8]) -> String {
    let claims: Value = serde_json::from_slice(claims).expect("verified claims");
    let text = |name: &str| claims[name].as_str().expect("a text").to_owned();
    let time = |name: &str| claims[name].as_u64().and_then(Timestamp::from_unix).expect("a time");
    let audience = if text("aud") == "hallpass" { Audience::System } else { Audience::User };
    let (user_id, name) = (text("sub").parse().expect("an id"), text("name"));
    let contents = Contents { user_id, audience, expires_at: time("exp"), name: &name };
    let secret = from_url(&text("jti")).expect("verified claims");
    let secret = Entropy::new(secret.try_into().expect("16 bytes"));
    let signed = jwt::sign(keyring, &issuer("acme_"), time("iat"), contents, &secret)
        .expect("a signing key");
    signed.text.expose_secret().to_owned()
}
