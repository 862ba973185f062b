//! Weak passwords.

use crate::dev::Dev;

#[tokio::test]
async fn a_weak_password_is_rejected_where_it_is_set_and_accepted_where_it_is_used() {
    let dev = Dev::fresh().await;
    let check = async |password: &str, words: &str| {
        let input = format!("{password}\n");
        dev.rejected(&["user", "add", "ada"], &input, words).await;
        dev.rejected(&["user", "passwd", "admin"], &input, words).await;
        let file = dev.data.path().join("users.csv");
        std::fs::write(&file, format!("user_id,username,password\n7,ada,{password}\n")).unwrap();
        let ran = dev.ran(&["user", "import", file.to_str().unwrap()], "").await;
        assert!(ran.code == 1 && ran.err.contains(&format!(":2: password: {words}")), "{ran:?}");
    };
    check("letmein", "a password must have at least 8 characters").await;
    check("football", "this password is one of the 10,000 most common ones").await;
    check("Football", "this password is one of the 10,000 most common ones").await;
    assert_eq!(dev.log_in("admin", "letmein").await, 200, "the password of a demo user");
    dev.stop("-TERM").await;
}
