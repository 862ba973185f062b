//! Certificates that are kept, replaced and rejected.

use std::os::unix::fs::PermissionsExt;

use super::*;

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 24 * 60 * 60;

/// Returns the path of a directory of this test that does not exist.
fn fresh(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("hallpass-ca-{}-{name}", std::process::id()));
    let _absent = fs::remove_dir_all(&dir);
    dir
}

/// Starts at `NOW`, changes the directory, starts at another time, and compares the files that the
/// second start changed.
fn check(name: &str, between: impl Fn(&Path), at: u64, expected: &[&str]) {
    let dir = fresh(name);
    server_config(&dir, NOW).unwrap();
    let all = || [CA, CA_KEY, LEAF, LEAF_KEY].map(|file| (file, fs::read(dir.join(file)).unwrap()));
    let before = all();
    between(&dir);
    server_config(&dir, at).unwrap();
    let changed: Vec<_> =
        before.iter().zip(all()).filter(|(a, b)| *a != b).map(|(a, _)| a.0).collect();
    assert_eq!(changed, expected, "{name}");
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn certificates_are_created_once_and_the_server_s_is_replaced_in_time() {
    check("again", |_| {}, NOW, &[]);
    check("later", |_| {}, NOW + 388 * DAY, &[]);
    check("soon expired", |_| {}, NOW + 390 * DAY, &[LEAF, LEAF_KEY]);
    check("long expired", |_| {}, NOW + 20_000 * DAY, &[LEAF, LEAF_KEY]);
    check("not yet valid", |_| {}, NOW - 2 * DAY, &[LEAF, LEAF_KEY]);
}

#[test]
fn missing_and_invalid_files_are_replaced() {
    let all = [CA, CA_KEY, LEAF, LEAF_KEY];
    check("no authority", |dir| fs::remove_file(dir.join(CA)).unwrap(), NOW, &all);
    check("no authority's key", |dir| fs::remove_file(dir.join(CA_KEY)).unwrap(), NOW, &all);
    check("no key", |dir| fs::remove_file(dir.join(LEAF_KEY)).unwrap(), NOW, &[LEAF, LEAF_KEY]);
    check("no certificate", |dir| fs::write(dir.join(LEAF), "x").unwrap(), NOW, &[LEAF, LEAF_KEY]);
    check(
        "left over",
        |dir| fs::write(dir.join("tls-key.new"), "x").unwrap(),
        NOW + 390 * DAY,
        &[LEAF, LEAF_KEY],
    );
    let other_key = |dir: &Path| {
        fs::write(dir.join(LEAF_KEY), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    };
    check("another key", other_key, NOW, &[LEAF, LEAF_KEY]);
}

#[test]
fn an_invalid_authority_is_an_error_that_names_the_file() {
    for (file, text) in [
        (CA, "x".to_owned()),
        (CA_KEY, "x".to_owned()),
        (CA_KEY, KeyPair::generate().unwrap().serialize_pem()),
    ] {
        let dir = fresh("wrong");
        server_config(&dir, NOW).unwrap();
        fs::write(dir.join(file), text).unwrap();
        let error = server_config(&dir, NOW + 390 * DAY).unwrap_err().to_string();
        assert!(error.contains("ca.pem") || error.contains("ca-key.pem"), "{error}");
        fs::remove_dir_all(dir).unwrap();
    }
}

#[test]
fn only_their_owner_can_read_the_keys() {
    let dir = fresh("modes");
    server_config(&dir, NOW).unwrap();
    let mode = |name: &str| fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode(""), mode(CA_KEY), mode(LEAF_KEY)], [0o700, 0o600, 0o600]);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 4, "nothing is left over");
    fs::remove_dir_all(dir).unwrap();
}
