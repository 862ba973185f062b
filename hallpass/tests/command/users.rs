//! `hallpass user`.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;

use crate::dev::Dev;

#[tokio::test]
async fn users_are_added_listed_shown_and_given_permissions() {
    let dev = Dev::fresh().await;
    dev.done(
        &["user", "add", "Ada", "--full-name", "Ada L.", "--permission", "ROLE_USER"],
        "engine room\n",
    )
    .await;
    dev.token("ada", "engine room").await;
    dev.done(&["user", "permission", "add", "ada", "reports"], "").await;
    assert!(dev.done(&["user", "show", "ada"], "").await.contains("ROLE_USER,reports"));
    dev.done(&["user", "permission", "remove", "ada", "reports"], "").await;
    let listed = dev.done(&["user", "list"], "").await;
    assert!(listed.contains("Ada") && !listed.contains("reports"), "{listed}");
    for (arguments, input) in [
        (&["user", "add", "ADA"][..], "x\n"),
        (&["user", "add", "other", "--id", "1"], "engine room\n"),
        (&["user", "add", "other"], "\n"),
        (&["user", "add", "a:b"], "x\n"),
        (&["user", "show", "unknown"], ""),
        (&["user", "rename", "ada", "admin"], ""),
    ] {
        let (code, printed) = dev.run(arguments, input).await;
        assert_eq!((code, printed.lines().count()), (1, 1), "{arguments:?}: {printed}");
    }
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn with_log_a_change_is_also_a_line_as_the_functions_write_it() {
    let dev = Dev::fresh().await;
    let token =
        dev.json(&["token", "issue", "my_username"], "").await["id"].as_str().unwrap().to_owned();
    for (arguments, input, event) in [
        (&["user", "add", "ada", "--id", "7"][..], "engine room\n", "user_added"),
        (&["user", "passwd", "ada"], "engine rooms\n", "password_changed"),
        (&["user", "rename", "ada", "eve"], "", "user_renamed"),
        (&["user", "link", "eve", "--subject=1", "--issuer=https://a"], "", "user_linked"),
        (&["user", "unlink", "eve"], "", "user_unlinked"),
        (&["user", "permission", "add", "eve", "reports"], "", "permission_added"),
        (&["user", "permission", "remove", "eve", "reports"], "", "permission_removed"),
        (&["user", "block", "eve"], "", "blocked"),
        (&["user", "unblock", "eve"], "", "unblocked"),
        (&["user", "remove", "eve"], "", "user_removed"),
        (&["token", "issue", "my_username"], "", "issued"),
        (&["token", "revoke", &token], "", "revoked"),
        (&["token", "revoke", "--all", "my_username"], "", "revoked_all"),
    ] {
        let user = if arguments[0] == "user" { "7" } else { "1" };
        let ran = dev.ran(&[&["--json", "--log"], arguments].concat(), input).await;
        let lines: Vec<serde_json::Value> =
            ran.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let events: Vec<_> = lines
            .iter()
            .filter(|line| line["user.id"] == user)
            .map(|line| &line["message"])
            .collect();
        assert_eq!((ran.code, events), (0, vec![&json!(event)]), "{arguments:?}: {}", ran.err);
    }
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn with_log_each_token_of_a_revoked_family_is_one_line_and_one_revoked_before_is_none() {
    let dev = Dev::fresh().await;
    let old =
        dev.json(&["token", "issue", "my_username"], "").await["id"].as_str().unwrap().to_owned();
    let new = dev.json(&["token", "rotate", &old], "").await["id"].as_str().unwrap().to_owned();
    let mut family = vec![old.clone(), new];
    family.sort();
    for expected in [family, Vec::new()] {
        let ran = dev.ran(&["--json", "--log", "token", "revoke", &old, "--family"], "").await;
        let lines =
            ran.err.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let revoked = lines.filter(|line| line["message"] == "revoked");
        let mut ids: Vec<_> =
            revoked.map(|line| line["token.id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        assert_eq!((ran.code, ids), (0, expected), "{}", ran.err);
    }
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_user_in_json_does_not_have_the_password_hash() {
    let dev = Dev::fresh().await;
    let added = dev
        .json(&["user", "add", "Ada", "--id", "7", "--app", "--permission", "a b"], "engine room\n")
        .await;
    assert_eq!(added, json!({"done": "added", "id": "7", "username": "Ada"}));
    let ada = json!({
        "id": "7", "username": "Ada", "full_name": null, "kind": "app", "status": "active",
        "has_password": true,
        "permissions": ["a b"],
    });
    assert_eq!(dev.json(&["user", "show", "ada"], "").await, ada);
    assert_eq!(dev.json(&["user", "list"], "").await[0], ada);
    let mut blocked = dev.json(&["user", "block", "ada"], "").await;
    assert!(
        blocked.as_object_mut().unwrap().remove("effective_at").is_some_and(|at| at.is_string())
    );
    assert_eq!(blocked, json!({"done": "blocked", "id": "7", "username": "Ada"}));
    let ran = dev.ran(&["--json", "user", "show", "unknown"], "").await;
    let error: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert_eq!(error, json!({"error": "there is no user unknown", "status": 1}));
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn bad_names_are_rejected_in_one_line_and_markup_is_text() {
    let dev = Dev::fresh().await;
    let long = "x".repeat(10_000);
    dev.rejected(&["user", "add", &long], "x\n", "a user name must have 1 to 512 bytes").await;
    dev.rejected(&["user", "add", ""], "x\n", "a user name must have 1 to 512 bytes").await;
    dev.rejected(&["user", "add", "a\u{1b}[31m"], "x\n", "control characters").await;
    dev.rejected(
        &["user", "add", "ada", "--full-name", &long],
        "x\n",
        "a full name has at most 256",
    )
    .await;
    dev.rejected(&["user", "add", "ada"], &long, "a password must have 1 to 1024 bytes").await;
    dev.rejected(&["user", "show", &long], "", "there is no user xxx").await;
    dev.rejected(&["user", "show", "<script>"], "", "there is no user <script>").await;
    dev.rejected(&["user", "show", "id:unknown"], "", "there is no user id:unknown").await;
    dev.rejected(&["user", "show", "id:<b>"], "", "there is no user id:<b>").await;
    dev.rejected(&["user", "passwd", "unknown"], "x\n", "there is no user unknown").await;
    dev.rejected(
        &["user", "rename", "my_username", &long],
        "",
        "a user name must have 1 to 512 bytes",
    )
    .await;
    dev.done(&["user", "add", "<b>ada</b>", "--full-name", "<script>"], "engine room\n").await;
    assert!(dev.done(&["user", "show", "<B>ADA</B>"], "").await.contains("<script>"));
    assert_eq!(dev.log_in("<b>ada</b>", "engine room").await, 200);
    dev.stop("-TERM").await;
}

/// Names that are empty to the eye, or change how the text around them looks.
const UNUSABLE_NAMES: [&str; 10] = [
    " ",
    "\t",
    "\u{a0}",
    "\u{2800}",
    "\u{200b}",
    "\u{3164}",
    "a\tb",
    "ada\u{202e}nimda",
    "a\u{2066}b",
    "\u{ad}",
];

/// Passwords that are empty or contain control characters.
const UNUSABLE_PASSWORDS: [&str; 6] =
    ["", "top\tsecret", "topsecret\u{1b}", "top\u{0}secret", "top\u{85}secret", "topsecret\r\r"];

#[tokio::test]
async fn unusable_names_and_passwords_are_not_set() {
    let dev = Dev::fresh().await;
    for name in UNUSABLE_NAMES {
        dev.rejected(
            &["user", "add", name],
            "engine room\n",
            "a user name must have 1 to 512 bytes",
        )
        .await;
        dev.rejected(
            &["user", "rename", "my_username", name],
            "",
            "a user name must have 1 to 512 bytes",
        )
        .await;
        dev.rejected(
            &["user", "add", "eve", "--full-name", name],
            "engine room\n",
            "a full name has at most 256",
        )
        .await;
    }
    for password in UNUSABLE_PASSWORDS {
        for command in [&["user", "add", "eve"][..], &["user", "passwd", "my_username"]] {
            dev.rejected(command, &format!("{password}\n"), "a password must have 1 to 1024 bytes")
                .await;
        }
    }
    for (id, name) in
        ["eve ", " Eve\u{a0}", "\u{feff}eve", "\u{3000}eve\u{200b}"].into_iter().enumerate()
    {
        let id = format!("9{id}");
        let added = dev
            .json(&["user", "add", name, "--id", &id, "--full-name", " Eve "], "engine room\n")
            .await;
        assert_eq!(added["username"].as_str().unwrap().to_lowercase(), "eve", "{name:?}");
        assert_eq!(dev.json(&["user", "show", "eve"], "").await["full_name"], "Eve");
        assert_eq!(dev.log_in("eve", "engine room").await, 200, "{name:?}");
        dev.done(&["user", "remove", "eve"], "").await;
    }
    // The line ending of a pipe is not part of a password; everything else is.
    for (input, password) in [
        ("engine room", "engine room"),
        ("engine room\n", "engine room"),
        ("engine room\r\n", "engine room"),
        ("engine room\nand more\n", "engine room"),
        ("\u{feff}engine room\n", "engine room"),
        (" engine room \n", " engine room "),
        ("\"engine room\"\n", "\"engine room\""),
        ("eng\u{a0}ine room\n", "eng\u{a0}ine room"),
    ] {
        dev.done(&["user", "passwd", "my_username"], input).await;
        assert_eq!(dev.log_in("my_username", password).await, 200, "{input:?}");
    }
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_user_who_is_not_in_the_name_index_is_found_by_id() {
    let dev = Dev::fresh().await;
    let client = dev.connection().patient_dynamodb();
    let call =
        client.update_item().table_name("Users").key("user_id", AttributeValue::S("1".to_owned()));
    let call = call.update_expression("SET username_key = :key");
    call.expression_attribute_values(":key", AttributeValue::S("stale".to_owned()))
        .send()
        .await
        .unwrap();
    dev.rejected(&["user", "show", "my_username"], "", "there is no user").await;
    dev.rejected(&["user", "show", "stale"], "", "there is no user").await;
    dev.done(&["user", "rename", "id:1", "my_username"], "").await;
    assert_eq!(dev.log_in("my_username", "topsecret").await, 200);
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn of_four_concurrent_additions_of_a_name_one_succeeds_and_the_user_can_log_in() {
    let dev = Dev::fresh().await;
    let add = || dev.ran(&["user", "add", "twin1"], "correct horse\n");
    let (one, two, three, four) = tokio::join!(add(), add(), add(), add());
    let mut codes = [one, two, three, four].map(|ran| ran.code);
    codes.sort_unstable();
    assert_eq!(codes, [0, 1, 1, 1]);
    assert_eq!(dev.log_in("twin1", "correct horse").await, 200);
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn unreadable_users_are_listed_and_found_by_doctor_and_do_not_hide_others() {
    let dev = Dev::fresh().await;
    let client = dev.connection().patient_dynamodb();
    let set = async |attribute: &str, value: AttributeValue| {
        let call = client
            .update_item()
            .table_name("Users")
            .key("user_id", AttributeValue::S("1".to_owned()));
        let call =
            call.update_expression("SET #a = :a").expression_attribute_names("#a", attribute);
        call.expression_attribute_values(":a", value).send().await.unwrap();
    };
    set("full_name", AttributeValue::Null(true)).await;
    set("permissions", AttributeValue::L(vec![AttributeValue::S("ROLE_USER".to_owned())])).await;
    let shown = dev.json(&["user", "show", "my_username"], "").await;
    assert_eq!((&shown["full_name"], &shown["permissions"]), (&json!(null), &json!(["ROLE_USER"])));
    dev.done(&["doctor"], "").await;
    set("permissions", AttributeValue::N("5".to_owned())).await;
    let item = [("user_id".to_owned(), AttributeValue::S("not an id".to_owned()))];
    client.put_item().table_name("Users").set_item(Some(item.into())).send().await.unwrap();
    let listed = dev.json(&["user", "list"], "").await;
    let by_id =
        |id: &str| listed.as_array().unwrap().iter().find(|user| user["id"] == id).unwrap().clone();
    assert_eq!(listed.as_array().unwrap().len(), 5);
    assert_eq!(
        (&by_id("1")["unreadable"], &by_id("1")["status"]),
        (&json!(["permissions"]), &json!("blocked"))
    );
    assert_eq!(by_id("not an id")["unreadable"], json!(["user_id"]));
    assert!(dev.done(&["user", "list"], "").await.contains("unreadable: permissions"));
    let doctor = dev.ran(&["doctor"], "").await;
    assert!(doctor.code == 1 && doctor.out.contains("1 (permissions)"), "{doctor:?}");
    assert!(doctor.out.contains("not an id (user_id)"), "{doctor:?}");
    for change in ["add", "remove"] {
        dev.rejected(
            &["user", "permission", change, "id:1", "a"],
            "",
            "cannot be read; write a set",
        )
        .await;
    }
    for arguments in [&["block"][..], &["unblock"], &["rename"], &["passwd"], &["remove"]] {
        let new = if arguments == ["rename"] { &["you"][..] } else { &[] };
        let input = if arguments == ["passwd"] { "correct horse\n" } else { "" };
        dev.done(&[&["user"], arguments, &["id:1"], new].concat(), input).await;
    }
    dev.rejected(&["user", "block", "id:not an id"], "", "there is no user id:not an id: ").await;
    dev.done(&["user", "remove", "id:not an id"], "").await;
    dev.rejected(&["user", "remove", "id:not an id"], "", "there is no user").await;
    dev.done(&["doctor"], "").await;
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn renaming_prints_the_new_name() {
    let dev = Dev::fresh().await;
    let renamed = dev.json(&["user", "rename", "my_username", "grace"], "").await;
    assert_eq!(
        (&renamed["done"], &renamed["id"], &renamed["username"]),
        (&json!("renamed"), &json!("1"), &json!("grace"))
    );
    assert_eq!(renamed["was"], "my_username");
    let printed = dev.done(&["user", "rename", "id:1", "heidi"], "").await;
    assert_eq!(printed, "renamed: grace → heidi (1)\n");
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn removing_the_last_administrator_prints_a_warning() {
    let dev = Dev::fresh().await;
    let check = async |arguments: &[&str], warns: bool| {
        let ran = dev.ran(arguments, "").await;
        assert_eq!(
            (ran.code, ran.err.contains("no administrator is left")),
            (0, warns),
            "{arguments:?}: {ran:?}"
        );
    };
    check(&["user", "permission", "remove", "my_username", "ROLE_ADMIN"], false).await;
    check(&["user", "permission", "add", "my_username", "ROLE_ADMIN"], false).await;
    check(&["user", "permission", "remove", "my_username", "ROLE_ADMIN"], false).await;
    check(&["user", "permission", "remove", "admin", "ROLE_USER"], false).await;
    check(&["user", "permission", "remove", "admin", "ROLE_ADMIN"], true).await;
    check(&["user", "permission", "add", "admin", "ROLE_ADMIN"], false).await;
    check(&["user", "block", "admin"], true).await;
    check(&["user", "unblock", "admin"], false).await;
    check(&["user", "remove", "admin"], true).await;
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_change_of_permissions_that_changes_nothing_says_so() {
    let dev = Dev::fresh().await;
    let check = async |change: &str, permission: &str, done: &str, note: &str| {
        let arguments = ["user", "permission", change, "admin", permission];
        let ran = dev.ran(&arguments, "").await;
        assert_eq!((ran.code, ran.out), (0, format!("{done}: admin (2)\n")), "{arguments:?}");
        let expected = if note.is_empty() { String::new() } else { format!("hallpass: {note}\n") };
        assert_eq!(ran.err, expected, "{arguments:?}");
        if !note.is_empty() {
            assert_eq!(dev.json(&arguments, "").await["done"], done, "{arguments:?}");
        }
    };
    let absent = "admin does not have the permission reports";
    check("remove", "reports", "unchanged", absent).await;
    check("add", "reports", "permission added", "").await;
    check("add", "reports", "unchanged", "admin already has the permission reports").await;
    check("remove", "reports", "permission removed", "").await;
    check("remove", "reports", "unchanged", absent).await;
    dev.stop("-TERM").await;
}
