//! The page of the user's own tokens.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_web::developer::day;
use serde_json::json;
use tests::{
    api::bearer,
    client::Reply,
    pages::{OWN, WebClient},
    system::System,
};

/// Returns the rows of the table, as text.
fn rows(page: &Reply) -> Vec<String> {
    let table = page.body.split("<tbody>").nth(1).unwrap_or_default();
    table.split("</tr>").filter(|row| row.contains("<tr>")).map(str::to_owned).collect()
}

async fn permit(system: &System, id: &str, names: &[&str]) {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    system.set_user(id, "permissions", AttributeValue::Ss(names)).await;
}

/// Returns the public ID of a token, as the token itself reads it.
async fn id_of(system: &System, token: &str) -> String {
    let reply = system.ask("GET", "/tokens/current", &bearer(token)).await;
    reply.body_of(200)["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_is_created_used_rotated_and_revoked() {
    let system = System::start(&[]).await;
    let mut web_client = WebClient::signed_in(&system, "my_username", "topsecret").await;
    assert!(rows(&web_client.get(OWN).await).is_empty());
    let mut fields = vec![
        ("name", " laptop "),
        ("description", " of <Ada> "),
        ("expires", ""),
        ("limit", "all"),
    ];
    let token = web_client.create_token(&fields).await;
    assert_eq!(system.verdict(&token).await, "allow");
    let page = web_client.get(OWN).await;
    assert!(!page.body.contains(&token) && rows(&page).len() == 1, "it is shown once");
    let id = id_of(&system, &token).await;
    let shown = web_client.get(&format!("/profile/developer/tokens/{id}")).await;
    assert!(shown.body.contains("<dd><bdi>of &#60;Ada&#62;</bdi></dd>"), "{}", shown.body);
    let long = "d".repeat(1_001);
    fields[1].1 = &long;
    fields.push(("do", "make"));
    let reply = web_client.post(OWN, &fields).await;
    assert!(reply.status == 400 && reply.wrong().starts_with("Description: "), "{}", reply.wrong());
    assert_eq!(reply.field("description").unwrap(), long, "the input is kept");
    assert!(
        rows(&page)[0].contains(&id)
            && rows(&page)[0].contains(">laptop<")
            && rows(&page)[0].contains("active")
    );

    let page = web_client.post(OWN, &[("do", "rotate"), ("id", &id)]).await;
    assert!(
        page.body.split("<table").next().unwrap_or_default().contains("laptop"),
        "the new token has its name"
    );
    let rotated = page.shown_token();
    assert!(rows(&web_client.get(OWN).await).iter().any(|row| row.contains("ends <time")));
    let twice = web_client.post(OWN, &[("do", "rotate"), ("id", &id)]).await;
    assert_eq!(
        (twice.status, twice.wrong().as_str()),
        (409, "The token is already being replaced, or was revoked.")
    );
    assert_eq!(system.verdict(&token).await, "allow", "until the new one is used");
    assert_eq!(system.verdict(&rotated).await, "allow");
    assert_eq!(system.verdict(&token).await, "replaced");
    let dead = web_client.post(OWN, &[("do", "rotate"), ("id", &id)]).await;
    assert_eq!((dead.status, dead.header("www-authenticate")), (409, ""), "{}", dead.wrong());

    let path = format!("/profile/developer/tokens/{}", id_of(&system, &rotated).await);
    for _ in 0..2 {
        let page = web_client.post_and_follow(&path, &[]).await;
        assert!(page.body.contains("The token is revoked and no longer works."));
        assert!(rows(&page).iter().all(|row| !row.contains("<form")));
    }
    assert_eq!(system.verdict(&rotated).await, "revoked");
    system.stop().await;
}

#[tokio::test]
async fn a_token_can_have_fewer_permissions_than_its_user_and_never_more() {
    let system = System::start(&[]).await;
    permit(&system, "1", &["ROLE_USER", "read", "write <all>"]).await;
    let mut web_client = WebClient::signed_in(&system, "my_username", "topsecret").await;
    let check =
        async |web_client: &mut WebClient<'_>, fields: &[(&str, &str)], granted: &[&str]| {
            let fields: Vec<_> = [("name", "x")].iter().chain(fields).copied().collect();
            let token = web_client.create_token(&fields).await;
            let shown = system.ask("GET", "/tokens/current", &bearer(&token)).await.body_of(200);
            let expected = if granted.is_empty() { json!(null) } else { json!(granted) };
            assert_eq!(shown["scopes"], expected, "{fields:?} {shown}");
        };
    check(&mut web_client, &[("limit", "all")], &[]).await;
    check(&mut web_client, &[("limit", "some"), ("scope", "read")], &["read"]).await;
    let (write, admin) = (("scope", "write <all>"), ("scope", "ROLE_ADMIN"));
    check(
        &mut web_client,
        &[("limit", "some"), ("scope", "read"), write],
        &["read", "write <all>"],
    )
    .await;
    check(&mut web_client, &[("limit", "some"), ("scope", "read"), admin], &["read"]).await;
    check(&mut web_client, &[("scope", "read")], &["read"]).await;
    for (fields, wrong) in [
        (vec![("limit", "some")], "Permissions: choose at least one, or all of them."),
        (vec![], "Permissions: choose at least one, or all of them."),
        (
            vec![("limit", "all"), ("scope", "read")],
            "Permissions: choose either all permissions or some of them.",
        ),
        (vec![("limit", "some"), admin], "Permissions: none of these permissions can be granted."),
        (
            vec![("limit", "some"), ("scope", "<b>,\"")],
            "Permissions: every element must be the name of a permission.",
        ),
    ] {
        let fields: Vec<_> =
            [("do", "make"), ("name", "y")].iter().chain(&fields).copied().collect();
        let reply = web_client.post(OWN, &fields).await;
        assert_eq!((reply.status, reply.wrong().as_str()), (400, wrong));
        assert_eq!(reply.field("name").unwrap(), "y");
    }
    // The choices are kept when another field is wrong.
    let reply = web_client
        .post(OWN, &[("do", "make"), ("name", ""), ("limit", "some"), ("scope", "read"), write])
        .await;
    let chosen: Vec<_> = reply
        .elements()
        .into_iter()
        .filter(|element| element.attribute("checked").is_some())
        .collect();
    let chosen: Vec<_> = chosen.iter().map(|element| element.attribute("value").unwrap()).collect();
    assert_eq!(chosen, ["custom", "some", "read", "write <all>"]);
    system.stop().await;
}

