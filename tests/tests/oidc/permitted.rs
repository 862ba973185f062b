//! What sign-ins at the provider ask of DynamoDB, and what `template.yaml` permits with the
//! parameters for it.

use hallpass_store::management::NewUser;
use hallpass_token::{Scope, UserKind};
use serde_json::json;
use tests::{
    Request, World,
    identity_provider::{Grant, IdentityProvider},
    policy::{Ask, Policy, asks},
};

use super::CALLBACK;

/// The parameters of a stack that does everything, and the statements that they add.
const PARAMETERS: [(&str, &str); 4] = [
    ("OidcIssuer", "https://id.example.com"),
    ("OidcProvision", "on"),
    ("OidcLinkBy", "employee"),
    ("OidcPermissions", "groups"),
];
const STATEMENTS: [&str; 5] = [
    "BeginSessionsOfTheProvider",
    "RecordSignIns",
    "LinkUsersByName",
    "AddUsersOfTheProvider",
    "WriteLinks",
];

async fn sign_in(
    world: &World,
    provider: &IdentityProvider,
    subject: &str,
    change: impl FnOnce(&mut Grant),
) {
    let begun = world.send("Generate", Request::new("GET", "/sign-in/oidc")).await;
    let cookie = begun.header("set-cookie").split(';').next().unwrap().to_owned();
    let query = provider.sign_in(begun.header("location"), subject, world.now().unix(), change);
    let mut request = Request::new("GET", CALLBACK).header("Cookie", &cookie);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        request = request.query(&name, &value);
    }
    let reply = world.send("Generate", request).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

#[tokio::test]
async fn the_parameters_permit_exactly_what_sign_ins_ask_for() {
    let provider = IdentityProvider::start().await;
    let (world, tap) = World::tapped(&[
        ("HALLPASS_OIDC_ISSUER", &provider.issuer),
        ("HALLPASS_OIDC_CLIENT_ID", "hallpass"),
        ("HALLPASS_OIDC_REDIRECT_URI", "https://localhost:8080/sign-in/oidc/callback"),
        ("HALLPASS_OIDC_PROVISION", "on"),
        ("HALLPASS_OIDC_LINK_BY", "employee"),
        ("HALLPASS_OIDC_PERMISSIONS", "groups"),
        ("HALLPASS_INVALIDATE_ON", "username,permissions"),
    ])
    .await;
    let leo = NewUser {
        id: "20".parse().unwrap(),
        username: "leo".to_owned(),
        full_name: None,
        kind: UserKind::Person,
        password_hash: None,
        permissions: Scope::default(),
        token_generation: 1,
    };
    world.store.add_user(&leo, &tests::CAUSE).await.unwrap();
    tap.seen();
    sign_in(&world, &provider, "leo", |grant| grant.claims["employee"] = json!("leo")).await;
    for groups in [json!(["a"]), json!(["b"])] {
        let change = |grant: &mut Grant| {
            grant.claims["preferred_username"] = json!("bea");
            grant.claims["name"] = json!("Bea");
            grant.claims["groups"] = groups.clone();
        };
        sign_in(&world, &provider, "bea", change).await;
    }
    let token = provider.logout_token("bea", world.now().unix(), |_| {});
    let logout = Request::new("POST", "/sign-in/oidc/back-channel-logout")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(&format!("logout_token={token}"));
    assert_eq!(world.send("Generate", logout).await.status, 200);

    let asked: Vec<Ask> = tap.seen().iter().flat_map(asks).collect();
    let policy = Policy::with("Generate", &PARAMETERS);
    let rejected: Vec<&Ask> = asked.iter().filter(|ask| !policy.allows(ask)).collect();
    assert!(rejected.is_empty(), "add to the policies for sign-in in template.yaml: {rejected:#?}");
    let usual = Policy::with("Generate", &[]);
    for sid in STATEMENTS {
        let rest = policy.without(sid).unwrap_or_else(|| panic!("there is no statement {sid}"));
        assert!(asked.iter().any(|ask| !rest.allows(ask)), "{sid} is not needed");
        assert!(usual.without(sid).is_none(), "{sid} exists without a provider");
    }
}
