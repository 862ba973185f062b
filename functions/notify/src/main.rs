//! The Lambda binary of the function notify.

use std::{process::ExitCode, sync::Arc, time::Duration};

use hallpass_notify::{Event, Notify};
use hallpass_runtime::{clock, log, settings::environment};
use hallpass_service::service;
use hallpass_token::{Cause, Origin, Timestamp};
use lambda_runtime::{LambdaEvent, service_fn};

/// The time before the end of an invocation at which notify stops.
const RESERVE: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log::start();
    let started = Notify::start(&environment, clock::now()).await;
    let Some(notify) = service::or_log(started).map(Arc::new) else {
        return ExitCode::FAILURE;
    };
    service::serve(lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| {
        let notify = Arc::clone(&notify);
        let deadline = Timestamp::from_unix(event.context.deadline / 1_000)
            .unwrap_or(Timestamp::MAX)
            .before(RESERVE);
        async move {
            let origin = Origin::new(None, Some(&event.context.request_id));
            let cause = Cause { origin, ..Cause::system(clock::now()) };
            notify.handle(event.payload, &cause, &|| !deadline.has_passed(clock::now())).await
        }
    })))
    .await
}
