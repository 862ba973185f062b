//! The environment, read once, at the start. README.md lists what each variable means.

use std::{fmt, time::Duration};

use token::{Binding, Format, Issuer, Timestamp, UserId};

/// Where settings come from: the environment, or what a test or the dev stack puts in its place.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The settings that more than one function reads.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `HALLPASS_PREFIX` and `HALLPASS_REALM`.
    pub issuer: Issuer,
    /// `HALLPASS_ADMIN_PERMISSION`.
    pub admin_permission: String,
    /// `HALLPASS_LIFETIME`.
    lifetime: Duration,
    /// `HALLPASS_MAX_LIFETIME`: how long a token may live.
    pub max_lifetime: Duration,
    /// `HALLPASS_MAX_RENEWAL`: how long a chain of tokens may live that were made from one another, if it is limited.
    pub max_renewal: Option<Duration>,
    /// `HALLPASS_DEVELOPER_LIFETIME`: how long a developer token lives, if it ends at all.
    pub developer_lifetime: Option<Duration>,
    /// `HALLPASS_ROTATION_WINDOW`: how long a rotated token lives on while its successor has not been used.
    pub rotation_window: Duration,
    /// `HALLPASS_GENERATE_PERMISSION`: what a user must be permitted to get a token from generate, if anything.
    pub generate_permission: Option<String>,
    /// `HALLPASS_GENERATE_PASSWORD`: whether generate takes passwords; `off` leaves live tokens.
    pub generate_takes_passwords: bool,
    /// `HALLPASS_APP_USER`: the application account that app tokens belong to.
    pub app_user: Option<UserId>,
    /// `HALLPASS_SUNSET`: when the deprecated routes will end (RFC 8594).
    pub sunset: Timestamp,
    /// `HALLPASS_ALLOW_ORIGINS`: the origins whose scripts may call, exactly as browsers send them.
    pub allow_origins: Vec<String>,
    /// `HALLPASS_GRACE`: how long a record stays after its end.
    pub grace: Duration,
    /// `HALLPASS_MAX_TOKENS`: how many live named tokens a user may have.
    pub max_tokens: usize,
    /// `HALLPASS_MAX_TOKENS_TOTAL`: how many live tokens a user may have, with and without a name.
    pub max_tokens_total: usize,
    /// `HALLPASS_AUTHORIZER_CACHE`: the longest time any attached API caches the authorizer's answer.
    pub authorizer_cache: Duration,
    bindings: [Binding; 3],
}

