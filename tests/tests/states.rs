//! The state of a token: every list, page and count agrees with the authorizer, before prune has
//! received a change.

use aws_sdk_dynamodb::types::AttributeValue;
use hallpass_runtime::entropy;
use hallpass_service::Context;
use hallpass_token::Format;
use hallpass_web::view::Tokens;
use serde_json::{Value, json};
use tests::{
    Request, World,
    api::{bearer, text},
};

/// A token of user 1, with what is needed to read its state everywhere.
struct Subject {
    world: World,
    id: String,
    text: String,
    admin: String,
}

/// An action on the token or its user.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Done {
    Nothing,
    Disabled,
    Revoked,
    Expired,
    Rotated,
    RotatedAndUsed,
    RotatedAndWindowOver,
    Renamed,
    PasswordChanged,
    GenerationRaised,
    Blocked,
    RenamedAndDisabled,
    RevokedAndRenamed,
    Removed,
}

impl Subject {
    async fn new(settings: &[(&str, &str)]) -> Self {
        let world = World::with(&[&[("HALLPASS_MAX_TOKENS", "1")], settings].concat()).await;
        let permissions = ["ROLE_USER", "ROLE_ADMIN", "introspect"].map(str::to_owned).to_vec();
        world.set_user("2", "permissions", Some(AttributeValue::Ss(permissions))).await;
        let admin = world.token_of("admin", "letmein").await;
        let caller = world.token().await;
        let token = world.created(&caller, &json!({"name": "subject", "expires_in": 7_200})).await;
        let part = |name: &str| token[name].as_str().unwrap().to_owned();
        Self { id: part("id"), text: part("token"), world, admin }
    }

    async fn of_token(
        &self,
        function: &str,
        method: &str,
        route: &str,
        body: Option<Value>,
    ) -> Value {
        let request = Request::new(method, route)
            .parameter("id", &self.id)
            .authorization(&bearer(&self.admin));
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        let response = self.world.send(function, request).await;
        assert!((200..300).contains(&response.status), "{}", response.body);
        response.json()
    }

    async fn disable(&self) {
        self.of_token("Revoke", "PATCH", "/tokens/{id}", Some(json!({"disabled": true}))).await;
    }

    async fn rotate(&self) -> Value {
        let rotate = Request::new("POST", "/tokens/{id}/rotate").parameter("id", &self.id);
        self.world.send("Generate", rotate.authorization(&bearer(&self.text))).await.json()
    }

    async fn becomes(&self, done: Done) {
        let rename = || self.world.set_user("1", "username", Some(text("renamed")));
        match done {
            Done::Nothing => {}
            Done::Disabled => self.disable().await,
            Done::Revoked | Done::RevokedAndRenamed => {
                self.of_token("Revoke", "DELETE", "/tokens/{id}", None).await;
                if done == Done::RevokedAndRenamed {
                    rename().await;
                }
            }
            Done::Expired => self.world.advance(7_200),
            Done::Rotated => drop(self.rotate().await),
            Done::RotatedAndUsed => {
                let text = self.rotate().await["token"].as_str().unwrap().to_owned();
                assert_eq!(self.world.verdict(&bearer(&text)).await, "allow");
            }
            Done::RotatedAndWindowOver => {
                self.rotate().await;
                self.world.advance(3_600);
            }
            Done::Renamed => rename().await,
            Done::PasswordChanged => {
                let hash = self.world.user_item("2").await["password_hash"].clone();
                self.world.set_user("1", "password_hash", Some(hash)).await;
            }
            Done::GenerationRaised => {
                self.world
                    .set_user("1", "token_generation", Some(AttributeValue::N("6".to_owned())))
                    .await;
            }
            Done::Blocked => self.world.set_user("1", "status", Some(text("blocked"))).await,
            Done::RenamedAndDisabled => {
                self.disable().await;
                rename().await;
            }
            Done::Removed => self.world.remove_user("1").await,
        }
    }

