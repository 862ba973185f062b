//! Digests of a user's attributes, which let a rejection name the attribute that changed. The
//! decision itself uses the fingerprint alone.

use arrayvec::ArrayVec;
use sha2::{Digest as _, Sha256};

use crate::{
    fingerprint::{Binding, absorb, absorb_bytes},
    id::TokenHash,
    user::{
        User, Value,
        attribute::{PASSWORD_HASH, PERMISSIONS, STATUS, TOKEN_GENERATION, USERNAME},
    },
};

/// The user's `token_generation` and a short digest of each attribute that a token is bound to.
/// Older records have neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    generation: Option<u64>,
    digests: ArrayVec<Digest, { Snapshot::MAX_DIGESTS }>,
}

/// The first 8 bytes of the SHA-256 of the token's hash, the attribute's name and its value. Two
/// tokens of a user have different digests of the same value.
type Digest = [u8; 8];

/// The kinds of attributes that changed since a token was issued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed(u8);

/// The differences between a user and a [`Snapshot`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences<'a> {
    /// Whether `token_generation` is higher now. `false` if the snapshot has none.
    pub is_generation_raised: bool,
    /// The attributes that differ.
    pub attributes: Vec<&'a str>,
    /// Whether every attribute was compared.
    pub is_complete: bool,
}

/// The kinds, in the order of their bits. The names of an application's own attributes are not
/// shown to callers.
const KINDS: [&str; 5] = [USERNAME, PASSWORD_HASH, STATUS, PERMISSIONS, Changed::OTHER];

impl Snapshot {
    /// The maximum number of digests in a record. Attributes of a binding beyond this number have
    /// none.
    pub const MAX_DIGESTS: usize = 16;

    /// Creates the snapshot of this user for the token of this hash.
    pub fn new(hash: &TokenHash, binding: &Binding, user: &User) -> Self {
        let names = binding.names().iter().take(Self::MAX_DIGESTS);
        Self {
            generation: generation(user),
            digests: names.map(|name| digest(hash, name, user)).collect(),
        }
    }

    /// Reads the snapshot of a record. Returns `None` if the length of the digests is invalid.
    pub fn from_parts(generation: Option<u64>, digests: &[u8]) -> Option<Self> {
        let (digests, rest) = digests.as_chunks();
        let digests = ArrayVec::try_from(digests).ok().filter(|_| rest.is_empty())?;
        Some(Self { generation, digests })
    }

    /// The user's `token_generation` at issue, if it was a count.
    pub const fn generation(&self) -> Option<u64> {
        self.generation
    }

    /// The digests, concatenated.
    pub fn digests(&self) -> &[u8] {
        self.digests.as_flattened()
    }

    /// Compares the snapshot with the user. Only rejections do this.
    pub fn differences<'a>(
        &self,
        hash: &TokenHash,
        binding: &'a Binding,
        user: &User,
    ) -> Differences<'a> {
        let names = binding.names();
        let pairs = names.iter().zip(&self.digests);
        let differing = pairs.filter(|(name, known)| digest(hash, name, user) != **known);
        Differences {
            is_generation_raised: self
                .generation
                .zip(generation(user))
                .is_some_and(|(known, now)| now > known),
            attributes: differing.map(|(name, _)| name.as_str()).collect(),
            is_complete: self.digests.len() == names.len(),
        }
    }
}

impl Differences<'_> {
    /// Whether `token_generation` was raised and nothing else changed, which means that all tokens
    /// of the user were revoked.
    pub fn is_generation_alone(&self) -> bool {
        self.is_generation_raised && self.attributes.is_empty() && self.is_complete
    }

    /// The kinds of the attributes that differ.
    pub fn kinds(&self) -> Changed {
        let bit = |name: &str| {
            KINDS.iter().position(|kind| *kind == name).unwrap_or(KINDS.len().saturating_sub(1))
        };
        Changed(
            self.attributes
                .iter()
                .fold(0, |bits, name| bits | 1_u8.checked_shl(shift(bit(name))).unwrap_or(0)),
        )
    }
}

impl Changed {
    /// The kind of every attribute that Hallpass does not know.
    pub const OTHER: &str = "other";

    /// Whether no attribute is known to have changed.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names of the changed attributes that Hallpass knows, and [`Changed::OTHER`] for any
    /// other.
    pub fn kinds(self) -> impl Iterator<Item = &'static str> {
        KINDS
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 >> shift(*bit) & 1 == 1)
            .map(|(_, kind)| kind)
    }
}

fn shift(bit: usize) -> u32 {
    u32::try_from(bit).unwrap_or(u32::MAX)
}

/// An absent or empty `token_generation` counts as 0.
fn generation(user: &User) -> Option<u64> {
    match user.attributes.get(TOKEN_GENERATION) {
        Some(Value::Number(number)) => number.parse().ok(),
        Some(value) if !value.is_empty() => None,
        Some(_) | None => Some(0),
    }
}

