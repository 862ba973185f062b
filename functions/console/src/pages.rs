//! `openapi.json` and Swagger UI. The build script compresses the files from 1.6 MB to 0.5 MB.

use std::io::Read;

use flate2::read::GzDecoder;
use hallpass_http::{Problem, Response, gateway};
use hallpass_web::asset::{Content, File};
use http::{HeaderValue, header};
use lambda_http::Request;

/// The page around Swagger UI, with the versions of its files. The page in the package declares no
/// language and loads binary icons.
const INDEX: &str = include_str!(concat!(env!("OUT_DIR"), "/index.html"));

/// `openapi.yaml` as JSON in gzip, converted by the build script.
const OPENAPI: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json.gz"));

/// The name, media type and gzip content of each file.
const FILES: [(&str, &str, &[u8]); 5] = include!(concat!(env!("OUT_DIR"), "/swagger.rs"));

/// Allows Swagger UI to load files of this host, and the styles and images that it embeds in its
/// page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /docs/swagger-ui/{file}`. All links are relative, so they work in any stage.
pub(crate) fn swagger(request: &Request) -> Result<Response, Problem> {
    let file = file(&gateway::path_parameter(request, "file")).ok_or_else(Problem::not_found)?;
    let mut response = file.response(request)?;
    let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// `GET /openapi.json`.
pub(crate) fn openapi(request: &Request) -> Result<Response, Problem> {
    File { media_type: "application/json", content: Content::Gzip(OPENAPI, unpacked) }
        .response(request)
}

fn file(name: &str) -> Option<File> {
    if name == "index.html" {
        return Some(File {
            media_type: hallpass_http::problem::HTML,
            content: Content::Text(INDEX),
        });
    }
    let (_, media_type, bytes) = FILES.into_iter().find(|(known, _, _)| *known == name)?;
    Some(File { media_type, content: Content::Gzip(bytes, unpacked) })
}

fn unpacked(bytes: &[u8]) -> Option<String> {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).ok().map(|_| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_file_in_its_version() {
        for (name, _, _) in FILES {
            let version = file(name).unwrap().version();
            assert!(
                INDEX.contains(&format!("\"{name}?v={version}\"")),
                "{name} {version}: {INDEX}"
            );
        }
    }

    #[test]
    fn every_file_is_smaller_than_what_it_unpacks_to() {
        for (name, _, bytes) in FILES {
            let text = unpacked(bytes).unwrap();
            assert!(
                bytes.len() < text.len() / 2 || text.len() < 1_000,
                "{name} {} {}",
                bytes.len(),
                text.len()
            );
        }
    }
}
