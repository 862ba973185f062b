//! The claims of a user who has signed in, from the ID token and from the `UserInfo` endpoint.

use serde_json::{Map, Value};

/// The claims of a user.
#[derive(Clone, Debug, Default)]
pub struct Claims(Map<String, Value>);

impl Claims {
    pub(crate) const fn new(claims: Map<String, Value>) -> Self {
        Self(claims)
    }

    /// Adds the claims that are not there yet.
    pub(crate) fn add(&mut self, more: Map<String, Value>) {
        for (name, value) in more {
            self.0.entry(name).or_insert(value);
        }
    }

    /// Returns a claim that is a text and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Returns the texts of a claim that is one or a list of them. An absent claim has none.
    pub fn texts(&self, name: &str) -> Vec<String> {
        match self.get(name) {
            Some(Value::String(text)) => vec![text.clone()],
            Some(Value::Array(all)) => {
                all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// Whether the provider says that the e-mail address is the user's.
    pub fn is_email_verified(&self) -> bool {
        self.0.get("email_verified") == Some(&Value::Bool(true))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether the provider left the claim out because it is too long, and names another place for
    /// it (OpenID Connect Core 1.0 section 5.6.2).
    pub(crate) fn is_elsewhere(&self, name: &str) -> bool {
        let elsewhere = self.0.get("_claim_names").and_then(Value::as_object);
        !self.has(name) && elsewhere.is_some_and(|names| names.contains_key(name))
    }

    /// Finds a claim by its name, or by the names of objects and a member with full stops between
    /// them.
    fn get(&self, name: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(name) {
            return Some(value);
        }
        let mut names = name.split('.');
        let first = self.0.get(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_found_by_its_name_or_its_path() {
        let Value::Object(claims) = json!({
            "name": "Ada", "empty": "", "groups": ["a", 1, "b"], "number": 1,
            "https://example.com/roles": ["c"], "realm_access": {"roles": ["d"]},
            "a.b": "whole", "a": {"b": "member"},
            "_claim_names": {"many": "src1", "name": "src1"},
        }) else {
            unreachable!()
        };
        let claims = Claims::new(claims);
        let check = |name: &str, text: Option<&str>, texts: &[&str]| {
            assert_eq!(claims.text(name), text, "{name}");
            assert_eq!(claims.texts(name), texts, "{name}");
        };
        check("name", Some("Ada"), &["Ada"]);
        check("empty", None, &[""]);
        check("groups", None, &["a", "b"]);
        check("number", None, &[]);
        check("https://example.com/roles", None, &["c"]);
        check("realm_access.roles", None, &["d"]);
        check("realm_access.roles.0", None, &[]);
        check("a.b", Some("whole"), &["whole"]);
        check("", None, &[]);
        assert!(claims.is_elsewhere("many") && !claims.is_elsewhere("name"));
        assert!(!claims.is_elsewhere("groups") && !claims.is_elsewhere("other"));
    }
}
