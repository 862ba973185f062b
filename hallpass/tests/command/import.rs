//! `hallpass user import`.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::dev::{Dev, Ran};

/// A name, a password and its hash, for each supported algorithm.
const HASHES: [(&str, &str, &str); 7] = [
    (
        "argon",
        "password",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    ),
    ("bcrypt_a", "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("bcrypt_b", "topsecret", "$2b$05$abcdefghijklmnopqrstuudks0cx3ry4eykejzEdjJRiLcs8hlf/a"),
    ("bcrypt_y", "pässwörd", "$2y$05$abcdefghijklmnopqrstuuZVEMa1pjhlynBQ1qXmSvGBJpN9h1w8G"),
    (
        "scrypt",
        "password",
        "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA",
    ),
    (
        "pbkdf2",
        "password",
        "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
    ),
    (
        "pbkdf2_512",
        "password",
        "$pbkdf2-sha512$i=1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK+eVozomMr+1gYa17k9B7KIK25NOEshvhrSX+esqY3s+FvWZViXz4KoLlQI+BzY/YTNJOiKc5gBYFYGww",
    ),
];

impl Dev {
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.data.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    async fn import(&self, name: &str, text: &str) -> Ran {
        let file = self.file(name, text);
        self.ran(&["user", "import", file.to_str().unwrap()], "").await
    }
}

#[tokio::test]
async fn users_with_hashes_of_every_algorithm_log_in_with_their_passwords_only() {
    let dev = Dev::fresh().await;
    let mut lines = vec!["user_id,username,password_hash,password".to_owned()];
    lines.extend(HASHES.map(|(name, _, hash)| format!("{name},{name},\"{hash}\",")));
    lines.extend(["plain,plain,,open sesame", "directory,directory,,"].map(str::to_owned));
    let ran = dev.import("users.csv", &lines.join("\n")).await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "added: 9, already present: 0, conflicts: 0\n"),
        "{ran:?}"
    );
    assert!(
        ran.err.contains("contains passwords") && !ran.err.contains("open sesame"),
        "{}",
        ran.err
    );
    for (name, password, _) in HASHES.into_iter().chain([("plain", "open sesame", "")]) {
        assert_eq!(dev.log_in(name, &format!("{password}x")).await, 401, "{name}");
        assert_eq!(dev.log_in(name, password).await, 200, "{name}");
    }
    assert_eq!(dev.log_in("directory", "password").await, 401);
    // A new password gets a hash from Hallpass.
    dev.done(&["user", "passwd", "scrypt"], "new room\n").await;
    assert_eq!(
        (dev.log_in("scrypt", "password").await, dev.log_in("scrypt", "new room").await),
        (401, 200)
    );
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn json_lines_set_every_attribute_and_can_come_from_standard_input() {
    let dev = Dev::fresh().await;
    let ada = json!({
        "user_id": "7", "username": "Ada", "full_name": "<b>Ada</b>", "kind": "app",
        "status": "blocked",
        "permissions": ["generate services token", "ROLE_USER"],
    });
    let lines = format!(
        "{ada}\n\n{}\n",
        json!({"user_id": "8", "username": "bob", "password": "open sesame"})
    );
    let summary = dev.json(&["user", "import", "-", "--format", "jsonl"], &lines).await;
    assert_eq!(summary, json!({"users": 2, "added": 2, "present": 0, "conflicts": [], "bad": []}));
    let shown = dev.json(&["user", "show", "ada"], "").await;
    assert_eq!((&shown["kind"], &shown["status"]), (&json!("app"), &json!("blocked")));
    assert_eq!(shown["permissions"], json!(["ROLE_USER", "generate services token"]));
    assert_eq!(shown["full_name"], "<b>Ada</b>");
    assert_eq!(dev.log_in("BOB", "open sesame").await, 200);
    let (code, printed) = dev.run(&["user", "import", "-"], &lines).await;
    assert!(code == 2 && printed.contains("--format"), "{printed}");
    let (code, printed) = dev.run(&["user", "import", "/nowhere/x.csv"], "").await;
    assert!(code == 2 && printed.contains("cannot read"), "{printed}");
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn an_invalid_line_is_reported_and_nothing_is_written() {
    let dev = Dev::fresh().await;
    let text = "user_id,username,password,password_hash\n\
                10,ann,open sesame,\n\
                11,a:b,topsecret,\n\
                12,cat,,$1$salt$qJH7.N4xYta3aEG/dfqo/0\n\
                13,dan,,$2b$31$abcdefghijklmnopqrstuudks0cx3ry4eykejzEdjJRiLcs8hlf/a\n\
                10,eve,,\n\
                14,ANN,,\n\
                15,<b>fay</b>\n";
    let ran = dev.import("users.csv", text).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
    let lines: Vec<&str> = ran.err.lines().collect();
    let file = dev.data.path().join("users.csv").display().to_string();
    let expected = [
        (3, "username: a user name must"),
        (4, "password_hash: it must be a hash of Argon2id, bcrypt, scrypt, or PBKDF2"),
        (5, "password_hash: it takes more"),
        (6, "user_id: already used in line 2"),
        (7, "username: already used in line 2"),
        (8, "the line has 2 fields, and the header has 4"),
    ];
    assert_eq!(lines.len(), expected.len() + 1, "{}", ran.err);
    for (line, (number, words)) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("hallpass: {file}:{number}: {words}")), "{line}");
    }
    assert!(lines[6].contains("nothing was written; invalid lines: 6"), "{}", lines[6]);
    assert!(
        !ran.err.contains("topsecret")
            && !ran.err.contains("open sesame")
            && !ran.err.contains("$1$")
    );
    assert_eq!(dev.json(&["user", "list"], "").await.as_array().unwrap().len(), 4);
    let ran = dev.ran(&["--json", "user", "import", &file], "").await;
    let summary: Value = serde_json::from_str(&ran.out).unwrap();
    assert!(ran.err.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{}", ran.err);
    assert_eq!(
        (ran.code, summary["bad"].as_array().unwrap().len(), &summary["bad"][0]["line"]),
        (1, 6, &json!(3))
    );
    std::fs::write(&file, b"user_id,username\n1,ada\n2,\xff\n").unwrap();
    dev.rejected(&["user", "import", &file], "", ":3: not valid UTF-8").await;
    let many: Vec<String> = (0..150).map(|number| format!("{number} x,n{number}")).collect();
    let ran = dev.import("many.csv", &format!("user_id,username\n{}", many.join("\n"))).await;
    assert_eq!((ran.code, ran.err.lines().count()), (1, 102));
    assert!(ran.err.contains("and 50 more"), "{}", ran.err);
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_second_run_skips_existing_users_and_reports_those_with_different_values() {
    let dev = Dev::fresh().await;
    let text = "user_id,username,full_name,password,password_hash,permissions\n\
                10,ann,Ann,open sesame,,a;b\n\
                11,bob,,,$2b$05$abcdefghijklmnopqrstuudks0cx3ry4eykejzEdjJRiLcs8hlf/a,\n\
                12,cat,,,,\n";
    assert_eq!(dev.import("users.csv", text).await.code, 0);
    let ran = dev.import("users.csv", text).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "added: 0, already present: 3, conflicts: 0\n"));
    dev.done(&["user", "permission", "add", "ann", "c"], "").await;
    dev.done(&["user", "passwd", "bob"], "other room\n").await;
    let more = format!("{text}13,dan,,,,\n1,eve,,,,\n14,MY_USERNAME,,,,\n");
    let ran = dev.import("users.csv", &more).await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (1, "added: 1, already present: 1, conflicts: 4\n"),
        "{ran:?}"
    );
    for (line, words) in [
        (2, "the user 10 already exists with different values"),
        (3, "the user 11 already exists with different values"),
        (6, "the user 1 already exists with different values"),
        (7, "the user 14 cannot be added: another user has the same name"),
    ] {
        assert!(ran.err.contains(&format!("users.csv:{line}: {words}")), "{}", ran.err);
    }
    assert_eq!(dev.log_in("bob", "other room").await, 200);
    let listed = dev.json(&["user", "list"], "").await;
    assert_eq!(listed.as_array().unwrap().len(), 4 + 4);
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn a_dry_run_says_what_an_import_would_do_and_writes_nothing() {
    let dev = Dev::fresh().await;
    let text = "user_id,username,full_name\n1,my_username,Ada\n10,ann,\n11,Admin,\n";
    let file = dev.data.path().join("users.csv").display().to_string();
    std::fs::write(&file, text).unwrap();
    let before = dev.json(&["user", "list"], "").await;
    let dry = ["user", "import", &file, "--dry-run"];
    let ran = dev.ran(&dry, "").await;
    let expected = "nothing was written; added: 1, already present: 0, conflicts: 2\n";
    assert_eq!((ran.code, ran.out.as_str()), (1, expected), "{}", ran.err);
    assert!(ran.err.contains("users.csv:4: the user 11 cannot be added"), "{}", ran.err);
    let ran = dev.ran(&[&["--json"], &dry[..], &["--update"]].concat(), "").await;
    let summary: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&summary["added"], &summary["updated"], &summary["dry_run"]),
        (&json!(1), &json!(1), &json!(true))
    );
    assert_eq!(dev.json(&["user", "list"], "").await, before);
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn an_update_changes_what_a_line_says_and_leaves_the_rest() {
    let dev = Dev::start(tempfile::TempDir::new().unwrap(), &["--no-prune"]).await;
    let file = dev.data.path().join("users.csv").display().to_string();
    let update = async |text: &str, expected: &str, code: i32| {
        std::fs::write(&file, text).unwrap();
        let ran = dev.ran(&["user", "import", &file, "--update"], "").await;
        assert_eq!((ran.code, ran.out.trim_end()), (code, expected), "{text}: {}", ran.err);
        ran.err
    };
    let (mine, admin) =
        (dev.token("my_username", "topsecret").await, dev.token("admin", "letmein").await);
    let same = "user_id,username\n1,my_username\n2,admin\n";
    update(same, "added: 0, updated: 0, already present: 2, conflicts: 0", 0).await;
    assert_eq!([dev.verdict(&mine).await, dev.verdict(&admin).await], ["allow", "allow"]);
    let head = "user_id,username,full_name,kind,status,permissions,password\n";
    let text = format!("{head}1,grace,Grace H.,app,,a;ROLE_USER,\n10,ann,,,,,sesame open\n");
    update(&text, "added: 1, updated: 1, already present: 0, conflicts: 0", 0).await;
    let shown = dev.json(&["user", "show", "id:1"], "").await;
    assert_eq!(
        shown,
        json!({
            "id": "1", "username": "grace", "full_name": "Grace H.", "kind": "app",
            "status": "active", "has_password": true, "permissions": ["ROLE_USER", "a"],
        })
    );
    assert_eq!(dev.verdict(&mine).await, "user_changed");
    assert_eq!(dev.log_in("grace", "topsecret").await, 200);
    // A repeated run changes nothing, and compares the plain password.
    update(&text, "added: 0, updated: 0, already present: 2, conflicts: 0", 0).await;
    let text = format!("{head}10,ann,,,blocked,,other sesame\n1,admin,,,,,\n");
    let err = update(&text, "added: 0, updated: 1, already present: 0, conflicts: 1", 1).await;
    assert!(err.contains("users.csv:3: the user 1 cannot"), "{err}");
    assert_eq!(dev.log_in("ann", "other sesame").await, 401);
    update(
        "user_id,username,status\n10,ann,active\n",
        "added: 0, updated: 1, already present: 0, conflicts: 0",
        0,
    )
    .await;
    assert_eq!(dev.log_in("ann", "other sesame").await, 200);
    assert_eq!(dev.verdict(&admin).await, "allow");
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn users_are_linked_to_the_subjects_of_their_lines() {
    let dev = Dev::fresh().await;
    let import = async |text: &str, options: &[&str]| {
        let file = dev.file("users.csv", text);
        let file = ["user", "import", file.to_str().unwrap()];
        dev.ran(&[&file[..], options].concat(), "").await
    };
    let issuer = "--issuer=https://id.example.com";
    let one = "user_id,username,oidc_subject\n20,ada,a\n";
    let without = import(one, &[]).await;
    assert!(without.err.contains("name its issuer with --issuer"), "{without:?}");
    let check = async |text: &str, options: &[&str], expected: &str, wrong: &str| {
        let ran = import(text, &[&[issuer], options].concat()).await;
        assert_eq!(ran.out.trim(), expected, "{ran:?}");
        assert!(ran.err.contains(wrong), "{ran:?}");
    };
    check(one, &[], "added: 1, already present: 0, conflicts: 0", "").await;
    let shown = dev.out(&["user", "show", "ada"], "").await;
    assert!(shown.contains("identity     linked"), "{shown}");
    check(one, &[], "added: 0, already present: 1, conflicts: 0", "").await;
    let another = "user_id,username,oidc_subject\n21,bea,a\n";
    let taken = "the user 21 cannot be linked: another user is linked to the same subject";
    check(another, &[], "added: 0, already present: 0, conflicts: 1", taken).await;
    let moved = "user_id,username,oidc_subject\n20,ada,b\n";
    let linked = "the user 20 is linked to another subject; unlink the user first";
    check(moved, &[], "added: 0, already present: 0, conflicts: 1", "different values").await;
    let none = "added: 0, updated: 0, already present: 0, conflicts: 1";
    check(moved, &["--update"], none, linked).await;
    let existing = "user_id,username,oidc_subject\n1,my_username,c\n";
    let updated = "added: 0, updated: 1, already present: 0, conflicts: 0";
    check(existing, &["--update"], updated, "").await;
    let present = "added: 0, updated: 0, already present: 1, conflicts: 0";
    check(existing, &["--update"], present, "").await;
    let twice = "user_id,username,oidc_subject\n30,x,s\n31,y,s\n";
    check(twice, &[], "", "csv:3: oidc_subject: already used in line 2").await;
}