/// A setting that is missing or makes no sense. `Display` names the variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSetting {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it; never its value.
    pub wrong: String,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// Names the first variable that makes no sense.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, BadSetting> {
        let issuer = Issuer::new(
            &text(lookup, "HALLPASS_PREFIX").unwrap_or_default(),
            &text(lookup, "HALLPASS_REALM").unwrap_or_else(|| "hallpass".to_owned()),
        );
        let issuer = issuer.map_err(|bad| match bad {
            token::codec::BadIssuer::Prefix => BadSetting::new("HALLPASS_PREFIX", bad),
            token::codec::BadIssuer::Realm => BadSetting::new("HALLPASS_REALM", bad),
        })?;
        let all = binding(lookup, "HALLPASS_INVALIDATE_ON")
            .unwrap_or_else(|| Binding::new(["username", "password_hash", "status"].map(str::to_owned)));
        let of = |name| binding(lookup, name).unwrap_or_else(|| all.clone());
        Ok(Self {
            issuer,
            admin_permission: text(lookup, "HALLPASS_ADMIN_PERMISSION").unwrap_or_else(|| "ROLE_ADMIN".to_owned()),
            lifetime: duration(lookup, "HALLPASS_LIFETIME", days(30))?,
            max_lifetime: duration(lookup, "HALLPASS_MAX_LIFETIME", days(366))?,
            max_renewal: optional_duration(lookup, "HALLPASS_MAX_RENEWAL")?,
            developer_lifetime: optional_duration(lookup, "HALLPASS_DEVELOPER_LIFETIME")?,
            rotation_window: duration(lookup, "HALLPASS_ROTATION_WINDOW", Duration::from_secs(3_600))?,
            generate_permission: text(lookup, "HALLPASS_GENERATE_PERMISSION"),
            generate_takes_passwords: switch(lookup, "HALLPASS_GENERATE_PASSWORD", true)?,
            app_user: text(lookup, "HALLPASS_APP_USER")
                .map(|id| id.parse().map_err(|bad| BadSetting::new("HALLPASS_APP_USER", bad)))
                .transpose()?,
            sunset: sunset(lookup)?,
            allow_origins: origins(lookup)?,
            grace: grace(lookup)?,
            max_tokens: number(lookup, "HALLPASS_MAX_TOKENS", 100)?,
            max_tokens_total: number(lookup, "HALLPASS_MAX_TOKENS_TOTAL", 1_000)?,
            authorizer_cache: duration(lookup, "HALLPASS_AUTHORIZER_CACHE", Duration::ZERO)?,
            bindings: [
                of("HALLPASS_INVALIDATE_ON_SIGNED"),
                of("HALLPASS_INVALIDATE_ON_DEVELOPER"),
                of("HALLPASS_INVALIDATE_ON_JWT"),
            ],
        })
    }

    /// How long a token lives that was asked for without an expiry: never longer than any may.
    pub fn usual_lifetime(&self) -> Duration {
        self.lifetime.min(self.max_lifetime)
    }

    /// What a new token of this format is bound to (`HALLPASS_INVALIDATE_ON`, `…_SIGNED`, `…_DEVELOPER`, `…_JWT`).
    pub const fn binding(&self, format: Format) -> &Binding {
        let [signed, developer, jwt] = &self.bindings;
        match format {
            Format::Signed => signed,
            Format::Developer => developer,
            Format::Jwt => jwt,
        }
    }

    /// What the session of a browser is bound to: whatever voids a token of any format ends it.
    pub fn session_binding(&self) -> Binding {
        Binding::new(self.bindings.iter().flat_map(Binding::names).cloned())
    }
}

