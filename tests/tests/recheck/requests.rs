//! Every request that creates a token, with every kind of caller, and tables prepared for all of
//! them.

use std::pin::Pin;

use hallpass_runtime::entropy;
use hallpass_service::Context;
use hallpass_service::operator::{self, Order};
use hallpass_token::{Format, Record, Timestamp};
use serde_json::json;
use tests::{Request, World, api::bearer, basic, tables::TestToken, web_client::WebClient};

/// A request that creates a token.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) asking: Asking,
    /// The user who needs the right.
    pub(crate) caller: &'static str,
    /// The user who will own the token.
    pub(crate) owner: &'static str,
    /// The record of the caller's token.
    pub(crate) token: Option<Record>,
    /// The record of the token that is replaced.
    pub(crate) old: Option<Record>,
    /// Whether the request needs an administrator's permission.
    pub(crate) administers: bool,
    /// Whether the caller is a browser session.
    pub(crate) has_session: bool,
    /// Whether the user logged in by an earlier request, which began a log-in flow.
    pub(crate) has_flow: bool,
}

/// How the request is sent.
pub(crate) enum Asking {
    Request(Box<Request>),
    Issue(&'static str),
    Rotate(Box<Record>),
}

impl Case {
    fn new(name: &'static str, request: Request, caller: &'static str) -> Self {
        Self {
            name,
            asking: Asking::Request(Box::new(request)),
            caller,
            owner: caller,
            token: None,
            old: None,
            administers: false,
            has_session: false,
            has_flow: false,
        }
    }

    fn by(self, token: &Record) -> Self {
        Self { token: Some(token.clone()), ..self }
    }

    fn replacing(self, old: &Record) -> Self {
        Self { old: Some(old.clone()), ..self }
    }

    fn for_another(self, owner: &'static str) -> Self {
        Self { owner, administers: true, ..self }
    }

    fn in_a_session(self) -> Self {
        Self { has_session: true, ..self }
    }

    fn in_a_flow(self) -> Self {
        Self { has_flow: true, ..self }
    }

    /// Returns whether the caller's credential is older than the request, so that any change in
    /// between invalidates it.
    pub(crate) fn is_older(&self) -> bool {
        self.token.is_some() || self.has_session || self.has_flow
    }

