//! White space and anything else that editors, shells and pipes put around a secret that is posted.

use hallpass_token::Format;
use serde_json::Value;
use tests::{Request, World, api::bearer};

/// What stands before and behind a token, and how it is written in a form.
const AROUND: [(&str, &str); 33] = [
    ("", "%0A"),
    ("", "%0D"),
    ("", "%0D%0A"),
    ("", "+"),
    ("", "%20"),
    ("", "%09"),
    ("", "%C2%A0"),
    ("", "%E2%80%8B"),
    ("%EF%BB%BF", ""),
    ("%E2%81%A0", "%E2%81%A0"),
    ("%0A", ""),
    ("%20", "%20"),
    ("%09%20", "%20%0D%0A%0A"),
    ("%22", "%22"),
    ("%27", "%27%0A"),
    ("%60", "%60"),
    ("%E2%80%9C", "%E2%80%9D"),
    ("Bearer+", ""),
    ("bearer%20", "%0A"),
    ("Token%20", ""),
    ("%22Bearer%20", "%22"),
    ("%3C", "%3E"),
    // Direction marks and isolates, as dialogs of Windows put around text; invisible characters; a
    // closing NUL.
    ("%E2%80%AA", "%E2%80%AC"),
    ("%E2%81%A6", "%E2%81%A9"),
    ("%E2%81%A8", "%E2%81%A9"),
    ("%C2%AD", ""),
    ("", "%E2%81%A4"),
    ("", "%EF%B8%8F"),
    ("", "%E3%85%A4"),
    ("", "%00"),
    // Bracketed paste of a terminal, and what separates a scheme besides a space.
    ("%1B%5B200~", "%1B%5B201~"),
    ("Bearer%0A", ""),
    ("Bearer%C2%A0", "%0A"),
];

/// Text that is not ignored: with it, the token is not valid.
const WITHIN: [(&str, &str); 6] =
    [("x", ""), ("", "x"), ("", "%2C"), ("%22", ""), ("", "="), ("Basic+", "")];

fn form(route: &str, token: &str, around: (&str, &str)) -> Request {
    let body = format!("token={}{token}{}&token_type_hint=access_token", around.0, around.1);
    Request::new("POST", route)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(&body)
}

async fn is_active(world: &World, caller: &str, token: &str, around: (&str, &str)) -> bool {
    let response = world
        .send("Console", form("/oauth/introspect", token, around).authorization(&bearer(caller)))
        .await;
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()["active"] == Value::Bool(true)
}

#[tokio::test]
async fn a_token_is_revoked_and_introspected_with_any_white_space_around_it() {
    let world = World::new().await;
    let caller = world.create_token(Format::Signed, "1", 1).await.text;
    let mut seed = 2;
    for format in [Format::Signed, Format::Developer, Format::Jwt] {
        for around in AROUND {
            let token = world.create_token(format, "1", seed).await.text;
            seed += 1;
            assert!(is_active(&world, &caller, &token, around).await, "{format} {around:?}");
            assert_eq!(
                world.send("Revoke", form("/oauth/revoke", &token, around)).await.status,
                200
            );
            assert_ne!(
                world.verdict(&bearer(&token)).await,
                "allow",
                "{format} {around:?}: it lives on"
            );
            assert!(!is_active(&world, &caller, &token, ("", "")).await, "{format} {around:?}");
        }
    }
}

#[tokio::test]
async fn other_characters_around_a_token_make_it_another_text() {
    let world = World::new().await;
    let token = world.create_token(Format::Signed, "1", 1).await.text;
    for around in WITHIN {
        assert!(!is_active(&world, &token, &token, around).await, "{around:?}");
        assert_eq!(world.send("Revoke", form("/oauth/revoke", &token, around)).await.status, 200);
        assert_eq!(world.verdict(&bearer(&token)).await, "allow", "{around:?}");
    }
}

#[tokio::test]
async fn in_a_header_a_token_has_exactly_one_text() {
    let world = World::new().await;
    let token = world.create_token(Format::Signed, "1", 1).await.text;
    for header in [
        format!("Bearer \"{token}\""),
        format!("Bearer '{token}'"),
        format!("Bearer Bearer {token}"),
        format!("Bearer {token}\t"),
        format!("Bearer <{token}>"),
        tests::basic(&format!("{token}\n"), ""),
        tests::basic(&format!(" {token}"), ""),
        tests::basic(&format!("\"{token}\""), ""),
    ] {
        assert_ne!(world.verdict(&header).await, "allow", "{header}");
        assert_eq!(world.generate(&header).await.status, 401, "{header}");
    }
    assert_eq!(world.verdict(&bearer(&token)).await, "allow");
}
