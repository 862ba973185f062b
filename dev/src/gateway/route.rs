//! Finds the resource and the method of a request.
//!
//! The most specific resource wins, segment by segment from the left: literal text before `{name}`
//! before `{name+}`. Of its methods, the named one wins over `ANY`
//! ([methods](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-settings-method-request.html),
//! [proxy
//! resources](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-set-up-simple-proxy.html)).
//! A resource that does not have the method does not hide a less specific one that has it, as the
//! authors of MiniStack measured on AWS: an open `ANY /{proxy+}` serves `GET /admin` even if
//! `/admin` has a `POST` with an authorizer.
//!
//! AWS does not document the treatment of slashes; these rules were measured on accounts. A slash
//! at the end is ignored in matching (aws-sam-cli pull request 1495), stays in the event's `path`
//! (localstack issue 6532, floci issue 1557) and is not in the value of `{name+}`
//! (serverless-express issue 391). Several slashes before the first segment are one (localstack
//! issue 11253). For double slashes inside a path no measurement is known: here an empty segment
//! only matches as part of a `{name+}`.
//!
//! Literal segments are compared as sent, without decoding.

use std::collections::BTreeMap;

use http::Method;

use super::call::decoded_parameter;
use crate::template::{Route, TemplateError};

/// The resources of an API.
pub(super) struct Routes {
    resources: Vec<Resource>,
}

/// The function and the authorizer of a method.
pub(super) struct Target {
    pub(super) function: String,
    pub(super) authorizer: Option<String>,
}

/// The resource and the method of a request.
pub(super) struct Matched<'a> {
    /// The path of the resource, as in the template.
    pub(super) resource: &'a str,
    pub(super) target: &'a Target,
    pub(super) parameters: BTreeMap<String, String>,
}

struct Resource {
    path: String,
    segments: Vec<Segment>,
    methods: BTreeMap<String, Target>,
}

enum Segment {
    Literal(String),
    Name(String),
    Greedy(String),
}

impl Routes {
    /// Collects the routes of a template by path.
    pub(super) fn new(routes: &[Route]) -> Result<Self, TemplateError> {
        let mut resources: BTreeMap<&str, Resource> = BTreeMap::new();
        for route in routes {
            let resource = match resources.entry(&route.path) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(Resource::new(&route.path)?)
                }
            };
            let target =
                Target { function: route.function.clone(), authorizer: route.authorizer.clone() };
            if resource.methods.insert(route.method.clone(), target).is_some() {
                return Err(TemplateError::shape(
                    &route.path,
                    format!("the method {} is declared twice", route.method),
                ));
            }
        }
        Ok(Self { resources: resources.into_values().collect() })
    }

    /// Finds the resource and the method of a request.
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<Matched<'_>> {
        let path = path.trim_matches('/');
        let sent: Vec<&str> = if path.is_empty() { Vec::new() } else { path.split('/').collect() };
        let fitting = self.resources.iter().filter_map(|resource| {
            let methods = &resource.methods;
            let target = methods.get(method.as_str()).or_else(|| methods.get("ANY"))?;
            Some((resource, target, resource.fit(&sent)?))
        });
        let (resource, target, parameters) =
            fitting.min_by_key(|(resource, _, _)| resource.rank())?;
        Some(Matched { resource: &resource.path, target, parameters })
    }
}

