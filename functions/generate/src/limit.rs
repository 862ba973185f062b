//! How many live tokens a user may have. The count is taken after a record was written and before its text is shown, so
//! that the limit holds however many ask at once.

use edge::{Problem, Service};
use token::{Record, Timestamp, User, lifecycle};

/// Whether the owner's tokens, this new one among them, are within the limit.
pub(crate) async fn check(service: &Service, owner: &User, new: &Record, now: Timestamp) -> Result<(), Problem> {
    if new.name.is_none() {
        return Ok(());
    }
    let records = service.store.records_of(&owner.id).await?;
    let counts = |record: &&Record| record.name.is_some() && lifecycle::state(record, Some(owner), now).counts();
    let limit = service.settings.max_tokens;
    if records.iter().filter(counts).count() > limit {
        return Err(Problem::conflict(format!("The user has {limit} live tokens, which is the limit")));
    }
    Ok(())
}
