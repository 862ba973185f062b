//! An identity provider on this machine, for sign-ins with OpenID Connect. It follows the rules of
//! the code flow, and a test can make it break any of them.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hallpass_token::secret::Digest;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING as ES256, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};

/// An identity provider that runs until it is dropped.
#[derive(Debug)]
pub struct IdentityProvider {
    /// The issuer, which is also the URL.
    pub issuer: String,
    state: Arc<Mutex<State>>,
    task: AbortHandle,
}

/// What a code stands for. A test can change it before the browser returns.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The header of the ID token, without `kid`.
    pub header: Value,
    /// The claims of the ID token.
    pub claims: Value,
    /// What the `UserInfo` endpoint says.
    pub userinfo: Value,
    /// The key that signs the ID token instead of the current one.
    pub foreign_key: bool,
    challenge: String,
    redirect_uri: String,
    client_id: String,
}

/// The client secret, which the provider serves as Secrets Manager does.
pub const CLIENT_SECRET: &str = "a client+secret";

/// A request to the provider: its path, its `Authorization` and its form.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The path.
    pub path: String,
    /// The header `Authorization`, or an empty text.
    pub authorization: String,
    /// The fields of the form.
    pub form: BTreeMap<String, String>,
}

#[derive(Debug)]
struct State {
    key: Key,
    published: Vec<Value>,
    metadata: Value,
    grants: BTreeMap<String, Grant>,
    userinfo: BTreeMap<String, Value>,
    asked: Vec<Asked>,
    count: usize,
}

#[derive(Debug)]
struct Key {
    id: String,
    pair: EcdsaKeyPair,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    fn new(id: &str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ES256, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ES256, document.as_ref(), &random).unwrap();
        Self { id: id.to_owned(), pair }
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id,
            "x": encode(x), "y": encode(y),
        })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let mut header = header.clone();
        header["kid"] = json!(self.id);
        let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", encode(signature))
    }
}

impl IdentityProvider {
    /// Starts a provider.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let key = Key::new("1");
        let state = Arc::new(Mutex::new(State {
            published: vec![key.jwk()],
            key,
            metadata: json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize?tenant=acme"),
                "token_endpoint": format!("{issuer}/token"),
                "jwks_uri": format!("{issuer}/jwks"),
                "authorization_response_iss_parameter_supported": true,
            }),
            grants: BTreeMap::new(),
            userinfo: BTreeMap::new(),
            asked: Vec::new(),
            count: 0,
        }));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&shared);
                let service = service_fn(move |request| {
                    let state = Arc::clone(&state);
                    async move { Ok::<_, Infallible>(respond(&state, request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { issuer, state, task: task.abort_handle() }
    }

    /// Signs a user in, as the page of the provider does: takes the URL that the browser was sent
    /// to, and returns the query with which it returns. `change` sees the grant before.
    pub fn sign_in(
        &self,
        url: &str,
        subject: &str,
        now: u64,
        change: impl FnOnce(&mut Grant),
    ) -> String {
        let (endpoint, query) = url.split_once('?').unwrap();
        assert_eq!(endpoint, format!("{}/authorize", self.issuer));
        let query: BTreeMap<String, String> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let asked = |name: &str| query[name].clone();
        assert_eq!(
            ["tenant", "response_type", "code_challenge_method"].map(asked),
            ["acme", "code", "S256"]
        );
        let mut grant = Grant {
            header: json!({"alg": "ES256", "typ": "JWT"}),
            claims: json!({
                "iss": self.issuer, "aud": asked("client_id"), "sub": subject,
                "nonce": asked("nonce"), "iat": now, "exp": now + 300,
            }),
            userinfo: json!({"sub": subject}),
            foreign_key: false,
            challenge: asked("code_challenge"),
            redirect_uri: asked("redirect_uri"),
            client_id: asked("client_id"),
        };
        change(&mut grant);
        let mut state = self.state.lock().unwrap();
        state.count += 1;
        let code = format!("code-{}", state.count);
        state.grants.insert(code.clone(), grant);
        form_urlencoded::Serializer::new(String::new())
            .append_pair("code", &code)
            .append_pair("state", &asked("state"))
            .append_pair("iss", &self.issuer)
            .finish()
    }

    /// Replaces the signing key, and publishes only the new one.
    pub fn rotate(&self) {
        let mut state = self.state.lock().unwrap();
        state.count += 1;
        let key = Key::new(&format!("key-{}", state.count));
        state.published = vec![key.jwk()];
        state.key = key;
    }

    /// Returns a logout token for a subject, with claims that `change` changes.
    pub fn logout_token(&self, subject: &str, now: u64, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = json!({
            "iss": self.issuer, "aud": "hallpass", "sub": subject, "iat": now, "exp": now + 120,
            "jti": "1", "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        change(&mut claims);
        let header = json!({"alg": "ES256", "typ": "logout+jwt"});
        self.state.lock().unwrap().key.sign(&header, &claims)
    }

    /// Changes a member of the metadata.
    pub fn set_metadata(&self, name: &str, value: Value) {
        self.state.lock().unwrap().metadata[name] = value;
    }

    /// Returns the requests since the last call.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn respond(state: &Mutex<State>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let authorization = request.headers().get("authorization");
    let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let form: BTreeMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let mut state = state.lock().unwrap();
    let asked = Asked { path, authorization: authorization.unwrap_or_default(), form };
    state.asked.push(asked.clone());
    let (status, body) = match asked.path.as_str() {
        "/.well-known/openid-configuration" => (200, state.metadata.clone()),
        "/jwks" => (200, json!({ "keys": state.published })),
        "/token" => match redeem(&mut state, &asked.form) {
            Some(tokens) => (200, tokens),
            None => (400, json!({"error": "invalid_grant"})),
        },
        "/userinfo" => match state.userinfo.get(&asked.authorization) {
            Some(claims) => (200, claims.clone()),
            None => (401, json!({})),
        },
        "/moved" => (302, json!({})),
        // GetSecretValue of Secrets Manager.
        "/" => (200, json!({"SecretString": format!("{CLIENT_SECRET}\n")})),
        _ => (404, json!({})),
    };
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Full::new(body.to_string().into())).unwrap()
}

/// Exchanges a code for tokens, once (OpenID Connect Core 1.0 section 3.1.3.2, RFC 7636 section
/// 4.6).
fn redeem(state: &mut State, form: &BTreeMap<String, String>) -> Option<Value> {
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let grant = state.grants.remove(field("code"))?;
    let is_fit = field("grant_type") == "authorization_code"
        && field("redirect_uri") == grant.redirect_uri
        && field("client_id") == grant.client_id
        && Digest::of(field("code_verifier").as_bytes()).text() == grant.challenge;
    let foreign = grant.foreign_key.then(|| Key::new(&state.key.id));
    let key = foreign.as_ref().unwrap_or(&state.key);
    let id_token = key.sign(&grant.header, &grant.claims);
    let access_token = format!("access-{}", field("code"));
    state.userinfo.insert(format!("Bearer {access_token}"), grant.userinfo);
    is_fit.then(|| {
        json!({
            "access_token": access_token, "token_type": "Bearer", "expires_in": 300,
            "id_token": id_token,
        })
    })
}
