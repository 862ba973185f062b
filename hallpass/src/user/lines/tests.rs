//! Valid and invalid lines.

use super::*;

/// A bcrypt hash of `topsecret7`, whose salt is the letter X throughout.
const HASH: &str = "$2b$05$abcdefghijklmnopqrstuudks0cx3ry4eykejzEdjJRiLcs8hlf/a";

/// Parses a file, and compares the IDs of its users and the beginnings of its errors.
fn check(format: Format, text: &str, users: &[&str], wrong: &[(u64, &str)]) {
    let (rows, bad) = read(text, format);
    let ids: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
    assert_eq!(ids, users, "{text}");
    let bad: Vec<(u64, &str)> = bad.iter().map(|wrong| (wrong.line, wrong.what.as_str())).collect();
    assert_eq!(bad.len(), wrong.len(), "{text}: {bad:?}");
    for ((line, what), (expected_line, beginning)) in bad.iter().zip(wrong) {
        assert!(line == expected_line && what.starts_with(beginning), "{text}: {line}: {what}");
        assert!(!what.contains("topsecret7"), "{what}");
    }
}

#[test]
fn a_file_of_csv_is_read_and_its_bad_lines_are_named() {
    let csv =
        |text: &str, users: &[&str], wrong: &[(u64, &str)]| check(Format::Csv, text, users, wrong);
    csv("user_id,username\n1,ada\n2,bob\n", &["1", "2"], &[]);
    csv("\u{feff}user_id, username\r\n1,ada\r\n", &["1"], &[]);
    csv(
        "user_id,username,full_name\n1,ada,\"Lovelace,\nAda\"\n2,bob,\n",
        &["2"],
        &[(2, "full_name")],
    );
    csv(
        "user_id,username,full_name\n1,ada,\"Lovelace, Ada\"\n\n3,bob,x\n4,ADA,\n",
        &["1", "3"],
        &[(5, "username: already used in line 2")],
    );
    csv(
        "user_id,username,password\n1,ada,topsecret7,topsecret7\n2,bob\n",
        &[],
        &[(2, "the line has 4 fields"), (3, "the line has 2")],
    );
    csv("1,ada,topsecret7\n", &[], &[(1, "column 1 of the header must be one of")]);
    csv(
        "user_id,username,user_id\n1,ada,1\n",
        &[],
        &[(1, "the header has user_id more than once")],
    );
    csv("", &[], &[]);
    csv("username\nada\n", &[], &[(2, "user_id: missing")]);
    csv("user_id\n1\n", &[], &[(2, "username: missing")]);
}

/// Checks one line of all columns.
fn line(line: &str, users: &[&str], wrong: &[(u64, &str)]) {
    let all = "user_id,username,full_name,kind,status,permissions,password,password_hash";
    check(Format::Csv, &format!("{all}\n{line}\n"), users, wrong);
}

#[test]
fn a_line_of_all_columns_is_read_and_its_bad_column_is_named() {
    line("1,ada,Ada,person,active,ROLE_USER; reports,topsecret7,", &["1"], &[]);
    line(&format!("1,ada,Ada,app,blocked,,,{HASH}"), &["1"], &[]);
    line("1 2,ada,,,,,,", &[], &[(2, "user_id: must be")]);
    line("1,a:b,,,,,,", &[], &[(2, "username: a user name must")]);
    line(&format!("1,{},,,,,,", "x".repeat(10_000)), &[], &[(2, "username: a user name must")]);
    line(&format!("1,ada,{},,,,,", "x".repeat(257)), &[], &[(2, "full_name: a full name has")]);
    line("1,ada,,robot,,,,", &[], &[(2, "kind: ")]);
    line("1,ada,,,gone,,,", &[], &[(2, "status: ")]);
    line("1,ada,,,,\"a;b\"\"c\",,", &[], &[(2, "permissions: ")]);
    line(&format!("1,ada,,,,,topsecret7,{HASH}"), &[], &[(2, "password: cannot be used with")]);
    line(
        &format!("1,ada,,,,,{},", "x".repeat(1_025)),
        &[],
        &[(2, "password: a password must have 1 to 1024")],
    );
    line("1,ada,,,,,,topsecret7", &[], &[(2, "password_hash: it must be a hash of")]);
    line(
        "1,ada,,,,,,$2b$05$short",
        &[],
        &[(2, "password_hash: it is a malformed hash of a supported kind")],
    );
    line(
        &format!("1,ada,,,,,,{}", HASH.replace("$05$", "$31$")),
        &[],
        &[(2, "password_hash: it takes more")],
    );
    line("<b>1</b>,<b>ada</b>,,,,,,", &[], &[(2, "user_id")]);
    line(" 1 , eve ,\u{a0}Eve , person , active , ROLE_USER ; reports ,topsecret7,", &["1"], &[]);
    line(&format!("1,ada,,,,,, {HASH} "), &["1"], &[]);
    line("1,ada, , , , ,,\u{feff}", &["1"], &[]);
    line("1,<b>ada</b>,<script>,,,,,", &["1"], &[]);
}

