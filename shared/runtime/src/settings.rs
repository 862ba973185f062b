//! The environment, read once, at the start. [`mod@reference`] says what each variable means.

use std::{fmt, time::Duration};

use hallpass_store::presence::Absent;
use hallpass_token::{Binding, Format, Issuer, Period, Timestamp, UserId, codec::IssuerError};

mod attributes;
pub mod names;
mod nearest;
pub mod oidc;
mod origins;
pub mod reference;
mod return_to;
mod routes;
mod value;

pub use routes::Routes;
pub use value::{authorizer_cache, duration, duration_or_zero, key_refresh, record_retention};

use value::{count, lifetime, number, permission, sunset, switch};

/// The default lifetime, and the default of the longest one.
const MONTH: Period = Period::of_seconds(30 * 86_400);
const YEAR: Period = Period::of_seconds(366 * 86_400);

/// Whether new tokens have a checksum.
const CHECKSUM: &str = "HALLPASS_TOKEN_CHECKSUM";

/// Where settings come from: the environment, or what a test or the dev stack puts in its place.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The settings that more than one function reads.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `HALLPASS_PREFIX`, `HALLPASS_REALM` and `HALLPASS_TOKEN_CHECKSUM`.
    pub issuer: Issuer,
    /// `HALLPASS_ADMIN_PERMISSION`.
    pub admin_permission: String,
    /// `HALLPASS_TOKENS_PERMISSION`: the permission to manage every token of the user, and to
    /// create one that outlives the token that creates it.
    pub tokens_permission: String,
    /// `HALLPASS_LIFETIME`.
    lifetime: Period,
    /// `HALLPASS_MAX_LIFETIME`: how long a token may live.
    pub max_lifetime: Period,
    /// `HALLPASS_MAX_AUTHENTICATION_AGE`: how long after a log-in every token expires that goes
    /// back to it.
    pub max_authentication_age: Duration,
    /// `HALLPASS_DEVELOPER_LIFETIME`: how long a developer token lives, if it ends at all.
    pub developer_lifetime: Option<Period>,
    /// `HALLPASS_ROTATION_WINDOW`: how long a rotated token lives on while its successor has not
    /// been used.
    pub rotation_window: Duration,
    /// `HALLPASS_GENERATE_PERMISSION`: the permission that every route which takes passwords asks
    /// for, if any.
    pub generate_permission: Option<String>,
    /// `HALLPASS_GENERATE_PASSWORD`: whether any route takes passwords; `off` leaves live tokens.
    pub generate_takes_passwords: bool,
    /// `HALLPASS_PASSWORD_SIGN_IN`: whether people sign in to the pages with a password.
    pub password_sign_in: bool,
    /// The host of `HALLPASS_OIDC_ISSUER`, the identity provider at which people sign in to the
    /// pages.
    pub identity_provider: Option<String>,
    /// `HALLPASS_PORTAL_RETURN_TO`: the pages of applications to which portal sessions can lead back.
    pub portal_return_to: Vec<String>,
    /// `HALLPASS_BASIC_CHALLENGE`: whether challenges offer Basic behind Bearer.
    pub basic_challenge: bool,
    /// `HALLPASS_APP_USER`: the application account that app tokens belong to.
    pub app_user: Option<UserId>,
    /// `HALLPASS_SUNSET`: when the deprecated routes will end (RFC 8594).
    pub sunset: Timestamp,
    /// `HALLPASS_CORS_ALLOWED_ORIGINS`: the origins whose scripts may call, exactly as browsers
    /// send them.
    pub cors_allowed_origins: Vec<String>,
    /// `HALLPASS_RECORD_RETENTION`: how long a record stays after its end.
    pub record_retention: Duration,
    /// `HALLPASS_MAX_TOKENS`: how many live named tokens a user may have.
    pub max_tokens: usize,
    /// `HALLPASS_MAX_TOKENS_TOTAL`: how many live tokens a user may have, with and without a name.
    pub max_tokens_total: usize,
    /// `HALLPASS_ROUTES`: the route rules of the authorizer. A function that does not have the
    /// setting does not know them.
    pub routes: Option<Routes>,
    /// `HALLPASS_AUTHORIZER_CACHE_TTL`: the longest time any attached API caches the authorizer's
    /// answer.
    pub authorizer_cache: Duration,
    /// `HALLPASS_LOGIN_NAME_BUDGET`, `HALLPASS_LOGIN_NETWORK_BUDGET` and
    /// `HALLPASS_LOGIN_SOURCE_BUDGET`.
    pub login_budgets: LoginBudgets,
    /// The time limit of a request, including all its calls to AWS: [`REQUEST_LIMIT`].
    pub request_limit: Duration,
    bindings: [Binding; 3],
}

