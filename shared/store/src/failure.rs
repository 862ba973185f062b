//! Failures: AWS cannot be reached, or an item is corrupt. A failure is neither an outcome nor a
//! rejection.

use std::{error::Error, fmt};

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::update_item::UpdateItemError,
};

use crate::item::Item;

/// An opaque error, which is reported and never branched on. `Display` gives the operation,
/// `source` the cause.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct Failure {
    doing: &'static str,
    source: Box<dyn Error + Send + Sync>,
    is_throttled: bool,
}

/// An item whose attribute of this name is missing or has an invalid value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the attribute {0} of the item is missing or invalid")]
pub struct Corrupt(pub &'static str);

/// The error codes with which DynamoDB rejects a call because it is busy.
const BUSY: [&str; 4] = [
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionConflictException",
];

impl Failure {
    /// Creates a failure of an operation, such as `"reading the user"`, with its cause.
    pub fn new(doing: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { doing, source: source.into(), is_throttled: false }
    }

    /// Whether DynamoDB was busy with the partition or the item, so that the same call can succeed
    /// a moment later.
    pub(crate) const fn is_throttled(&self) -> bool {
        self.is_throttled
    }

    /// Converts the error of an AWS call, for `map_err`. Keeps the kind, code and message of the
    /// error, and drops the raw response, whose `Debug` form would print bodies.
    pub fn of<E, R>(doing: &'static str) -> impl FnOnce(SdkError<E, R>) -> Self
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
        R: fmt::Debug,
    {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's error may grow variants")]
        move |error| match error {
            SdkError::ServiceError(service) => {
                let is_throttled = service.err().code().is_some_and(|code| BUSY.contains(&code));
                Self { is_throttled, ..Self::new(doing, service.into_err()) }
            }
            SdkError::DispatchFailure(dispatch) => {
                let reason =
                    dispatch.as_connector_error().map_or_else(|| "no connector".to_owned(), chain);
                Self::new(doing, reason)
            }
            SdkError::TimeoutError(_) => Self::new(doing, "the time limit was reached"),
            SdkError::ConstructionFailure(_) => Self::new(doing, "the request could not be built"),
            error => Self::new(doing, error.to_string()),
        }
    }

    /// The chain of causes without the operation, on one line.
    pub(crate) fn why(&self) -> String {
        chain(&*self.source)
    }

    /// The operation and the chain of causes, outermost first, on one line.
    pub fn report(&self) -> String {
        chain(self)
    }
}

/// The outcome of a conditional write: `true` if it was made, `false` if its condition was not met.
pub(crate) fn if_met<T, E, R>(
    doing: &'static str,
    response: Result<T, SdkError<E, R>>,
) -> Result<bool, Failure>
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: fmt::Debug,
{
    match response {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
        Err(error) => Err(Failure::of(doing)(error)),
    }
}

/// The current item if the condition of an update was not met. It is empty if no item exists.
pub(crate) fn unmet_by<R>(error: &SdkError<UpdateItemError, R>) -> Option<Item> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
            Some(failed.item().cloned().unwrap_or_default())
        }
        Some(_) | None => None,
    }
}

fn chain(error: &(impl Error + ?Sized)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        line.push_str(": ");
        line.push_str(&error.to_string());
        source = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_the_operation_and_the_attribute() {
        let failure = Failure::new("reading the record", Corrupt("key_id"));
        assert_eq!(
            failure.report(),
            "reading the record: the attribute key_id of the item is missing or invalid"
        );
    }
}
