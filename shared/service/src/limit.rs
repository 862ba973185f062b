//! Limits on the number of live tokens per user. Tokens are counted after the record is written and
//! before the text is returned, so the limits also hold for concurrent requests.

use crate::Context;
use hallpass_http::Problem;
use hallpass_store::live::LiveCount;
use hallpass_token::{Record, User};

/// Checks that the owner's live tokens, including the new one, are within both limits. Reads no
/// more live tokens than the limit, however many records exist.
pub async fn check(context: &Context<'_>, owner: &User, new: &Record) -> Result<(), Problem> {
    let Context { service, now, .. } = *context;
    let (max, max_named) = (service.settings.max_tokens_total, service.settings.max_tokens);
    let exceeds = |count: LiveCount| new.name.is_some() && count.named > max_named;
    let count =
        service.store.count_live(owner, now, |count| count.all > max || exceeds(count)).await?;
    if exceeds(count) {
        return Err(Problem::conflict(format!(
            "The user has {max_named} live tokens, which is the limit"
        )));
    }
    if count.all > max {
        let message =
            format!("The user has {max} live tokens, named and unnamed, which is the limit");
        return Err(Problem::conflict(message));
    }
    Ok(())
}