/// The time limit of a request. The template sets the Lambda timeout a second higher, because a
/// function that Lambda stops logs no reason.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(9);

/// How many log-ins a minute the rate limit lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginBudgets {
    /// Failures at one name, from all networks that are not known for it.
    pub name: u32,
    /// Failures at one name from one network that is known for it.
    pub network: u32,
    /// Attempts from one source, at all names together.
    pub source: u32,
}

/// A setting that is missing or invalid. `Display` names the variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {wrong}")]
pub struct ConfigError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it; never its value.
    pub wrong: String,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] that names the first invalid variable.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        names::reject_former(lookup)?;
        Ok(Self {
            issuer: issuer(lookup)?,
            admin_permission: admin_permission(lookup)?,
            tokens_permission: permission(lookup, "HALLPASS_TOKENS_PERMISSION")?
                .unwrap_or_else(|| "tokens".to_owned()),
            lifetime: lifetime(lookup, "HALLPASS_LIFETIME")?.unwrap_or(MONTH),
            max_lifetime: lifetime(lookup, "HALLPASS_MAX_LIFETIME")?.unwrap_or(YEAR),
            max_authentication_age: duration(lookup, "HALLPASS_MAX_AUTHENTICATION_AGE", days(366))?,
            developer_lifetime: lifetime(lookup, "HALLPASS_DEVELOPER_LIFETIME")?,
            rotation_window: duration(
                lookup,
                "HALLPASS_ROTATION_WINDOW",
                Duration::from_secs(3_600),
            )?,
            generate_permission: permission(lookup, "HALLPASS_GENERATE_PERMISSION")?,
            generate_takes_passwords: switch(lookup, "HALLPASS_GENERATE_PASSWORD", true)?,
            password_sign_in: switch(lookup, "HALLPASS_PASSWORD_SIGN_IN", true)?,
            identity_provider: text(lookup, oidc::ISSUER).map(|issuer| oidc::host(&issuer)),
            portal_return_to: return_to::read(lookup)?,
            basic_challenge: switch(lookup, "HALLPASS_BASIC_CHALLENGE", true)?,
            app_user: text(lookup, "HALLPASS_APP_USER")
                .map(|id| id.parse().map_err(|bad| ConfigError::new("HALLPASS_APP_USER", bad)))
                .transpose()?,
            sunset: sunset(lookup)?,
            cors_allowed_origins: origins::read(lookup)?,
            record_retention: record_retention(lookup)?,
            max_tokens: count(lookup, "HALLPASS_MAX_TOKENS", 100)?,
            max_tokens_total: count(lookup, "HALLPASS_MAX_TOKENS_TOTAL", 1_000)?,
            routes: routes(lookup)?,
            authorizer_cache: authorizer_cache(lookup)?,
            login_budgets: LoginBudgets::read(lookup)?,
            request_limit: REQUEST_LIMIT,
            bindings: bindings(lookup)?,
        })
    }

    /// Returns the expiry of a token that is requested now without one: never later than the
    /// latest.
    pub fn usual_expiry(&self, now: Timestamp) -> Timestamp {
        self.lifetime.after(now).min(self.latest_expiry(now))
    }

    /// Returns the latest expiry of a token that is created now.
    pub fn latest_expiry(&self, now: Timestamp) -> Timestamp {
        self.max_lifetime.after(now)
    }

    /// What a new token of this format is bound to (`HALLPASS_INVALIDATE_ON`, `…_SIGNED`,
    /// `…_DEVELOPER`, `…_JWT`).
    pub const fn binding(&self, format: Format) -> &Binding {
        let [signed, developer, jwt] = &self.bindings;
        match format {
            Format::Signed => signed,
            Format::Developer => developer,
            Format::Jwt => jwt,
        }
    }

    /// Returns what the session of a browser is bound to: a change that invalidates tokens of any
    /// format ends it.
    pub fn session_binding(&self) -> Binding {
        union(&self.bindings)
    }
}

