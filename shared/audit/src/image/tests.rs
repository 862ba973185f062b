//! Tests of images.

use proptest::prelude::*;

use super::*;
use crate::sample::{HASH, OTHER_HASH, developer, image, number, record, text, with, without};

#[test]
fn a_number_has_one_form() {
    let check = |number: &str, expected: &str| assert_eq!(normal(number), expected, "{number}");
    check("0", "0");
    check("-0.0", "0");
    check("007", "7");
    check("+7", "7");
    check("1.50", "1.5");
    check("-1.5E1", "-15");
    check("1e3", "1000");
    check("1E+3", "1000");
    check("0.00012", "0.00012");
    check("12E-5", "0.00012");
    check(".5", "0.5");
    check("123.4500", "123.45");
    check("1E125", &format!("1{}", "0".repeat(125)));
    check("1893456000", "1893456000");
    for other in ["", "x", "1e", "1e9999", "--1", "1.2.3", "NaN", "-"] {
        check(other, other);
    }
}

#[test]
fn equal_items_have_equal_canonical_forms() {
    let set = |members: &[&str]| Value::TextSet(members.iter().map(|m| (*m).to_owned()).collect());
    let one = image(&[
        ("b", Value::Number("1.0".into())),
        ("a", set(&["y", "x"])),
        ("c", Value::BytesSet(vec![vec![2], vec![1]])),
        ("d", Value::NumberSet(vec!["20".into(), "1E1".into()])),
    ]);
    let other = image(&[
        ("a", set(&["x", "y"])),
        ("b", Value::Number("1".into())),
        ("c", Value::BytesSet(vec![vec![1], vec![2]])),
        ("d", Value::NumberSet(vec!["10".into(), "20".into()])),
    ]);
    let expected =
        r#"{"a":{"SS":["x","y"]},"b":{"N":"1"},"c":{"BS":["AQ==","Ag=="]},"d":{"NS":["10","20"]}}"#;
    assert_eq!(one.canonical(), expected);
    assert_eq!(other.canonical(), expected);
}

#[test]
fn a_use_leaves_the_lifecycle_image_unchanged_and_nothing_else_does() {
    let before = record(HASH, 1);
    let check = |after: &Image, same: bool| {
        assert_eq!(after.lifecycle_sum() == before.lifecycle_sum(), same, "{}", after.canonical());
    };
    check(&before, true);
    let used = [
        ("last_used_at", number(5)),
        ("last_used_from", text("192.0.2.0/24")),
        ("last_used_agent", text("curl")),
    ];
    check(&with(&before, &used), true);
    check(&with(&before, &[("version", number(2))]), false);
    check(&with(&before, &[("user_fingerprint", Value::Bytes(vec![8; 32]))]), false);
    check(&with(&before, &[("attribute_digests", Value::Bytes(vec![8]))]), false);
    check(&without(&before, "changed_by"), false);
}

#[test]
fn the_readable_image_has_no_digest_and_no_use() {
    let image = with(
        &record(HASH, 1),
        &[
            ("attribute_digests", Value::Bytes(vec![8; 8])),
            ("last_used_at", number(5)),
            ("scope", Value::TextSet(vec!["b".into(), "a".into()])),
            ("bound_to", Value::List(vec![text("status")])),
            ("share", Value::Number("0.50".into())),
        ],
    );
    let expected = json!({
        "bound_to": ["status"], "changed_at": 1_000_000, "changed_by": "user:1", "format": "signed",
        "issued_at": 1_000_000, "scope": ["a", "b"], "share": "0.5",
        "token": HASH, "user_id": "1", "version": 1,
    });
    assert_eq!(image.readable(), expected);
}

#[test]
fn an_image_is_not_printed() {
    let image = image(&[("password_hash", text("$argon2id$"))]);
    assert_eq!(format!("{image:?}"), "Image { .. }");
}