impl Resource {
    fn new(path: &str) -> Result<Self, TemplateError> {
        let wrong = |why: &str| TemplateError::shape(path, why);
        let rest = path.strip_prefix('/').ok_or_else(|| wrong("a path must start with a slash"))?;
        let mut segments = Vec::new();
        for text in rest.split('/').filter(|_| !rest.is_empty()) {
            if matches!(segments.last(), Some(Segment::Greedy(_))) {
                return Err(wrong("a {name+} must be the last segment"));
            }
            segments.push(match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
                None if text.is_empty() || text.contains(['{', '}']) => {
                    return Err(wrong("a segment is invalid"));
                }
                None => Segment::Literal(text.to_owned()),
                Some(name) => match name.strip_suffix('+') {
                    Some(name) => Segment::Greedy(name.to_owned()),
                    None => Segment::Name(name.to_owned()),
                },
            });
        }
        Ok(Self { path: path.to_owned(), segments, methods: BTreeMap::new() })
    }

    /// Returns the path parameters if the resource matches the path.
    fn fit(&self, sent: &[&str]) -> Option<BTreeMap<String, String>> {
        let mut parameters = BTreeMap::new();
        let mut left = sent;
        for segment in &self.segments {
            let (first, rest) = left.split_first()?;
            match segment {
                Segment::Literal(text) if text == first => left = rest,
                Segment::Name(name) if !first.is_empty() => {
                    parameters.insert(name.clone(), decoded_parameter(first));
                    left = rest;
                }
                Segment::Greedy(name) => {
                    parameters.insert(name.clone(), decoded_parameter(&left.join("/")));
                    left = &[];
                }
                Segment::Literal(_) | Segment::Name(_) => return None,
            }
        }
        left.is_empty().then_some(parameters)
    }

    fn rank(&self) -> Vec<u8> {
        let rank = |segment: &Segment| match segment {
            Segment::Literal(_) => 0,
            Segment::Name(_) => 1,
            Segment::Greedy(_) => 2,
        };
        self.segments.iter().map(rank).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: [(&str, &str); 9] = [
        ("GET", "/"),
        ("ANY", "/{proxy+}"),
        ("GET", "/tokens"),
        ("ANY", "/tokens"),
        ("DELETE", "/tokens/{id}"),
        ("GET", "/tokens/current"),
        ("POST", "/tokens/{id}/rotate"),
        ("ANY", "/files/{rest+}"),
        ("GET", "/users/{user_id}/tokens"),
    ];

    fn route((method, path): (&str, &str)) -> Route {
        Route {
            method: method.into(),
            path: path.into(),
            function: format!("{method} {path}"),
            authorizer: None,
        }
    }

    fn check(method: &str, path: &str, expected: Option<(&str, &[(&str, &str)])>) {
        let routes = Routes::new(&ROUTES.map(route)).unwrap();
        let found = routes.find(&method.parse().unwrap(), path);
        let found = found.map(|found| {
            (found.target.function.clone(), found.parameters.into_iter().collect::<Vec<_>>())
        });
        let expected = expected.map(|(function, parameters)| {
            (
                function.to_owned(),
                parameters.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            )
        });
        assert_eq!(found, expected, "{method} {path}");
    }

    #[test]
    fn the_most_specific_resource_wins_and_then_the_named_method() {
        check("GET", "/tokens", Some(("GET /tokens", &[])));
        check("POST", "/tokens", Some(("ANY /tokens", &[])));
        check("GET", "/tokens/current", Some(("GET /tokens/current", &[])));
        check("DELETE", "/tokens/7", Some(("DELETE /tokens/{id}", &[("id", "7")])));
        check("POST", "/tokens/7/rotate", Some(("POST /tokens/{id}/rotate", &[("id", "7")])));
        check("GET", "/tokens/7/else", Some(("ANY /{proxy+}", &[("proxy", "tokens/7/else")])));
        check("GET", "/users/u/tokens", Some(("GET /users/{user_id}/tokens", &[("user_id", "u")])));
    }

    #[test]
    fn a_resource_without_the_method_does_not_hide_a_less_specific_one() {
        check("DELETE", "/tokens/current", Some(("DELETE /tokens/{id}", &[("id", "current")])));
        check("POST", "/users/u/tokens", Some(("ANY /{proxy+}", &[("proxy", "users/u/tokens")])));
        check("POST", "/", None);
    }

    #[test]
    fn slashes_around_a_path_are_ignored_and_those_within_are_not() {
        check("GET", "/tokens/", Some(("GET /tokens", &[])));
        check("GET", "//tokens", Some(("GET /tokens", &[])));
        check("GET", "", Some(("GET /", &[])));
        check("GET", "/a/b/", Some(("ANY /{proxy+}", &[("proxy", "a/b")])));
        check("GET", "/files", Some(("ANY /{proxy+}", &[("proxy", "files")])));
        check("POST", "/tokens//rotate", Some(("ANY /{proxy+}", &[("proxy", "tokens//rotate")])));
    }

    #[test]
    fn path_parameters_are_decoded_once() {
        check("DELETE", "/tokens/a%2Fb%20c", Some(("DELETE /tokens/{id}", &[("id", "a/b c")])));
        check("DELETE", "/tokens/a+b", Some(("DELETE /tokens/{id}", &[("id", "a+b")])));
        check("DELETE", "/tokens/%2525", Some(("DELETE /tokens/{id}", &[("id", "%2525")])));
        check("DELETE", "/tokens/%zz%f", Some(("DELETE /tokens/{id}", &[("id", "%25zz%25f")])));
    }

    #[test]
    fn a_path_that_api_gateway_rejects_is_an_error() {
        for path in ["tokens", "/{a+}/b", "/a{b}", "//a"] {
            assert!(Routes::new(&[route(("GET", path))]).is_err(), "{path}");
        }
        assert!(Routes::new(&[route(("GET", "/a")), route(("GET", "/a"))]).is_err());
    }
}
