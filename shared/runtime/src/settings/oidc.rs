//! The identity provider at which users sign in to the pages: `HALLPASS_OIDC_ISSUER` and the
//! variables that belong to it.

mod permissions;

use std::time::Duration;

use super::{ConfigError, Lookup, days, text, value};

pub use permissions::{ClaimPermissions, ParseError};

/// The identity provider, and Hallpass as one of its clients.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// `HALLPASS_OIDC_ISSUER`: the issuer of the provider, exactly as its metadata names it.
    pub issuer: String,
    /// `HALLPASS_OIDC_CLIENT_ID`: the ID under which Hallpass is registered there.
    pub client_id: String,
    /// `HALLPASS_OIDC_REDIRECT_URI`: the URL of the route `/sign-in/oidc/callback`, as registered.
    pub redirect_uri: String,
    /// `HALLPASS_OIDC_SECRET`: the ARN of the secret that is the client secret, if it has one.
    pub secret: Option<String>,
    /// `HALLPASS_OIDC_SCOPES`: the scopes that are requested, `openid` among them.
    pub scopes: String,
    /// `HALLPASS_OIDC_LINK_BY`: the claim whose value is the name of the user to link at the first
    /// sign-in.
    pub link_by: Option<String>,
    /// `HALLPASS_OIDC_PROVISION`: whether an unknown identity becomes a new user.
    pub provisions: bool,
    /// `HALLPASS_OIDC_PERMISSIONS`: the permissions that a claim gives to these users.
    pub permissions: Option<ClaimPermissions>,
    /// `HALLPASS_OIDC_REVALIDATE`: how long after a sign-in at the provider the user's tokens are
    /// accepted.
    pub revalidate: Option<Duration>,
}

/// The variable that names the identity provider.
pub(super) const ISSUER: &str = "HALLPASS_OIDC_ISSUER";
const CLIENT_ID: &str = "HALLPASS_OIDC_CLIENT_ID";
const REDIRECT_URI: &str = "HALLPASS_OIDC_REDIRECT_URI";
const SECRET: &str = "HALLPASS_OIDC_SECRET";
const SCOPES: &str = "HALLPASS_OIDC_SCOPES";

const LINK_BY: &str = "HALLPASS_OIDC_LINK_BY";
const PROVISION: &str = "HALLPASS_OIDC_PROVISION";
const PERMISSIONS: &str = "HALLPASS_OIDC_PERMISSIONS";
const REVALIDATE: &str = "HALLPASS_OIDC_REVALIDATE";

/// The default of [`Oidc::revalidate`], in days.
const MONTH: u64 = 30;

/// The end of the redirect URI.
const CALLBACK: &str = "/sign-in/oidc/callback";

/// The scope that makes a request one of OpenID Connect, and the default of all of them.
const OPENID: &str = "openid";

/// Reads the identity provider, if there is one. Without an issuer there is none, and the other
/// variables mean nothing.
///
/// # Errors
/// Returns a [`ConfigError`] that names the first setting that is missing or invalid.
pub fn read(lookup: Lookup<'_>) -> Result<Option<Oidc>, ConfigError> {
    let is_issuer = |url: &str| is_secure(url) && !url.contains(['?', '#']);
    let issuer = checked(lookup, ISSUER, is_issuer, "an https URL without query")?;
    let is_graphic = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let client_id = checked(lookup, CLIENT_ID, is_graphic, "printable ASCII without spaces")?;
    let secret = checked(lookup, SECRET, is_graphic, "the ARN of a secret, without spaces")?;
    let is_callback = |url: &str| is_secure(url) && url.ends_with(CALLBACK);
    let form = "an https URL that ends in /sign-in/oidc/callback";
    let redirect_uri = checked(lookup, REDIRECT_URI, is_callback, form)?;
    let form = "scopes with a space between them, openid among them";
    let scopes = checked(lookup, SCOPES, are_scopes, form)?;
    let form = "the name of a claim: printable ASCII without spaces, commas and =";
    let link_by = checked(lookup, LINK_BY, permissions::is_claim, form)?;
    let provisions = value::switch(lookup, PROVISION, false)?;
    let permissions = claim_permissions(lookup)?;
    let revalidate = revalidate(lookup)?;
    let Some(issuer) = issuer else { return Ok(None) };
    let missing = |name| ConfigError::new(name, "it is not set, but HALLPASS_OIDC_ISSUER is");
    Ok(Some(Oidc {
        issuer,
        client_id: client_id.ok_or_else(|| missing(CLIENT_ID))?,
        redirect_uri: redirect_uri.ok_or_else(|| missing(REDIRECT_URI))?,
        secret,
        scopes: scopes.unwrap_or_else(|| OPENID.to_owned()),
        link_by,
        provisions,
        permissions,
        revalidate,
    }))
}

fn claim_permissions(lookup: Lookup<'_>) -> Result<Option<ClaimPermissions>, ConfigError> {
    let Some(text) = text(lookup, PERMISSIONS) else { return Ok(None) };
    let admin = super::admin_permission(lookup)?;
    let parsed = ClaimPermissions::parse(&text, &admin);
    parsed.map(Some).map_err(|wrong| ConfigError::new(PERMISSIONS, wrong))
}

