//! Translates `openapi.yaml`, which people write, into the JSON that `/openapi.json` serves.

use std::{env, error::Error, fs, path::Path};

#[expect(clippy::disallowed_methods, reason = "Cargo tells a build script where to write by its environment")]
fn main() -> Result<(), Box<dyn Error>> {
    let source = Path::new("../../openapi.yaml");
    println!("cargo::rerun-if-changed={}", source.display());
    let document: serde_json::Value = yaml_serde::from_str(&fs::read_to_string(source)?)?;
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("openapi.json"), serde_json::to_string(&document)?)?;
    Ok(())
}
