//! The Lambda binary of the function prune.

use std::{process::ExitCode, sync::Arc};

use hallpass_prune::{Event, Prune};
use hallpass_runtime::{clock, log, settings::environment};
use hallpass_service::{background, service};
use lambda_runtime::{LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log::start();
    let Some(prune) = service::or_log(Prune::start(&environment, clock::now()).await).map(Arc::new)
    else {
        return ExitCode::FAILURE;
    };
    service::serve(lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| {
        let prune = Arc::clone(&prune);
        async move {
            let LambdaEvent { payload, context, .. } = event;
            let may_go_on = || background::may_go_on(&context, clock::now());
            let cause = background::cause(&context, clock::now());
            prune.handle(payload, &cause, &may_go_on).await
        }
    })))
    .await
}
