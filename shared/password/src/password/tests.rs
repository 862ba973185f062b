//! Published hashes, and texts that are not supported hashes.

use super::*;

#[test]
fn only_the_right_password_is_verified() {
    let phc = hash("topsecret", [7; 16]).unwrap();
    assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
    let check = |password: &str, phc: Option<&str>, right| {
        assert_eq!(verify(password, phc), right, "{phc:?}");
    };
    check("topsecret", Some(&phc), true);
    check("topsecret ", Some(&phc), false);
    check("", Some(&phc), false);
    check("topsecret", None, false);
    check("topsecret", Some("topsecret"), false);
    check("topsecret", Some(""), false);
    check("topsecret", Some("$argon2id$v=19$m=19456,t=2,p=1$"), false);
    check(&"x".repeat(MAX_BYTES + 1), Some(&phc), false);
}

#[test]
fn an_empty_or_overlong_password_is_not_hashed() {
    assert!(hash("", [7; 16]).is_none());
    assert!(hash(&"x".repeat(MAX_BYTES), [7; 16]).is_some());
    assert!(hash(&"x".repeat(MAX_BYTES + 1), [7; 16]).is_none());
}

#[test]
fn the_dummy_is_a_complete_hash_with_the_default_parameters() {
    let parameters = |phc: &str| phc.split('$').nth(3).map(str::to_owned);
    assert!(PasswordHash::new(DUMMY).is_ok_and(|hash| hash.hash.is_some()));
    assert_eq!(parameters(DUMMY), parameters(&hash("x", [7; 16]).unwrap()));
}

/// Each line is a password, a tab and its hash; comments name the source.
const PUBLISHED: &str = include_str!("published.txt");

#[test]
fn published_hashes_are_verified_and_a_wrong_password_is_not() {
    let mut count = 0;
    for line in PUBLISHED.lines().filter(|line| !line.starts_with('#')) {
        let [password, phc] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(check(phc), Ok(()), "{line}");
        assert!(verify(password, Some(phc)), "{line}");
        assert!(!verify(&format!("x{password}"), Some(phc)), "{line}");
        assert!(!verify(&"x".repeat(MAX_BYTES + 1), Some(phc)), "{line}");
        // One character of the output changed.
        let (head, tail) = phc.split_at(phc.len() - 8);
        let other = if tail.starts_with('A') { "B" } else { "A" };
        assert!(!verify(password, Some(&format!("{head}{other}{}", &tail[1..]))), "{line}");
        count += 1;
    }
    assert_eq!(count, 12);
}

#[test]
fn bcrypt_uses_72_bytes_and_rejects_a_password_with_a_nul() {
    let phc = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
    let long = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    assert!(long.len() == 72 && verify(long, Some(phc)));
    assert!(verify(&format!("{long}chars after 72 are ignored"), Some(phc)));
    assert!(!verify(&long[..71], Some(phc)));
    let phc = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    assert!(verify("U*U", Some(phc)) && !verify("U*U\0", Some(phc)));
    assert!(!verify("U*U\0U*U", Some(phc)));
    // The unused bits of this salt are set.
    assert!(verify("U*U", Some("$2a$05$CCCCCCCCCCCCCCCCCCCCC/E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")));
}

#[test]
fn an_empty_password_is_rejected() {
    assert!(!verify("", Some("$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy")));
}

const SALT_AND_OUTPUT: &str = "c2FsdHNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
const BCRYPT: &str = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

