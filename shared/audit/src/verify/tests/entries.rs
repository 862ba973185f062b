//! Entries and records that do not follow from one another, in a log that is signed with the right
//! key.

use super::{
    tampering::{check, contents, found},
    *,
};
use crate::sample::{record, without};

#[test]
fn an_entry_that_is_repeated_with_other_content_is_found() {
    let repeat = |log: &mut Log| {
        let text = String::from_utf8(contents(log).clone()).unwrap();
        let line = text.lines().next().unwrap().replace("user:1", "user:2");
        let object = log.add_object(2, "999", format!("{line}\n").as_bytes());
        log.sign_from(2);
        object
    };
    check(
        |log| drop(repeat(log)),
        |_| {
            let object = repeat(&mut Log::new());
            vec![Finding::EntryRepeated(Place { object, line: 1, token_id: id(a()), version: 2 })]
        },
    );
}

#[test]
fn an_entry_after_the_end_of_its_token_is_found() {
    let add = |log: &mut Log| {
        let line = |version| {
            let new = record(b(), version);
            let written = crate::sample::written(START);
            crate::Entry::of_token(None, Some(&new), written, "1").unwrap()[0].line()
        };
        let object = log.add_object(3, "999", format!("{}\n", line(4)).as_bytes());
        log.sign_from(3);
        log.insert(record(b(), 4));
        object
    };
    check(
        |log| drop(add(log)),
        |_| {
            let object = add(&mut Log::new());
            let place = Place { object, line: 1, token_id: id(b()), version: 4 };
            vec![Finding::EntryAfterEnd(place)]
        },
    );
}

#[test]
fn a_line_that_is_no_entry_is_found() {
    let add = |log: &mut Log, line: &str| {
        let object = log.add_object(2, "999", format!("{line}\n").as_bytes());
        log.sign_from(2);
        object
    };
    let mut log = Log::new();
    let valid = String::from_utf8(contents(&mut log).clone()).unwrap();
    let valid = valid.lines().next().unwrap();
    for line in [
        "",
        "{}",
        "null",
        &valid[1..],
        &valid.replace("token.disabled", "token.unknown"),
        &valid.replace("\"version\":2,\"at\"", "\"version\":1,\"at\""),
        &valid.replace("\"sequence_number\":\"", "\"sequence_number\":\"x"),
        &valid.replace("A#2", "A#3"),
        r#"{"event":{"id":"1#5","kind":"user.added","user_id":"1","at":"2027-01-01T00:00:00Z","actor":"x"},"record":null,"image_sha256":null,"sequence_number":"6"}"#,
    ] {
        check(
            |log| drop(add(log, line)),
            |_| vec![Finding::LineUnreadable(add(&mut Log::new(), line), 1)],
        );
    }
}

#[test]
fn a_change_of_the_table_is_found() {
    let is = |finding: Finding| move |_: &Log| vec![finding.clone()];
    let differs = is(Finding::RecordDiffers(found(a(), 3)));
    check(|log| log.change(a(), &[("name", text("x"))]), &differs);
    check(|log| log.change(a(), &[("expires_at", number(1))]), &differs);
    check(|log| log.change(a(), &[("scope", number(1))]), &differs);
    check(|log| log.change(a(), &[("last_used_at", number(1))]), |_| vec![]);
    let remove = |log: &mut Log, name| {
        let record = log.table.get_mut(&id(a()).to_string()).unwrap();
        *record = without(record, name);
    };
    check(|log| remove(log, "user_fingerprint"), &differs);
    check(
        |log| log.table.clear(),
        |_| vec![Finding::RecordMissing(found(a(), 3)), Finding::RecordMissing(found(c(), 2))],
    );
    check(
        |log| log.change(a(), &[("version", number(2))]),
        is(Finding::RecordBehind(found(a(), 2), 3)),
    );
    check(
        |log| log.change(a(), &[("version", number(4))]),
        is(Finding::RecordAhead(found(a(), 4), 3)),
    );
    let added = with(&record(log::ADDED, 1), &[("issued_at", number(START))]);
    check(|log| log.insert(added.clone()), is(Finding::RecordUnknown(found(log::ADDED, 1))));
    check(|log| log.insert(record(b(), 2)), is(Finding::RecordAfterEnd(found(b(), 2))));
    check(
        |log| drop(log.table.insert("odd".into(), with(&added, &[("version", text("1"))]))),
        is(Finding::RecordUnreadable("1".into(), "version")),
    );
    let session = with(&added, &[("token", text("#session"))]);
    check(|log| drop(log.table.insert("session".into(), session.clone())), |_| vec![]);
}