fn digest(hash: &TokenHash, name: &str, user: &User) -> Digest {
    let mut sha = Sha256::new_with_prefix(hash.bytes());
    absorb_bytes(&mut sha, name.as_bytes());
    match user.attributes.get(name) {
        None => sha.update([0]),
        Some(value) => absorb(&mut sha, value),
    }
    let digest: [u8; 32] = sha.finalize().into();
    *digest.first_chunk().unwrap_or(&[0; 8])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::user::with_attributes as user;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn number(number: &str) -> Value {
        Value::Number(number.to_owned())
    }

    fn hash() -> TokenHash {
        "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap()
    }

    fn bound(names: &[&str]) -> Binding {
        Binding::new(names.iter().map(|name| (*name).to_owned()))
    }

    /// The attributes at issue. The last of [`BOUND`] is absent.
    fn before() -> [(&'static str, Value); 6] {
        [
            ("username", text("ada")),
            ("password_hash", text("x")),
            ("status", text("active")),
            ("permissions", Value::TextSet(vec!["a".into(), "b".into()])),
            ("plan", text("gold")),
            ("token_generation", number("7")),
        ]
    }

    const BOUND: [&str; 6] =
        ["username", "password_hash", "status", "permissions", "plan", "absent"];

    /// Changes attributes, and compares the differences and their kinds.
    fn check(
        changes: &[(&str, Option<Value>)],
        generation: bool,
        attributes: &[&str],
        kinds: &[&str],
    ) {
        let (binding, before) = (bound(&BOUND), before());
        let snapshot = Snapshot::new(&hash(), &binding, &user(&before));
        let mut after: BTreeMap<&str, Value> = before.into_iter().collect();
        for (name, value) in changes {
            after.remove(name);
            after.extend(value.clone().map(|value| (*name, value)));
        }
        let after = user(&after.into_iter().collect::<Vec<_>>());
        let differences = snapshot.differences(&hash(), &binding, &after);
        assert_eq!(differences.attributes, attributes, "{changes:?}");
        assert_eq!(differences.is_generation_raised, generation, "{changes:?}");
        assert_eq!(differences.kinds().kinds().collect::<Vec<_>>(), kinds, "{changes:?}");
        assert_eq!(differences.kinds().is_empty(), kinds.is_empty(), "{changes:?}");
        assert_eq!(
            differences.is_generation_alone(),
            generation && attributes.is_empty(),
            "{changes:?}"
        );
    }

    #[test]
    fn changed_attributes_are_named() {
        check(&[], false, &[], &[]);
        check(&[("full_name", Some(text("x")))], false, &[], &[]);
        check(
            &[("permissions", Some(Value::TextSet(vec!["b".into(), "a".into()])))],
            false,
            &[],
            &[],
        );
        for name in ["username", "password_hash", "status", "permissions"] {
            for value in
                [None, Some(text("other")), Some(text("")), Some(Value::Null), Some(number("1"))]
            {
                check(&[(name, value)], false, &[name], &[name]);
            }
        }
        check(&[("plan", None)], false, &["plan"], &["other"]);
        check(&[("absent", Some(text("")))], false, &["absent"], &["other"]);
        check(
            &[("plan", None), ("absent", Some(text("")))],
            false,
            &["absent", "plan"],
            &["other"],
        );
        check(
            &[("status", None), ("username", None)],
            false,
            &["status", "username"],
            &["username", "status"],
        );
        for value in
            [None, Some(number("6")), Some(number("7.5")), Some(number("-8")), Some(text("8"))]
        {
            check(&[("token_generation", value)], false, &[], &[]);
        }
        check(&[("token_generation", Some(number("8")))], true, &[], &[]);
        check(
            &[("token_generation", Some(number("8"))), ("plan", None)],
            true,
            &["plan"],
            &["other"],
        );
    }

    #[test]
    fn an_absent_or_empty_generation_is_zero_and_an_invalid_one_is_unknown() {
        let check = |value: Option<Value>, expected| {
            let attributes: Vec<_> =
                value.map(|value| ("token_generation", value)).into_iter().collect();
            let snapshot = Snapshot::new(&hash(), &bound(&[]), &user(&attributes));
            assert_eq!(snapshot.generation(), expected);
            let (binding, raised) = (bound(&[]), user(&[("token_generation", number("9"))]));
            let differences = snapshot.differences(&hash(), &binding, &raised);
            assert_eq!(differences.is_generation_raised, expected.is_some());
        };
        check(None, Some(0));
        check(Some(number("0")), Some(0));
        check(Some(number("-1")), None);
        check(Some(number("1.5")), None);
        check(Some(Value::Text("x".to_owned())), None);
        check(Some(Value::Null), Some(0));
        check(Some(Value::Text(String::new())), Some(0));
    }

    #[test]
    fn a_record_without_digests_names_no_attribute() {
        let binding = bound(&["username"]);
        let differences = Snapshot::default().differences(&hash(), &binding, &user(&[]));
        assert_eq!(differences, Differences::default());
        assert!(!differences.is_generation_alone());
        let names: Vec<String> = (0..20).map(|number| format!("a{number:02}")).collect();
        let many = Binding::new(names);
        let snapshot = Snapshot::new(&hash(), &many, &user(&[]));
        assert_eq!(snapshot.digests().len(), Snapshot::MAX_DIGESTS * 8);
        let raised = user(&[("token_generation", number("1"))]);
        assert!(
            !snapshot.differences(&hash(), &many, &raised).is_generation_alone(),
            "the last four have no digest"
        );
    }

    #[test]
    fn digests_of_two_tokens_differ_and_are_restored_from_a_record() {
        let binding = bound(&["username", "plan"]);
        let user = user(&[("username", text("ada")), ("plan", text("ada"))]);
        let snapshot = Snapshot::new(&hash(), &binding, &user);
        let other = Snapshot::new(&"BBBBBBBBBBBBBBBBBBBBBA".parse().unwrap(), &binding, &user);
        let all: std::collections::BTreeSet<&[u8]> =
            snapshot.digests().chunks(8).chain(other.digests().chunks(8)).collect();
        assert_eq!(all.len(), 4);
        assert_eq!(
            Snapshot::from_parts(snapshot.generation(), snapshot.digests()),
            Some(snapshot.clone())
        );
        for bytes in [vec![0; 7], vec![0; 9], vec![0; (Snapshot::MAX_DIGESTS + 1) * 8]] {
            assert_eq!(Snapshot::from_parts(None, &bytes), None);
        }
    }
}
