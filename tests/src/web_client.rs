//! A browser in front of the functions: it keeps cookies, and its forms repeat the CSRF token of
//! the page.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{Request, Response, World, api::bearer};

/// A browser without a screen.
#[derive(Clone, Debug)]
pub struct WebClient<'a> {
    world: Option<&'a World>,
    cookies: BTreeMap<String, String>,
    csrf: String,
}

impl<'a> WebClient<'a> {
    /// Returns a browser that is signed in.
    pub async fn signed_in(world: &'a World, name: &str, password: &str) -> Self {
        let mut web_client = Self::new(world);
        web_client.sign_in_again(world, name, password).await;
        web_client
    }

    /// Returns a browser that shows the sign-in page.
    pub async fn arriving(world: &'a World) -> Self {
        let mut web_client = Self::new(world);
        web_client.open("Console", Request::new("GET", "/sign-in")).await;
        web_client
    }

    /// Returns a browser that shows the page of a link to a portal session, for which the token has
    /// asked, and the secret of the link.
    pub async fn at_portal(world: &'a World, token: &str, body: &Value) -> (Self, String) {
        let asking = Request::new("POST", "/portal/sessions").header("Host", "api.example.com");
        let asking = asking.authorization(&bearer(token)).json(body);
        let response = world.send("Generate", asking).await;
        assert_eq!(response.status, 201, "{response:?}");
        let link = response.json()["url"].as_str().unwrap().to_owned();
        let page = "https://api.example.com/v1/portal/sign-in?session=";
        let secret = link.strip_prefix(page).unwrap().to_owned();
        let mut web_client = Self::new(world);
        let page = Request::new("GET", "/portal/sign-in").query("session", &secret);
        let page = web_client.open("Console", page).await;
        assert_eq!(page.status, 200, "{page:?}");
        (web_client, secret)
    }

    /// Returns the form of the page of a link.
    pub fn portal_form(&self, secret: &str) -> Request {
        self.with_form(Request::new("POST", "/portal/sign-in"), &[("session", secret)])
    }

    /// Returns a browser with a portal session, for which the token has asked.
    pub async fn from_portal(world: &'a World, token: &str, body: &Value) -> Self {
        let (mut web_client, secret) = Self::at_portal(world, token, body).await;
        let form = web_client.portal_form(&secret);
        let response = web_client.receive(world.send("Generate", form).await);
        assert_eq!(response.status, 303, "{response:?}");
        web_client.open("Console", Request::new("GET", "/profile/developer")).await;
        web_client
    }

    /// Tries to sign in, and returns the response.
    pub async fn signing_in(world: &'a World, name: &str, password: &str) -> Response {
        Self::new(world).sign_in(world, name, password).await
    }

    fn new(world: &'a World) -> Self {
        Self { world: Some(world), cookies: BTreeMap::new(), csrf: String::new() }
    }

    async fn sign_in(&mut self, world: &World, name: &str, password: &str) -> Response {
        self.open_in(world, "Console", Request::new("GET", "/sign-in")).await;
        let fields = [("username", name), ("password", password)];
        let request = self.with_form(Request::new("POST", "/sign-in"), &fields);
        self.receive(world.send("Generate", request).await)
    }

    /// Signs in with this browser, signed in or not, and opens the page of the user's tokens.
    pub async fn sign_in_again(&mut self, world: &World, name: &str, password: &str) {
        let response = self.sign_in(world, name, password).await;
        assert_eq!(response.status, 303, "{response:?}");
        self.open_in(world, "Console", Request::new("GET", "/profile/developer")).await;
    }

    /// Opens a page.
    pub async fn open(&mut self, function: &str, request: Request) -> Response {
        self.open_in(self.world.unwrap(), function, request).await
    }

    /// Opens a page in another world than the browser's own.
    pub async fn open_in(&mut self, world: &World, function: &str, request: Request) -> Response {
        self.receive(world.send(function, self.with_cookies(request)).await)
    }

    /// Submits a form with these fields, whose values need no escaping.
    pub async fn submit(
        &mut self,
        function: &str,
        request: Request,
        fields: &[(&str, &str)],
    ) -> Response {
        self.receive(self.world.unwrap().send(function, self.with_form(request, fields)).await)
    }

    /// Returns the request with this browser's cookies.
    pub fn with_cookies(&self, request: Request) -> Request {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request.header("Accept", "text/html").header("Cookie", &cookies.join("; "))
    }

    /// Returns an earlier request with this browser's current cookies.
    pub fn with_cookies_of(&self, request: &Request) -> Request {
        self.with_cookies(request.clone().without_headers(&["Accept", "Cookie"]))
    }

    /// Returns the `Cookie` header value of this browser.
    pub fn cookie(&self, name: &str) -> String {
        format!("{name}={}", self.cookies[name])
    }

    /// Returns the request with a form and the cookies of this browser.
    pub fn with_form(&self, request: Request, fields: &[(&str, &str)]) -> Request {
        let fields = [&[("csrf", self.csrf.as_str())], fields].concat();
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(&body.join("&"));
        self.with_cookies(request)
    }

    /// Keeps the cookies and the CSRF token of a response.
    pub fn receive(&mut self, response: Response) -> Response {
        let set =
            response.header("set-cookie").split(';').next().and_then(|pair| pair.split_once('='));
        self.cookies.extend(set.map(|(name, value)| (name.to_owned(), value.to_owned())));
        if let Some(csrf) = response.body.split("name=\"csrf\" value=\"").nth(1) {
            csrf.split('"').next().unwrap_or_default().clone_into(&mut self.csrf);
        }
        response
    }
}

impl WebClient<'static> {
    /// Returns a browser that is signed in to a world which it does not borrow.
    pub async fn signed_in_to(world: &World, name: &str, password: &str) -> Self {
        let mut web_client = Self { world: None, cookies: BTreeMap::new(), csrf: String::new() };
        web_client.sign_in_again(world, name, password).await;
        web_client
    }
}
