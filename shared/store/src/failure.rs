//! What went wrong without being anybody's answer: the store is down, or holds what it must not.

use std::{error::Error, fmt};

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::update_item::UpdateItemError,
};

use crate::item::Item;

/// Something failed. It is reported and never decided on; `Display` says what was being done, `source` says why.
#[derive(Debug)]
pub struct Failure {
    doing: &'static str,
    source: Box<dyn Error + Send + Sync>,
    is_throttled: bool,
}

/// An item that has no usable value for an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt(pub &'static str);

/// The codes with which DynamoDB rejects a call for being busy.
const BUSY: [&str; 4] = [
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionConflictException",
];

impl Failure {
    /// A failure while doing this.
    pub fn new(doing: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { doing, source: source.into(), is_throttled: false }
    }

    /// Whether DynamoDB was busy, with the partition or with the item, and may do the same call a moment later.
    pub(crate) const fn is_throttled(&self) -> bool {
        self.is_throttled
    }

    /// For `map_err`: the failure of an AWS call. It keeps the error's kind, code and message and drops the raw
    /// response, whose `Debug` form would print bodies.
    pub(crate) fn of<E, R>(doing: &'static str) -> impl FnOnce(SdkError<E, R>) -> Self
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
                let reason = dispatch.as_connector_error().map_or_else(|| "no connector".to_owned(), chain);
                Self::new(doing, reason)
            }
            SdkError::TimeoutError(_) => Self::new(doing, "the time limit was reached"),
            SdkError::ConstructionFailure(_) => Self::new(doing, "the request could not be built"),
            error => Self::new(doing, error.to_string()),
        }
    }

    /// What is known but what was being done.
    pub(crate) fn why(&self) -> String {
        chain(&*self.source)
    }

    /// Everything that is known, outermost first, on one line.
    pub fn report(&self) -> String {
        chain(self)
    }
}

/// Whether a conditional write was made: `false` if its condition was not met.
pub(crate) fn if_met<T, E, R>(doing: &'static str, answer: Result<T, SdkError<E, R>>) -> Result<bool, Failure>
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: fmt::Debug,
{
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
        Err(error) => Err(Failure::of(doing)(error)),
    }
}

/// If an update's condition was not met: the item that was there, empty if there was none.
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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.doing)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the attribute {} of the item has no usable value", self.0)
    }
}

impl Error for Corrupt {}