#[test]
fn unusable_names_and_passwords_are_named() {
    for name in [" ", "\u{2800}", "\u{200b}", "\u{3164}", "a\tb", "ada\u{202e}nimda", "a\u{2066}b"]
    {
        line(&format!("1,{name},,,,,,"), &[], &[(2, "username: ")]);
        line(&format!("1,ada,x{name}x\u{202d},,,,,"), &[], &[(2, "full_name: a full name has")]);
    }
    for password in [
        "top\tsecret",
        "topsecret7\u{7f}",
        "\u{1b}topsecret7",
        "top\u{85}secret",
        "\"topsecret7\n\"",
    ] {
        line(
            &format!("1,ada,,,,,{password},"),
            &[],
            &[(2, "password: a password must have 1 to 1024")],
        );
    }
    for password in [" topsecret7", "topsecret7 ", "\" topsecret7\"", " "] {
        line(
            &format!("1,ada,,,,,{password},"),
            &[],
            &[(2, "password: it begins or ends with white space")],
        );
    }
}

#[test]
fn a_file_of_json_lines_is_read_and_its_bad_lines_are_named() {
    let json = |text: &str, users: &[&str], wrong: &[(u64, &str)]| {
        check(Format::Jsonl, text, users, wrong);
    };
    json(
        "{\"user_id\":\"1\",\"username\":\"ada\"}\n\n{\"user_id\":\"2\",\"username\":\"bob\"}",
        &["1", "2"],
        &[],
    );
    json(
        "{\"user_id\":\"1\",\"username\":\"ada\",\"permissions\":[\"a b\"],\"password\":null}",
        &["1"],
        &[],
    );
    json(
        "{\"user_id\":\"1\",\"username\":\"ada\"}\n{\"user_id\":\"1\",\"username\":\"b\"}",
        &["1"],
        &[(2, "user_id: already used in line 1")],
    );
    json(
        "{\"user_id\":\"1\",\"username\":\"ada\",\"password\":\"\"}",
        &[],
        &[(1, "password: a password must have 1 to")],
    );
    json("{\"user_id\":1,\"username\":\"ada\"}", &[], &[(1, "a member near column 12")]);
    json("{\"topsecret7\":1}", &[], &[(1, "a member near")]);
    json("{\"user_id\":\"1\",\"user_id\":\"2\"}", &[], &[(1, "a member near")]);
    json("\n{topsecret7", &[], &[(2, "invalid JSON at column")]);
    json("[]", &[], &[(1, "not a JSON object")]);
    json("\"topsecret7\"", &[], &[(1, "not a JSON object")]);
    json("{}", &[], &[(1, "user_id: missing")]);
}

#[test]
fn white_space_around_a_value_is_removed_except_around_a_password() {
    let (rows, wrong) =
        read("user_id,username,full_name,password\n1, eve , Eve L. ,topsecret7\n", Format::Csv);
    let row = &rows[0];
    assert_eq!(
        (row.username.as_str(), row.full_name.as_deref(), wrong.len()),
        ("eve", Some("Eve L."), 0)
    );
    let explicit = "{\"user_id\":\"1\",\"username\":\"eve\",\"password\":\" topsecret7 \"}";
    let (rows, _) = read(explicit, Format::Jsonl);
    assert!(
        matches!(&rows[0].password, Password::Plain(plain) if plain.as_str() == " topsecret7 ")
    );
    let (_, wrong) = read("user_id,username\n1,eve\n2, EVE\n", Format::Csv);
    assert_eq!(wrong[0].line, 3, "one name");
}

#[test]
fn a_row_prints_without_its_password() {
    let (rows, _) = read("user_id,username,password\n1,ada,topsecret7\n", Format::Csv);
    assert!(!format!("{rows:?}").contains("topsecret7"));
}
