//! Permissions, and the scope that a token is limited to.

use std::{collections::BTreeSet, fmt, str::FromStr};

/// The name of a permission: 1 to 128 printable ASCII characters except `"`, `\` and `,`, without a
/// space at either end.
///
/// This is the `scope-token` of RFC 6749 section 3.3 with two changes. Spaces inside are allowed,
/// because `generate services token` is a permission in Drupal. The comma is not, because it
/// separates names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission(String);

/// The text is not a valid name of a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid name of a permission")]
pub struct ParsePermissionError;

/// A set of permissions. A token with an empty scope is accepted, but permits nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(BTreeSet<Permission>);

impl Permission {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scope {
    /// The permissions in both scopes.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// Whether the scope holds the permission of this name.
    pub fn holds(&self, name: &str) -> bool {
        self.0.iter().any(|permission| permission.as_str() == name)
    }

    /// Whether the scope holds no permissions.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of permissions.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The names separated by spaces, in the form of RFC 6749 section 3.3. A name that contains a
    /// space is omitted, because it would read as two names.
    pub fn to_oauth(&self) -> String {
        let names: Vec<&str> = self.names().filter(|name| !name.contains(' ')).collect();
        names.join(" ")
    }

    /// All names as a JSON array. No name has a character that JSON must escape.
    pub fn to_json(&self) -> String {
        let mut json = String::from("[");
        for name in self.names() {
            let separator = if json.len() == 1 { "\"" } else { ",\"" };
            json.push_str(separator);
            json.push_str(name);
            json.push('"');
        }
        json.push(']');
        json
    }

    /// Parses a JSON array of names, as written by [`Scope::to_json`]. Returns `None` for anything
    /// else.
    pub fn from_json(json: &str) -> Option<Self> {
        let names: Vec<String> = serde_json::from_str(json).ok()?;
        names.iter().map(|name| name.parse().ok()).collect()
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Permission::as_str)
    }
}

impl FromIterator<Permission> for Scope {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().collect())
    }
}

impl FromStr for Permission {
    type Err = ParsePermissionError;

    fn from_str(text: &str) -> Result<Self, ParsePermissionError> {
        let allowed =
            |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b',');
        let framed = text.starts_with(' ') || text.ends_with(' ');
        if text.is_empty() || text.len() > 128 || framed || !text.bytes().all(allowed) {
            return Err(ParsePermissionError);
        }
        Ok(Self(text.to_owned()))
    }
}

/// The names, sorted and separated by commas.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator}{name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], oauth: &str, json: &str) {
        let scope: Scope = names.iter().map(|name| name.parse::<Permission>().unwrap()).collect();
        assert_eq!((scope.to_oauth().as_str(), scope.to_json().as_str()), (oauth, json));
        assert_eq!(Scope::from_json(json), Some(scope));
    }

    #[test]
    fn a_scope_is_written_for_oauth_and_for_programs() {
        check(&[], "", "[]");
        check(&["a"], "a", r#"["a"]"#);
        check(&["b", "a"], "a b", r#"["a","b"]"#);
        check(&["a b", "c"], "c", r#"["a b","c"]"#);
        check(&["generate services token"], "", r#"["generate services token"]"#);
        check(
            &["orders:read", "~!#$%&'()*+-./:;<=>?@[]^_`{|}"],
            "orders:read ~!#$%&'()*+-./:;<=>?@[]^_`{|}",
            r#"["orders:read","~!#$%&'()*+-./:;<=>?@[]^_`{|}"]"#,
        );
    }

    #[test]
    fn a_scope_holds_its_names_and_no_others() {
        let scope: Scope =
            ["a", "b c"].iter().map(|name| name.parse::<Permission>().unwrap()).collect();
        for (name, is_held) in [("a", true), ("b c", true), ("b", false), ("", false), ("A", false)]
        {
            assert_eq!(scope.holds(name), is_held, "{name}");
        }
        assert_eq!((scope.is_empty(), scope.count()), (false, 2));
        assert_eq!((Scope::default().is_empty(), Scope::default().count()), (true, 0));
        assert!(!Scope::default().holds(""));
    }

    #[test]
    fn a_permission_has_1_to_128_characters_and_no_space_at_either_end() {
        let check = |name: &str, is_good: bool| {
            assert_eq!(name.parse::<Permission>().is_ok(), is_good, "{name:?}");
        };
        for (length, is_good) in [(0, false), (1, true), (127, true), (128, true), (129, false)] {
            check(&"p".repeat(length), is_good);
        }
        for bad in [" a", "a ", " ", "a,b", "a\"b", "a\\b", "a\tb", "\u{e9}", "a\u{7f}"] {
            check(bad, false);
        }
        check("a b", true);
    }

    #[test]
    fn only_an_array_of_permissions_parses_as_a_scope() {
        for json in [
            "",
            "null",
            "a",
            "\"a\"",
            "{}",
            "[1]",
            "[\"\"]",
            "[\"a,b\"]",
            "[\" a\"]",
            "[\"a\"",
            "[[\"a\"]]",
        ] {
            assert_eq!(Scope::from_json(json), None, "{json}");
        }
    }
}
