//! Bad input on every route that reads any: another media type, another shape, another user's
//! token. `openapi` tests the methods that a path does not have.

use serde_json::{Value, json};
use tests::{api::bearer, client::Reply, system::System};

/// The routes with a JSON body, and a valid body for each.
fn json_routes(system: &System, id: &str) -> Vec<(&'static str, String, Value)> {
    let expiration = system.now().after(std::time::Duration::from_secs(60)).to_string();
    let rarog = json!({"name": "r", "expiration": expiration, "authorities": ["ROLE_USER"]});
    vec![
        (
            "POST",
            "/tokens".to_owned(),
            json!({"name": "a", "scopes": ["ROLE_USER"], "expires_in": 60}),
        ),
        ("PATCH", format!("/tokens/{id}"), json!({"disabled": false})),
        ("POST", "/rest/pat/1.0/token/user/create".to_owned(), rarog.clone()),
        ("POST", "/rest/pat/1.0/token/app/create".to_owned(), rarog),
        ("POST", "/explain".to_owned(), json!({"token_id": id})),
    ]
}

/// Starts a stack, and returns an administrator's token and its ID.
async fn start() -> (System, String, String) {
    let system = System::start(&[]).await;
    let admin = system.token_of("admin", "letmein").await;
    let shown = system.ask("GET", "/tokens/current", &bearer(&admin)).await.body_of(200);
    (system, admin, shown["id"].as_str().unwrap().to_owned())
}

fn names(reply: &Reply, member: &str, place: &str) {
    let problem = reply.body_of(400);
    assert_eq!(
        (&problem["member"], &problem["error"]),
        (&json!(member), &json!("invalid_request")),
        "{place}"
    );
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with(&format!("{member}: ")), "{place} {detail}");
}

#[tokio::test]
async fn a_body_of_another_media_type_is_rejected() {
    let (system, admin, id) = start().await;
    let authorization = bearer(&admin);
    for (method, path, body) in json_routes(&system, &id) {
        let check = async |media_type: Option<&str>, status: u16| {
            let mut headers = vec![("Authorization", authorization.as_str())];
            headers.extend(media_type.map(|media_type| ("Content-Type", media_type)));
            let reply = system.send(method, &path, &headers, &body.to_string()).await;
            assert_eq!(reply.status, status, "{method} {path} {media_type:?} {}", reply.body);
        };
        for wrong in [
            None,
            Some(""),
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("text/json"),
        ] {
            check(wrong, 415).await;
        }
        let good = if (method, path.as_str()) == ("POST", "/tokens") { 201 } else { 200 };
        check(Some("application/json; charset=utf-8"), good).await;
        check(Some("Application/JSON"), good).await;
    }
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        for wrong in ["", "application/json", "text/plain", "multipart/form-data"] {
            let headers = [("Authorization", authorization.as_str()), ("Content-Type", wrong)];
            system.send("POST", path, &headers, "token=a").await.body_of(415);
        }
    }
    system.stop().await;
}

#[tokio::test]
async fn a_body_that_is_not_a_json_object_is_rejected() {
    let (system, admin, id) = start().await;
    let headers = [("Authorization", &*bearer(&admin)), ("Content-Type", "application/json")];
    for (method, path, _) in json_routes(&system, &id) {
        for (body, detail) in [
            ("[]", "The body is not a JSON object"),
            ("\"name\"", "The body is not a JSON object"),
            ("null", "The body is not a JSON object"),
            ("{\"name\":", "The body is not JSON at line 1, column 8"),
            ("{} {}", "The body is not JSON at line 1, column 4"),
            ("name=a", "The body is not JSON at line 1, column 2"),
        ] {
            let reply = system.send(method, &path, &headers, body).await;
            assert_eq!(reply.body_of(400)["detail"], detail, "{method} {path}");
        }
    }
    system.stop().await;
}