#[tokio::test]
async fn the_developer_token_is_created_regenerated_and_revoked() {
    let system = System::start(&[]).await;
    let mut web_client = WebClient::signed_in(&system, "my_username", "topsecret").await;
    let first = web_client.post(OWN, &[("do", "regenerate")]).await.shown_token();
    assert!(first.starts_with("6879-"), "{first}");
    assert_eq!(system.verdict(&first).await, "allow");
    let second = web_client.post(OWN, &[("do", "regenerate")]).await.shown_token();
    assert_eq!(
        (system.verdict(&first).await, system.verdict(&second).await),
        ("replaced".into(), "allow".into())
    );
    let id = id_of(&system, &second).await;
    let rotate = web_client.post(OWN, &[("do", "rotate"), ("id", &id)]).await;
    assert_eq!(rotate.status, 409, "{}", rotate.wrong());
    web_client.post_and_follow(&format!("/profile/developer/tokens/{id}"), &[]).await;
    assert_eq!(system.verdict(&second).await, "revoked");
    let third = web_client.post(OWN, &[("do", "regenerate")]).await.shown_token();
    assert_eq!(system.verdict(&third).await, "allow");
    // The same path still serves clients: with a token, in JSON.
    let json =
        system.json("POST", "/profile/developer", &bearer(&third), &json!({})).await.body_of(201);
    assert!(json["token"].as_str().unwrap().starts_with("6879-"));
    let token = system.token_of("my_username", "topsecret").await;
    let curl = system.form("/profile/developer", &bearer(&token), "").await.body_of(201);
    assert!(
        curl["token"].as_str().unwrap().starts_with("6879-"),
        "a client that declares a form is a client"
    );
    system.stop().await;
}

#[tokio::test]
async fn another_users_token_looks_absent() {
    let system = System::start(&[]).await;
    let token = system.token_of("admin", "letmein").await;
    let other = id_of(&system, &token).await;
    let mut web_client = WebClient::signed_in(&system, "my_username", "topsecret").await;
    let absent = format!("1.{}", "A".repeat(22));
    for id in
        [other.as_str(), absent.as_str(), "1", "nonsense", "current", "developer", "%3Cb%3E", "1.."]
    {
        let revoked = web_client.post(&format!("/profile/developer/tokens/{id}"), &[]).await;
        assert_eq!(
            (revoked.status, revoked.wrong().as_str()),
            (404, "There is nothing here."),
            "{id}"
        );
        let rotated = web_client.post(OWN, &[("do", "rotate"), ("id", id)]).await;
        assert_eq!(
            (rotated.status, rotated.wrong().as_str()),
            (404, "There is nothing here."),
            "{id}"
        );
    }
    assert_eq!(system.verdict(&token).await, "allow");
    system.stop().await;
}

