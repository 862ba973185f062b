//! The Lambda binary of the function revoke.

use std::{process::ExitCode, sync::Arc};

use hallpass_http::gateway;
use hallpass_revoke::Leaks;
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
    // Without the keys of GitHub, tokens are revoked all the same.
    let leaks = service::or_log(Leaks::read(&environment)).flatten();
    service::serve(gateway::serve(move |request| {
        let (service, leaks) = (Arc::clone(&service), leaks.clone());
        async move {
            let randomness = entropy::randomness();
            let context = Context::new(&service, clock::now(), &randomness);
            hallpass_revoke::handle(&context, leaks.as_ref(), &request).await
        }
    }))
    .await
}
