//! The pages of the template, which are for people and not part of the documented API, and a client
//! that visits them like a browser without screen or scripts. Every page that it receives is
//! checked against the rules for all pages.

use std::collections::BTreeMap;

use hallpass_http::routes::Route;

use crate::{client::Reply, html::check, system::System};

/// The method and path of every page, form and file for browsers.
pub const PAGES: [(&str, &str); 28] = [
    ("GET", "/"),
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("GET", "/sign-in/oidc"),
    ("GET", "/sign-in/oidc/callback"),
    ("GET", "/sign-in/oidc/sign-out"),
    ("GET", "/portal/sign-in"),
    ("POST", "/portal/sign-in"),
    ("POST", "/sign-out"),
    ("GET", "/profile/developer"),
    ("GET", "/profile/developer/new"),
    ("GET", "/profile/developer/tokens/{id}"),
    ("POST", "/profile/developer/tokens/{id}"),
    ("GET", "/profile/accounts/{user_id}"),
    ("POST", "/profile/accounts/{user_id}"),
    ("POST", "/profile/accounts/{user_id}/tokens/{id}"),
    ("GET", "/admin/users"),
    ("GET", "/admin/users/new"),
    ("GET", "/admin/tokens"),
    ("GET", "/admin/audit"),
    ("POST", "/admin/users/new"),
    ("GET", "/admin/users/{user_id}"),
    ("POST", "/admin/users/{user_id}"),
    ("POST", "/admin/users/{user_id}/access"),
    ("POST", "/admin/users/{user_id}/profile"),
    ("POST", "/admin/users/{user_id}/tokens/{id}"),
    ("GET", "/assets/{file}"),
    ("GET", "/docs/swagger-ui/{file}"),
];

/// The path of the page with the user's tokens.
pub const OWN: &str = "/profile/developer/";

/// Returns whether a route belongs to the pages.
pub fn is_page(route: &Route) -> bool {
    PAGES.contains(&(route.method, route.path))
}

/// A browser: its cookies, and the CSRF token of the last form.
#[derive(Clone, Debug)]
pub struct WebClient<'a> {
    /// The names and values of the cookies.
    pub cookies: BTreeMap<String, String>,
    /// The CSRF token of the last page, which its forms repeat.
    pub csrf: String,
    system: &'a System,
    base: String,
}

impl<'a> WebClient<'a> {
    /// Creates a browser without cookies. The API is mounted at `base`.
    pub fn new(system: &'a System, base: &str) -> Self {
        Self { cookies: BTreeMap::new(), csrf: String::new(), system, base: base.to_owned() }
    }

    /// Creates a browser that is signed in and shows the page of the user's tokens.
    pub async fn signed_in(system: &'a System, name: &str, password: &str) -> Self {
        let mut web_client = Self::new(system, "");
        let reply = web_client.sign_in(name, password).await;
        assert_eq!((reply.status, reply.header("location")), (303, OWN), "{}", reply.body);
        assert_eq!(web_client.get(OWN).await.status, 200);
        web_client
    }

    /// Opens the sign-in page and submits its form.
    pub async fn sign_in(&mut self, name: &str, password: &str) -> Reply {
        assert_eq!(self.get("/sign-in").await.status, 200);
        self.post("/sign-in", &[("username", name), ("password", password)]).await
    }

    /// Opens a page.
    pub async fn get(&mut self, path: &str) -> Reply {
        self.send("GET", path, "").await
    }

    /// Submits a form of the last page with these fields.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut form = form_urlencoded::Serializer::new(String::new());
        let body = form.append_pair("csrf", &self.csrf).extend_pairs(fields).finish();
        self.send("POST", path, &body).await
    }

    /// Submits a form whose response must be a redirect, and follows it.
    pub async fn post_and_follow(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let reply = self.post(path, fields).await;
        assert_eq!(reply.status, 303, "{}", reply.body);
        let place = reply.header("location").strip_prefix(&self.base).unwrap().to_owned();
        self.get(&place).await
    }

    /// Creates a token with the form of the page, and returns the token that the page shows.
    pub async fn create_token(&mut self, fields: &[(&str, &str)]) -> String {
        let fields: Vec<_> = [("do", "make")].iter().chain(fields).copied().collect();
        self.post(OWN, &fields).await.shown_token()
    }

    /// Sends a request with this body, without adding a CSRF token.
    pub async fn send(&mut self, method: &str, path: &str, body: &str) -> Reply {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut headers = vec![("Cookie", cookies.as_str())];
        if method == "POST" {
            headers.push(("Content-Type", "application/x-www-form-urlencoded"));
        }
        let reply = self.system.send(method, &format!("{}{path}", self.base), &headers, body).await;
        for cookie in reply.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (pair, attributes) = cookie.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.split("; ").any(|attribute| attribute == "Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        if reply.header("content-type").starts_with("text/html") {
            check(&reply, &self.base);
            if let Some(csrf) = reply.field("csrf") {
                self.csrf = csrf;
            }
        }
        reply
    }
}

impl Reply {
    /// Returns the token that the page shows once.
    pub fn shown_token(&self) -> String {
        assert_eq!(self.status, 201, "{}", self.body);
        let shown = self
            .elements()
            .into_iter()
            .find(|element| element.attribute("id") == Some("new-token"));
        shown.unwrap().text.clone()
    }

    /// Returns the value of the first field with this name.
    pub fn field(&self, name: &str) -> Option<String> {
        let field = self
            .elements()
            .into_iter()
            .find(|element| element.name == "input" && element.attribute("name") == Some(name))?;
        Some(field.attribute("value").unwrap_or_default().to_owned())
    }

    /// Returns the error message of the page.
    pub fn wrong(&self) -> String {
        let alerts: Vec<_> = self
            .elements()
            .into_iter()
            .filter(|element| element.attribute("role") == Some("alert"))
            .map(|element| element.text)
            .collect();
        assert_eq!(alerts.len(), 1, "{}", self.body);
        alerts[0].clone()
    }
}
