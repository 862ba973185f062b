//! An application's own API behind the authorizer, on a port of its own: `hallpass dev --upstream`.
//! The gateway is that of `examples/rest-api.yaml`, with one route for everything.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{
    Options, StartError,
    functions::Functions,
    gateway::{self, Gateway, upstream::Upstream},
    serving,
    template::{Route, Template},
};

/// The API of the example, whose authorizer and gateway responses are used.
const REST_API: &str = include_str!("../../examples/rest-api.yaml");

/// The paths of an API with one route for everything: the proxy resource does not match the root.
const EVERYTHING: [&str; 2] = ["/", "/{proxy+}"];

/// An API to protect.
#[derive(Clone, Debug)]
pub struct Application {
    /// The API.
    pub upstream: Upstream,
    /// The port in front of it; 0 takes a free one.
    pub port: u16,
    /// The route rules of the authorizer, as in `HALLPASS_ROUTES`. Without them, every live token
    /// is accepted everywhere.
    pub routes: Option<String>,
}

/// Creates the gateway in front of an API. `environment` is that of the stack's functions.
pub(super) fn gateway(
    application: &Application,
    options: &Options,
    template: &Template,
    environment: &BTreeMap<String, String>,
) -> Result<Gateway, StartError> {
    let realm = environment.get("HALLPASS_REALM").filter(|realm| !realm.is_empty());
    let api = api(realm.map(String::as_str))?;
    let mut environment = environment.clone();
    if let Some(routes) = &application.routes {
        environment.insert("HALLPASS_ROUTES".to_owned(), routes.clone());
    }
    let functions = Functions::new(template, &environment, Arc::clone(&options.clock))?;
    let options = serving::gateway_options(options, functions.invoke());
    let options = gateway::Options { base_path: String::new(), ..options };
    let gateway = Gateway::new(&api, options).map_err(|error| bad(&error))?;
    Ok(gateway.in_front_of(application.upstream.clone()))
}

/// Returns the API of the example, with one route for everything.
fn api(realm: Option<&str>) -> Result<Template, StartError> {
    let mut parameters = vec![("AuthorizerArn", "VerifyAuthorizer")];
    parameters.extend(realm.map(|realm| ("Realm", realm)));
    let mut api = Template::parse_with(REST_API, &parameters).map_err(|error| bad(&error))?;
    let authorizer = api.routes.first().and_then(|route| route.authorizer.clone());
    let authorizer = Some(authorizer.ok_or_else(|| bad(&"its route has no authorizer"))?);
    api.routes = EVERYTHING
        .map(|path| Route {
            method: "ANY".to_owned(),
            path: path.to_owned(),
            function: "Upstream".to_owned(),
            authorizer: authorizer.clone(),
        })
        .to_vec();
    Ok(api)
}

fn bad(error: &dyn fmt::Display) -> StartError {
    StartError::new("cannot read examples/rest-api.yaml", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_protects_every_path_with_its_own_responses() {
        let api = api(Some("Example API")).unwrap();
        assert_eq!(api.routes.len(), EVERYTHING.len());
        for route in &api.routes {
            let authorizer = &api.authorizers[route.authorizer.as_ref().unwrap()];
            assert_eq!(authorizer.function, "VerifyAuthorizer");
            assert_eq!(authorizer.identity_headers, ["Authorization"]);
            assert_eq!(authorizer.ttl_seconds, 0);
        }
        let challenge = &api.gateway_responses["UNAUTHORIZED"].headers["X-WWW-Authenticate"];
        assert_eq!(challenge, "'Bearer realm=\"Example API\"'");
        assert_eq!(api.gateway_responses["ACCESS_DENIED"].status, Some(401));
    }
}
