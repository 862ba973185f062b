//! The Lambda binary of the function revoke.

use std::{process::ExitCode, sync::Arc};

use edge::{Service, clock, entropy, gateway, log, service, settings::environment};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log::start();
    let Some(service) = service::or_log(Service::start(&environment, clock::now()).await).map(Arc::new) else {
        return ExitCode::FAILURE;
    };
    service::serve(gateway::serve(move |request| {
        let service = Arc::clone(&service);
        async move { revoke::handle(&service, &request, clock::now(), entropy::randomness()).await }
    }))
    .await
}
