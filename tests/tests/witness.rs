//! The witness of all tests sees a secret wherever one is shown, and nothing else.
//!
//! The witness belongs to the process, so this file has one test.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tests::{basic, witness};

#[test]
fn the_witness_sees_every_shown_secret() {
    let is_seen = |show: &dyn Fn()| {
        witness::testify();
        let looked = AssertUnwindSafe(|| {
            show();
            witness::testify();
        });
        catch_unwind(looked).is_err()
    };
    let token = "1.6b2a9a88.seen-by-the-witness_seen-by-the-witness_ses";
    let issued = format!(r#"{{"token":"{token}"}}"#);
    assert!(!is_seen(&|| witness::got("the response that issues it", 201, &[], &issued)));
    assert!(is_seen(&|| witness::got("a second response", 200, &[], &issued)));
    assert!(is_seen(&|| witness::got("a rejection", 401, &[], token)));
    assert!(is_seen(&|| witness::saw("an error", &format!("no such token: {token}"))));
    assert!(is_seen(&|| tracing::info!(target: "hallpass", "{token}")));
    witness::sends_header("Authorization", &basic("ada", "hunter2-and-more"));
    assert!(is_seen(&|| witness::saw("a table", "hunter2-and-more")));
    assert!(is_seen(&|| witness::got("a page", 200, &[], &basic("ada", "hunter2-and-more"))));
    witness::sends_body("username=ada&password=another+password");
    assert!(is_seen(&|| witness::got("a page", 200, &[], "value=\"another password\"")));
    tracing::info!(target: "hallpass", "a-secret-that-is-logged-before-it-is-known");
    assert!(is_seen(&|| witness::sends_body(
        "password=a-secret-that-is-logged-before-it-is-known"
    )));
    let cookie = "session=of-a-visitor-of-our-pages; Path=/";
    assert!(!is_seen(&|| witness::got("signing in", 303, &[cookie], cookie)));
    assert!(is_seen(&|| witness::saw("the log", "of-a-visitor-of-our-pages")));
    assert!(is_seen(&|| witness::saw("a response", "$argon2id$v=19$m=19456,t=2,p=1$")));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("dynamodb.sqlite"), format!("\0{token}\0")).unwrap();
    assert!(catch_unwind(|| witness::sees_files(folder.path())).is_err());
    std::fs::write(folder.path().join("dynamodb.sqlite"), "nothing").unwrap();
    std::fs::write(folder.path().join("keys.json"), token).unwrap();
    witness::sees_files(folder.path());
}