#[test]
fn unsupported_and_malformed_hashes_are_rejected() {
    let not = |phc: &str, why| {
        assert_eq!(check(phc), why, "{phc}");
        assert!(why.is_ok() || !verify("password", Some(phc)), "{phc}");
    };
    let kind = |phc: &str| not(phc, Err(HashError::Kind));
    let form = |head: &str, rest: &str| not(&format!("{head}{rest}"), Err(HashError::Form));
    kind("");
    kind("topsecret");
    kind("5f4dcc3b5aa765d61d8327deb882cf99");
    kind("$1$salt$qJH7.N4xYta3aEG/dfqo/0");
    kind(
        "$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g.",
    );
    kind(&format!("$2x$05${BCRYPT}"));
    kind(&format!("$argon2i$v=19$m=256,t=2,p=1${SALT_AND_OUTPUT}"));
    kind(&format!("$argon2d$v=19$m=256,t=2,p=1${SALT_AND_OUTPUT}"));
    kind(&format!("$pbkdf2$1000${SALT_AND_OUTPUT}"));
    kind("pbkdf2_sha256$1000$salt$bm90IG91cnM=");
    kind("{SSHA}bm90IG91cnM=");
    form("$argon2id$", "v=19$m=256,t=2,p=1$c29tZXNhbHQ");
    form("$argon2id$", "v=19$m=1,t=2,p=1$c2FsdHNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4");
    form("$argon2id$", "v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/g");
    for bad in ["$2b$", "$2b$5$", "$2b$03$", "$2b$32$", "$2b$+5$", "$2b$$"] {
        form(bad, BCRYPT);
    }
    form("$2b$05$", "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe");
    form("$2b$05$", "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeWW");
    form("$2b$05$", "CCCCCCCCCCCCCCCCCCCCC\u{e9}E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");
    for bad in [
        "ln=0,r=8,p=1",
        "ln=10,r=8",
        "r=8,ln=10,p=1",
        "ln=10,r=0,p=1",
        "ln=10,r=8,p=0",
        "ln=10,r=8,p=1,x=1",
    ] {
        form(&format!("$scrypt${bad}$"), SALT_AND_OUTPUT);
    }
    for bad in ["i=0", "0", "", "i=", "i=1,l=31", "i=1,k=32", "-1", "+1", "99999999999"] {
        form(&format!("$pbkdf2-sha256${bad}$"), SALT_AND_OUTPUT);
    }
    form("$pbkdf2-sha256$i=1$", "c2FsdA$c2hvcnQ");
    form("$pbkdf2-sha256$i=1$", "c2F=dA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4");
    form("$argon2id$v=19$m=256,t=2,p=1$", "c2FsdHNhbHQ$nf65EOgLrQMR/uIPnA4r");
}

#[test]
fn a_hash_that_costs_too_much_is_rejected_and_one_at_the_bounds_is_accepted() {
    let cost = |head: &str, rest: &str| {
        let phc = format!("{head}{rest}");
        assert_eq!(check(&phc), Err(HashError::Cost), "{phc}");
        assert!(!verify("password", Some(&phc)), "{phc}");
    };
    cost("$argon2id$v=19$m=262145,t=1,p=1$", SALT_AND_OUTPUT);
    cost("$argon2id$v=19$m=65536,t=17,p=1$", SALT_AND_OUTPUT);
    cost("$argon2id$v=19$m=4294967295,t=4294967295,p=1$", SALT_AND_OUTPUT);
    cost("$argon2id$v=19$m=1024,t=1,p=65$", SALT_AND_OUTPUT);
    cost("$2b$16$", BCRYPT);
    cost("$2b$31$", BCRYPT);
    cost("$scrypt$ln=19,r=8,p=1$", SALT_AND_OUTPUT);
    cost("$scrypt$ln=63,r=8,p=1$", SALT_AND_OUTPUT);
    cost("$scrypt$ln=4294967295,r=1,p=1$", SALT_AND_OUTPUT);
    cost("$scrypt$ln=14,r=8,p=65$", SALT_AND_OUTPUT);
    cost("$scrypt$ln=1,r=1073741824,p=1$", SALT_AND_OUTPUT);
    // Each of these is just beyond one bound.
    cost("$scrypt$ln=22,r=1,p=1$", SALT_AND_OUTPUT);
    cost("$scrypt$ln=17,r=8,p=9$", SALT_AND_OUTPUT);
    cost("$scrypt$ln=4,r=65,p=1$", SALT_AND_OUTPUT);
    cost("$scrypt$ln=4,r=1,p=65$", SALT_AND_OUTPUT);
    cost("$pbkdf2-sha256$i=5000001$", SALT_AND_OUTPUT);
    cost("$pbkdf2-sha512$i=4294967295$", SALT_AND_OUTPUT);
    // These are at the bounds. They are only parsed, because verifying them takes seconds.
    for supported in [
        "$argon2id$v=19$m=65536,t=16,p=4$",
        "$argon2id$v=19$m=262144,t=4,p=64$",
        "$scrypt$ln=18,r=8,p=1$",
        "$scrypt$ln=17,r=8,p=8$",
        "$scrypt$ln=4,r=64,p=64$",
        "$pbkdf2-sha512$i=5000000$",
    ] {
        assert_eq!(check(&format!("{supported}{SALT_AND_OUTPUT}")), Ok(()), "{supported}");
    }
    assert_eq!(check(&format!("$2y$15${BCRYPT}")), Ok(()));
}
