//! The form of names and descriptions of tokens, and of passwords: one check for every route.

use hallpass_password::password;
use hallpass_token::Format;
use serde_json::json;
use tests::{
    Request, World,
    api::{bearer, cheap_hash},
    basic,
    web_client::WebClient,
};

/// Texts that are rejected as a name or description.
const REFUSED: [&str; 17] = [
    "",
    " ",
    "\t",
    "\u{a0}",
    "\u{2800}",
    "\u{200b}",
    "\u{3164}",
    "\u{ad}",
    "a\tb",
    "a\nb",
    "laptop\n",
    "\tlaptop",
    "a\u{7f}",
    "a\u{2028}b",
    "ada\u{202e}nimda",
    "a\u{2066}b",
    "\u{200f}a",
];

#[tokio::test]
async fn names_and_descriptions_of_tokens_are_trimmed_visible_and_of_one_direction() {
    let world = World::with(&[("HALLPASS_APP_USER", "4")]).await;
    let token = bearer(&world.create_token(Format::Signed, "2", 1).await.text);
    let rarog = |name: &str| {
        json!({
            "name": name, "expiration": "2027-02-01T00:00:00.000Z", "authorities": ["ROLE_USER"],
        })
    };
    let post = async |route: &str, body: &serde_json::Value| {
        world.send("Generate", Request::new("POST", route).authorization(&token).json(body)).await
    };
    for text in REFUSED {
        for (route, body, member) in [
            ("/tokens", json!({"name": text}), "name"),
            ("/tokens", json!({"name": "a", "description": text}), "description"),
            ("/rest/pat/1.0/token/user/create", rarog(text), "name"),
            ("/rest/pat/1.0/token/app/create", rarog(text), "name"),
        ] {
            assert_eq!(post(route, &body).await.problem(400)["member"], member, "{route} {text:?}");
        }
    }
    for framed in [" laptop", "laptop ", "\u{feff}laptop", "\u{3000}laptop\u{200b}"] {
        let test_token =
            post("/tokens", &json!({"name": framed, "description": framed})).await.json();
        assert_eq!(
            (&test_token["name"], &test_token["description"]),
            (&json!("laptop"), &json!("laptop")),
            "{framed:?}"
        );
        let test_token = post("/rest/pat/1.0/token/user/create", &rarog(framed)).await.json();
        assert_eq!(test_token["name"], "laptop", "{framed:?}");
    }
    let mut web_client = WebClient::signed_in(&world, "admin", "letmein").await;
    for text in ["%20", "%E2%A0%80", "a%09b", "ada%E2%80%AEnimda"] {
        let fields = [("do", "make"), ("name", text), ("limit", "all")];
        let response = web_client
            .submit("Generate", Request::new("POST", "/profile/developer"), &fields)
            .await;
        assert_eq!(response.status, 400, "{text}");
    }
}

#[tokio::test]
async fn a_malformed_password_is_rejected_on_every_route() {
    let world = World::new().await;
    let long = "p".repeat(password::MAX_BYTES + 1);
    for text in [
        "",
        "top\tsecret",
        "topsecret\n",
        "\u{0}topsecret",
        "topsecret\u{7f}",
        "top\u{85}secret",
        &long,
    ] {
        assert!(!password::has_form(text) && password::hash(text, [1; 16]).is_none(), "{text:?}");
        // A hash of such a text, which another program could create, verifies nothing.
        let phc = cheap_hash(text);
        assert!(!password::verify(text, Some(&phc)), "{text:?}");
        world.set_user("1", "password_hash", Some(tests::api::text(&phc))).await;
        for (method, route) in [("POST", "/api/services_token/generate"), ("GET", "/rs/authorise")]
        {
            let request = Request::new(method, route).authorization(&basic("my_username", text));
            assert_eq!(world.send("Generate", request).await.status, 401, "{route} {text:?}");
        }
        let escaped = text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        assert_eq!(
            WebClient::signing_in(&world, "my_username", &escaped).await.status,
            401,
            "{text:?}"
        );
        world.advance(60);
    }
    let longest = "p".repeat(password::MAX_BYTES);
    for text in
        ["x", " topsecret ", "p\u{e4}ssw\u{f6}rd", "\"topsecret\"", "a:b", "\u{a0}", &longest]
    {
        let phc = password::hash(text, [1; 16]).unwrap();
        world.set_user("1", "password_hash", Some(tests::api::text(&phc))).await;
        assert_eq!(world.generate(&basic("my_username", text)).await.status, 200, "{text:?}");
    }
}