fn revalidate(lookup: Lookup<'_>) -> Result<Option<Duration>, ConfigError> {
    match text(lookup, REVALIDATE).as_deref() {
        Some("off") => Ok(None),
        Some(_) | None => value::duration(lookup, REVALIDATE, days(MONTH)).map(Some),
    }
}

impl Oidc {
    /// Returns the URL of the sign-in page, to which the provider leads after a sign-out.
    pub fn sign_in_page(&self) -> String {
        let base = self.redirect_uri.strip_suffix(CALLBACK).unwrap_or_default();
        format!("{base}/sign-in")
    }
}

fn checked(
    lookup: Lookup<'_>,
    name: &'static str,
    is_valid: impl Fn(&str) -> bool,
    form: &str,
) -> Result<Option<String>, ConfigError> {
    match text(lookup, name) {
        Some(text) if !is_valid(&text) => Err(ConfigError::new(name, format!("must be {form}"))),
        text => Ok(text),
    }
}

/// Whether these are scopes of an OpenID Connect request (RFC 6749 section 3.3).
fn are_scopes(text: &str) -> bool {
    let is_scope =
        |scope: &str| !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic());
    text.split(' ').all(is_scope) && text.split(' ').any(|scope| scope == OPENID)
}

/// The host of a URL, with its port.
pub(super) fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_scheme, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

/// Whether a URL is `https`, or `http` to this machine, where a provider for tests runs.
pub fn is_secure(url: &str) -> bool {
    let is_printable = url.bytes().all(|byte| byte.is_ascii_graphic());
    let local = ["http://localhost", "http://127.0.0.1", "http://[::1]"];
    let is_local = local.into_iter().any(|origin| {
        url.strip_prefix(origin).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    });
    let is_https =
        url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    is_printable && !url.contains('@') && (is_https || is_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, &str); 3] = [
        (ISSUER, "https://id.example.com/tenant"),
        (CLIENT_ID, "hallpass"),
        (REDIRECT_URI, "https://api.example.com/v1/sign-in/oidc/callback"),
    ];

    fn check(changed: &str, value: &str, wrong: Option<&str>) {
        let lookup = |name: &str| {
            let usual = ALL.into_iter().find(|(known, _)| *known == name);
            if name == changed {
                Some(value.to_owned())
            } else {
                usual.map(|(_, value)| value.to_owned())
            }
        };
        let read = read(&lookup);
        assert_eq!(read.as_ref().err().map(|error| error.name), wrong, "{changed}={value}");
    }

    #[test]
    fn every_setting_of_the_provider_is_checked() {
        check("", "", None);
        for url in [
            "id.example.com",
            "http://id.example.com",
            "https://",
            "https:///x",
            "https://a@b/",
            "https://a b/",
            "http://localhost.example.com/",
            "https://id.example.com/?x",
            "https://id.example.com/#x",
        ] {
            check(ISSUER, url, Some(ISSUER));
        }
        for url in [
            "https://id.example.com",
            "http://localhost:3000",
            "http://127.0.0.1:3000/x",
            "http://[::1]:1",
        ] {
            check(ISSUER, url, None);
        }
        check(ISSUER, "", None);
        check(CLIENT_ID, "", Some(CLIENT_ID));
        check(CLIENT_ID, "a b", Some(CLIENT_ID));
        check(REDIRECT_URI, "", Some(REDIRECT_URI));
        for url in [
            "https://api.example.com/",
            "http://api.example.com/sign-in/oidc/callback",
            "https://api.example.com/sign-in/oidc/callback?x",
        ] {
            check(REDIRECT_URI, url, Some(REDIRECT_URI));
        }
        check(REDIRECT_URI, "http://localhost:8080/v1/sign-in/oidc/callback", None);
        check(SECRET, "arn:aws:secretsmanager:eu-west-1:111122223333:secret:x", None);
        check(SECRET, "a b", Some(SECRET));
        for scopes in ["profile", "openid,profile", "openid  profile", " openid", "openid "] {
            check(SCOPES, scopes, Some(SCOPES));
        }
        check(SCOPES, "profile openid groups", None);
        for claim in ["a b", "a,b", "a=b", "\u{fc}"] {
            check(LINK_BY, claim, Some(LINK_BY));
        }
        check(LINK_BY, "https://example.com/name", None);
        check(PROVISION, "yes", Some(PROVISION));
        check(PROVISION, "on", None);
        check(PERMISSIONS, "a b", Some(PERMISSIONS));
        check(PERMISSIONS, "groups,a=ROLE_ADMIN", Some(PERMISSIONS));
        check(PERMISSIONS, "groups,a=b", None);
        for time in ["0", "0s", "1 month", "soon", "on"] {
            check(REVALIDATE, time, Some(REVALIDATE));
        }
        for time in ["off", "12h", "P30D"] {
            check(REVALIDATE, time, None);
        }
    }

    #[test]
    fn without_an_issuer_the_other_settings_are_checked_and_mean_nothing() {
        assert!(read(&|_| None).unwrap().is_none());
        let lookup = |name: &str| (name == CLIENT_ID).then(|| "hallpass".to_owned());
        assert!(read(&lookup).unwrap().is_none());
        let lookup = |name: &str| (name == SECRET).then(|| "a b".to_owned());
        assert_eq!(read(&lookup).unwrap_err().name, SECRET);
    }
}
