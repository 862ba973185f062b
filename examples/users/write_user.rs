//! Writes users for Hallpass with the AWS SDK for Rust.

use aws_sdk_dynamodb::{Client, Error, types::AttributeValue};
use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};
use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};

/// The normal form of a user name, as Hallpass looks it up: Unicode `NFKC_Casefold`.
pub fn username_key(name: &str) -> String {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let decomposed = DecomposingNormalizer::new_nfkd().normalize(name).into_owned();
    let folded = CaseMapper::new().fold_string(&decomposed).into_owned();
    let kept: String = folded.chars().filter(|character| !ignorable.contains(*character)).collect();
    let key = ComposingNormalizer::new_nfkc().normalize(&kept).into_owned();
    if key == name { key } else { username_key(&key) }
}

/// Adds a user. Fails if the ID is taken.
pub async fn create_user(
    dynamodb: &Client,
    table: &str,
    user_id: &str,
    name: &str,
    password_hash: &str,
    permissions: Vec<String>,
) -> Result<(), Error> {
    dynamodb
        .put_item()
        .table_name(table)
        .item("user_id", AttributeValue::S(user_id.into()))
        .item("username", AttributeValue::S(name.into()))
        .item("username_key", AttributeValue::S(username_key(name)))
        .item("password_hash", AttributeValue::S(password_hash.into()))
        .item("permissions", AttributeValue::Ss(permissions))
        .item("status", AttributeValue::S("active".into()))
        .condition_expression("attribute_not_exists(user_id)")
        .send()
        .await?;
    Ok(())
}

/// Renames a user and invalidates the user's tokens.
pub async fn rename_user(
    dynamodb: &Client,
    table: &str,
    user_id: &str,
    name: &str,
) -> Result<(), Error> {
    dynamodb
        .update_item()
        .table_name(table)
        .key("user_id", AttributeValue::S(user_id.into()))
        .update_expression("SET username = :name, username_key = :key ADD token_generation :one")
        .condition_expression("attribute_exists(user_id)")
        .expression_attribute_values(":name", AttributeValue::S(name.into()))
        .expression_attribute_values(":key", AttributeValue::S(username_key(name)))
        .expression_attribute_values(":one", AttributeValue::N("1".into()))
        .send()
        .await?;
    Ok(())
}

/// Blocks a user and invalidates the user's tokens.
pub async fn block_user(dynamodb: &Client, table: &str, user_id: &str) -> Result<(), Error> {
    dynamodb
        .update_item()
        .table_name(table)
        .key("user_id", AttributeValue::S(user_id.into()))
        .update_expression("SET #status = :blocked ADD token_generation :one")
        .condition_expression("attribute_exists(user_id)")
        .expression_attribute_names("#status", "status")
        .expression_attribute_values(":blocked", AttributeValue::S("blocked".into()))
        .expression_attribute_values(":one", AttributeValue::N("1".into()))
        .send()
        .await?;
    Ok(())
}
