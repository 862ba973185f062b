//! Which JWTs are accepted: those that Hallpass itself would have written.

use super::*;

/// A JWT with this header and these claims, correctly signed with the exported key of the keyring.
fn jwt_with(header: &str, claims: &str) -> String {
    let keyring = keyring();
    let message = format!(
        "{}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(header.as_bytes()),
        BASE64_URL_SAFE_NO_PAD.encode(claims.as_bytes())
    );
    let tag = keyring.keys()[0].jwt.clone().chain_update(&message).finalize().into_bytes();
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
}

#[test]
fn a_jwt_with_a_good_signature_but_another_form_is_rejected() {
    let header = r#"{"alg":"HS256","typ":"JWT","kid":"new"}"#;
    let claims = r#"{"iss":"hallpass","sub":"1","aud":"hallpass","iat":1800000000,"exp":1800001800,"name":"A","jti":"AAAAAAAAAAAAAAAAAAAAAA"}"#;
    let check = |header: &str, claims: &str, expected: Option<Reason>| {
        let text = jwt_with(header, claims);
        assert_eq!(read(&text).err(), expected, "{header} {claims}");
    };
    check(header, claims, None);
    check(header, &claims.replace(r#""aud":"hallpass""#, r#""aud":"1""#), None);
    check(header, &claims.replace("1800000000", "1800000005"), None);
    for other in [
        r#"{"alg":"none","typ":"JWT","kid":"new"}"#,
        r#"{"alg":"HS384","typ":"JWT","kid":"new"}"#,
        r#"{"alg":"HS256","typ":"jwt","kid":"new"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"new"}"#,
        r#"{"alg":"HS256","kid":"new"}"#,
        r#"{"alg":"HS256","typ":"JWT"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"old"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"new","crit":["exp"]}"#,
        r#"{"alg":"HS256","typ":"JWT", "kid":"new"}"#,
        r#"{"typ":"JWT","alg":"HS256","kid":"new"}"#,
        r#"{"alg":"HS256","alg":"HS256","typ":"JWT","kid":"new"}"#,
    ] {
        check(other, claims, Some(Reason::Forged));
    }
    for (from, to) in [
        (r#""aud":"hallpass""#, r#""aud":"other""#),
        (r#""aud":"hallpass""#, r#""aud":["hallpass"]"#),
        (r#""aud":"hallpass","#, ""),
        (r#""iss":"hallpass""#, r#""iss":"other""#),
        (r#""iat":1800000000"#, r#""iat":1800000006"#),
        (r#""exp":1800001800"#, r#""exp":1800001800.0"#),
        (r#""exp":1800001800"#, r#""exp":-1"#),
        (r#""exp":1800001800"#, r#""exp":999999999999999"#),
        (r#""exp":1800001800,"#, ""),
        (r#""name":"A""#, r#""name":"\u0041""#),
        (r#""name":"A""#, r#""name":"A","name":"A""#),
        (r#""name":"A""#, r#""name":"A","nbf":1"#),
        (r#""iss""#, r#" "iss""#),
        (r#"AAAAAAAAAAAAAAAAAAAAAA""#, r#"AAAAAAAAAAAAAAAAAAAAAB""#),
        (r#"AAAAAAAAAAAAAAAAAAAAAA""#, r#"AAAA""#),
        (r#""sub":"1""#, r#""sub":"a b""#),
        (r#""sub":"1""#, r#""sub":1"#),
    ] {
        check(header, &claims.replace(from, to), Some(Reason::Malformed));
    }
    check(header, &claims.replace("1800001800", "1800000000"), Some(Reason::Expired));
    check(header, r#"{"iss":"hallpass"}"#, Some(Reason::Malformed));
    let named = |length: usize| claims.replace(r#""A""#, &format!(r#""{}""#, "n".repeat(length)));
    check(header, &named(jwt::MAX_NAME_BYTES), None);
    check(header, &named(jwt::MAX_NAME_BYTES + 1), Some(Reason::Malformed));
}

#[test]
fn a_jwt_has_no_padding_no_white_space_and_no_trailing_bits() {
    let text = one_of_each("", "1", NOW.after(Duration::from_secs(60)), [7; 16])[2]
        .1
        .text
        .expose_secret()
        .to_owned();
    let (message, tag) = text.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    for other in [
        format!("{text}="),
        format!("{header}=.{payload}.{tag}"),
        format!("{header}.{payload}=.{tag}"),
        format!("{header}.{payload} .{tag}"),
        format!("{header}.{payload}.{tag}\n"),
        format!("{header}.{payload}."),
        format!("{header}.{payload}"),
        format!("{header}.{payload}.{tag}.{tag}"),
    ] {
        assert!(read(&other).is_err(), "{other}");
    }
}

#[test]
fn a_name_of_any_length_gives_a_valid_token() {
    let (keyring, issuer, secret) = (keyring(), issuer(""), Entropy::new([1; 16]));
    for name in ["", "ö".repeat(10_000).as_str(), "\u{1}".repeat(10_000).as_str()] {
        let expires_at = NOW.after(Duration::from_secs(60));
        let contents = jwt::Contents {
            user_id: user(&"u".repeat(64)),
            audience: Audience::User,
            expires_at,
            name,
        };
        let signed = jwt::sign(&keyring, &issuer, NOW, contents, &secret).unwrap();
        assert!(open(&keyring, &issuer, signed.text.expose_secret(), NOW).is_ok());
    }
}
