//! Who runs the command. Every change names its operator: the ARN of the caller for a deployed
//! stack, and otherwise the user of the operating system.

use std::time::Duration;

use aws_sdk_sts::config::{retry::RetryConfig, timeout::TimeoutConfig};
use hallpass_runtime::settings::{self, environment};
use hallpass_store::connect::Connection;
use hallpass_token::{Actor, Cause, Origin, Timestamp};

use crate::{stack::Stack, trust};

/// How long AWS may take to name the caller. A revocation does not wait longer than this.
const LIMIT: Duration = Duration::from_secs(2);

impl Stack {
    /// Returns the cause of what the operator changes at this time.
    pub(crate) async fn cause(&self, at: Timestamp) -> Cause<'_> {
        let actor = Actor::Operator(self.operator().await);
        Cause { at, actor, origin: Origin::default(), reason: None }
    }

    /// Returns the name of the operator. If AWS does not name the caller, the user of the operating
    /// system is named, so that nothing depends on it.
    pub(crate) async fn operator(&self) -> &str {
        let naming = async {
            let connection = trust::connection(&self.lookup()).ok();
            // An endpoint of the tables belongs to an emulator or the development stack.
            let deployed = connection.filter(|connection| connection.dynamodb_endpoint.is_none());
            let arn = match deployed {
                Some(connection) => arn(&connection).await,
                None => None,
            };
            arn.unwrap_or_else(user)
        };
        self.operator.get_or_init(|| naming).await
    }
}

/// Returns the ARN of the caller
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>), which takes
/// no permission.
async fn arn(connection: &Connection) -> Option<String> {
    let config = aws_sdk_sts::config::Builder::from(&connection.patient(None))
        .timeout_config(TimeoutConfig::builder().operation_timeout(LIMIT).build())
        .retry_config(RetryConfig::disabled());
    let client = aws_sdk_sts::Client::from_conf(config.build());
    client.get_caller_identity().send().await.ok()?.arn
}

/// Returns the user of the operating system.
fn user() -> String {
    let names = ["USER", "LOGNAME", "USERNAME"];
    let name = names.into_iter().find_map(|name| settings::text(&environment, name));
    name.unwrap_or_else(|| "unknown".to_owned())
}
