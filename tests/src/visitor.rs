//! A person with a browser, as far as the functions see one: cookies are kept, and a form repeats what its page gave.

use std::collections::BTreeMap;

use crate::{Answer, Request, World};

/// A browser without a screen.
#[derive(Debug)]
pub struct Visitor<'a> {
    world: &'a World,
    cookies: BTreeMap<String, String>,
    csrf: String,
}

impl<'a> Visitor<'a> {
    /// Somebody who has signed in.
    pub async fn signed_in(world: &'a World, name: &str, password: &str) -> Self {
        let mut visitor = Self { world, cookies: BTreeMap::new(), csrf: String::new() };
        let answer = visitor.sign_in(name, password).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        visitor.open("Console", Request::new("GET", "/profile/developer")).await;
        visitor
    }

    /// Somebody who sees the page for signing in.
    pub async fn arriving(world: &'a World) -> Self {
        let mut visitor = Self { world, cookies: BTreeMap::new(), csrf: String::new() };
        visitor.open("Console", Request::new("GET", "/sign-in")).await;
        visitor
    }

    /// Somebody who tries to.
    pub async fn signing_in(world: &'a World, name: &str, password: &str) -> Answer {
        Self { world, cookies: BTreeMap::new(), csrf: String::new() }.sign_in(name, password).await
    }

    async fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        self.open("Console", Request::new("GET", "/sign-in")).await;
        self.submit("Generate", Request::new("POST", "/sign-in"), &[("username", name), ("password", password)]).await
    }

    /// Opens a page.
    pub async fn open(&mut self, function: &str, request: Request) -> Answer {
        self.send(function, self.with_cookies(request)).await
    }

    /// Sends a form with these fields, whose values need no escape.
    pub async fn submit(&mut self, function: &str, request: Request, fields: &[(&str, &str)]) -> Answer {
        self.send(function, self.with_form(request, fields)).await
    }

    /// The request as this browser sends it.
    pub fn with_cookies(&self, request: Request) -> Request {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request.header("Accept", "text/html").header("Cookie", &cookies.join("; "))
    }

    /// A cookie of this browser, as it is sent.
    pub fn cookie(&self, name: &str) -> String {
        format!("{name}={}", self.cookies[name])
    }

    /// The request with a form, as this browser sends it.
    pub fn with_form(&self, request: Request, fields: &[(&str, &str)]) -> Request {
        let fields = [&[("csrf", self.csrf.as_str())], fields].concat();
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(&body.join("&"));
        self.with_cookies(request)
    }

    async fn send(&mut self, function: &str, request: Request) -> Answer {
        let answer = self.world.send(function, request).await;
        let set = answer.header("set-cookie").split(';').next().and_then(|pair| pair.split_once('='));
        self.cookies.extend(set.map(|(name, value)| (name.to_owned(), value.to_owned())));
        if let Some(csrf) = answer.body.split("name=\"csrf\" value=\"").nth(1) {
            csrf.split('"').next().unwrap_or_default().clone_into(&mut self.csrf);
        }
        answer
    }
}