#[test]
fn the_id_of_a_token_depends_on_its_format() {
    let check = |image: &Image, expected: Result<&str, &'static str>| {
        let id = image.token_id();
        assert_eq!(id.map(|id| id.to_string()), expected.map(str::to_owned).map_err(Unreadable));
    };
    check(&record(HASH, 1), Ok("1.AAAAAAAAAAAAAAAAAAAAAA"));
    check(&developer(OTHER_HASH, 1), Ok("1.BBBBBBBBBBBBBBBBBBBBBA"));
    check(&record("developer", 1), Err("token_hash"));
    check(&record("#session", 1), Err("token"));
    check(&without(&record(HASH, 1), "token"), Err("token"));
    check(&without(&record(HASH, 1), "user_id"), Err("user_id"));
    check(&with(&record(HASH, 1), &[("user_id", number(1))]), Err("user_id"));
}

#[test]
fn an_item_with_another_key_is_no_record() {
    let check = |user: &str, token: &str, expected| {
        let item = image(&[("user_id", text(user)), ("token", text(token))]);
        assert_eq!(item.is_other_item(), expected, "{user} {token}");
    };
    check("1", HASH, false);
    check("1", "developer", false);
    check("1", "#session#x", true);
    check("developer#AAAAAAAAAAAAAAAAAAAAAA", "pointer", true);
    assert!(!image(&[]).is_other_item());
}

#[test]
fn an_attribute_of_another_form_is_unreadable() {
    let check = |json: Json| {
        let read = Image::from_dynamodb_json(&json);
        assert_eq!(read, Err(Unreadable("of an unknown type")), "{json}");
    };
    check(json!(null));
    check(json!([]));
    check(json!({"a": "b"}));
    check(json!({"a": {}}));
    check(json!({"a": {"S": "b", "N": "1"}}));
    check(json!({"a": {"S": 1}}));
    check(json!({"a": {"N": 1}}));
    check(json!({"a": {"B": "*"}}));
    check(json!({"a": {"SS": [1]}}));
    check(json!({"a": {"L": [{"X": 1}]}}));
    check(json!({"a": {"X": "b"}}));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<String>().prop_map(Value::Text),
        any::<i64>().prop_map(|number| Value::Number(number.to_string())),
        any::<bool>().prop_map(Value::Flag),
        Just(Value::Null),
        any::<Vec<u8>>().prop_map(Value::Bytes),
        prop::collection::btree_set(any::<String>(), 0..4)
            .prop_map(|set| Value::TextSet(set.into_iter().collect())),
        prop::collection::btree_set(any::<Vec<u8>>(), 0..4)
            .prop_map(|set| Value::BytesSet(set.into_iter().collect())),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #[test]
    fn a_canonical_form_is_read_as_the_same_image(
        attributes in prop::collection::btree_map(any::<String>(), value(), 0..5)
    ) {
        let image = Image::new(attributes);
        let canonical = image.canonical();
        let read = Image::from_dynamodb_json(&serde_json::from_str(&canonical).unwrap()).unwrap();
        prop_assert_eq!(read.canonical(), canonical);
        prop_assert_eq!(read.lifecycle_sum(), image.lifecycle_sum());
    }

    #[test]
    fn different_values_have_different_canonical_forms(one in value(), other in value()) {
        let (one, other) = (image(&[("a", one)]), image(&[("a", other)]));
        if one.canonical() == other.canonical() {
            prop_assert_eq!(one.readable(), other.readable());
        }
    }

    #[test]
    fn the_normal_form_of_a_number_has_the_same_value(number in any::<f64>()) {
        prop_assume!(number.is_finite() && number.abs() < 1e100 && (number == 0.0 || number.abs() > 1e-100));
        let normal = normal(&format!("{number:e}"));
        prop_assert_eq!(normal.parse::<f64>().unwrap().to_bits(), (number + 0.0).to_bits());
        prop_assert!(!normal.contains('e'));
    }
}
