//! How the attributes of an item are read if they have the right type, the wrong type, or none.

use super::*;

fn read(changes: &[(&str, Option<Value>)]) -> Result<User, UserError> {
    let mut attributes = BTreeMap::from([
        ("user_id".to_owned(), text("1")),
        ("username".to_owned(), text("ada")),
        ("full_name".to_owned(), text("Ada L.")),
        ("status".to_owned(), text("active")),
        ("permissions".to_owned(), set(&["b", "a", "not\"one"])),
    ]);
    for (name, value) in changes {
        attributes.remove(*name);
        attributes.extend(value.clone().map(|value| ((*name).to_owned(), value)));
    }
    User::from_attributes(attributes)
}

fn check(changes: &[(&str, Option<Value>)], expected: &str) {
    let user = read(changes).unwrap();
    let User { id, username, status, permissions, unreadable, .. } = &user;
    let got =
        format!("{id} {username} {} {status:?} {permissions} {unreadable:?}", user.display_name());
    assert_eq!(got, expected, "{changes:?}");
}

#[test]
fn an_empty_text_counts_as_absent() {
    let user = read(&[("password_hash", Some(text(""))), ("kind", Some(text("")))]).unwrap();
    assert_eq!((user.password_hash(), user.kind()), (None, "person"));
    let user = read(&[("password_hash", Some(text("x"))), ("kind", Some(text("app")))]).unwrap();
    assert_eq!((user.password_hash(), user.kind()), (Some("x"), "app"));
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn set(names: &[&str]) -> Value {
    Value::TextSet(names.iter().map(|name| (*name).to_owned()).collect())
}

/// Values that count as absent.
fn empty() -> [Value; 8] {
    [
        Value::Null,
        text(""),
        set(&[]),
        Value::NumberSet(vec![]),
        Value::BytesSet(vec![]),
        Value::List(vec![]),
        Value::Map(BTreeMap::new()),
        Value::Bytes(vec![]),
    ]
}

/// Values that are neither absent nor a text nor a set of texts.
fn odd() -> [Value; 7] {
    [
        Value::Number("5".to_owned()),
        Value::Flag(true),
        Value::Bytes(vec![1]),
        Value::NumberSet(vec!["1".to_owned()]),
        Value::BytesSet(vec![vec![1]]),
        Value::List(vec![text("a"), Value::Number("5".to_owned())]),
        Value::Map(BTreeMap::from([("a".to_owned(), text("b"))])),
    ]
}

#[test]
fn the_full_name_is_displayed_and_a_hash_is_read_only_as_text() {
    let user = |attributes: &[(&str, Value)]| {
        let own = [("user_id", Value::Text("1".into())), ("username", Value::Text("ada".into()))];
        let all =
            own.iter().chain(attributes).map(|(name, value)| ((*name).to_owned(), value.clone()));
        User::from_attributes(all.collect()).unwrap()
    };
    let plain = user(&[]);
    assert_eq!((plain.display_name(), plain.password_hash()), ("ada", None));
    let named = user(&[
        ("full_name", Value::Text("Ada L".into())),
        ("password_hash", Value::Text("phc".into())),
    ]);
    assert_eq!((named.display_name(), named.password_hash()), ("Ada L", Some("phc")));
    assert_eq!(user(&[("password_hash", Value::Number("1".into()))]).password_hash(), None);
    assert_eq!(format!("{named:?}"), r#"User { id: UserId("1"), status: Blocked, .. }"#);
}

#[test]
fn an_absent_attribute_denies() {
    check(&[], "1 ada Ada L. Active a,b []");
    check(&[("status", Some(text("Active")))], "1 ada Ada L. Blocked a,b []");
    check(
        &[("permissions", Some(Value::List(vec![text("b"), text("a"), text("b")])))],
        "1 ada Ada L. Active a,b []",
    );
    for absent in empty().map(Some).into_iter().chain([None]) {
        check(&[("full_name", absent.clone())], "1 ada ada Active a,b []");
        check(&[("username", absent.clone())], "1  Ada L. Active a,b []");
        check(&[("status", absent.clone())], "1 ada Ada L. Blocked a,b []");
        check(&[("permissions", absent.clone())], "1 ada Ada L. Active  []");
        for name in ["password_hash", "kind", "token_generation"] {
            check(&[(name, absent.clone())], "1 ada Ada L. Active a,b []");
        }
    }
}

#[test]
fn an_unreadable_attribute_is_named_and_denies() {
    for odd in odd() {
        let odd = Some(odd);
        check(&[("full_name", odd.clone())], "1 ada ada Active a,b [\"full_name\"]");
        check(&[("username", odd.clone())], "1  Ada L. Active a,b [\"username\"]");
        check(&[("status", odd.clone())], "1 ada Ada L. Blocked a,b [\"status\"]");
        check(&[("permissions", odd.clone())], "1 ada Ada L. Blocked  [\"permissions\"]");
        check(&[("password_hash", odd.clone())], "1 ada Ada L. Active a,b [\"password_hash\"]");
        assert_eq!(read(&[("user_id", odd)]).unwrap_err(), UserError);
    }
    check(&[("permissions", Some(text("a")))], "1 ada Ada L. Blocked  [\"permissions\"]");
    check(&[("status", Some(set(&["active"])))], "1 ada Ada L. Blocked a,b [\"status\"]");
    check(
        &[("token_generation", Some(text("5")))],
        "1 ada Ada L. Active a,b [\"token_generation\"]",
    );
    assert_eq!(read(&[("user_id", None)]).unwrap_err(), UserError);
    assert_eq!(read(&[("user_id", Some(text("a b")))]).unwrap_err(), UserError);
}

#[test]
fn a_long_name_is_truncated() {
    let user = read(&[("full_name", Some(text(&"ä".repeat(100_000))))]).unwrap();
    assert_eq!(user.display_name().chars().count(), 256);
}
