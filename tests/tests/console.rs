//! The console: users, lists of tokens, and the routes that no other function serves.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hallpass_token::Format;
use serde_json::{Value, json};
use tests::{
    Request, Response, World,
    api::{bearer, text},
    basic,
};

/// Sends `GET /api/user/{id}` as the gateway does after the authorizer identified the caller.
async fn show(world: &World, id: &str, context: Value) -> Response {
    let request = Request::new("GET", "/api/user/{id}").parameter("id", id).authorized_as(context);
    world.send("Console", request).await
}

fn user() -> Value {
    json!({"user_id": "1", "scope": "ROLE_USER", "scopes": r#"["ROLE_USER"]"#, "principalId": "1"})
}

fn admin() -> Value {
    json!({
        "user_id": "2", "scope": "ROLE_ADMIN ROLE_USER", "scopes": r#"["ROLE_ADMIN","ROLE_USER"]"#,
        "principalId": "2",
    })
}

fn names(response: &Response) -> Vec<String> {
    assert_eq!(response.status, 200, "{}", response.body);
    let tokens = response.json()["tokens"].as_array().unwrap().clone();
    tokens.iter().filter_map(|token| token["name"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_user_is_shown_to_itself_and_to_administrators() {
    let world = World::new().await;
    world.set_user("1", "full_name", Some(text("Zoë \"Z\" Müller"))).await;
    let own = show(&world, "1", user()).await;
    let expected = json!({
        "uid": "1",
        "name": "my_username",
        "full_name": "Zoë \"Z\" Müller",
        "kind": "person",
        "status": "active",
        "permissions": ["ROLE_USER"],
    });
    assert_eq!((own.status, own.json()), (200, expected));
    assert!(own.body.starts_with(r#"{"uid":"1","name":"my_username","#), "{}", own.body);
    assert_eq!(own.header("cache-control"), "no-store");
    assert_eq!(show(&world, "1", admin()).await, own);
    let bot = show(&world, "4", admin()).await.json();
    assert_eq!(
        (&bot["kind"], &bot["name"], &bot["full_name"]),
        (&json!("app"), &json!("ci-bot"), &json!(null))
    );
    world.set_user("3", "status", None).await;
    assert_eq!(show(&world, "3", admin()).await.json()["status"], "blocked");
}

#[tokio::test]
async fn a_user_is_hidden_from_others_and_an_absent_one_from_everyone() {
    let world = World::new().await;
    let forbidden = show(&world, "2", user()).await;
    assert_eq!(forbidden.problem(403)["error"], "insufficient_scope");
    assert!(forbidden.challenge().contains(r#"error="insufficient_scope""#));
    for id in ["99", "3", "01"] {
        assert_eq!(
            show(&world, id, user()).await,
            forbidden,
            "a caller without the permission does not learn which users exist: {id}"
        );
    }
    for id in ["", "a b", "1.x", " 1"] {
        show(&world, id, user()).await.problem(404);
    }
    for id in ["99", "", "a b", "x.y", &"x".repeat(65)] {
        show(&world, id, admin()).await.problem(404);
    }
    // Only `scopes` counts for decisions.
    let no_admin = json!({"user_id": "2", "scope": "ROLE_ADMIN", "scopes": r#"["ROLE_USER"]"#});
    assert_eq!(show(&world, "1", no_admin).await, forbidden);
    for scope in
        [json!([]), json!(["XROLE_ADMIN"]), json!(["role_admin"]), json!(["ROLE_USER ROLE_ADMIN"])]
    {
        let context = json!({"user_id": "2", "scopes": scope.to_string()});
        assert_eq!(show(&world, "1", context).await, forbidden, "{scope}");
    }
}

#[tokio::test]
async fn caller_identity_comes_from_the_authorizer_alone() {
    let world = World::new().await;
    let token = world.token_of("admin", "letmein").await;
    for context in [
        json!(null),
        json!({}),
        json!({"user_id": "1"}),
        json!({"scopes": r#"["ROLE_ADMIN"]"#}),
        json!({"user_id": "1", "scope": "ROLE_ADMIN"}),
        json!({"user_id": 1, "scopes": r#"["ROLE_ADMIN"]"#}),
        json!({"user_id": "1", "scopes": ["ROLE_ADMIN"]}),
        json!({"user_id": "1", "scopes": "ROLE_ADMIN"}),
        json!({"user_id": "1", "scopes": r#"["ROLE_ADMIN"#}),
        json!({"user_id": "1", "scope_truncated": "true"}),
        json!({"user_id": "1", "scope_truncated": "true", "token_id": "1"}),
        json!({"user_id": "1", "scope_truncated": "true", "token_id": "2.AAAAAAAAAAAAAAAAAAAAAA"}),
        json!({"user_id": "1", "scope_truncated": "false", "token_id": "1.AAAAAAAAAAAAAAAAAAAAAA"}),
        json!({"principalId": "1"}),
        json!({"claims": {"user_id": "1", "scopes": r#"["ROLE_ADMIN"]"#}}),
    ] {
        for authorization in [bearer(&token), basic("admin", "letmein")] {
            let request = Request::new("GET", "/api/user/{id}")
                .parameter("id", "1")
                .authorized_as(context.clone());
            let request =
                request.authorization(&authorization).header("user_id", "1").query("user_id", "1");
            let response = world.send("Console", request).await;
            assert_eq!(response.problem(401)["detail"], "An access token is required", "{context}");
            assert_eq!(response.challenge(), r#"Bearer realm="hallpass""#);
        }
    }
}

/// The authorizer leaves out a scope that is too long; these routes then read the record and the
/// user.
#[tokio::test]
async fn a_user_with_very_many_permissions_uses_every_route_and_a_scope_still_holds() {
    let world = World::new().await;
    let mut names: Vec<String> =
        (0..300).map(|number| format!("permission-of-25-chars-{number:03}")).collect();
    names.push("ROLE_ADMIN".to_owned());
    world.set_user("2", "permissions", Some(AttributeValue::Ss(names.clone()))).await;
    let password = world.token_of("admin", "letmein").await;
    let developer = world.create_token(Format::Developer, "2", 3).await.text;
    let narrow = names[..250].iter().map(|name| name.parse().unwrap()).collect();
    let narrow = world
        .create_token_with(Format::Signed, "2", 4, |record| record.scope = Some(narrow))
        .await
        .text;
    let ask = async |token: &str, route: &str, id: &str| {
        let request = Request::new("GET", route).parameter("id", id).authorization(&bearer(token));
        let allowed = world.invoke("VerifyAuthorizer", request.authorizer_event()).await.unwrap();
        assert_eq!(allowed["context"]["scope_truncated"], "true");
        world.send("Console", request.authorized_as(allowed["context"].clone())).await
    };
    for (token, count, is_admin) in
        [(&password, 301, true), (&developer, 301, true), (&narrow, 250, false)]
    {
        let profile = ask(token, "/rs/profile", "").await;
        assert_eq!(
            (profile.status, profile.json()["permissions"].as_array().unwrap().len()),
            (200, count)
        );
        assert_eq!(ask(token, "/api/user/{id}", "2").await.status, 200);
        assert_eq!(
            ask(token, "/api/user/{id}", "1").await.status,
            if is_admin { 200 } else { 403 }
        );
    }
    // The gateway's cached response is not used: a token that expired or was revoked meanwhile is
    // rejected.
    let request = Request::new("GET", "/rs/profile").authorization(&bearer(&narrow));
    let kept = world.invoke("VerifyAuthorizer", request.clone().authorizer_event()).await.unwrap();
    assert_eq!(world.delete(&narrow, "current").await.status, 200);
    let response = world.send("Console", request.authorized_as(kept["context"].clone())).await;
    assert_eq!(response.problem(401)["reason"], "revoked");
}

#[tokio::test]
async fn a_list_has_the_caller_s_tokens_and_none_of_their_secrets() {
    let world = World::new().await;
    let caller = world.token().await;
    let body = world
        .created(&caller, &json!({"name": "a", "description": "b", "scopes": ["ROLE_USER"]}))
        .await;
    let jwt = world.created(&caller, &json!({"name": "jwt", "format": "jwt"})).await;
    let developer = world.create_token(Format::Developer, "1", 1).await;
    world.delete(&caller, jwt["id"].as_str().unwrap()).await;
    world.verdict(&bearer(body["token"].as_str().unwrap())).await;
    let response = world.list(&caller, &[]).await;
    assert_eq!((response.status, response.header("cache-control")), (200, "no-store"));
    let list = response.json();
    assert_eq!(list["next"], json!(null));
    let tokens = list["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 4, "including the caller's own token");
    let mut shown = body.clone();
    shown.as_object_mut().unwrap().remove("token");
    shown["last_used_at"] = json!("2027-01-15T08:00:00Z");
    assert!(tokens.contains(&shown), "{list}");
    let states: Vec<_> =
        tokens.iter().filter(|token| token["state"] != "live").map(|token| &token["id"]).collect();
    assert_eq!(states, [&jwt["id"]]);

    let record = world.record(&body["id"].as_str().unwrap().parse().unwrap()).await;
    let (jwt, body) = (jwt["token"].as_str().unwrap(), body["token"].as_str().unwrap());
    let fingerprint = BASE64_URL_SAFE_NO_PAD.encode(&record.fingerprint.0[..6]);
    let sign_of = |token: &str| token[token.len() - 40..].to_owned();
    let secrets =
        [sign_of(body), sign_of(jwt), sign_of(&developer.text), sign_of(&caller), fingerprint];
    for secret in secrets.iter().map(String::as_str).chain([
        "fingerprint",
        "hash",
        "key_id",
        "bound",
        "argon2",
        "root",
    ]) {
        assert!(!response.body.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let world = World::new().await;
    let caller = world.token().await;
    for index in 0..6 {
        world.created(&caller, &json!({"name": format!("token {index}")})).await;
    }
    let check = async |limit: &str, pages: usize| {
        let (mut seen, mut cursor, mut count) = (Vec::new(), None, 0);
        loop {
            let mut query = vec![("limit", limit)];
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let response = world.list(&caller, &query).await;
            seen.extend(names(&response));
            count += 1;
            cursor = response.json()["next"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        seen.sort();
        assert_eq!(
            seen,
            (0..6).map(|index| format!("token {index}")).collect::<Vec<_>>(),
            "{limit}"
        );
        assert_eq!(count, pages, "{limit}");
    };
    check("2", 4).await;
    check("3", 3).await;
    check("5", 2).await;
    check("200", 1).await;
}

#[tokio::test]
async fn an_invalid_limit_or_cursor_is_named() {
    let world = World::new().await;
    let caller = world.token().await;
    let check = async |member: &str, value: &str| {
        let problem = world.list(&caller, &[(member, value)]).await.problem(400);
        assert_eq!(
            (&problem["error"], &problem["member"]),
            (&"invalid_request".into(), &member.into()),
            "{value}"
        );
    };
    for limit in ["0", "-1", "201", "1.5", "ten", "", "2147483648", "99999999999999999999", " 5"] {
        check("limit", limit).await;
    }
    for cursor in ["", "!", "a b", "AA==", "_w", &"A".repeat(10_240)] {
        check("cursor", cursor).await;
    }
    for user_id in ["", "a b", "1.x"] {
        check("user_id", user_id).await;
    }
}

#[tokio::test]
async fn an_administrator_lists_the_tokens_of_any_user_and_others_their_own() {
    let world = World::new().await;
    let (user, admin) = (world.token().await, world.token_of("admin", "letmein").await);
    world.created(&user, &json!({"name": "of the user"})).await;
    world.created(&admin, &json!({"name": "for ldap_user", "user_id": "3"})).await;
    assert_eq!(names(&world.list(&admin, &[("user_id", "1")]).await), ["of the user"]);
    assert_eq!(names(&world.list(&admin, &[("user_id", "3")]).await), ["for ldap_user"]);
    assert_eq!(names(&world.list(&admin, &[("user_id", "99")]).await), Vec::<String>::new());
    assert_eq!(names(&world.list(&user, &[("user_id", "1")]).await), ["of the user"]);
    for user_id in ["2", "3", "99"] {
        let response = world.list(&user, &[("user_id", user_id)]).await;
        assert_eq!(response.problem(403)["error"], "insufficient_scope");
    }
}

#[tokio::test]
async fn a_token_with_a_scope_lists_itself_and_the_tokens_it_created() {
    let world = World::new().await;
    let permissions = ["ROLE_USER", "tokens"].map(str::to_owned).to_vec();
    world.set_user("1", "permissions", Some(AttributeValue::Ss(permissions))).await;
    let whole = world.token().await;
    let limited = world.created(&whole, &json!({"name": "limited", "scopes": ["ROLE_USER"]})).await;
    let manager = world.created(&whole, &json!({"name": "manager", "scopes": ["tokens"]})).await;
    let limited = limited["token"].as_str().unwrap();
    world.created(limited, &json!({"name": "made by it"})).await;
    let check = async |token: &str, expected: &[&str]| {
        let mut seen = names(&world.list(token, &[]).await);
        seen.sort();
        assert_eq!(seen, expected);
    };
    check(limited, &["limited", "made by it"]).await;
    check(&whole, &["limited", "made by it", "manager"]).await;
    check(manager["token"].as_str().unwrap(), &["limited", "made by it", "manager"]).await;
}

#[tokio::test]
async fn a_list_rejects_a_password_and_a_dead_token() {
    let world = World::new().await;
    let get = |authorization: &str| Request::new("GET", "/tokens").authorization(authorization);
    let response = world.send("Console", get(&basic("my_username", "topsecret"))).await;
    assert_eq!(response.problem(401)["detail"], "Invalid credentials.");
    assert_eq!(
        world.send("Console", Request::new("GET", "/tokens")).await.problem(401)["error"],
        json!(null)
    );
    let token = world.token().await;
    world.revoke(&token).await;
    assert_eq!(world.list(&token, &[]).await.problem(401)["reason"], "revoked");
    let doubled = get(&bearer(&token)).authorization(&bearer(&token));
    assert_eq!(world.send("Console", doubled).await.problem(400)["error"], "invalid_request");
}

#[tokio::test]
async fn health_unknown_paths_and_other_methods_get_responses() {
    let world = World::new().await;
    let health = world.send("Console", Request::new("GET", "/healthz")).await;
    assert_eq!((health.status, health.body.as_str()), (200, r#"{"status":"ok"}"#));
    let token = world.token().await;
    for method in ["GET", "POST"] {
        let request = Request::new(method, "/{proxy+}")
            .parameter("proxy", "no/such/thing")
            .authorization(&bearer(&token));
        world.send("Console", request).await.problem(404);
    }
    for (method, route, allow) in [
        ("POST", "/healthz", "GET, HEAD"),
        ("DELETE", "/", "GET, HEAD"),
        ("PUT", "/tokens", "GET, HEAD, POST"),
        ("DELETE", "/tokens", "GET, HEAD, POST"),
        ("POST", "/api/user/{id}", "GET, HEAD"),
        ("DELETE", "/api/user/{id}", "GET, HEAD"),
    ] {
        let response =
            world.send("Console", Request::new(method, route).parameter("id", "1")).await;
        response.problem(405);
        assert_eq!(response.header("allow"), allow, "{method} {route}");
    }
}