#[tokio::test]
async fn an_unknown_member_and_one_of_the_wrong_type_are_named() {
    let (system, admin, id) = start().await;
    for (method, path, good) in json_routes(&system, &id) {
        let check = async |member: &str, value: Value| {
            let mut body = good.clone();
            body[member] = value;
            let reply = system.json(method, &path, &bearer(&admin), &body).await;
            names(&reply, member, &format!("{method} {path} {body}"));
        };
        check("nmae", json!("a")).await;
        check("token", json!("a")).await;
        check("", json!(1)).await;
        for member in good.as_object().unwrap().keys() {
            for wrong in [json!({"a": 1}), json!([[]]), json!(-1), json!(1.5)] {
                check(member, wrong).await;
            }
        }
    }
    for (member, wrong) in [
        ("description", json!(1)),
        ("description", json!("")),
        ("expires_at", json!(1_800_000_000)),
        ("expires_at", json!("soon")),
        ("format", json!("opaque")),
        ("format", json!(true)),
        ("user_id", json!(1)),
        ("user_id", json!("a b")),
        ("user_id", json!("99")),
    ] {
        let reply = system
            .json("POST", "/tokens", &bearer(&admin), &json!({"name": "a", member: wrong}))
            .await;
        names(&reply, member, "POST /tokens");
    }
    let both = json!({"name": "a", "expires_in": 60, "expires_at": system.now().to_string()});
    names(&system.json("POST", "/tokens", &bearer(&admin), &both).await, "expires_in", "both");
    for (query, member) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("cursor=!", "cursor"),
        ("user_id=a%20b", "user_id"),
    ] {
        names(
            &system.ask("GET", &format!("/tokens?{query}"), &bearer(&admin)).await,
            member,
            query,
        );
    }
    system.stop().await;
}

/// Returns IDs under which a user finds nothing: another user's, and texts that are no ID.
fn ids_of_nothing(own: &str, other: &str, token: &str) -> Vec<String> {
    let (_, hash) = own.split_once('.').unwrap();
    vec![
        other.to_owned(),
        "1".to_owned(),
        "x".to_owned(),
        "1.".to_owned(),
        hash.to_owned(),
        format!(".{hash}"),
        format!("{own}A"),
        own[..own.len() - 1].to_owned(),
        format!("{own}="),
        format!("1.{own}"),
        format!("1%2e{hash}%20"),
        "Current".to_owned(),
        "%00".to_owned(),
        "developer".to_owned(),
        "1.developer".to_owned(),
        "a".repeat(3_000),
        token.to_owned(),
    ]
}

#[tokio::test]
async fn another_user_s_token_and_an_id_of_the_wrong_shape_look_absent() {
    let (system, admin, other) = start().await;
    let user = system.token_of("my_username", "topsecret").await;
    let own = system.ask("GET", "/tokens/current", &bearer(&user)).await.body_of(200);
    let own = own["id"].as_str().unwrap();
    let absent =
        system.ask("GET", "/tokens/1.AAAAAAAAAAAAAAAAAAAAAA", &bearer(&user)).await.body_of(404);
    assert_eq!(
        absent,
        json!({
            "type": "about:blank", "title": "Not Found", "status": 404,
            "detail": "There is nothing here",
        })
    );
    for id in ids_of_nothing(own, &other, &user) {
        for (method, path, body) in [
            ("GET", format!("/tokens/{id}"), Value::Null),
            ("PATCH", format!("/tokens/{id}"), json!({"disabled": true})),
            ("DELETE", format!("/tokens/{id}"), Value::Null),
            ("DELETE", format!("/tokens/{id}?family=true"), Value::Null),
            ("POST", format!("/tokens/{id}/rotate"), Value::Null),
            ("DELETE", format!("/rest/pat/1.0/token/{id}"), Value::Null),
        ] {
            let reply = match body {
                Value::Null => system.ask(method, &path, &bearer(&user)).await,
                body => system.json(method, &path, &bearer(&user), &body).await,
            };
            assert_eq!(reply.body_of(404), absent, "{method} {path}");
        }
    }
    for id in ["2", "99", "a%20b", "%00", &"a".repeat(65)] {
        let reply = system.ask("DELETE", &format!("/users/{id}/tokens"), &bearer(&user)).await;
        assert_eq!(reply.body_of(404), absent, "{id}");
    }
    for id in ["99", "a%20b", &"a".repeat(65)] {
        let reply = system.ask("GET", &format!("/api/user/{id}"), &bearer(&admin)).await;
        assert_eq!(reply.body_of(404), absent, "{id}");
    }
    assert_eq!(
        (system.verdict(&user).await, system.verdict(&admin).await),
        ("allow".to_owned(), "allow".to_owned())
    );
    system.stop().await;
}
