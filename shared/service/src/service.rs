//! The clients and settings of the functions that verify tokens.

use std::{fmt, fs, process::ExitCode, sync::Arc};

use hallpass_store::{
    Failure, Keys, Store, Tables,
    connect::{self, BundleError, Connection, SharedHttpClient, Trust},
};
use hallpass_token::{Keyring, Text, Timestamp};
use http::{HeaderName, HeaderValue};

use hallpass_http::Response;
use hallpass_runtime::{
    log::{self, TARGET},
    settings::{self, ConfigError, Lookup, Settings, names},
};

/// The clients and settings of a function that verifies tokens.
#[derive(Debug)]
pub struct Service {
    /// Access to the DynamoDB tables.
    pub store: Store,
    /// The source of the keyring.
    pub keys: Keys,
    /// The settings of the function.
    pub settings: Settings,
}

/// The header with the time from which a revocation is effective everywhere.
const EFFECTIVE_AT: HeaderName = HeaderName::from_static("hallpass-effective-at");

impl Service {
    /// Returns the time from which no API accepts what is revoked now, cached responses of the
    /// authorizer included.
    pub fn effective_at(&self, now: Timestamp) -> Timestamp {
        now.after(self.settings.authorizer_cache)
    }

    /// Adds the header `Hallpass-Effective-At` with that time, for a response whose body has no
    /// room for it.
    pub fn add_effective_at(&self, response: &mut Response, now: Timestamp) {
        if let Ok(at) = HeaderValue::try_from(self.effective_at(now).to_string()) {
            response.headers_mut().insert(EFFECTIVE_AT, at);
        }
    }

    /// Creates a service from its settings.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] that names the first invalid setting.
    pub fn new(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let connection = connection(lookup)?;
        let store = Store::new(connection.dynamodb(), tables(lookup)?);
        Ok(Self {
            store,
            keys: keys(lookup, |_| Ok(connection))?,
            settings: Settings::read(lookup)?,
        })
    }

    /// Creates a service during the init of a function, and checks that its keyring and tables are
    /// accessible. The first request then finds the keyring in memory and the connections open.
    /// Logs a warning if DynamoDB's clock differs.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] that names the first setting that is invalid or whose keyring or
    /// table is inaccessible.
    pub async fn start(lookup: Lookup<'_>, now: Timestamp) -> Result<Self, ConfigError> {
        let service = Self::new(lookup)?;
        let missing = |failure: Failure| ConfigError::new("HALLPASS_KEYS_SECRET", failure.report());
        let fetching = async { service.keyring(now).await.map_err(missing) };
        let looking = async { service.store.check_as_verifier().await.map_err(ConfigError::from) };
        let (_keyring, dynamodb) = tokio::try_join!(fetching, looking)?;
        log::compare_clocks(now, dynamodb);
        Ok(service)
    }

    /// Returns the current keyring.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the secret cannot be fetched or parsed.
    pub async fn keyring(&self, now: Timestamp) -> Result<Arc<Keyring>, Failure> {
        self.keys.current(now).await
    }
}

/// Creates the store without a keyring, for prune, which holds no key.
///
/// # Errors
/// Returns a [`ConfigError`] that names the first invalid setting.
pub fn store(lookup: Lookup<'_>) -> Result<Store, ConfigError> {
    names::reject_former(lookup)?;
    Ok(Store::new(connection(lookup)?.dynamodb(), tables(lookup)?))
}

/// Reads the names of the tables.
///
/// # Errors
/// Returns a [`ConfigError`] that names the first setting that is missing or not a table name.
pub fn tables(lookup: Lookup<'_>) -> Result<Tables, ConfigError> {
    let table = |variable| {
        let name = settings::required(lookup, variable)?;
        // A table name or its ARN.
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-:/".contains(&byte);
        if !name.bytes().all(allowed) {
            return Err(ConfigError::new(
                variable,
                "must be the name of a table: A-Z a-z 0-9 _ . -",
            ));
        }
        Ok(name)
    };
    Ok(Tables {
        users: table("HALLPASS_USERS_TABLE")?,
        tokens: table("HALLPASS_TOKENS_TABLE")?,
        attempts: table("HALLPASS_ATTEMPTS_TABLE")?,
    })
}

