//! What `hallpass dev` prints: every command in it works when it is copied.

use std::process::Command;

use tempfile::TempDir;

use crate::dev::Dev;

#[tokio::test]
async fn every_printed_command_works_when_it_is_copied() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("curl is not installed; the printed commands are not checked");
        return;
    }
    // A directory whose name a shell would split.
    let folder = TempDir::with_prefix("it's a ").unwrap();
    let dev = Dev::start(folder, &[]).await;
    let printed = dev.printed.join("\n");
    assert!(printed.contains("/profile/developer/\n"), "{printed}");
    for user in
        ["my_username   topsecret   ROLE_USER", "admin         letmein     ROLE_USER, ROLE_ADMIN"]
    {
        assert!(printed.contains(&format!("\n  {user}\n")), "{printed}");
    }
    let is_command = |line: &&str| {
        let words = ["curl ", "TOKEN=", "/", "target/"];
        line.starts_with("  ") && words.iter().any(|word| line[2..].starts_with(word))
    };
    let commands: Vec<&str> = printed.lines().filter(is_command).collect();
    assert_eq!(commands.len(), 6, "{printed}");
    let script = commands.join("\necho\n").replace("curl ", "curl --silent --show-error --fail ");
    let ran = Command::new("sh").args(["-euc", &script]).output().unwrap();
    let (out, err) =
        (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
    assert!(ran.status.success(), "{script}\n{out}\n{err}");
    assert_eq!(out.matches("\"token\":").count(), 1, "{out}");
    assert_eq!(out.matches("my_username").count(), 6, "{out}");
    dev.stop("-TERM").await;
}

#[tokio::test]
async fn only_users_as_they_were_added_are_printed_with_their_passwords() {
    let dev = Dev::fresh().await;
    dev.done(&["user", "passwd", "my_username"], "other engine\n").await;
    let dev = Dev::start(dev.stop("-TERM").await, &[]).await;
    let printed = dev.printed.join("\n");
    assert!(!printed.contains("topsecret") && printed.contains("-u admin:letmein"), "{printed}");
    dev.done(&["user", "remove", "admin"], "").await;
    let dev = Dev::start(dev.stop("-TERM").await, &[]).await;
    let printed = dev.printed.join("\n");
    assert!(!printed.contains("letmein") && printed.contains("user add NAME"), "{printed}");
    dev.stop("-TERM").await;
}