impl BadSetting {
    pub(crate) fn new(name: &'static str, wrong: impl fmt::Display) -> Self {
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
pub fn required(lookup: Lookup<'_>, name: &'static str) -> Result<String, BadSetting> {
    text(lookup, name).ok_or_else(|| BadSetting::new(name, "it is not set"))
}

/// `HALLPASS_GRACE`: how long a record stays after its end.
///
/// # Errors
/// When it is not a duration.
pub fn grace(lookup: Lookup<'_>) -> Result<Duration, BadSetting> {
    duration(lookup, "HALLPASS_GRACE", days(1))
}

/// A duration: `90`, `90s`, `15m`, `12h` or `30d`.
///
/// # Errors
/// When it is something else, or longer than a thousand years.
pub fn duration(lookup: Lookup<'_>, name: &'static str, default: Duration) -> Result<Duration, BadSetting> {
    let Some(text) = text(lookup, name) else {
        return Ok(default);
    };
    let digits = text.trim_end_matches(['s', 'm', 'h', 'd']);
    let unit = match text.get(digits.len()..) {
        Some("" | "s") => Some(1),
        Some("m") => Some(60),
        Some("h") => Some(3_600),
        Some("d") => Some(86_400),
        Some(_) | None => None,
    };
    let seconds = digits.parse::<u32>().ok().zip(unit).map(|(count, unit)| u64::from(count).saturating_mul(unit));
    let seconds = seconds.filter(|seconds| *seconds <= 366 * 86_400 * 1_000);
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| BadSetting::new(name, "it is not a duration such as 90s, 15m, 12h or 30d"))
}

fn optional_duration(lookup: Lookup<'_>, name: &'static str) -> Result<Option<Duration>, BadSetting> {
    match text(lookup, name) {
        None => Ok(None),
        Some(_) => duration(lookup, name, Duration::ZERO).map(Some),
    }
}

fn number(lookup: Lookup<'_>, name: &'static str, default: usize) -> Result<usize, BadSetting> {
    let Some(text) = text(lookup, name) else {
        return Ok(default);
    };
    let number = text.parse().map_err(|_| BadSetting::new(name, "it is not a whole number"))?;
    if number == 0 { Err(BadSetting::new(name, "it must be at least 1")) } else { Ok(number) }
}

fn switch(lookup: Lookup<'_>, name: &'static str, default: bool) -> Result<bool, BadSetting> {
    match text(lookup, name).as_deref() {
        None => Ok(default),
        Some("on") => Ok(true),
        Some("off") => Ok(false),
        Some(_) => Err(BadSetting::new(name, "it is neither on nor off")),
    }
}

fn sunset(lookup: Lookup<'_>) -> Result<Timestamp, BadSetting> {
    const NAME: &str = "HALLPASS_SUNSET";
    let date = text(lookup, NAME).unwrap_or_else(|| "2028-01-01T00:00:00Z".to_owned());
    Timestamp::parse_rfc3339(&date).ok_or_else(|| BadSetting::new(NAME, "it is not an instant of RFC 3339"))
}

/// Origins, separated by commas: a scheme and an authority, nothing behind it (RFC 6454 section 6.2).
fn origins(lookup: Lookup<'_>) -> Result<Vec<String>, BadSetting> {
    const NAME: &str = "HALLPASS_ALLOW_ORIGINS";
    let listed = text(lookup, NAME).unwrap_or_default();
    let origins = listed.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    let is_origin = |origin: &str| {
        let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        authority.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/'))
    };
    let checked = |origin: &str| {
        if is_origin(origin) { Ok(origin.to_owned()) } else { Err(BadSetting::new(NAME, "one is not scheme://host")) }
    };
    origins.map(checked).collect()
}

/// A list of attribute names; `none` is the empty one.
fn binding(lookup: Lookup<'_>, name: &str) -> Option<Binding> {
    let names = text(lookup, name)?;
    let names = names.split(',').map(str::trim).filter(|name| *name != "none");
    Some(Binding::new(names.map(str::to_owned)))
}

const fn days(days: u64) -> Duration {
    Duration::from_secs(days.saturating_mul(86_400))
}

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.wrong)
    }
}

impl std::error::Error for BadSetting {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        let check = |text: &str, seconds: Option<u64>| {
            let lookup = |_: &str| Some(text.to_owned());
            let got = duration(&lookup, "X", Duration::from_secs(7));
            assert_eq!(got.ok().map(|duration| duration.as_secs()), seconds, "{text}");
        };
        check("", Some(7));
        check("90", Some(90));
        check("90s", Some(90));
        check("15m", Some(900));
        check("12h", Some(43_200));
        check("30d", Some(2_592_000));
        for bad in ["-1", "1.5h", "d", "1w", "1dd", "1 d", "999999999d", "99999999999999999999"] {
            check(bad, None);
        }
    }

    #[test]
    fn a_setting_that_makes_no_sense_is_named() {
        let check = |name: &'static str, value: &str| {
            let lookup = |asked: &str| (asked == name).then(|| value.to_owned());
            assert_eq!(Settings::read(&lookup).unwrap_err().name, name);
        };
        check("HALLPASS_PREFIX", "a b");
        check("HALLPASS_REALM", "a\"b");
        check("HALLPASS_LIFETIME", "soon");
        check("HALLPASS_MAX_TOKENS", "-1");
        check("HALLPASS_MAX_TOKENS", "0");
        check("HALLPASS_MAX_TOKENS_TOTAL", "many");
        check("HALLPASS_MAX_TOKENS_TOTAL", "0");
        check("HALLPASS_MAX_RENEWAL", "x");
        check("HALLPASS_AUTHORIZER_CACHE", "5 minutes");
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
        assert_eq!(defaults.binding(Format::Signed).names(), ["password_hash", "status", "username"]);
    }
}
