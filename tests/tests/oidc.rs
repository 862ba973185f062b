//! Signing in to the pages at an identity provider: who gets a session, and what a provider, a
//! browser or an attacker can do wrong.

use hallpass_store::links::{Identity, Linked};
use serde_json::{Value, json};
use tests::{
    Request, World, basic,
    client::Reply,
    identity_provider::{CLIENT_SECRET, Grant, IdentityProvider},
    pages::{OWN, WebClient},
    system::System,
};

mod links;
mod logout;
mod permitted;
mod provision;
mod revalidate;

const SESSION: &str = "__Host-hallpass";
const FLOW: &str = "__Host-hallpass-sign-in";
const CALLBACK: &str = "/sign-in/oidc/callback";

/// The subject of the user 1 at the provider.
const ADA: &str = "24400320";

struct Setup {
    provider: IdentityProvider,
    system: System,
}

impl Setup {
    /// Starts a provider and a stack, whose user 1 is linked.
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let provider = IdentityProvider::start().await;
        let issuer = provider.issuer.clone();
        let mut all = vec![
            ("HALLPASS_OIDC_ISSUER", issuer.as_str()),
            ("HALLPASS_OIDC_CLIENT_ID", "hallpass"),
            ("HALLPASS_OIDC_REDIRECT_URI", "https://localhost:8080/sign-in/oidc/callback"),
        ];
        all.extend(settings);
        let system = System::start(&all).await;
        let setup = Self { provider, system };
        assert_eq!(setup.link("1", ADA).await, Linked::Now);
        setup
    }

    fn identity(&self, subject: &str) -> Identity {
        Identity::new(&self.provider.issuer, subject)
    }

    async fn link(&self, user: &str, subject: &str) -> Linked {
        self.system
            .store()
            .link(&user.parse().unwrap(), &self.identity(subject), &tests::CAUSE)
            .await
            .unwrap()
    }

    fn browser(&self) -> WebClient<'_> {
        WebClient::new(&self.system, "")
    }

    /// Begins a sign-in, and returns the URL that the browser is sent to.
    async fn begin(&self, browser: &mut WebClient<'_>, next: &str) -> String {
        let reply = browser.get(&format!("/sign-in/oidc{next}")).await;
        assert_eq!(reply.status, 303, "{}", reply.body);
        assert!(browser.cookies.contains_key(FLOW));
        reply.header("location").to_owned()
    }

    /// Signs in as a subject, with a grant that `change` changes.
    async fn sign_in(
        &self,
        browser: &mut WebClient<'_>,
        subject: &str,
        change: impl FnOnce(&mut Grant),
    ) -> Reply {
        let url = self.begin(browser, "").await;
        let query = self.provider.sign_in(&url, subject, self.system.now().unix(), change);
        browser.get(&format!("{CALLBACK}?{query}")).await
    }

    /// Checks that a sign-in with this grant begins no session.
    async fn check_rejected(&self, status: u16, wrong: &str, change: impl FnOnce(&mut Grant)) {
        let mut browser = self.browser();
        let reply = self.sign_in(&mut browser, ADA, change).await;
        assert_eq!((reply.status, reply.wrong().as_str()), (status, wrong));
        assert!(!browser.cookies.contains_key(SESSION) && !browser.cookies.contains_key(FLOW));
    }
}

const STALE: &str = "This sign-in is out of date. Sign in again.";
const UNAVAILABLE: &str = "The service is temporarily unavailable. Try again later.";

#[tokio::test]
async fn a_linked_user_signs_in_and_reaches_the_page_that_was_asked_for() {
    let setup = Setup::new().await;
    for (next, page) in [("", OWN), ("?next=new-token", "/profile/developer/new")] {
        let mut browser = setup.browser();
        let sign_in = browser.get("/sign-in").await;
        assert!(sign_in.body.contains("Sign in with 127.0.0.1:"), "{}", sign_in.body);
        let url = setup.begin(&mut browser, next).await;
        let query = setup.provider.sign_in(&url, ADA, setup.system.now().unix(), |_| {});
        let reply = browser.get(&format!("{CALLBACK}?{query}")).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        // The provider cannot lead to the next page itself, because the cookie is Strict.
        assert!(reply.body.contains(&format!("content=\"0; url={page}\"")), "{}", reply.body);
        assert!(browser.cookies.contains_key(SESSION) && !browser.cookies.contains_key(FLOW));
        assert_eq!(browser.get(page).await.status, 200);
    }
    setup.system.stop().await;
}

