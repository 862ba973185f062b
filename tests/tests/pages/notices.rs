//! The notice on a page after a form revoked tokens: how long a cached response of a gateway may
//! still accept them.

use std::time::Duration;

use serde_json::Value;
use tests::{
    api::bearer,
    client::Reply,
    pages::{OWN, WebClient},
    system::System,
};

const CACHED: &str = "An API that caches responses accepts a token until";

/// A form of a page, its message, and whether it invalidates tokens.
const FORMS: [(&str, &str, bool); 8] = [
    ("OWN", "revoke", true),
    ("KEY", "disable", true),
    ("KEY", "enable", false),
    ("KEY", "delete", true),
    ("/admin/users/1/access", "block", true),
    ("/admin/users/1/access", "unblock", false),
    ("/admin/users/1/access", "revoke-all", true),
    ("/admin/users/2/access", "revoke-all", true),
];

/// Returns the notices of the page.
fn notices(page: &Reply) -> String {
    let elements = page.elements().into_iter();
    elements
        .filter(|element| element.attribute("role") == Some("status"))
        .map(|element| element.text)
        .collect()
}

async fn id_of(system: &System, token: &str) -> String {
    let shown: Value = system.ask("GET", "/tokens/current", &bearer(token)).await.body_of(200);
    shown["id"].as_str().unwrap().to_owned()
}

/// Sends every form, and compares the notice of the next page with the time until which a response
/// is cached.
async fn check(settings: &[(&str, &str)], cached: Option<u64>) {
    let system = System::start(settings).await;
    let mut web_client = WebClient::signed_in(&system, "admin", "letmein").await;
    let own = web_client.create_token(&[("name", "own"), ("limit", "all")]).await;
    let key =
        web_client.post("/admin/users/1", &[("name", "k"), ("limit", "all")]).await.shown_token();
    let (own, key) = (id_of(&system, &own).await, id_of(&system, &key).await);
    for (place, what, ends) in FORMS {
        let path = match place {
            "OWN" => format!("/profile/developer/tokens/{own}"),
            "KEY" => format!("/admin/users/1/tokens/{key}"),
            other => other.to_owned(),
        };
        let notice = notices(&web_client.post_and_follow(&path, &[("do", what)]).await);
        let until =
            cached.map(|seconds| system.now().after(Duration::from_secs(seconds)).to_string());
        assert!(!notice.is_empty(), "{place} {what}");
        assert_eq!(notice.contains(CACHED), ends && cached.is_some(), "{place} {what}: {notice}");
        if let Some(until) = until.filter(|_| ends) {
            assert!(notice.contains(&until), "{place} {what}: {notice} {until}");
        }
    }
    assert_eq!(
        web_client.get(OWN).await.status,
        401,
        "the last form ended the browser's own session"
    );
    system.stop().await;
}

#[tokio::test]
async fn a_page_says_how_long_a_cached_response_accepts_revoked_tokens() {
    check(&[("HALLPASS_AUTHORIZER_CACHE_TTL", "5m")], Some(300)).await;
}

#[tokio::test]
async fn without_a_cache_a_page_has_no_such_notice() {
    check(&[], None).await;
}
