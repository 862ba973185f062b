//! Origins (`HALLPASS_CORS_ALLOWED_ORIGINS`), in the form that a browser sends (RFC 6454 section
//! 6.2; WHATWG URL, "host serializer"): scheme and host in lower case, no default port, nothing
//! behind.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{ConfigError, Lookup, text};

const NAME: &str = "HALLPASS_CORS_ALLOWED_ORIGINS";

/// The origins, separated by commas.
pub(super) fn read(lookup: Lookup<'_>) -> Result<Vec<String>, ConfigError> {
    let listed = text(lookup, NAME).unwrap_or_default();
    let origins = listed.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    origins
        .map(|origin| {
            let form = "must be origins such as https://app.example.com, separated by commas: \
                        https or http, a host (an international one as xn--…), a port, and no \
                        path, user, wildcard or null";
            canonical(origin).ok_or_else(|| ConfigError::new(NAME, form))
        })
        .collect()
}

/// The form of an origin that a browser sends, if it can send any.
pub(super) fn canonical(origin: &str) -> Option<String> {
    let (scheme, rest) = origin.split_once("://")?;
    let (scheme, default) = match scheme.to_ascii_lowercase().as_str() {
        "https" => ("https", 443),
        "http" => ("http", 80),
        _ => return None,
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        // What stands behind the last colon of an IPv6 address is no port.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let host = host_of(host)?;
    match port.map(port_of) {
        None => Some(format!("{scheme}://{host}")),
        Some(None) => None,
        Some(Some(port)) if port == default => Some(format!("{scheme}://{host}")),
        Some(Some(port)) => Some(format!("{scheme}://{host}:{port}")),
    }
}

fn port_of(port: &str) -> Option<u16> {
    let is_digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| port.parse().ok())?.filter(|port| *port > 0)
}

fn host_of(host: &str) -> Option<String> {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']')?.parse().ok().map(ipv6);
    }
    let host = host.to_ascii_lowercase();
    let mut labels = host.strip_suffix('.').unwrap_or(&host).split('.');
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        // A browser sends no label whose Punycode is empty.
        (1..=63).contains(&label.len()) && label.bytes().all(allowed) && label != "xn--"
    };
    if host.len() > 253 || !labels.clone().all(is_label) {
        return None;
    }
    // A host that ends in a number is an IPv4 address, which a browser sends in its one usual form.
    let last = labels.next_back().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_number {
        host.parse::<Ipv4Addr>().ok().map(|address| address.to_string())
    } else {
        Some(host)
    }
}

/// Browsers write no IPv4 address into one of IPv6.
fn ipv6(address: Ipv6Addr) -> String {
    match (address.to_ipv4_mapped(), address.segments()) {
        (Some(_), [.., high, low]) => format!("[::ffff:{high:x}:{low:x}]"),
        _ => format!("[{address}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_a_browser_sends_it() {
        let check = |origin: &str, sent: &str| {
            assert_eq!(canonical(origin).as_deref(), Some(sent), "{origin}");
        };
        check("https://b.example", "https://b.example");
        check("https://b.example/", "https://b.example");
        check("https://b.example:443", "https://b.example");
        check("https://b.example:0443/", "https://b.example");
        check("http://b.example:80", "http://b.example");
        check("http://b.example:443", "http://b.example:443");
        check("https://b.example:80", "https://b.example:80");
        check("HTTPS://B.Example:8443", "https://b.example:8443");
        check("http://localhost:3000", "http://localhost:3000");
        check("http://127.0.0.1:3000", "http://127.0.0.1:3000");
        check("http://[::1]:3000", "http://[::1]:3000");
        check("http://[0:0:0:0:0:0:0:1]", "http://[::1]");
        check("http://[2001:DB8::A]", "http://[2001:db8::a]");
        check("http://[::ffff:1.2.3.4]", "http://[::ffff:102:304]");
        check("https://xn--mller-kva.example", "https://xn--mller-kva.example");
        check("https://my_host.example.", "https://my_host.example.");
    }

    #[test]
    fn a_host_has_at_most_253_characters() {
        let host = |length: usize| format!("https://{}", "a.".repeat(127).split_at(length).0);
        assert_eq!(canonical(&host(253)), Some(host(253)));
        assert_eq!(canonical(&host(254)), None);
    }

    #[test]
    fn what_no_browser_sends_is_rejected() {
        let wrong = [
            "*",
            "null",
            "b.example",
            "//b.example",
            "https://",
            "https:///",
            "https://*.example",
            "https://a/b",
            "https://a//",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "https://u:p@a",
            "https://a:",
            "https://a:0",
            "https://a:65536",
            "https://a:+1",
            "https://a:b",
            "https://a b",
            "https://müller.example",
            "https://a..b",
            "https://.a",
            "https://a%2eb",
            "ftp://a",
            "https:a",
            "https://[::1",
            "https://::1",
            "https://[1.2.3.4]",
            "http://127.1",
            "http://0x7f000001",
            "http://2130706433",
            "http://1.2.3.256",
            "https://a\\b",
            "https://a\u{0}",
        ];
        for origin in wrong {
            assert_eq!(canonical(origin), None, "{origin}");
        }
    }
}
