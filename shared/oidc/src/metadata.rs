//! The metadata of the provider (OpenID Connect Discovery 1.0 sections 3 and 4, RFC 8414).

use hallpass_runtime::settings::oidc::is_secure;
use serde::Deserialize;

/// What Hallpass needs to know about a provider.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Metadata {
    issuer: String,
    pub(crate) authorization_endpoint: String,
    pub(crate) token_endpoint: String,
    pub(crate) jwks_uri: String,
    /// The endpoint for claims that are not in the ID token.
    pub(crate) userinfo_endpoint: Option<String>,
    /// The endpoint to sign out at the provider (OpenID Connect RP-Initiated Logout 1.0).
    pub(crate) end_session_endpoint: Option<String>,
    /// Whether every response names the issuer (RFC 9207 section 3).
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    /// The client authentication methods of the token endpoint. Without it, `client_secret_basic`.
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

/// Why the metadata of a provider cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MetadataError {
    #[error("it is not the metadata of a provider")]
    Malformed,
    #[error("its issuer is not exactly HALLPASS_OIDC_ISSUER")]
    Issuer,
    #[error("its {0} is not an https URL")]
    Endpoint(&'static str),
}

impl Metadata {
    /// Returns the URL of the metadata: `.well-known/openid-configuration` below the issuer.
    pub(crate) fn url(issuer: &str) -> String {
        format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
    }

    /// Parses the metadata that this issuer publishes. Metadata that names another issuer is
    /// rejected: that issuer could sign users in under names of this one.
    ///
    /// # Errors
    /// Returns a [`MetadataError`].
    pub(crate) fn parse(json: &[u8], issuer: &str) -> Result<Self, MetadataError> {
        let metadata: Self = serde_json::from_slice(json).map_err(|_| MetadataError::Malformed)?;
        if metadata.issuer != issuer {
            return Err(MetadataError::Issuer);
        }
        let endpoints = [
            ("authorization_endpoint", Some(&metadata.authorization_endpoint)),
            ("token_endpoint", Some(&metadata.token_endpoint)),
            ("jwks_uri", Some(&metadata.jwks_uri)),
            ("userinfo_endpoint", metadata.userinfo_endpoint.as_ref()),
            ("end_session_endpoint", metadata.end_session_endpoint.as_ref()),
        ];
        let wrong = endpoints.into_iter().find(|(_, url)| url.is_some_and(|url| !is_secure(url)));
        match wrong {
            Some((name, _)) => Err(MetadataError::Endpoint(name)),
            None => Ok(metadata),
        }
    }

    /// Whether a response with this parameter `iss` can be the provider's (RFC 9207 section 2.4). A
    /// response that should name the issuer and does not can come from another provider.
    pub(crate) fn is_from_issuer(&self, iss: Option<&str>) -> bool {
        match iss {
            Some(iss) => iss == self.issuer,
            None => !self.authorization_response_iss_parameter_supported,
        }
    }

    /// Whether the client secret goes into the body, because the provider supports it nowhere else.
    pub(crate) fn wants_secret_in_body(&self) -> bool {
        let has = |method: &str| {
            self.token_endpoint_auth_methods_supported.iter().any(|supported| supported == method)
        };
        has("client_secret_post") && !has("client_secret_basic")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn provider() -> Value {
        json!({
            "issuer": "https://id.example.com",
            "authorization_endpoint": "https://id.example.com/auth",
            "token_endpoint": "https://id.example.com/token",
            "jwks_uri": "https://keys.example.com/jwks",
            "response_types_supported": ["code"],
        })
    }

    fn parsed(change: (&str, Value)) -> Result<Metadata, MetadataError> {
        let mut provider = provider();
        provider[change.0] = change.1;
        Metadata::parse(provider.to_string().as_bytes(), "https://id.example.com")
    }

    #[test]
    fn metadata_of_another_issuer_or_with_a_plain_endpoint_is_rejected() {
        let check = |name: &'static str, value: Value, expected: Option<MetadataError>| {
            assert_eq!(parsed((name, value.clone())).err(), expected, "{name} {value}");
        };
        check("other", json!(1), None);
        check("issuer", json!("https://id.example.com/"), Some(MetadataError::Issuer));
        check("issuer", json!("https://evil.example.com"), Some(MetadataError::Issuer));
        check("issuer", json!(1), Some(MetadataError::Malformed));
        check("jwks_uri", json!(null), Some(MetadataError::Malformed));
        check("userinfo_endpoint", json!(null), None);
        for name in [
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "userinfo_endpoint",
            "end_session_endpoint",
        ] {
            for url in ["http://id.example.com/x", "", "/auth", "javascript:1", "ftp://localhost/"]
            {
                check(name, json!(url), Some(MetadataError::Endpoint(name)));
            }
            check(name, json!("http://localhost:3000/x"), None);
            check(name, json!("http://127.0.0.1:3000/x"), None);
            check(
                name,
                json!("http://127.0.0.1.example.com/x"),
                Some(MetadataError::Endpoint(name)),
            );
            check(name, json!("http://user@example.com/x"), Some(MetadataError::Endpoint(name)));
        }
    }

    #[test]
    fn a_response_names_the_issuer_if_the_provider_says_that_it_does() {
        let named = "authorization_response_iss_parameter_supported";
        let check = |supported: bool, iss: Option<&str>, expected: bool| {
            let metadata = parsed((named, json!(supported))).unwrap();
            assert_eq!(metadata.is_from_issuer(iss), expected, "{supported} {iss:?}");
        };
        check(false, None, true);
        check(true, None, false);
        for supported in [false, true] {
            check(supported, Some("https://id.example.com"), true);
            check(supported, Some("https://id.example.com/"), false);
            check(supported, Some("https://evil.example.com"), false);
            check(supported, Some(""), false);
        }
    }

    #[test]
    fn the_secret_goes_into_the_body_only_if_no_other_way_is_supported() {
        let check = |methods: Value, expected: bool| {
            let metadata = parsed(("token_endpoint_auth_methods_supported", methods)).unwrap();
            assert_eq!(metadata.wants_secret_in_body(), expected);
        };
        check(json!([]), false);
        check(json!(["client_secret_basic"]), false);
        check(json!(["client_secret_post", "client_secret_basic"]), false);
        check(json!(["client_secret_post", "private_key_jwt"]), true);
        assert_eq!(
            Metadata::url("https://id.example.com/tenant/"),
            "https://id.example.com/tenant/.well-known/openid-configuration"
        );
    }
}
