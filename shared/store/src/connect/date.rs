//! The time on the server's clock, from the `Date` header (RFC 9110, section 6.6.1).

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::BeforeDeserializationInterceptorContextRef,
    },
    error::BoxError,
    primitives::{DateTime, DateTimeFormat},
};
use hallpass_token::Timestamp;

/// Keeps the `Date` of the last response, successful or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Date(Arc<Mutex<Option<Timestamp>>>);

impl Date {
    /// The date of the last response, if it had one.
    pub(crate) fn seen(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Date {
    fn name(&self) -> &'static str {
        "Date"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        let date =
            date.and_then(|date| u64::try_from(date.secs()).ok()).and_then(Timestamp::from_unix);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}
