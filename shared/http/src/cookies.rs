//! Cookies (RFC 6265bis).

use std::time::Duration;

use cookie::{Cookie, SameSite};
use http::{HeaderMap, header::COOKIE};

/// The maximum number of cookies of one name that are read. Other applications on the host may use
/// the same name.
pub const MAX_COOKIES: usize = 8;

/// Returns the distinct values of the cookies with this name (RFC 6265 section 5.4), in order.
/// Values that `read` rejects are skipped, and at most [`MAX_COOKIES`] are returned. Cookies of
/// other applications on the host may hold any bytes, so the header is split as bytes and only a
/// cookie that is text is parsed.
pub fn values<'a, T>(
    headers: &'a HeaderMap,
    name: &str,
    read: impl Fn(&'a str) -> Option<T>,
) -> Vec<T> {
    let (mut seen, mut values) = (Vec::new(), Vec::new());
    let pairs = headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
    for pair in pairs.filter_map(|pair| str::from_utf8(pair).ok()) {
        let cookie = Cookie::parse(pair).ok().filter(|cookie| cookie.name() == name);
        let Some(value) =
            cookie.and_then(|cookie| cookie.value_raw()).filter(|value| !seen.contains(value))
        else {
            continue;
        };
        if let Some(read) = read(value) {
            seen.push(value);
            values.push(read);
        }
        if values.len() == MAX_COOKIES {
            break;
        }
    }
    values
}

/// Returns the value of the `Set-Cookie` header for a cookie that no script and no other site can
/// use. A lifetime of zero removes the cookie.
pub fn set(name: &str, value: &str, path: &str, lifetime: Duration) -> String {
    build(name, value, path, lifetime, SameSite::Strict)
}

/// Returns the same for a cookie that the browser also sends when another site leads to a page
/// here, as an identity provider does.
pub fn set_lax(name: &str, value: &str, path: &str, lifetime: Duration) -> String {
    build(name, value, path, lifetime, SameSite::Lax)
}

fn build(name: &str, value: &str, path: &str, lifetime: Duration, same_site: SameSite) -> String {
    let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    Cookie::build((name, value))
        .path(path)
        .max_age(cookie::time::Duration::seconds(seconds))
        .secure(true)
        .http_only(true)
        .same_site(same_site)
        .to_string()
}