impl LoginBudgets {
    fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            name: number(lookup, "HALLPASS_LOGIN_NAME_BUDGET", 60, 1_000)?,
            network: number(lookup, "HALLPASS_LOGIN_NETWORK_BUDGET", 60, 1_000)?,
            source: number(lookup, "HALLPASS_LOGIN_SOURCE_BUDGET", 300, 1_000)?,
        })
    }
}

impl ConfigError {
    /// Creates an error from the variable and what is wrong with it, which must not contain its
    /// value.
    pub fn new(name: &'static str, wrong: impl fmt::Display) -> Self {
        Self { name, wrong: wrong.to_string() }
    }
}

/// The environment of this process.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Every variable of this process whose name begins so.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn environment_with_prefix(prefix: &str) -> std::collections::BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(prefix))
        .collect()
}

/// A variable's text; empty counts as absent, because a template cannot leave a variable out.
pub fn text(lookup: Lookup<'_>, name: &str) -> Option<String> {
    lookup(name).filter(|text| !text.is_empty())
}

/// A variable that must be there.
///
/// # Errors
/// When it is not.
pub fn required(lookup: Lookup<'_>, name: &'static str) -> Result<String, ConfigError> {
    text(lookup, name).ok_or_else(|| ConfigError::new(name, "it is not set"))
}

/// The URL of an AWS service in place of the region's.
///
/// # Errors
/// Names the variable if it is not a URL with a scheme and a host.
pub fn endpoint(lookup: Lookup<'_>, name: &'static str) -> Result<Option<String>, ConfigError> {
    match text(lookup, name) {
        Some(url) if !is_endpoint(&url) => {
            let wrong = "must be a URL with its scheme, such as http://localhost:8000";
            Err(ConfigError::new(name, wrong))
        }
        url => Ok(url),
    }
}

fn is_endpoint(url: &str) -> bool {
    let uri = url.parse::<http::Uri>().ok();
    let has_scheme = uri
        .as_ref()
        .and_then(http::Uri::scheme_str)
        .is_some_and(|scheme| matches!(scheme, "http" | "https"));
    has_scheme && uri.as_ref().and_then(http::Uri::host).is_some_and(|host| !host.is_empty())
}

/// `HALLPASS_PREFIX`, `HALLPASS_REALM` and `HALLPASS_TOKEN_CHECKSUM`.
fn issuer(lookup: Lookup<'_>) -> Result<Issuer, ConfigError> {
    let issuer = Issuer::new(
        &text(lookup, "HALLPASS_PREFIX").unwrap_or_default(),
        &text(lookup, "HALLPASS_REALM").unwrap_or_else(|| "hallpass".to_owned()),
    );
    let has_checksum = switch(lookup, CHECKSUM, false)?;
    let issuer = if has_checksum { issuer.and_then(Issuer::with_checksum) } else { issuer };
    issuer.map_err(|bad| match bad {
        IssuerError::Prefix => ConfigError::new("HALLPASS_PREFIX", bad),
        IssuerError::Realm => ConfigError::new("HALLPASS_REALM", bad),
        IssuerError::Checksum => ConfigError::new(CHECKSUM, "it needs HALLPASS_PREFIX"),
    })
}

/// `HALLPASS_ROUTES`.
fn routes(lookup: Lookup<'_>) -> Result<Option<Routes>, ConfigError> {
    let routes = text(lookup, "HALLPASS_ROUTES").map(|json| Routes::parse(&json)).transpose();
    routes.map_err(|wrong| ConfigError::new("HALLPASS_ROUTES", wrong))
}

/// `HALLPASS_ADMIN_PERMISSION`.
fn admin_permission(lookup: Lookup<'_>) -> Result<String, ConfigError> {
    let named = permission(lookup, "HALLPASS_ADMIN_PERMISSION")?;
    Ok(named.unwrap_or_else(|| "ROLE_ADMIN".to_owned()))
}

