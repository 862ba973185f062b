//! Users who come from the provider: new ones, their permissions, and users whom the first sign-in
//! links.

use hallpass_store::{links::Linked, marking::Invalidate};
use hallpass_token::{User, UserId};
use serde_json::{Value, json};
use std::time::Duration;
use tests::{
    api::text,
    identity_provider::Grant,
    pages::{OWN, WebClient},
};

use super::{ADA, Setup};

const PROVISION: (&str, &str) = ("HALLPASS_OIDC_PROVISION", "on");
const MAPPED: (&str, &str) =
    ("HALLPASS_OIDC_PERMISSIONS", "groups,eng=orders:read,eng=orders:write,ops=reports");

impl Setup {
    fn new_id(&self, subject: &str) -> UserId {
        self.identity(subject).new_user_id().unwrap()
    }

    async fn user(&self, id: &UserId) -> Option<User> {
        self.system.store().user(id).await.unwrap()
    }

    /// Signs in as a new person with these groups, and returns the status and what is wrong.
    async fn arrive(&self, subject: &str, name: &str, groups: Value) -> (u16, String) {
        let reply = self.sign_in(&mut self.browser(), subject, named(name, groups)).await;
        (reply.status, if reply.status == 200 { String::new() } else { reply.wrong() })
    }
}

fn named(name: &str, groups: Value) -> impl FnOnce(&mut Grant) {
    let name = name.to_owned();
    move |grant| {
        grant.claims["preferred_username"] = json!(name);
        grant.claims["name"] = json!("Bea Bee");
        grant.claims["groups"] = groups;
    }
}

#[tokio::test]
async fn an_unknown_identity_becomes_a_user_with_the_permissions_of_its_claim() {
    let bound = ("HALLPASS_INVALIDATE_ON", "username,status,permissions");
    let setup = Setup::with(&[PROVISION, MAPPED, bound]).await;
    let mut browser = setup.browser();
    let reply = setup.sign_in(&mut browser, "bea", named("bea", json!(["eng", "other"]))).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(browser.get(OWN).await.status, 200);
    let id = setup.new_id("bea");
    assert!(id.as_str().starts_with('u') && id.as_str().len() == 23, "{id}");
    let user = setup.user(&id).await.unwrap();
    assert_eq!((user.username.as_str(), user.full_name.as_deref()), ("bea", Some("Bea Bee")));
    assert_eq!(user.permissions.to_string(), "orders:read,orders:write");
    assert!(user.password_hash().is_none() && !user.is_app());
    // An administrator sees where the user comes from.
    let mut admin = WebClient::signed_in(&setup.system, "admin", "letmein").await;
    let page = admin.get(&format!("/admin/users/{id}")).await.body;
    assert!(page.contains("at the identity provider; next due"), "{page}");
    assert!(page.contains("The identity provider names these permissions."), "{page}");
    let token = browser.create_token(&[("name", "a"), ("limit", "all")]).await;
    assert_eq!(setup.system.verdict(&token).await, "allow");
    // The same permissions end nothing; others are those of the claim from then on.
    assert_eq!(setup.arrive("bea", "renamed", json!(["eng"])).await.0, 200);
    assert_eq!(setup.system.verdict(&token).await, "allow");
    assert_eq!(setup.arrive("bea", "renamed", json!("ops")).await.0, 200);
    assert_ne!(setup.system.verdict(&token).await, "allow");
    let user = setup.user(&id).await.unwrap();
    assert_eq!((user.username.as_str(), user.permissions.to_string().as_str()), ("bea", "reports"));
    // A provider that names none takes all of them away, and the user may still sign in.
    assert_eq!(setup.arrive("bea", "bea", json!(null)).await.0, 200);
    assert!(setup.user(&id).await.unwrap().permissions.to_string().is_empty());
    setup.system.stop().await;
}

#[tokio::test]
async fn permissions_that_an_administrator_gave_stay_those_of_a_linked_user() {
    let setup = Setup::with(&[PROVISION, MAPPED]).await;
    let before = setup.user(&"1".parse().unwrap()).await.unwrap().permissions;
    assert_eq!(setup.arrive(ADA, "any", json!(["ops"])).await.0, 200);
    assert_eq!(setup.user(&"1".parse().unwrap()).await.unwrap().permissions, before);
    setup.system.stop().await;
}