#[tokio::test]
async fn a_sign_in_at_the_provider_ends_the_session_that_the_browser_had() {
    let setup = Setup::new().await;
    let mut browser = WebClient::signed_in(&setup.system, "admin", "letmein").await;
    let former = browser.cookies[SESSION].clone();
    setup.begin(&mut browser, "").await;
    assert!(!browser.cookies.contains_key(SESSION));
    browser.cookies.insert(SESSION.to_owned(), former);
    assert_eq!(browser.get(OWN).await.status, 401);
    setup.system.stop().await;
}

#[tokio::test]
async fn no_one_is_signed_in_by_a_name_or_an_address() {
    let setup = Setup::new().await;
    let mut browser = setup.browser();
    let reply = setup
        .sign_in(&mut browser, "other", |grant| {
            grant.claims["preferred_username"] = json!("my_username");
            grant.claims["email"] = json!("my_username@example.com");
            grant.claims["email_verified"] = json!(true);
        })
        .await;
    assert_eq!(reply.status, 403);
    assert!(reply.wrong().ends_with("its subject is other."), "{}", reply.wrong());
    assert!(!browser.cookies.contains_key(SESSION));
    // A subject can have any characters.
    let reply = setup.sign_in(&mut browser, "<b>\u{202e}&", |_| {}).await;
    assert_eq!(reply.status, 403);
    assert!(!reply.body.contains("<b>\u{202e}"), "{}", reply.body);
    setup.system.stop().await;
}

#[tokio::test]
async fn an_id_token_that_fails_a_check_signs_no_one_in() {
    let setup = Setup::new().await;
    let now = setup.system.now().unix();
    let check = async |name: &str, value: Value| {
        setup.check_rejected(503, UNAVAILABLE, |grant| grant.claims[name] = value).await;
    };
    check("iss", json!("https://id.example.com")).await;
    check("aud", json!("another")).await;
    check("aud", json!(["hallpass", "another"])).await;
    check("azp", json!("another")).await;
    check("exp", json!(now - 61)).await;
    check("iat", json!(now - 700)).await;
    check("iat", json!(now + 100)).await;
    check("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")).await;
    check("sub", json!(1)).await;
    for algorithm in ["none", "HS256", "RS256"] {
        setup
            .check_rejected(503, UNAVAILABLE, |grant| grant.header["alg"] = json!(algorithm))
            .await;
    }
    setup.check_rejected(503, UNAVAILABLE, |grant| grant.foreign_key = true).await;
    // Someone else began the sign-in that this ID token is of.
    setup.check_rejected(409, STALE, |grant| grant.claims["nonce"] = json!("another")).await;
    setup.check_rejected(409, STALE, |grant| grant.claims["nonce"] = json!(null)).await;
    setup.system.stop().await;
}

#[tokio::test]
async fn a_response_signs_in_only_the_browser_that_began_and_only_once() {
    let setup = Setup::new().await;
    let now = setup.system.now().unix();
    let (mut mine, mut theirs) = (setup.browser(), setup.browser());
    let url = setup.begin(&mut mine, "").await;
    let query = setup.provider.sign_in(&url, ADA, now, |_| {});
    let callback = format!("{CALLBACK}?{query}");
    // Another browser, without and with a sign-in of its own.
    for begins in [false, true] {
        if begins {
            setup.begin(&mut theirs, "").await;
        }
        let reply = theirs.get(&callback).await;
        assert_eq!((reply.status, reply.wrong().as_str()), (409, STALE), "{begins}");
        assert!(!theirs.cookies.contains_key(SESSION));
    }
    // The code of another sign-in, put into this one.
    let state = query.split('&').find(|pair| pair.starts_with("state=")).unwrap();
    let other = setup.begin(&mut theirs, "").await;
    let injected = setup.provider.sign_in(&other, ADA, now, |_| {});
    let code = injected.split('&').find(|pair| pair.starts_with("code=")).unwrap();
    let issuer = query.split('&').find(|pair| pair.starts_with("iss=")).unwrap();
    let mut copy = mine.clone();
    let reply = copy.get(&format!("{CALLBACK}?{code}&{state}&{issuer}")).await;
    assert_eq!((reply.status, reply.wrong().as_str()), (409, STALE));
    // The right one, and the same once more, with the cookie of the flow restored.
    let flow = mine.cookies[FLOW].clone();
    assert_eq!(mine.get(&callback).await.status, 200);
    assert!(mine.cookies.contains_key(SESSION));
    let mut again = setup.browser();
    again.cookies.insert(FLOW.to_owned(), flow);
    let reply = again.get(&callback).await;
    assert_eq!((reply.status, reply.wrong().as_str()), (409, STALE));
    assert!(!again.cookies.contains_key(SESSION));
    setup.system.stop().await;
}

