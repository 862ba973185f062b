//! Files of the repository that are generated from the code.

use std::{fs, path::Path};

/// Compares a file of the repository with what is generated. `HALLPASS_WRITE_DOCS=1` writes it
/// instead.
pub fn check(path: &str, present: &str, generated: &str) {
    let is_written = hallpass_runtime::settings::environment("HALLPASS_WRITE_DOCS")
        .is_some_and(|value| value == "1");
    if is_written {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        fs::write(root.join(path), generated).unwrap();
    } else {
        let differs = present.lines().zip(generated.lines()).position(|(one, two)| one != two);
        assert!(
            present == generated,
            "{path} is out of date from line {:?} on; HALLPASS_WRITE_DOCS=1 writes it",
            differs.map(|line| line + 1)
        );
    }
}
