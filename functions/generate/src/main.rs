//! The Lambda binary of the function generate.

use std::{process::ExitCode, sync::Arc};

use hallpass_generate::oidc;
use hallpass_http::gateway;
use hallpass_oidc::Provider;
use hallpass_runtime::{
    clock, entropy, log,
    settings::{ConfigError, environment},
};
use hallpass_service::{Context, Service, service};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log::start();
    let Some(started) = service::or_log(start().await).map(Arc::new) else {
        return ExitCode::FAILURE;
    };
    service::serve(gateway::serve(move |request| {
        let started = Arc::clone(&started);
        async move {
            let (service, provider) = &*started;
            let randomness = entropy::randomness();
            let context = Context::new(service, clock::now(), &randomness);
            hallpass_generate::handle(&context, provider.as_ref(), &request).await
        }
    }))
    .await
}

async fn start() -> Result<(Service, Option<Provider>), ConfigError> {
    let provider = oidc::provider(&environment)?;
    let service = Service::start(&environment, clock::now()).await?;
    service.store.check_as_limiter().await?;
    Ok((service, provider))
}
