//! The hash of the attributes that a token is bound to. A change of it invalidates the token.

use sha2::{Digest, Sha256};

use crate::user::{User, Value, attribute::TOKEN_GENERATION};

/// The SHA-256 of the values of the attributes that a token is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// The names of the attributes that a token is bound to, sorted and without repeats. The record
/// holds them, so that a change of the configuration invalidates no token.
///
/// Every token is bound to `token_generation`, which is never listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding(Vec<String>);

impl Binding {
    /// Creates a binding to the attributes of these names. Empty names and repeats are dropped.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let mut names: Vec<String> =
            names.into_iter().filter(|name| !name.is_empty() && name != TOKEN_GENERATION).collect();
        names.sort();
        names.dedup();
        Self(names)
    }

    /// The names, sorted.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Returns the fingerprint of this user under this binding.
    ///
    /// Every part is prefixed with its length, an absent attribute differs from an empty one,
    /// values of different types differ, and sets are sorted. An absent `token_generation` counts
    /// as 0.
    pub fn fingerprint(&self, user: &User) -> Fingerprint {
        let mut hash = Sha256::new_with_prefix(b"hallpass user fingerprint 1\0");
        let zero = Value::Number("0".to_owned());
        absorb(&mut hash, user.attributes.get(TOKEN_GENERATION).unwrap_or(&zero));
        for name in &self.0 {
            absorb_bytes(&mut hash, name.as_bytes());
            match user.attributes.get(name) {
                None => hash.update([0]),
                Some(value) => absorb(&mut hash, value),
            }
        }
        Fingerprint(hash.finalize().into())
    }
}

pub(crate) fn absorb(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Text(text) => tagged(hash, 1, &[text.as_bytes()]),
        Value::Number(text) => tagged(hash, 2, &[text.as_bytes()]),
        Value::Flag(flag) => tagged(hash, 3, &[&[u8::from(*flag)]]),
        Value::Null => tagged(hash, 4, &[]),
        Value::Bytes(bytes) => tagged(hash, 5, &[bytes]),
        Value::TextSet(set) => sorted(hash, 6, set),
        Value::NumberSet(set) => sorted(hash, 7, set),
        Value::BytesSet(set) => sorted(hash, 8, set),
        Value::List(list) => {
            tagged(hash, 9, &[&length(list.len())]);
            for value in list {
                absorb(hash, value);
            }
        }
        Value::Map(map) => {
            tagged(hash, 10, &[&length(map.len())]);
            for (name, value) in map {
                absorb_bytes(hash, name.as_bytes());
                absorb(hash, value);
            }
        }
    }
}

fn sorted<T: AsRef<[u8]>>(hash: &mut Sha256, tag: u8, set: &[T]) {
    let mut members: Vec<&[u8]> = set.iter().map(AsRef::as_ref).collect();
    members.sort_unstable();
    tagged(hash, tag, &members);
}

fn tagged(hash: &mut Sha256, tag: u8, parts: &[&[u8]]) {
    hash.update([tag]);
    hash.update(length(parts.len()));
    for part in parts {
        absorb_bytes(hash, part);
    }
}

pub(crate) fn absorb_bytes(hash: &mut Sha256, bytes: &[u8]) {
    hash.update(length(bytes.len()));
    hash.update(bytes);
}

fn length(length: usize) -> [u8; 8] {
    u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::user::with_attributes;

    fn fingerprint(attributes: &[(&str, Value)]) -> Fingerprint {
        let binding = Binding::new(["username", "status", "tags"].map(str::to_owned));
        binding.fingerprint(&with_attributes(attributes))
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn different_users_have_different_fingerprints() {
        let set =
            |members: &[&str]| Value::TextSet(members.iter().map(|m| (*m).to_owned()).collect());
        let different: Vec<Vec<(&str, Value)>> = vec![
            vec![],
            vec![("username", text(""))],
            vec![("username", text("a"))],
            vec![("username", Value::Number("1".into()))],
            vec![("username", text("1"))],
            vec![("username", Value::Null)],
            vec![("username", Value::Flag(false))],
            vec![("username", Value::Bytes(b"1".to_vec()))],
            vec![("status", text("a"))],
            vec![("username", text("a")), ("status", text("b"))],
            vec![("username", text("b")), ("status", text("a"))],
            vec![("tags", set(&["a", "b"]))],
            vec![("tags", set(&["ab"]))],
            // These would be the same if every member had the same length prefix.
            vec![("tags", set(&["a\0\0\0\0\0\0\0\0b"]))],
            vec![("tags", set(&["a\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}b"]))],
            vec![("tags", Value::List(vec![text("a"), text("b")]))],
            vec![("tags", Value::List(vec![Value::List(vec![text("a")]), text("b")]))],
            vec![("tags", Value::Map(BTreeMap::from([("a".into(), text("b"))])))],
            vec![("token_generation", Value::Number("1".into()))],
        ];
        for (i, one) in different.iter().enumerate() {
            for (j, two) in different.iter().enumerate() {
                assert_eq!(fingerprint(one) == fingerprint(two), i == j, "{one:?} {two:?}");
            }
        }
    }

    #[test]
    fn the_order_of_sets_unbound_attributes_and_generation_zero_change_nothing() {
        let set = |members: [&str; 2]| Value::TextSet(members.map(str::to_owned).to_vec());
        assert_eq!(
            fingerprint(&[("tags", set(["a", "b"]))]),
            fingerprint(&[("tags", set(["b", "a"]))])
        );
        assert_eq!(fingerprint(&[]), fingerprint(&[("email", text("a"))]));
        assert_eq!(
            fingerprint(&[]),
            fingerprint(&[("token_generation", Value::Number("0".into()))])
        );
    }
}