const WRONG_NAME: &str = "Name: it must have 1 to 100 characters and no control characters.";

const WRONG_DATE: &str = "Expiry date: it is not a date such as 2027-01-31.";

#[tokio::test]
async fn a_rejected_form_says_why_and_keeps_its_input() {
    let system =
        System::start(&[("HALLPASS_MAX_TOKENS", "2"), ("HALLPASS_MAX_LIFETIME", "366d")]).await;
    let mut web_client = WebClient::signed_in(&system, "my_username", "topsecret").await;
    let (long, most) = ("ü".repeat(101), "ü".repeat(100));
    let day = |days: u64| {
        system.now().after(Duration::from_secs(days * 86_400)).to_string()[..10].to_owned()
    };
    let late = day(400);
    for (typed, expires, wrong) in [
        ("", "", WRONG_NAME),
        ("   ", "", WRONG_NAME),
        (&long, "", WRONG_NAME),
        (&"x".repeat(10_000), "", WRONG_NAME),
        ("two\nlines", "", WRONG_NAME),
        ("\u{1b}[31m", "", WRONG_NAME),
        ("x", "2025-12-31", "Expiry date: it is not in the future."),
        ("x", "1999-12-31", "Expiry date: it is not in the future."),
        ("x", &late, "Expiry date: it is later than"),
        ("x", "9999-12-31", "Expiry date: it is later than"),
        ("x", "99999-12-31", WRONG_DATE),
        ("x", "2027-02-30", WRONG_DATE),
        ("x", "tomorrow", WRONG_DATE),
        ("x", "\"><script>alert(1)</script>", WRONG_DATE),
        ("x", "2027-01-31T00:00:00Z", WRONG_DATE),
    ] {
        let fields = [("do", "make"), ("name", typed), ("expires", expires), ("limit", "all")];
        let reply = web_client.post(OWN, &fields).await;
        assert_eq!(reply.status, 400, "{typed} {expires}");
        assert!(reply.wrong().starts_with(wrong), "{} for {typed} {expires}", reply.wrong());
        assert_eq!(
            (reply.field("name").unwrap().as_str(), reply.field("expires").unwrap().as_str()),
            (typed, expires)
        );
    }
    let fields = [("do", "nonsense"), ("name", "x")];
    assert_eq!(web_client.post(OWN, &fields).await.status, 400);
    assert!(rows(&web_client.get(OWN).await).is_empty(), "no token was created");

    web_client.create_token(&[("name", &most), ("limit", "all")]).await;
    let tomorrow = day(1);
    let token = web_client
        .create_token(&[("name", "dated"), ("expires", &tomorrow), ("limit", "all")])
        .await;
    let shown = system.ask("GET", "/tokens/current", &bearer(&token)).await.body_of(200);
    assert_eq!(shown["expires_at"], format!("{tomorrow}T23:59:59Z"));
    let fields = [
        ("do", "make"),
        ("name", "third"),
        ("expires", &tomorrow),
        ("limit", "some"),
        ("scope", "ROLE_USER"),
    ];
    let reply = web_client.post(OWN, &fields).await;
    let limit = "The user has 2 live tokens, which is the limit.";
    assert_eq!((reply.status, reply.wrong().as_str()), (409, limit));
    assert_eq!(
        (reply.field("name").unwrap(), reply.field("expires").unwrap()),
        ("third".to_owned(), tomorrow)
    );
    system.stop().await;
}

#[tokio::test]
async fn a_form_without_its_csrf_token_changes_nothing() {
    let system = System::start(&[]).await;
    let mut web_client = WebClient::signed_in(&system, "my_username", "topsecret").await;
    let token = web_client.create_token(&[("name", "kept"), ("limit", "all")]).await;
    let path = format!("/profile/developer/tokens/{}", id_of(&system, &token).await);
    let mut earlier = web_client.clone();
    let stale = web_client.csrf.clone();
    web_client.sign_in("my_username", "topsecret").await;
    web_client.get(OWN).await;
    let own = web_client.csrf.clone();
    let foreign = WebClient::signed_in(&system, "admin", "letmein").await.csrf;
    assert!(own != stale && own != foreign);
    for csrf in ["", "csrf=", "csrf=x", &format!("csrf={stale}"), &format!("csrf={foreign}")] {
        for (path, form) in [
            (OWN, "&do=regenerate"),
            (OWN, "&do=make&name=x&limit=all"),
            (path.as_str(), ""),
            ("/sign-out", ""),
        ] {
            let reply = web_client.send("POST", path, &format!("{csrf}{form}")).await;
            assert_eq!(reply.status, 403, "{path} {csrf}");
            assert_eq!(
                reply.wrong(),
                "This form is out of date. Nothing was changed; send it once more."
            );
        }
    }
    let twice = web_client.send("POST", OWN, &format!("csrf={own}&csrf={own}&do=regenerate")).await;
    assert_eq!(twice.status, 400, "{}", twice.body);
    let page = web_client.get(OWN).await;
    assert_eq!((page.status, rows(&page).len()), (200, 1));
    assert!(page.body.contains("You have no developer token."), "no developer token was made");
    assert_eq!(system.verdict(&token).await, "allow");
    assert_eq!(earlier.get(OWN).await.status, 401, "signing in again ended the previous session");
    system.stop().await;
}

