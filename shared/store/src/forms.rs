//! Forms that create something, each of which can be sent once. The mark of a used form is in the
//! partition of its user, next to the sessions, and is deleted by TTL.

use aws_sdk_dynamodb::{
    operation::put_item::PutItemError, types::ReturnValuesOnConditionCheckFailure,
};
use hallpass_token::{Timestamp, UserId, secret::Digest};

use crate::{Failure, Store, failure::if_met, item, item::Item};

/// The prefix of the sort keys of these marks.
const FORM: &str = "#form#";

/// The digest of the request that used the form. It distinguishes a retry of the same write from a
/// second request.
const USED_BY: &str = "used_by";

const DOING: &str = "marking the form as used";

impl Store {
    /// Marks a form as used by this request. Returns `false` if another request has used it, even
    /// at the same time.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn use_form(
        &self,
        user_id: &UserId,
        form: &Digest,
        request: &Digest,
        purge_at: Timestamp,
    ) -> Result<bool, Failure> {
        let mut item = key(user_id, form);
        item.insert(USED_BY.to_owned(), item::text(request.text()));
        item.insert(item::PURGE_AT.to_owned(), item::number(purge_at));
        let call =
            self.client.put_item().table_name(&self.tables.tokens).set_item(Some(item.clone()));
        let call = call
            .condition_expression("attribute_not_exists(#user)")
            .expression_attribute_names("#user", item::USER_ID)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = call.send().await else { return Ok(true) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                Ok(failed.item().is_some_and(|found| item::is_same(found, &item)))
            }
            Some(_) | None => Err(Failure::of(DOING)(error)),
        }
    }

    /// Releases a form that this request used without success, so that it can be sent again.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be written.
    pub async fn release_form(
        &self,
        user_id: &UserId,
        form: &Digest,
        request: &Digest,
    ) -> Result<(), Failure> {
        let call = self
            .client
            .delete_item()
            .table_name(&self.tables.tokens)
            .set_key(Some(key(user_id, form)))
            .condition_expression("#used_by = :request")
            .expression_attribute_names("#used_by", USED_BY)
            .expression_attribute_values(":request", item::text(request.text()));
        if_met("releasing the form", call.send().await).map(drop)
    }

    /// Whether a form has been used. The read is strongly consistent.
    ///
    /// # Errors
    /// Returns a [`Failure`] if DynamoDB cannot be read.
    pub async fn is_form_used(&self, user_id: &UserId, form: &Digest) -> Result<bool, Failure> {
        Ok(self.get(key(user_id, form), "checking whether the form was used").await?.is_some())
    }
}

fn key(user_id: &UserId, form: &Digest) -> Item {
    item::key(user_id.as_str(), &format!("{FORM}{}", form.text()))
}