    /// Returns the state of the token in each place that shows it.
    async fn shown(&self) -> Vec<(&'static str, String)> {
        let word = |token: &Value| token["state"].as_str().unwrap().to_owned();
        let list = self.world.list(&self.admin, &[("user_id", "1")]).await.json();
        let listed = list["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .find(|token| token["id"] == *self.id)
            .unwrap()
            .clone();
        vec![
            ("GET /tokens", word(&listed)),
            (
                "GET /tokens/{id}",
                word(&self.of_token("Console", "GET", "/tokens/{id}", None).await),
            ),
        ]
    }

    async fn is_active(&self) -> bool {
        let request = Request::new("POST", "/oauth/introspect").authorization(&bearer(&self.admin));
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        let response =
            self.world.send("Console", request.body(&format!("token={}", self.text))).await;
        response.json()["active"].as_bool().unwrap()
    }

    /// Returns the label on the pages, if the user can have a page.
    async fn on_the_page(&self) -> Option<&'static str> {
        let user = self.world.store.user(&"1".parse().unwrap()).await.unwrap()?;
        let (service, randomness) = (self.world.service(), entropy::randomness());
        let context = Context::new(&service, self.world.now(), &randomness);
        let tokens = Tokens::of(&context, &user).await.unwrap();
        Some(tokens.all().find(|row| row.id == self.id).unwrap().state())
    }

    /// Returns whether Rarog's list has the token, and whether it counts against the limit of one
    /// named token, as another token of the user sees it. Returns `None` if the user cannot have
    /// another token.
    async fn listed_and_counted(&self) -> Option<(bool, bool)> {
        let user = self.world.store.user(&"1".parse().unwrap()).await.unwrap()?;
        if user.status == hallpass_token::Status::Blocked {
            return None;
        }
        let caller = self.world.create_token(Format::Signed, "1", 200).await.text;
        let request = Request::new("GET", "/rest/pat/1.0/token").authorization(&bearer(&caller));
        let rarog = self.world.send("Console", request).await.json();
        let listed = rarog.as_array().unwrap().iter().any(|token| token["id"] == *self.id);
        let response = self.world.create(&bearer(&caller), &json!({"name": "another"})).await;
        assert!([201, 409].contains(&response.status), "{}", response.body);
        Some((listed, response.status == 409))
    }
}

/// Checks that every place shows `word`, that pages show `label`, and that the limit `counts` it or
/// not.
async fn check(settings: &[(&str, &str)], done: Done, word: &str, label: &str, counts: bool) {
    let subject = Subject::new(settings).await;
    subject.becomes(done).await;
    let verdict = subject.world.verdict(&bearer(&subject.text)).await;
    assert_eq!(
        if verdict == "allow" { "live" } else { &verdict },
        word,
        "{done:?}: the authorizer"
    );
    for (place, shown) in subject.shown().await {
        assert_eq!(shown, word, "{done:?}: {place}");
    }
    assert_eq!(subject.is_active().await, word == "live", "{done:?}: introspection");
    if let Some(state) = subject.on_the_page().await {
        assert_eq!(state, label, "{done:?}: the page");
    }
    if let Some((listed, counted)) = subject.listed_and_counted().await {
        assert_eq!(
            (listed, counted),
            (word == "live", counts),
            "{done:?}: Rarog's list, and the limit"
        );
    }
}

#[tokio::test]
async fn every_place_that_shows_or_counts_a_token_agrees_with_the_authorizer() {
    let unbound = [("HALLPASS_INVALIDATE_ON", "username")];
    check(&[], Done::Nothing, "live", "active", true).await;
    check(&[], Done::Disabled, "disabled", "disabled", true).await;
    check(&[], Done::Revoked, "revoked", "revoked", false).await;
    check(&[], Done::Expired, "expired", "expired", false).await;
    check(&[], Done::Rotated, "live", "active", true).await;
    // The successor has its name, and counts.
    check(&[], Done::RotatedAndUsed, "replaced", "replaced", true).await;
    check(&[], Done::RotatedAndWindowOver, "replaced", "replaced", true).await;
    check(&[], Done::Renamed, "user_changed", "invalid: the user changed", false).await;
    check(&[], Done::PasswordChanged, "user_changed", "invalid: the user changed", false).await;
    check(&[], Done::GenerationRaised, "revoked", "revoked", false).await;
    check(&[], Done::RenamedAndDisabled, "user_changed", "invalid: the user changed", false).await;
    check(&[], Done::RevokedAndRenamed, "revoked", "revoked", false).await;
    check(&[], Done::Blocked, "user_blocked", "invalid: the user was blocked", false).await;
    check(&unbound, Done::Blocked, "user_blocked", "the user is blocked", true).await;
    check(&[], Done::Removed, "user_removed", "", false).await;
}