#[tokio::test]
async fn the_list_of_tokens_has_a_search_and_filters() {
    let system = System::start(&[]).await;
    let mut web_client = WebClient::signed_in(&system, "my_username", "topsecret").await;
    let soon = day(system.now().after(Duration::from_secs(3 * 86_400)));
    let used = web_client.create_token(&[("name", "Laptop"), ("limit", "all")]).await;
    web_client.create_token(&[("name", "job"), ("until", &soon), ("limit", "all")]).await;
    assert_eq!(system.verdict(&used).await, "allow");
    for (query, names) in [
        ("", &["Laptop", "job"][..]),
        ("?search=lap", &["Laptop"]),
        ("?search=nothing", &[]),
        ("?expires=soon", &["job"]),
        ("?used=never", &["job"]),
        ("?search=lap&expires=soon", &[]),
    ] {
        let page = web_client.get(&format!("{OWN}{query}")).await;
        let listed = rows(&page).into_iter().filter(|row| row.contains("<form"));
        let mut listed: Vec<_> = listed
            .map(|row| row.split("<bdi>").nth(1).unwrap().split('<').next().unwrap().to_owned())
            .collect();
        listed.sort();
        assert_eq!(listed, names, "{query}");
    }
    system.stop().await;
}

#[tokio::test]
async fn a_token_has_a_page_of_its_own() {
    let system = System::start(&[]).await;
    let mut web_client = WebClient::signed_in(&system, "my_username", "topsecret").await;
    let token = web_client.create_token(&[("name", "laptop"), ("limit", "all")]).await;
    let path = format!("/profile/developer/tokens/{}", id_of(&system, &token).await);
    let page = web_client.get(&path).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.text().contains("laptop"), "{}", page.body);
    assert!(page.body.contains("Revoke the token") && page.body.contains("Rotate the token"));
    web_client.post_and_follow(&path, &[]).await;
    let page = web_client.get(&path).await;
    assert!(page.text().contains("revoked") && !page.body.contains("Revoke the token"));
    let mut other = WebClient::signed_in(&system, "admin", "letmein").await;
    assert_eq!(other.get(&path).await.status, 404, "another user has no such token");
    system.stop().await;
}

#[tokio::test]
async fn an_expiry_is_a_preset_or_another_day() {
    let system = System::start(&[]).await;
    let mut web_client = WebClient::signed_in(&system, "my_username", "topsecret").await;
    let day_after = |days: u64| day(system.now().after(Duration::from_secs(days * 86_400)));
    let page = web_client.get("/profile/developer/new").await;
    for days in [7, 30, 60, 90] {
        assert!(page.body.contains(&format!("value=\"{}\"", day_after(days))), "{days}");
    }
    for (until, expires, expected) in [
        (day_after(7), String::new(), Ok(day_after(7))),
        (day_after(7), day_after(60), Ok(day_after(7))),
        ("custom".to_owned(), day_after(60), Ok(day_after(60))),
        ("custom".to_owned(), String::new(), Err("Expiry date: choose a day.")),
        (
            "soon".to_owned(),
            String::new(),
            Err("Expiry date: it is not a date such as 2027-01-31."),
        ),
    ] {
        let fields = [("name", "x"), ("until", &*until), ("expires", &*expires), ("limit", "all")];
        match expected {
            Ok(day) => {
                let token = web_client.create_token(&fields).await;
                let shown =
                    system.ask("GET", "/tokens/current", &bearer(&token)).await.body_of(200);
                assert_eq!(shown["expires_at"], format!("{day}T23:59:59Z"), "{fields:?}");
            }
            Err(wrong) => {
                let reply = web_client.post(OWN, &[&[("do", "make")], &fields[..]].concat()).await;
                assert_eq!((reply.status, reply.wrong().as_str()), (400, wrong), "{fields:?}");
            }
        }
    }
    system.stop().await;
}