/// Reads the source of the keyring: `HALLPASS_KEYS_SECRET`, the ARN of a secret, or
/// `HALLPASS_KEYS`, the keyring itself, for local use.
///
/// # Errors
/// Returns a [`ConfigError`] if neither or both are set, or if the keyring is invalid.
pub fn keys(
    lookup: Lookup<'_>,
    connection: impl FnOnce(Lookup<'_>) -> Result<Connection, ConfigError>,
) -> Result<Keys, ConfigError> {
    let refresh = settings::key_refresh(lookup)?;
    match (settings::text(lookup, "HALLPASS_KEYS_SECRET"), settings::text(lookup, "HALLPASS_KEYS"))
    {
        (Some(arn), None) if !arn.bytes().all(|byte| byte.is_ascii_graphic()) => Err(
            ConfigError::new("HALLPASS_KEYS_SECRET", "must be the ARN of a secret, without spaces"),
        ),
        (Some(arn), None) => Ok(Keys::secret(connection(lookup)?.secrets(), arn, refresh)),
        (None, Some(json)) => {
            let keyring = Keyring::parse(Text::new(json).expose_secret())
                .map_err(|bad| ConfigError::new("HALLPASS_KEYS", bad))?;
            Ok(Keys::Fixed(Arc::new(keyring)))
        }
        (None, None) => {
            Err(ConfigError::new("HALLPASS_KEYS_SECRET", "neither it nor HALLPASS_KEYS is set"))
        }
        (Some(_), Some(_)) => {
            Err(ConfigError::new("HALLPASS_KEYS", "HALLPASS_KEYS_SECRET is set as well"))
        }
    }
}

/// Reads the region, endpoints and credentials for AWS. On Lambda the environment contains all of
/// them. An empty endpoint counts as absent, because the SDK would panic on it. Trusts Amazon's
/// certificate authorities, or those in `AWS_CA_BUNDLE`.
///
/// # Errors
/// Returns a [`ConfigError`] that names the first missing or invalid variable.
pub fn connection(lookup: Lookup<'_>) -> Result<Connection, ConfigError> {
    connection_over(http_client(lookup, Trust::amazon)?, lookup)
}

/// Creates the HTTP client for AWS. `AWS_CA_BUNDLE`, a standard AWS variable, names a file with the
/// certificates to trust instead of the usual ones.
///
/// # Errors
/// Returns a [`ConfigError`] if the certificates cannot be read or are invalid.
pub fn http_client(
    lookup: Lookup<'_>,
    usual: impl FnOnce() -> Result<Trust, BundleError>,
) -> Result<SharedHttpClient, ConfigError> {
    const BUNDLE: &str = "AWS_CA_BUNDLE";
    let trust = match settings::text(lookup, BUNDLE) {
        Some(path) => {
            Trust::only(&fs::read(path).map_err(|error| ConfigError::new(BUNDLE, error))?)
        }
        None => usual(),
    };
    let trust = trust.map_err(|bad| ConfigError::new(BUNDLE, bad))?;
    connect::http_client(trust).map_err(|error| ConfigError::new(BUNDLE, error))
}

/// The settings with an endpoint in the place of the region's.
const ENDPOINTS: [&str; 5] = [
    "HALLPASS_DYNAMODB_ENDPOINT",
    "HALLPASS_SECRETS_ENDPOINT",
    "HALLPASS_S3_ENDPOINT",
    "HALLPASS_KMS_ENDPOINT",
    "HALLPASS_EVENTS_ENDPOINT",
];

/// Reads the same as [`connection`], with a given HTTP client.
///
/// # Errors
/// Returns a [`ConfigError`] that names the first missing or invalid variable.
pub fn connection_over(
    http: SharedHttpClient,
    lookup: Lookup<'_>,
) -> Result<Connection, ConfigError> {
    let dynamodb_endpoint = settings::endpoint(lookup, "HALLPASS_DYNAMODB_ENDPOINT")?;
    let secrets_endpoint = settings::endpoint(lookup, "HALLPASS_SECRETS_ENDPOINT")?;
    let has_endpoint = ENDPOINTS.iter().any(|name| settings::text(lookup, name).is_some());
    // https://docs.aws.amazon.com/sdkref/latest/guide/feature-endpoints.html
    let variant = |name| match settings::text(lookup, name).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") if has_endpoint => Err(ConfigError::new(
            name,
            "must not be combined with an endpoint of its own, such as HALLPASS_DYNAMODB_ENDPOINT",
        )),
        Some("true") => Ok(true),
        Some(_) => Err(ConfigError::new(name, "must be true or false")),
    };
    Ok(Connection {
        region: settings::required(lookup, "AWS_REGION")?,
        dynamodb_endpoint,
        secrets_endpoint,
        use_fips: variant("AWS_USE_FIPS_ENDPOINT")?,
        use_dual_stack: variant("AWS_USE_DUALSTACK_ENDPOINT")?,
        access_key_id: settings::required(lookup, "AWS_ACCESS_KEY_ID")?,
        secret_access_key: Text::new(settings::required(lookup, "AWS_SECRET_ACCESS_KEY")?),
        session_token: settings::text(lookup, "AWS_SESSION_TOKEN").map(Text::new),
        http,
    })
}

/// Returns the started function. On an error, logs it and returns `None`. Used by `main`.
pub fn or_log<T, E: fmt::Display>(started: Result<T, E>) -> Option<T> {
    let log = |error: &E| {
        tracing::error!(target: TARGET, count = "failed", error = %error, "cannot start");
    };
    started.inspect_err(log).ok()
}

/// Serves until the Runtime API closes the connection, and returns the exit code of the process.
/// Used by `main`.
///
/// Tokio polls for events again whenever a task wakes the future that the runtime was started with.
/// A separate task for serving avoids that.
pub async fn serve<E: Into<lambda_runtime::Error> + Send + 'static>(
    serving: impl Future<Output = Result<(), E>> + Send + 'static,
) -> ExitCode {
    let error: lambda_runtime::Error = match tokio::spawn(serving).await {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(error)) => error.into(),
        Err(ended) => ended.into(),
    };
    tracing::error!(target: TARGET, error = %error, "stopped");
    ExitCode::FAILURE
}