/// What new tokens of each format are bound to: signed, developer, JWT.
fn bindings(lookup: Lookup<'_>) -> Result<[Binding; 3], ConfigError> {
    let all = attributes::binding(lookup, "HALLPASS_INVALIDATE_ON")?.unwrap_or_else(|| {
        Binding::new(["username", "password_hash", "status"].map(str::to_owned))
    });
    let of = |name| {
        Ok::<_, ConfigError>(attributes::binding(lookup, name)?.unwrap_or_else(|| all.clone()))
    };
    Ok([
        of("HALLPASS_INVALIDATE_ON_SIGNED")?,
        of("HALLPASS_INVALIDATE_ON_DEVELOPER")?,
        of("HALLPASS_INVALIDATE_ON_JWT")?,
    ])
}

/// What new tokens of any format are bound to; a change of it invalidates something.
///
/// # Errors
/// When a list of attributes cannot be read.
pub fn bound_to(lookup: Lookup<'_>) -> Result<Binding, ConfigError> {
    Ok(union(&bindings(lookup)?))
}

fn union(bindings: &[Binding]) -> Binding {
    Binding::new(bindings.iter().flat_map(Binding::names).cloned())
}

const fn days(days: u64) -> Duration {
    Duration::from_secs(days.saturating_mul(86_400))
}

impl From<Absent> for ConfigError {
    fn from(Absent { variable, table, failure }: Absent) -> Self {
        Self::new(variable, format!("{}: {table}", failure.report()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_setting_is_named() {
        let check = |name: &'static str, value: &str| {
            let lookup = |asked: &str| (asked == name).then(|| value.to_owned());
            assert_eq!(Settings::read(&lookup).unwrap_err().name, name);
        };
        check("HALLPASS_PREFIX", "a b");
        check("HALLPASS_REALM", "a\"b");
        check("HALLPASS_TOKEN_CHECKSUM", "yes");
        check("HALLPASS_TOKEN_CHECKSUM", "on");
        check("HALLPASS_LIFETIME", "soon");
        check("HALLPASS_MAX_TOKENS", "-1");
        check("HALLPASS_MAX_TOKENS", "0");
        check("HALLPASS_MAX_TOKENS_TOTAL", "many");
        check("HALLPASS_MAX_TOKENS_TOTAL", "0");
        check("HALLPASS_MAX_AUTHENTICATION_AGE", "x");
        check("HALLPASS_AUTHORIZER_CACHE_TTL", "5 months");
    }

    #[test]
    fn new_tokens_have_a_checksum_if_it_is_switched_on_with_a_prefix() {
        let check = |prefix: &str, value: &str, expected: Result<bool, &str>| {
            let lookup = |asked: &str| match asked {
                "HALLPASS_PREFIX" => Some(prefix.to_owned()),
                "HALLPASS_TOKEN_CHECKSUM" => Some(value.to_owned()),
                _ => None,
            };
            let read = Settings::read(&lookup).map(|settings| settings.issuer.has_checksum());
            assert_eq!(read.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
        };
        check("acme_", "on", Ok(true));
        check("acme_", "off", Ok(false));
        check("acme_", "", Ok(false));
        check("", "off", Ok(false));
        check("", "on", Err("HALLPASS_TOKEN_CHECKSUM: it needs HALLPASS_PREFIX"));
        check(
            "a b",
            "on",
            Err("HALLPASS_PREFIX: the prefix must have at most 20 characters of [A-Za-z0-9_-]"),
        );
    }

    #[test]
    fn each_format_may_be_bound_to_attributes_of_its_own() {
        let lookup = |asked: &str| match asked {
            "HALLPASS_INVALIDATE_ON" => Some("status, plan".to_owned()),
            "HALLPASS_INVALIDATE_ON_JWT" => Some("none".to_owned()),
            _ => None,
        };
        let settings = Settings::read(&lookup).unwrap();
        let check = |format, names: &[&str]| assert_eq!(settings.binding(format).names(), names);
        check(Format::Signed, &["plan", "status"]);
        check(Format::Developer, &["plan", "status"]);
        check(Format::Jwt, &[]);
        let defaults = Settings::read(&|_| None).unwrap();
        assert_eq!(
            defaults.binding(Format::Signed).names(),
            ["password_hash", "status", "username"]
        );
    }
}
