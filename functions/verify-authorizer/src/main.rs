//! The Lambda binary of the authorizer.

use std::{process::ExitCode, sync::Arc};

use edge::{Service, clock, log, service, settings::environment};
use lambda_runtime::{LambdaEvent, service_fn};
use verify_authorizer::{Authorizer, Event};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log::start();
    let started =
        Service::start(&environment, clock::now()).await.and_then(|service| Authorizer::new(service, &environment));
    let Some(authorizer) = service::or_log(started).map(Arc::new) else {
        return ExitCode::FAILURE;
    };
    service::serve(lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| {
        let authorizer = Arc::clone(&authorizer);
        async move { authorizer.handle(event.payload, clock::now()).await }
    })))
    .await
}