#[tokio::test]
async fn a_response_of_another_provider_is_rejected() {
    let setup = Setup::new().await;
    let check = async |issuer: &str| {
        let mut browser = setup.browser();
        let url = setup.begin(&mut browser, "").await;
        let query = setup.provider.sign_in(&url, ADA, setup.system.now().unix(), |_| {});
        let (others, _) = query.split_once("&iss=").unwrap();
        setup.provider.asked();
        let reply = browser.get(&format!("{CALLBACK}?{others}{issuer}")).await;
        assert_eq!((reply.status, reply.wrong().as_str()), (409, STALE), "{issuer}");
        // The code is not sent to any provider.
        assert!(setup.provider.asked().iter().all(|asked| asked.path != "/token"));
    };
    check("").await;
    check("&iss=https%3A%2F%2Fid.example.com").await;
    setup.system.stop().await;
}

#[tokio::test]
async fn a_new_key_is_looked_up_at_once_and_an_old_one_no_longer_accepted() {
    let setup = Setup::new().await;
    let mut browser = setup.browser();
    let url = setup.begin(&mut browser, "").await;
    setup.provider.rotate();
    let query = setup.provider.sign_in(&url, ADA, setup.system.now().unix(), |_| {});
    assert_eq!(browser.get(&format!("{CALLBACK}?{query}")).await.status, 200);
    // An hour later everything is read again.
    setup.provider.asked();
    setup.system.advance(3_601);
    assert_eq!(setup.sign_in(&mut setup.browser(), ADA, |_| {}).await.status, 200);
    let paths: Vec<String> = setup.provider.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, ["/.well-known/openid-configuration", "/jwks", "/token"]);
    assert_eq!(setup.sign_in(&mut setup.browser(), ADA, |_| {}).await.status, 200);
    assert_eq!(setup.provider.asked().len(), 1);
    setup.system.stop().await;
}

#[tokio::test]
async fn metadata_of_another_issuer_and_a_provider_that_is_away_sign_no_one_in() {
    let setup = Setup::new().await;
    let check = async |name: &str, value: Value| {
        let before = setup.provider.issuer.clone();
        setup.provider.set_metadata(name, value);
        let reply = setup.browser().get("/sign-in/oidc").await;
        assert_eq!((reply.status, reply.wrong().as_str()), (503, UNAVAILABLE), "{name}");
        setup.provider.set_metadata("issuer", json!(before));
    };
    check("issuer", json!("https://id.example.com")).await;
    check("jwks_uri", json!("http://id.example.com/jwks")).await;
    check("jwks_uri", json!(format!("{}/moved", setup.provider.issuer))).await;
    check("jwks_uri", json!(format!("{}/token", setup.provider.issuer))).await;
    check("jwks_uri", json!("http://127.0.0.1:9/jwks")).await;
    // A password still signs in.
    let mut browser = setup.browser();
    assert_eq!(browser.sign_in("my_username", "topsecret").await.status, 303);
    setup.system.stop().await;
}

