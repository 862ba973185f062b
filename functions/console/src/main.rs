//! The Lambda binary of the function console.

use std::{process::ExitCode, sync::Arc};

use edge::{Context, Service, clock, entropy, gateway, log, service, settings::environment};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log::start();
    let Some(service) = service::or_log(Service::start(&environment, clock::now()).await).map(Arc::new) else {
        return ExitCode::FAILURE;
    };
    service::serve(gateway::serve(move |request| {
        let service = Arc::clone(&service);
        async move {
            let randomness = entropy::randomness();
            console::handle(&Context { service: &service, now: clock::now(), randomness: &randomness }, &request).await
        }
    }))
    .await
}
