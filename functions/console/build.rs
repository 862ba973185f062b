//! Converts `openapi.yaml` to the JSON that `/openapi.json` serves, and compresses Swagger UI.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::Write as _,
    path::Path,
    sync::Arc,
};

use flate2::{Compression, GzBuilder};
use utoipa_swagger_ui::Config;

/// The files of Swagger UI that its page loads.
const FILES: [&str; 5] = [
    "swagger-ui.css",
    "index.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-initializer.js",
];

#[expect(
    clippy::disallowed_methods,
    reason = "Cargo passes the output directory of a build script in its environment"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let out = env::var("OUT_DIR")?;
    translate(Path::new(&out))?;
    pack(Path::new(&out))
}

fn translate(out: &Path) -> Result<(), Box<dyn Error>> {
    let source = Path::new("../../openapi.yaml");
    println!("cargo::rerun-if-changed={}", source.display());
    let document: serde_json::Value = yaml_serde::from_str(&fs::read_to_string(source)?)?;
    fs::write(out.join("openapi.json.gz"), in_gzip(serde_json::to_string(&document)?.as_bytes())?)?;
    Ok(())
}

/// Writes each file in gzip, a list of the files in Rust, and the page with their versions.
fn pack(out: &Path) -> Result<(), Box<dyn Error>> {
    let source = Path::new("src/swagger.html");
    println!("cargo::rerun-if-changed={}", source.display());
    println!("cargo::rerun-if-changed=build.rs");
    let mut page = fs::read_to_string(source)?;
    let mut list = String::from("[\n");
    let config = Config::from("../../openapi.json")
        .deep_linking(true)
        .display_request_duration(true)
        .default_models_expand_depth(0);
    // Omits the bar for URLs of other documents, which the content security policy would block.
    let config = Arc::new(config.use_base_layout());
    for name in FILES {
        let file = utoipa_swagger_ui::serve(name, Arc::clone(&config))?
            .ok_or(format!("{name} does not exist"))?;
        let packed = in_gzip(&without_credentials(name, &file.bytes)?)?;
        fs::write(out.join(format!("{name}.gz")), &packed)?;
        let packed_file = format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.gz\"))");
        writeln!(list, "({name:?}, {:?}, {packed_file}),", file.content_type)?;
        let version = version(&packed);
        page = page.replace(&format!("\"{name}\""), &format!("\"{name}?v={version}\""));
    }
    list.push(']');
    fs::write(out.join("swagger.rs"), list)?;
    fs::write(out.join("index.html"), page)?;
    Ok(())
}

fn in_gzip(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut packed = GzBuilder::new().write(Vec::new(), Compression::best());
    packed.write_all(bytes)?;
    Ok(packed.finish()?)
}

/// Changes the file that starts Swagger UI so that it sends only the credentials typed into the
/// page, and neither cookies nor Basic credentials of the browser. Returns other files unchanged.
fn without_credentials(name: &str, bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    const BEGIN: &str = "SwaggerUIBundle({";
    const OMIT: &str =
        r#"requestInterceptor: (request) => Object.assign(request, { credentials: "omit" }),"#;
    if name != "swagger-initializer.js" {
        return Ok(bytes.to_vec());
    }
    let text = std::str::from_utf8(bytes)?;
    let (before, after) = text.split_once(BEGIN).ok_or("Swagger UI starts in another way")?;
    Ok(format!("{before}{BEGIN}\n    {OMIT}{after}").into_bytes())
}

/// Returns the same version as `hallpass_web::asset`. A test compares the two.
fn version(packed: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    packed.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
