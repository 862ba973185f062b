//! The Lambda binary of the authorizer.

use std::{process::ExitCode, sync::Arc};

use hallpass_runtime::{clock, log, settings::environment};
use hallpass_service::{Service, service};
use hallpass_verify_authorizer::{Authorizer, Event};
use lambda_runtime::{LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log::start();
    let started = Service::start(&environment, clock::now())
        .await
        .and_then(|service| Authorizer::new(service, &environment));
    let Some(authorizer) = service::or_log(started).map(Arc::new) else {
        return ExitCode::FAILURE;
    };
    service::serve(lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| {
        let authorizer = Arc::clone(&authorizer);
        async move { authorizer.handle(event.payload, clock::now()).await }
    })))
    .await
}