#[tokio::test]
async fn values_of_a_claim_are_permissions_themselves_but_never_that_of_administrators() {
    let setup = Setup::with(&[PROVISION, ("HALLPASS_OIDC_PERMISSIONS", "groups")]).await;
    let groups = json!(["orders:read", "ROLE_ADMIN", 1, "not\"valid"]);
    assert_eq!(setup.arrive("bea", "bea", groups).await.0, 200);
    let user = setup.user(&setup.new_id("bea")).await.unwrap();
    assert_eq!(user.permissions.to_string(), "orders:read");
    setup.system.stop().await;
}

#[tokio::test]
async fn a_person_whose_name_is_taken_or_missing_does_not_become_a_user() {
    let setup = Setup::with(&[PROVISION]).await;
    let taken = "Your user name belongs to another user here. Ask an administrator to link your \
                 account; its subject is bea.";
    let unnamed = "The identity provider gives no user name for you. Ask an administrator.";
    let check = async |name: Value, status: u16, wrong: &str| {
        let change = |grant: &mut Grant| grant.claims["preferred_username"] = name.clone();
        let reply = setup.sign_in(&mut setup.browser(), "bea", change).await;
        assert_eq!((reply.status, reply.wrong().as_str()), (status, wrong), "{name}");
        assert!(setup.user(&setup.new_id("bea")).await.is_none());
    };
    check(json!("my_username"), 409, taken).await;
    check(json!("My_UserName"), 409, taken).await;
    for name in [json!(null), json!(""), json!(1), json!("a\nb"), json!("x".repeat(600))] {
        check(name, 403, unnamed).await;
    }
    setup.system.stop().await;
}

#[tokio::test]
async fn a_blocked_an_unlinked_and_a_removed_user() {
    let by_name = ("HALLPASS_OIDC_LINK_BY", "preferred_username");
    let setup = Setup::with(&[PROVISION, by_name]).await;
    let id = setup.new_id("bea");
    let mut browser = setup.browser();
    setup.sign_in(&mut browser, "bea", named("bea", json!([]))).await;
    browser.get(OWN).await;
    let token = browser.create_token(&[("name", "a"), ("limit", "all")]).await;
    setup.system.set_user(id.as_str(), "status", text("blocked")).await;
    let blocked = (403, "Your account is blocked.".to_owned());
    assert_eq!(setup.arrive("bea", "bea", json!([])).await, blocked);
    setup.system.set_user(id.as_str(), "status", text("active")).await;
    // One whom an administrator unlinked is not linked again by signing in.
    let how = Invalidate { fresh: 7, retention: Duration::ZERO };
    setup.system.store().unlink(&id, how, &tests::CAUSE).await.unwrap();
    assert_eq!(setup.arrive("bea", "bea", json!([])).await.0, 403);
    assert_eq!(setup.link(id.as_str(), "bea").await, Linked::Now);
    assert_eq!(setup.arrive("bea", "bea", json!([])).await.0, 200);
    // One who was removed is a new user, with none of the old tokens.
    setup.system.store().remove_user(&id, &tests::CAUSE).await.unwrap();
    assert_eq!(setup.arrive("bea", "bea", json!([])).await.0, 200);
    assert_ne!(setup.system.verdict(&token).await, "allow");
    setup.system.stop().await;
}

#[tokio::test]
async fn two_first_sign_ins_at_once_make_one_user() {
    let setup = Setup::with(&[PROVISION]).await;
    let arrivals = (0..4).map(|_| setup.arrive("bea", "bea", json!([])));
    for (status, wrong) in futures_util::future::join_all(arrivals).await {
        assert_eq!(status, 200, "{wrong}");
    }
    assert!(setup.user(&setup.new_id("bea")).await.is_some());
    setup.system.stop().await;
}

#[tokio::test]
async fn a_claim_that_is_not_in_the_id_token_comes_from_the_userinfo_endpoint() {
    let setup = Setup::with(&[PROVISION, MAPPED]).await;
    let endpoint = format!("{}/userinfo", setup.provider.issuer);
    setup.provider.set_metadata("userinfo_endpoint", json!(endpoint));
    let check = async |subject: &str, userinfo: Value, status: u16| {
        let change = |grant: &mut Grant| grant.userinfo = userinfo.clone();
        let reply = setup.sign_in(&mut setup.browser(), subject, change).await;
        assert_eq!(reply.status, status, "{userinfo} {}", reply.body);
    };
    let bea = json!({"sub": "bea", "preferred_username": "bea", "groups": ["eng"]});
    check("bea", bea, 200).await;
    let user = setup.user(&setup.new_id("bea")).await.unwrap();
    assert_eq!(user.permissions.to_string(), "orders:read,orders:write");
    // A response about another user is none.
    check("eve", json!({"sub": "bea", "preferred_username": "eve"}), 503).await;
    check("eve", json!({"preferred_username": "eve"}), 503).await;
    check("eve", json!("eve"), 503).await;
    // The ID token, which is signed, comes first.
    let change = |grant: &mut Grant| {
        grant.claims["groups"] = json!([]);
        grant.userinfo = json!({"sub": "kim", "preferred_username": "kim", "groups": ["ops"]});
    };
    assert_eq!(setup.sign_in(&mut setup.browser(), "kim", change).await.status, 200);
    let kim = setup.user(&setup.new_id("kim")).await.unwrap();
    assert!(kim.permissions.to_string().is_empty());
    setup.system.stop().await;
}

