//! An HTTP request of a test, and the events that API Gateway creates from it.

use serde_json::{Map, Value, json};

/// An HTTP request.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    route: String,
    parameters: Map<String, Value>,
    query: Map<String, Value>,
    headers: Vec<(String, String)>,
    body: Option<String>,
    source_ip: String,
    authorizer: Value,
}

impl Request {
    /// Creates a request to this route.
    pub fn new(method: &str, route: &str) -> Self {
        Self {
            method: method.to_owned(),
            route: route.to_owned(),
            parameters: Map::new(),
            query: Map::new(),
            headers: Vec::new(),
            body: None,
            source_ip: "192.0.2.1".to_owned(),
            authorizer: json!({}),
        }
    }

    /// Adds an `Authorization` header.
    #[must_use]
    pub fn authorization(self, value: &str) -> Self {
        self.header("Authorization", value)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a parameter of the route.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a parameter of the query.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.insert(name.to_owned(), value.into());
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(&body.to_string())
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    /// Rewrites the body.
    #[must_use]
    pub fn rewritten(mut self, rewrite: impl Fn(String) -> String) -> Self {
        self.body = self.body.map(rewrite);
        self
    }

    /// Removes the headers with these names.
    #[must_use]
    pub fn without_headers(mut self, names: &[&str]) -> Self {
        self.headers.retain(|(name, _)| !names.contains(&name.as_str()));
        self
    }

    /// Sets the source address.
    #[must_use]
    pub fn from_ip(mut self, source_ip: &str) -> Self {
        source_ip.clone_into(&mut self.source_ip);
        self
    }

    /// Sets the context that an authorizer returned.
    #[must_use]
    pub fn authorized_as(mut self, context: Value) -> Self {
        self.authorizer = context;
        self
    }

    fn path(&self) -> String {
        self.parameters.iter().fold(self.route.clone(), |path, (name, value)| {
            path.replace(&format!("{{{name}}}"), value.as_str().unwrap_or_default())
        })
    }

    /// Returns the proxy event of a REST API.
    pub fn event(&self) -> Value {
        let mut event = self.authorizer_event();
        event["requestContext"]["authorizer"] = self.authorizer.clone();
        event["body"] = self.body.clone().into();
        event["isBase64Encoded"] = false.into();
        let members = event.as_object_mut().unwrap();
        members.remove("type");
        members.remove("methodArn");
        event
    }

    /// Returns the `REQUEST` authorizer event of a REST API.
    pub fn authorizer_event(&self) -> Value {
        let (mut single, mut multi) = (Map::new(), Map::new());
        for (name, value) in &self.headers {
            single.insert(name.clone(), value.clone().into());
            let values = multi.entry(name.clone()).or_insert_with(|| json!([]));
            values.as_array_mut().unwrap().push(value.clone().into());
        }
        let path = self.path();
        let lists = |map: &Map<String, Value>| -> Map<String, Value> {
            map.iter().map(|(name, value)| (name.clone(), json!([value]))).collect()
        };
        json!({
            "type": "REQUEST",
            "methodArn": format!("arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/v1/{}{path}", self.method),
            "resource": self.route,
            "path": path,
            "httpMethod": self.method,
            "headers": single,
            "multiValueHeaders": multi,
            "queryStringParameters": self.query,
            "multiValueQueryStringParameters": lists(&self.query),
            "pathParameters": self.parameters,
            "stageVariables": null,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "abcdef1234",
                "httpMethod": self.method,
                "identity": {"sourceIp": self.source_ip},
                "path": format!("/v1{path}"),
                "protocol": "HTTP/1.1",
                "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
                "resourceId": "123456",
                "resourcePath": self.route,
                "stage": "v1",
            },
        })
    }
}
