//! On a machine with a wrong clock, commands write and compare the database's time.

use std::{path::Path, time::Duration};

use hallpass::clock;

use crate::dev::{Dev, ran};

#[tokio::test]
async fn the_time_is_the_database_s_and_a_warning_names_both_clocks_if_they_differ() {
    let dev = Dev::fresh().await;
    let store = dev.store();
    let database = store.clock(&store.tables().tokens).await.unwrap().unwrap();
    let days = Duration::from_secs(800 * 86_400);
    for here in
        [database.after(days), database.before(days), database.after(Duration::from_secs(90))]
    {
        let (now, warning) = clock::of(&store, here).await.unwrap();
        let warning = warning.unwrap();
        assert!(now.since(database) < Duration::from_secs(30) && now >= database, "{now}");
        assert!(
            warning.contains(&here.to_string()) && warning.contains(&now.to_string()),
            "{warning}"
        );
    }
    for here in [
        database,
        database.after(Duration::from_secs(20)),
        database.before(Duration::from_secs(20)),
    ] {
        assert_eq!(clock::of(&store, here).await.unwrap().1, None);
    }
    dev.stop("-TERM").await;
}

/// Commands take the time from one module.
#[test]
fn no_command_uses_the_clock_of_the_machine_in_place_of_the_database_s() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let mut imports = text.split("hallpass_runtime::{").skip(1);
            let imports_it = imports.any(|rest| rest.split('}').next().unwrap().contains("clock"));
            if imports_it || text.contains("hallpass_runtime::clock") {
                found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    // Doctor compares both clocks, the development stack is the database, and `token inspect` makes
    // no request.
    assert_eq!(found, ["clock.rs", "doctor.rs", "serve.rs", "tokens.rs"]);
}

/// Runs only if `faketime` is installed.
#[tokio::test]
async fn a_clock_that_is_years_off_changes_no_deletion_issue_or_revocation() {
    let Ok(faketime) = std::process::Command::new("faketime").arg("--help").output() else {
        return;
    };
    if !faketime.status.success() {
        return;
    }
    let dev = Dev::fresh().await;
    for shift in ["+800d", "-800d"] {
        let shifted = async |arguments: &[&str]| {
            let mut command = tokio::process::Command::new("faketime");
            command
                .args(["-f", shift])
                .arg(env!("CARGO_BIN_EXE_hallpass"))
                .arg("--data")
                .arg(dev.data.path());
            ran(command.args(arguments), "").await
        };
        let token = dev.token("my_username", "topsecret").await;
        let swept = shifted(&["prune"]).await;
        assert!(swept.code == 0 && swept.err.contains("this machine's clock is"), "{swept:?}");
        assert_eq!(dev.verdict(&token).await, "allow", "{shift}");
        let issued = shifted(&["token", "issue", "my_username", "--expires-in", "1h"]).await;
        assert_eq!(dev.verdict(issued.out.trim()).await, "allow", "{shift} {issued:?}");
        let listed = shifted(&["--json", "token", "list", "my_username"]).await;
        let listed: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
        assert!(
            listed.as_array().unwrap().iter().any(|token| token["state"] == "live"),
            "{listed}"
        );
        let doctor = shifted(&["doctor"]).await;
        assert!(doctor.code == 1 && doctor.out.contains("this machine's clock is"), "{doctor:?}");
        let revoked = shifted(&["token", "revoke", "--all", "my_username"]).await;
        assert_eq!(
            (revoked.code, dev.verdict(issued.out.trim()).await.as_str()),
            (0, "revoked"),
            "{shift}"
        );
        let rotated = shifted(&["key", "rotate"]).await;
        assert_eq!(rotated.code, 0, "{rotated:?}");
        let keys = dev.json(&["key", "list"], "").await;
        assert!(
            keys.as_array().unwrap().iter().any(|key| key["state"] == "verifies, will sign"),
            "{keys}"
        );
        let id = keys
            .as_array()
            .unwrap()
            .iter()
            .find(|key| key["state"] == "verifies, will sign")
            .unwrap();
        dev.done(&["key", "retire", id["id"].as_str().unwrap()], "").await;
    }
    dev.stop("-TERM").await;
}