#[tokio::test]
async fn what_the_provider_declines_is_said() {
    let setup = Setup::new().await;
    let check = async |error: &str, wrong: &str| {
        let mut browser = setup.browser();
        let url = setup.begin(&mut browser, "?next=users").await;
        let state = url.split('&').find(|pair| pair.starts_with("state=")).unwrap();
        let issuer = form_urlencoded::byte_serialize(setup.provider.issuer.as_bytes());
        let issuer: String = issuer.collect();
        let query = format!("error={error}&{state}&iss={issuer}");
        let reply = browser.get(&format!("{CALLBACK}?{query}")).await;
        assert_eq!((reply.status, reply.wrong().as_str()), (403, wrong), "{error}");
        assert_eq!(reply.field("next").unwrap(), "users", "the page that was asked for is kept");
    };
    check("access_denied", "You cancelled, or your account may not use Hallpass.").await;
    check("server_error", "The identity provider is unavailable. Try again later.").await;
    let other = "The identity provider did not sign you in. Ask an administrator.";
    check("invalid_scope", other).await;
    check("%3Cscript%3E", other).await;
    setup.system.stop().await;
}

#[tokio::test]
async fn the_client_secret_is_sent_as_the_provider_supports_it() {
    let provider = IdentityProvider::start().await;
    let world = World::with(&[
        ("HALLPASS_OIDC_ISSUER", &provider.issuer),
        ("HALLPASS_OIDC_CLIENT_ID", "hallpass:1"),
        ("HALLPASS_OIDC_SECRET", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:oidc"),
        ("HALLPASS_OIDC_REDIRECT_URI", "https://localhost:8080/sign-in/oidc/callback"),
        ("HALLPASS_SECRETS_ENDPOINT", &provider.issuer),
    ])
    .await;
    let identity = Identity::new(&provider.issuer, ADA);
    world.store.link(&"1".parse().unwrap(), &identity, &tests::CAUSE).await.unwrap();
    let asked = async || {
        let begun = world.send("Generate", Request::new("GET", "/sign-in/oidc")).await;
        let cookie = begun.header("set-cookie").split(';').next().unwrap().to_owned();
        let url = begun.header("location");
        let query = provider.sign_in(url, ADA, world.now().unix(), |_| {});
        let mut request = Request::new("GET", CALLBACK).header("Cookie", &cookie);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            request = request.query(&name, &value);
        }
        let reply = world.send("Generate", request).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        provider.asked().into_iter().find(|asked| asked.path == "/token").unwrap()
    };
    let token = asked().await;
    // Both parts are form-encoded before they are joined (RFC 6749 section 2.3.1).
    assert_eq!(token.authorization, basic("hallpass%3A1", "a+client%2Bsecret"));
    assert!(!token.form.contains_key("client_secret"));
    provider.set_metadata("token_endpoint_auth_methods_supported", json!(["client_secret_post"]));
    world.advance(3_601);
    let token = asked().await;
    assert_eq!(token.authorization, "");
    assert_eq!(token.form["client_secret"], CLIENT_SECRET);
}

#[tokio::test]
async fn without_passwords_the_provider_is_the_only_way_in() {
    let setup = Setup::with(&[("HALLPASS_PASSWORD_SIGN_IN", "off")]).await;
    let mut browser = setup.browser();
    let page = browser.get("/sign-in").await;
    assert!(page.field("password").is_none() && page.body.contains("/sign-in/oidc?next="));
    let reply = browser.post("/sign-in", &[("username", "my_username"), ("password", "topsecret")]);
    assert_eq!(reply.await.status, 403);
    assert_eq!(setup.sign_in(&mut browser, ADA, |_| {}).await.status, 200);
    // The API still takes passwords, which HALLPASS_GENERATE_PASSWORD turns off.
    setup.system.token_of("my_username", "topsecret").await;
    setup.system.stop().await;
}

#[tokio::test]
async fn without_a_provider_its_routes_lead_to_the_sign_in_page() {
    let system = System::start(&[]).await;
    let mut browser = WebClient::new(&system, "");
    assert!(!browser.get("/sign-in").await.body.contains("oidc"));
    for path in ["/sign-in/oidc", "/sign-in/oidc/callback?state=x&code=y", "/sign-in/oidc/sign-out"]
    {
        let reply = browser.get(path).await;
        assert_eq!((reply.status, reply.header("location")), (303, "/sign-in"), "{path}");
    }
    let reply = system.form("/sign-in/oidc/back-channel-logout", "", "logout_token=a.b.c").await;
    assert_eq!(reply.status, 400);
    system.stop().await;
}