#[tokio::test]
async fn groups_that_are_too_many_for_the_id_token_fail_the_sign_in_instead_of_taking_rights_away()
{
    let setup = Setup::with(&[PROVISION, MAPPED]).await;
    assert_eq!(setup.arrive("bea", "bea", json!(["eng"])).await.0, 200);
    let change = |grant: &mut Grant| {
        grant.claims["preferred_username"] = json!("bea");
        grant.claims["_claim_names"] = json!({"groups": "src1"});
    };
    assert_eq!(setup.sign_in(&mut setup.browser(), "bea", change).await.status, 503);
    let user = setup.user(&setup.new_id("bea")).await.unwrap();
    assert_eq!(user.permissions.to_string(), "orders:read,orders:write");
    setup.system.stop().await;
}

#[tokio::test]
async fn the_first_sign_in_links_only_a_user_whom_nothing_protects() {
    let setup = Setup::with(&[("HALLPASS_OIDC_LINK_BY", "preferred_username")]).await;
    let (store, system) = (setup.system.store(), &setup.system);
    for (id, name) in [("20", "bea"), ("21", "kim"), ("22", "app"), ("23", "root"), ("24", "leo")] {
        let user = hallpass_store::management::NewUser {
            id: id.parse().unwrap(),
            username: name.to_owned(),
            full_name: None,
            kind: hallpass_token::UserKind::Person,
            password_hash: (id == "21").then(|| "$argon2id$x".to_owned()),
            permissions: (id == "23").then(|| "ROLE_ADMIN".parse().unwrap()).into_iter().collect(),
            token_generation: 1,
        };
        store.add_user(&user, &tests::CAUSE).await.unwrap();
    }
    system.set_user("22", "kind", text("app")).await;
    system.set_user("24", "status", text("blocked")).await;
    let check = async |subject: &str, name: &str, status: u16| {
        assert_eq!(setup.arrive(subject, name, json!([])).await.0, status, "{subject} {name}");
    };
    check("a", "kim", 403).await;
    check("a", "app", 403).await;
    check("a", "root", 403).await;
    check("a", "leo", 403).await;
    check("a", "my_username", 403).await;
    check("a", "unknown", 403).await;
    check("a", "", 403).await;
    // Names that fold to the same one, and can be another person's at the provider.
    for name in ["\u{ff42}ea", "b\u{ad}ea", " bea"] {
        check("a", name, 403).await;
    }
    check("a", "Bea", 200).await;
    check("a", "other", 200).await;
    // The user is linked now, and to no one else.
    check("b", "bea", 403).await;
    let user = setup.user(&"20".parse().unwrap()).await.unwrap();
    assert!(user.oidc_identity().is_some() && !user.has_permissions_of_provider());
    setup.system.stop().await;
}

#[tokio::test]
async fn an_address_links_a_user_only_if_the_provider_has_verified_it() {
    let setup = Setup::with(&[("HALLPASS_OIDC_LINK_BY", "email")]).await;
    let user = hallpass_store::management::NewUser {
        id: "20".parse().unwrap(),
        username: "bea@example.com".to_owned(),
        full_name: None,
        kind: hallpass_token::UserKind::Person,
        password_hash: None,
        permissions: hallpass_token::Scope::default(),
        token_generation: 1,
    };
    setup.system.store().add_user(&user, &tests::CAUSE).await.unwrap();
    let check = async |verified: Value, status: u16| {
        let change = |grant: &mut Grant| {
            grant.claims["email"] = json!("bea@example.com");
            grant.claims["email_verified"] = verified.clone();
        };
        let reply = setup.sign_in(&mut setup.browser(), "bea", change).await;
        assert_eq!(reply.status, status, "{verified}");
    };
    check(json!(null), 403).await;
    check(json!(false), 403).await;
    check(json!("true"), 403).await;
    check(json!(true), 200).await;
    setup.system.stop().await;
}
