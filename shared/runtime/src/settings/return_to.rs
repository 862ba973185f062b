//! The pages of applications to which portal sessions can lead back (`HALLPASS_PORTAL_RETURN_TO`).

use super::{ConfigError, Lookup, origins::canonical, text};

const NAME: &str = "HALLPASS_PORTAL_RETURN_TO";

/// Returns the URLs, which are separated by commas or spaces.
pub(super) fn read(lookup: Lookup<'_>) -> Result<Vec<String>, ConfigError> {
    let listed = text(lookup, NAME).unwrap_or_default();
    let urls = listed.split([',', ' ']).filter(|url| !url.is_empty());
    urls.map(|url| {
        let form = "must be URLs such as https://app.example.com/account, separated by commas or \
                    spaces: https, or http to localhost, without a user";
        is_page(url).then(|| url.to_owned()).ok_or_else(|| ConfigError::new(NAME, form))
    })
    .collect()
}

/// Whether a URL is `https`, or `http` to this machine.
fn is_page(url: &str) -> bool {
    let start = url.find("://").map_or(0, |at| at.saturating_add(3));
    let rest = url.get(start..).unwrap_or_default();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (origin, path) = url.split_at(start.saturating_add(end));
    let local = ["http://localhost", "http://127.0.0.1", "http://[::1]"];
    let is_local = |origin: &str| {
        let ends = |rest: &str| rest.is_empty() || rest.starts_with(':');
        local.into_iter().any(|local| origin.strip_prefix(local).is_some_and(ends))
    };
    let is_secure = |origin: String| origin.starts_with("https://") || is_local(&origin);
    let is_fit = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&byte);
    canonical(origin).is_some_and(is_secure) && path.bytes().all(is_fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_https_or_on_this_machine() {
        let check = |url: &str, expected: bool| assert_eq!(is_page(url), expected, "{url}");
        check("https://app.example.com", true);
        check("https://app.example.com/account?tab=tokens#new", true);
        check("https://app.example.com?tab=tokens", true);
        check("https://app.example.com:8443/", true);
        check("http://localhost:3000/account", true);
        check("http://127.0.0.1/", true);
        check("http://[::1]:3000", true);
        check("http://app.example.com/", false);
        check("http://localhost.example.com/", false);
        check("https://", false);
        check("https:///account", false);
        check("https://user@app.example.com/", false);
        check("https://*.example.com/", false);
        check("https://app.example.com/\"", false);
        check("https://app.example.com/\u{fc}", false);
        check("//app.example.com/", false);
        check("/account", false);
        check("javascript://app.example.com/", false);
    }
}