    /// Sends the request, and returns the text of the new token or the status of the rejection; 0
    /// stands for a failure without a status.
    pub(crate) async fn ask(&self, world: &World) -> Result<String, u16> {
        let (service, randomness) = (world.service(), entropy::randomness());
        let context = Context::new(&service, now(world), &randomness);
        let operated: Pin<Box<dyn Future<Output = _> + Send>> = match &self.asking {
            Asking::Request(request) => {
                let response = world.send("Generate", Request::clone(request)).await;
                return if response.status < 300 {
                    Ok(text_in(&response.body))
                } else {
                    Err(response.status)
                };
            }
            Asking::Issue(owner) => {
                let owner = world.store.user(&owner.parse().unwrap()).await.unwrap().unwrap();
                let order = Order {
                    operator: "ada".to_owned(),
                    owner,
                    jwt: false,
                    name: None,
                    description: None,
                    scope: None,
                    expires_at: None,
                };
                Box::pin(async { operator::issue(&context, order).await.map(|(text, _)| text) })
            }
            Asking::Rotate(old) => Box::pin(async {
                operator::rotate(&context, "ada".to_owned(), &old.id)
                    .await
                    .map(|rotation| rotation.text)
            }),
        };
        operated.await.map(|text| text.expose_secret().to_owned()).map_err(|_| 0)
    }
}

fn now(world: &World) -> Timestamp {
    world.now()
}

/// Returns the token in a response of any route, or on a page.
pub(crate) fn text_in(body: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let member = ["token", "value", "accessToken"].iter().find_map(|name| json[name].as_str());
    let shown = || body.split("<code id=\"new-token\">").nth(1)?.split('<').next();
    member.or_else(shown).unwrap_or_else(|| panic!("{body}")).to_owned()
}

/// Returns all requests.
pub(crate) async fn cases(world: &World) -> Vec<Case> {
    let own = world
        .create_token_with(Format::Signed, "1", 1, |record| record.name = Some("own".to_owned()))
        .await;
    let keeper = world.create_token(Format::Signed, "1", 2).await;
    let developer = world.create_token(Format::Developer, "1", 3).await;
    let admin = world.create_token(Format::Signed, "2", 4).await;
    let other = world.create_token(Format::Signed, "3", 5).await;
    let with = |method: &str, route: &str, text: &str| {
        Request::new(method, route).authorization(&bearer(text))
    };
    let generate = || Request::new("POST", "/api/services_token/generate");
    let login = basic("my_username", "topsecret");
    let rotate = |text: &str, old: &Record| {
        with("POST", "/tokens/{id}/rotate", text).parameter("id", &old.id.to_string())
    };
    let regenerate =
        |text: &str| with("POST", "/profile/developer", text).header("Accept", "application/json");
    let named = |body| with("POST", "/tokens", &keeper.text).json(&body);
    let for_another = json!({"name": "for another", "user_id": "3"});
    let mut cases = vec![
        Case::new("generate by password", generate().authorization(&login), "1"),
        Case::new("generate by token", generate().authorization(&bearer(&keeper.text)), "1")
            .by(&keeper.record),
        Case::new("create", named(json!({"name": "new"})), "1").by(&keeper.record),
        Case::new(
            "create with a scope",
            named(json!({"name": "new", "scopes": ["ROLE_USER"]})),
            "1",
        )
        .by(&keeper.record),
        Case::new(
            "create for another",
            with("POST", "/tokens", &admin.text).json(&for_another),
            "2",
        )
        .by(&admin.record)
        .for_another("3"),
        Case::new("rotate itself", rotate(&own.text, &own.record), "1")
            .by(&own.record)
            .replacing(&own.record),
        Case::new("rotate another", rotate(&keeper.text, &own.record), "1")
            .by(&keeper.record)
            .replacing(&own.record),
        Case::new("rotate another's", rotate(&admin.text, &other.record), "2")
            .by(&admin.record)
            .replacing(&other.record)
            .for_another("3"),
        Case::new("developer token", regenerate(&admin.text), "2").by(&admin.record),
        Case::new("developer token again", regenerate(&keeper.text), "1").by(&keeper.record),
        Case::new("developer token by itself", regenerate(&developer.text), "1")
            .by(&developer.record),
    ];
    cases.extend(legacy(world, &login, &admin).await);
    cases.extend(operated(world).await);
    cases.extend(pages(world, &own.record).await);
    cases
}

/// Returns the requests of the routes that replace other services.
async fn legacy(world: &World, login: &str, admin: &TestToken) -> Vec<Case> {
    let rarog = |route: &str| {
        let expiration = "2027-01-16T08:00:00.000Z";
        let body =
            json!({"name": "of Rarog", "expiration": expiration, "authorities": ["ROLE_USER"]});
        Request::new("POST", route).json(&body)
    };
    let by_password = rarog("/rest/pat/1.0/token/user/create").authorization(login);
    let for_app = rarog("/rest/pat/1.0/token/app/create").authorization(&bearer(&admin.text));
    vec![
        Case::new("Rarog, by password", by_password, "1"),
        Case::new("Rarog's app", for_app, "2").by(&admin.record).for_another("4"),
        Case::new("authorise", Request::new("GET", "/rs/authorise").authorization(login), "1"),
        Case::new("the implicit flow", implicit(world, login).await, "1").in_a_flow(),
    ]
}

async fn operated(world: &World) -> Vec<Case> {
    let old = world.create_token(Format::Signed, "3", 6).await.record;
    let by_operator =
        |name, asking| Case { asking, ..Case::new(name, Request::new("GET", "/"), "3") };
    vec![
        by_operator("the operator", Asking::Issue("3")),
        by_operator("the operator rotates", Asking::Rotate(Box::new(old.clone()))).replacing(&old),
    ]
}

/// Returns the second request of the implicit flow, after sending the first.
async fn implicit(world: &World, login: &str) -> Request {
    let begin = Request::new("GET", "/rs/authorize-implicit")
        .query("client_id", "app")
        .query("response_type", "token");
    let reply = world.send("Generate", begin.authorization(login)).await;
    let cookie = reply.header("set-cookie").split(';').next().unwrap();
    let authenticity = reply.json()["authenticityToken"].as_str().unwrap().to_owned();
    let decide = Request::new("GET", "/rs/authorize-implicit/decision").query("client_id", "app");
    let decide =
        decide.query("oauthDecision", "allow").query("session_authenticity_token", &authenticity);
    decide.header("Cookie", cookie)
}

async fn pages(world: &World, old: &Record) -> Vec<Case> {
    let own = || Request::new("POST", "/profile/developer");
    let key = Request::new("POST", "/admin/users/{user_id}").parameter("user_id", "3");
    let (person, administrator) = (
        WebClient::signed_in(world, "my_username", "topsecret").await,
        WebClient::signed_in(world, "admin", "letmein").await,
    );
    let form = |web_client: &WebClient<'_>, request, fields: &[(&str, &str)]| {
        web_client.with_form(request, fields)
    };
    let make = form(&person, own(), &[("do", "make"), ("name", "made"), ("limit", "all")]);
    let id = old.id.to_string();
    let rotate = form(&person, own(), &[("do", "rotate"), ("id", &id)]);
    let for_another = form(&administrator, key, &[("name", "key"), ("limit", "all")]);
    vec![
        Case::new("the page's token", make, "1").in_a_session(),
        Case::new("the page's developer token", form(&person, own(), &[("do", "regenerate")]), "1")
            .in_a_session(),
        Case::new("the page rotates", rotate, "1").replacing(old).in_a_session(),
        Case::new("the administrator's page", for_another, "2").for_another("3").in_a_session(),
    ]
}
