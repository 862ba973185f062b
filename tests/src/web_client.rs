//! A browser in front of the functions: it keeps cookies, and its forms repeat the CSRF token of
//! the page.

use std::collections::BTreeMap;

use crate::{Request, Response, World};

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
