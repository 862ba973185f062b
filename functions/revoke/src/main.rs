//! The Lambda binary of the function revoke.

use std::{process::ExitCode, sync::Arc};

use hallpass_http::gateway;
use hallpass_runtime::{clock, entropy, log, settings::environment};
use hallpass_service::{Context, Service, service};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log::start();
    let Some(service) =
        service::or_log(Service::start(&environment, clock::now()).await).map(Arc::new)
    else {
        return ExitCode::FAILURE;
    };
    service::serve(gateway::serve(move |request| {
        let service = Arc::clone(&service);
        async move {
            let randomness = entropy::randomness();
            hallpass_revoke::handle(&Context::new(&service, clock::now(), &randomness), &request)
                .await
        }
    }))
    .await
}
