//! How many live tokens a user may have. The count is taken after a record was written and before its text is shown, so
//! that the limits hold however many ask at once.

use edge::{Problem, Service};
use store::live::LiveCount;
use token::{Record, Timestamp, User};

/// Whether the owner's tokens, this new one among them, are within both limits. The cost is that of the live tokens up
/// to the limit, however many records there are.
pub(crate) async fn check(service: &Service, owner: &User, new: &Record, now: Timestamp) -> Result<(), Problem> {
    let (max, max_named) = (service.settings.max_tokens_total, service.settings.max_tokens);
    let exceeds = |count: LiveCount| new.name.is_some() && count.named > max_named;
    let count = service.store.count_live(owner, now, |count| count.all > max || exceeds(count)).await?;
    if exceeds(count) {
        return Err(Problem::conflict(format!("The user has {max_named} live tokens, which is the limit")));
    }
    if count.all > max {
        let message = format!("The user has {max} live tokens, named and unnamed, which is the limit");
        return Err(Problem::conflict(message));
    }
    Ok(())
}
