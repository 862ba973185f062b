//! Static files, compiled in: stylesheet, script and icon. A URL with the version of the file can
//! be cached for a year, any other for an hour. Cached copies are revalidated by their entity tag
//! (RFC 9110 section 13.1.2).

use std::hash::{DefaultHasher, Hash, Hasher};

use hallpass_http::{Problem, Response, gateway, problem};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use lambda_http::{Body, Request, RequestExt};

/// A static file.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// The media type of the file.
    pub media_type: &'static str,
    /// The content of the file.
    pub content: Content,
}

/// The content of a file.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// Plain text.
    Text(&'static str),
    /// Text in gzip (RFC 1952), and a function to decompress it for clients that do not accept
    /// gzip.
    Gzip(&'static [u8], fn(&[u8]) -> Option<String>),
}

/// `Cache-Control` of a URL with a version, whose content never changes.
const FOR_A_YEAR: &str = "public, max-age=31536000, immutable";

/// `Cache-Control` of any other URL.
const FOR_AN_HOUR: &str = "public, max-age=3600";

/// `GET /assets/{file}`.
///
/// # Errors
/// Returns 404 if no file has this name.
pub fn serve(request: &Request) -> Result<Response, Problem> {
    let file = File::named(&gateway::path_parameter(request, "file"));
    file.ok_or_else(Problem::not_found)?.response(request)
}

impl File {
    /// Returns the file with this name.
    pub fn named(name: &str) -> Option<Self> {
        let (media_type, text) = match name {
            "hallpass.css" => ("text/css; charset=utf-8", include_str!("../assets/hallpass.css")),
            "swagger.css" => ("text/css; charset=utf-8", include_str!("../assets/swagger.css")),
            "hallpass.js" => {
                ("text/javascript; charset=utf-8", include_str!("../assets/hallpass.js"))
            }
            "hallpass.svg" => ("image/svg+xml", include_str!("../assets/hallpass.svg")),
            _ => return None,
        };
        Some(Self { media_type, content: Content::Text(text) })
    }

    /// Returns a hash of the content.
    pub fn version(&self) -> String {
        let mut hasher = DefaultHasher::new();
        match self.content {
            Content::Text(text) => text.as_bytes().hash(&mut hasher),
            Content::Gzip(bytes, _) => bytes.hash(&mut hasher),
        }
        format!("{:016x}", hasher.finish())
    }

    /// Returns the response to a request for this file.
    ///
    /// # Errors
    /// Returns 503 if the file cannot be decompressed for a client that does not accept gzip.
    pub fn response(&self, request: &Request) -> Result<Response, Problem> {
        let (version, headers) = (self.version(), request.headers());
        // The tag is weak, because it covers the text in every encoding.
        let tag = format!("W/\"{version}\"");
        let mut response = if is_known(headers, &tag) {
            problem::response(StatusCode::NOT_MODIFIED, self.media_type, String::new())
        } else {
            self.whole(headers)?
        };
        let asked =
            request.query_string_parameters_ref().and_then(|parameters| parameters.first("v"));
        let kept = if asked == Some(version.as_str()) { FOR_A_YEAR } else { FOR_AN_HOUR };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
        headers.extend(HeaderValue::try_from(tag).ok().map(|tag| (header::ETAG, tag)));
        if matches!(self.content, Content::Gzip(..)) {
            headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        Ok(response)
    }

    fn whole(&self, headers: &HeaderMap) -> Result<Response, Problem> {
        match self.content {
            Content::Text(text) => {
                Ok(problem::response(StatusCode::OK, self.media_type, text.to_owned()))
            }
            Content::Gzip(bytes, _) if takes_gzip(headers) => {
                let mut response = problem::response(
                    StatusCode::OK,
                    self.media_type,
                    Body::Binary(bytes.to_vec()),
                );
                response
                    .headers_mut()
                    .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                Ok(response)
            }
            Content::Gzip(bytes, unpack) => {
                let broken =
                    || hallpass_store::Failure::new("unpacking a file", "it is not gzip of text");
                Ok(problem::response(
                    StatusCode::OK,
                    self.media_type,
                    unpack(bytes).ok_or_else(broken)?,
                ))
            }
        }
    }
}

/// Returns whether the client has a cached copy with this tag.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let values =
        headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|known| known.trim() == "*" || opaque(known) == opaque(tag))
}

/// Returns whether the client accepts gzip (RFC 9110 section 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values =
        headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight =
            weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_some_and(|weight| weight > 0.0)
    })
}
