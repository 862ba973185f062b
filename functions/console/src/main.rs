//! The Lambda binary of the function console.

use std::{process::ExitCode, sync::Arc};

use hallpass_http::gateway;
use hallpass_runtime::{
    clock, entropy, log,
    settings::{ConfigError, environment},
};
use hallpass_service::{Context, Service, service};
use hallpass_sinks::Bucket;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log::start();
    let Some(started) = service::or_log(start().await).map(Arc::new) else {
        return ExitCode::FAILURE;
    };
    service::serve(gateway::serve(move |request| {
        let started = Arc::clone(&started);
        async move {
            let (service, audit_log) = &*started;
            let randomness = entropy::randomness();
            let context = Context::new(service, clock::now(), &randomness);
            hallpass_console::handle(&context, audit_log.as_ref(), &request).await
        }
    }))
    .await
}

async fn start() -> Result<(Service, Option<Bucket>), ConfigError> {
    let audit_log = hallpass_console::audit_log(&environment)?;
    Ok((Service::start(&environment, clock::now()).await?, audit_log))
}
