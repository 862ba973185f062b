//! `hallpass user maintainer`.

use serde_json::{Value, json};

use crate::dev::Dev;

#[tokio::test]
async fn a_service_account_has_maintainers() {
    let dev = Dev::fresh().await;
    let run = async |action: &str, account: &str, user: &str| {
        dev.json(&["user", "maintainer", action, account, user], "").await
    };
    let outcome = |done: &str, user: &str| json!({"done": done, "id": "4", "username": "ci-bot", "maintainer": user});
    let shown = async |name: &str, member: &str| -> Value {
        dev.json(&["user", "show", name], "").await[member].clone()
    };
    assert_eq!(run("add", "ci-bot", "my_username").await, outcome("maintainer_added", "1"));
    assert_eq!(run("add", "id:4", "id:1").await, outcome("unchanged", "1"));
    assert_eq!(run("add", "ci-bot", "ldap_user").await, outcome("maintainer_added", "3"));
    assert_eq!(shown("ci-bot", "maintainers").await, json!(["1", "3"]));
    assert_eq!(shown("my_username", "maintains").await, json!(["4"]));
    assert_eq!(shown("my_username", "maintainers").await, Value::Null);
    let text = dev.done(&["user", "show", "ci-bot"], "").await;
    assert!(text.contains("1,3"), "{text}");
    // A user who was removed is named by the ID.
    dev.done(&["user", "remove", "ldap_user", "--yes"], "").await;
    assert_eq!(run("remove", "ci-bot", "id:3").await, outcome("maintainer_removed", "3"));
    assert_eq!(run("remove", "ci-bot", "my_username").await, outcome("maintainer_removed", "1"));
    assert_eq!(run("remove", "ci-bot", "my_username").await, outcome("unchanged", "1"));
    assert_eq!(shown("my_username", "maintains").await, Value::Null);
    for (action, event) in [("add", "maintainer_added"), ("remove", "maintainer_removed")] {
        let arguments = ["--json", "--log", "user", "maintainer", action, "ci-bot", "admin"];
        let ran = dev.ran(&arguments, "").await;
        assert!(ran.err.contains(&format!("\"message\":\"{event}\"")), "{}", ran.err);
    }
    for (arguments, wrong) in [
        (&["add", "admin", "my_username"][..], "admin is not a service account"),
        (&["add", "ci-bot", "ci-bot"], "ci-bot is not a service account"),
        (&["add", "ci-bot", "unknown"], "there is no user"),
        (&["add", "unknown", "admin"], "there is no user"),
        (&["remove", "ci-bot", "unknown"], "there is no user"),
    ] {
        let (code, printed) = dev.run(&[&["user", "maintainer"], arguments].concat(), "").await;
        assert!(code == 1 && printed.contains(wrong), "{arguments:?}: {printed}");
    }
    dev.stop("-TERM").await;
}
