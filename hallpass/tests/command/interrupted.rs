//! Ctrl-C stops long work between two steps, the command prints its progress, and the next run
//! continues.

use std::process::Stdio;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use hallpass_store::Store;
use serde_json::{Value, json};

use crate::dev::{Dev, hallpass};

/// Starts a command, interrupts it as soon as `has_begun` returns true, and returns its exit status
/// and its output.
async fn interrupt(
    dev: &Dev,
    arguments: &[&str],
    has_begun: impl AsyncFn(&Store) -> bool,
) -> (i32, String) {
    let mut command = hallpass(dev.data.path());
    let process =
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let process = process.spawn().unwrap();
    let store = dev.store();
    while !has_begun(&store).await {
        tokio::task::yield_now().await;
    }
    let pid = process.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = process.wait_with_output().await.unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
    )
}

/// Writes copies of the only token record, each with a filling attribute of the given value.
pub(crate) async fn copy_the_token(dev: &Dev, copies: usize, filling: &str) {
    let client = dev.connection().patient_dynamodb();
    let item = client.scan().table_name("Tokens").send().await.unwrap().items.unwrap().remove(0);
    for some in (0..copies).collect::<Vec<_>>().chunks(25) {
        let put = |number: &usize| {
            let mut item = item.clone();
            item.insert("token".to_owned(), AttributeValue::S(format!("{number:0>21}A")));
            item.insert("filling".to_owned(), AttributeValue::S(filling.to_owned()));
            WriteRequest::builder()
                .put_request(PutRequest::builder().set_item(Some(item)).build().unwrap())
                .build()
        };
        let puts = some.iter().map(put).collect();
        client.batch_write_item().request_items("Tokens", puts).send().await.unwrap();
    }
}

#[tokio::test]
async fn an_interrupted_import_stops_between_two_users_and_continues_in_the_next_run() {
    const USERS: usize = 48;
    let dev = Dev::fresh().await;
    let lines = (0..USERS).map(|number| {
        json!({
            "user_id": format!("i{number}"), "username": format!("n{number}"), "password": "open sesame",
        })
    });
    let lines: Vec<String> = lines.map(|line| line.to_string()).collect();
    let file = dev.data.path().join("users.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let import = ["user", "import", file.to_str().unwrap()];
    let count = async |store: &Store| store.all_users().await.unwrap().len() - 4;
    let (code, output) = interrupt(&dev, &import, async |store| count(store).await > 0).await;
    assert_eq!(code, 130, "{output}");
    let added = count(&dev.store()).await;
    assert!(added > 0 && added < USERS, "{added}");
    assert!(output.contains(&format!("added: {added}, already present: 0")), "{added}: {output}");
    let left =
        format!("{} of {USERS} users are left; run the command again to continue", USERS - added);
    assert!(output.contains(&left), "{output}");
    let rest = dev.out(&import, "").await;
    assert_eq!(rest, format!("added: {}, already present: {added}, conflicts: 0\n", USERS - added));
    assert_eq!(
        dev.out(&import, "").await,
        format!("added: 0, already present: {USERS}, conflicts: 0\n")
    );
    assert_eq!(
        (dev.log_in("n0", "open sesame").await, dev.log_in("n47", "open sesame").await),
        (200, 200)
    );
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn revoking_all_invalidates_all_with_its_first_write_and_the_next_run_marks_the_rest() {
    const TOKENS: usize = 2_000;
    let dev = Dev::start(tempfile::TempDir::new().unwrap(), &["--no-prune"]).await;
    let token = dev.token("my_username", "topsecret").await;
    let (store, user_id) = (dev.store(), "1".parse().unwrap());
    copy_the_token(&dev, TOKENS, "").await;
    let generation = async |store: &Store| {
        let user = store.user(&user_id).await.unwrap().unwrap();
        user.attributes.get("token_generation").cloned()
    };
    let before = generation(&store).await;
    let revoke = ["token", "revoke", "--all", "my_username"];
    let (code, output) =
        interrupt(&dev, &revoke, async |store| generation(store).await != before).await;
    assert_eq!(code, 130, "{output}");
    assert!(
        output.contains("every token of my_username is invalid;")
            && output.contains("run the command again"),
        "{output}"
    );
    assert_ne!(dev.verdict(&token).await, "allow");
    let unmarked = async || {
        store
            .records_of(&user_id)
            .await
            .unwrap()
            .iter()
            .filter(|record| record.revoked.is_none())
            .count()
    };
    let left = unmarked().await;
    assert!(left > 0, "the interrupt came too late to test anything");
    let rest = dev.out(&revoke, "").await;
    assert!(rest.contains(&format!("{left} of {left} live tokens are marked")), "{rest}");
    assert_eq!(unmarked().await, 0);
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn an_interrupted_sweep_stops_between_two_parts_and_the_next_one_continues_there() {
    // A part is one megabyte.
    const TOKENS: usize = 400;
    let dev = Dev::start(tempfile::TempDir::new().unwrap(), &["--no-prune"]).await;
    dev.token("my_username", "topsecret").await;
    copy_the_token(&dev, TOKENS, &"x".repeat(100_000)).await;
    let prune = ["--json", "prune"];
    let (code, output) =
        interrupt(&dev, &prune, async |store| store.sweep_place().await.unwrap().is_some()).await;
    assert_eq!(code, 130, "{output}");
    assert!(output.contains("the next sweep continues from here"), "{output}");
    let first: Value = serde_json::from_str(output.lines().next().unwrap()).unwrap();
    let second = dev.json(&prune[1..], "").await;
    let seen = [&first, &second].map(|swept| swept["seen"].as_u64().unwrap());
    assert_eq!((&first["finished"], &second["finished"]), (&json!(false), &json!(true)));
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    assert_eq!(seen[0] + seen[1], 401);
    dev.stop("-TERM").await;
}
