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
    lines.extend(["plain,plain,,sesame", "directory,directory,,"].map(str::to_owned));
    let ran = dev.import("users.csv", &lines.join("\n")).await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "added: 9, already present: 0, conflicts: 0\n"),
        "{ran:?}"
    );
    assert!(ran.err.contains("contains passwords") && !ran.err.contains("sesame"), "{}", ran.err);
    for (name, password, _) in HASHES.into_iter().chain([("plain", "sesame", "")]) {
        assert_eq!(dev.log_in(name, &format!("{password}x")).await, 401, "{name}");
        assert_eq!(dev.log_in(name, password).await, 200, "{name}");
    }
    assert_eq!(dev.log_in("directory", "password").await, 401);
    // A new password gets a hash from Hallpass.
    dev.done(&["user", "passwd", "scrypt"], "new\n").await;
    assert_eq!(
        (dev.log_in("scrypt", "password").await, dev.log_in("scrypt", "new").await),
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
    let lines =
        format!("{ada}\n\n{}\n", json!({"user_id": "8", "username": "bob", "password": "sesame"}));
    let summary = dev.json(&["user", "import", "-", "--format", "jsonl"], &lines).await;
    assert_eq!(summary, json!({"users": 2, "added": 2, "present": 0, "conflicts": [], "bad": []}));
    let shown = dev.json(&["user", "show", "ada"], "").await;
    assert_eq!((&shown["kind"], &shown["status"]), (&json!("app"), &json!("blocked")));
    assert_eq!(shown["permissions"], json!(["ROLE_USER", "generate services token"]));
    assert_eq!(shown["full_name"], "<b>Ada</b>");
    assert_eq!(dev.log_in("BOB", "sesame").await, 200);
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
                10,ann,sesame,\n\
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
        !ran.err.contains("topsecret") && !ran.err.contains("sesame") && !ran.err.contains("$1$")
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
                10,ann,Ann,sesame,,a;b\n\
                11,bob,,,$2b$05$abcdefghijklmnopqrstuudks0cx3ry4eykejzEdjJRiLcs8hlf/a,\n\
                12,cat,,,,\n";
    assert_eq!(dev.import("users.csv", text).await.code, 0);
    let ran = dev.import("users.csv", text).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "added: 0, already present: 3, conflicts: 0\n"));
    dev.done(&["user", "permission", "add", "ann", "c"], "").await;
    dev.done(&["user", "passwd", "bob"], "other\n").await;
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
    assert_eq!(dev.log_in("bob", "other").await, 200);
    let listed = dev.json(&["user", "list"], "").await;
    assert_eq!(listed.as_array().unwrap().len(), 4 + 4);
    dev.stop("-TERM").await;
}
