//! Every reason for which a record or a user rejects a token, one at a time.

use std::collections::BTreeMap;

use super::*;
use crate::{
    codec::Format,
    family::Family,
    fingerprint::Binding,
    id::{TokenHash, TokenId},
    record::Revocation,
    snapshot::Snapshot,
    user::Value,
};

const NOW: Timestamp = match Timestamp::from_unix(1_800_000_000) {
    Some(now) => now,
    None => Timestamp::MAX,
};

fn scope(names: &[&str]) -> Scope {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn user() -> User {
    User {
        id: "1".parse().unwrap(),
        username: "my_username".into(),
        full_name: None,
        status: Status::Active,
        permissions: scope(&["read", "write"]),
        unreadable: Vec::new(),
        attributes: BTreeMap::from([("username".into(), Value::Text("my_username".into()))]),
    }
}

fn record() -> Record {
    let binding = Binding::new(["username".to_owned()]);
    let id =
        TokenId { user_id: "1".parse().unwrap(), hash: "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap() };
    Record {
        id,
        format: Format::Signed,
        name: None,
        description: None,
        scope: None,
        issued_at: NOW,
        issued_by: "1".into(),
        expires_at: Some(NOW.after(Duration::from_secs(60))),
        disabled_at: None,
        revoked: None,
        fingerprint: binding.fingerprint(&user()),
        snapshot: Snapshot::new(&id.hash, &binding, &user()),
        binding,
        key_id: "a".into(),
        family: Family::new(id),
        payload_digest: None,
        authenticated_at: NOW,
        expiry_cap: None,
        replaces: None,
        replaced_by: None,
        replaced_at: None,
        last_used_at: None,
        expiry_notified: None,
        reused_at: None,
        purge_at: None,
    }
}

fn claim() -> Claim {
    let Record { id, format, expires_at, .. } = record();
    Claim { format, user_id: Some(id.user_id), hash: id.hash, expires_at, payload: None }
}

fn check(record: Option<Record>, user: Option<User>, expected: Result<&str, Reason>) {
    let got = admit(&claim(), record, user, NOW).map(|admitted| admitted.scope.to_string());
    let got = got.map_err(|rejection| rejection.reason);
    assert_eq!(got.as_deref(), expected.as_deref());
}

#[test]
fn the_effective_scope_is_the_intersection_of_scope_and_permissions() {
    let with = |names| Some(Record { scope: Some(scope(names)), ..record() });
    check(Some(record()), Some(user()), Ok("read,write"));
    check(with(&["read", "delete"]), Some(user()), Ok("read"));
    check(with(&["delete"]), Some(user()), Ok(""));
    check(Some(record()), Some(User { permissions: scope(&[]), ..user() }), Ok(""));
}

#[test]
fn a_missing_or_different_record_or_user_rejects() {
    let other_hash: TokenHash = "BBBBBBBBBBBBBBBBBBBBBA".parse().unwrap();
    let unknown = Err(Reason::Unknown);
    check(None, Some(user()), unknown);
    check(None, None, unknown);
    check(Some(record()), None, Err(Reason::UserRemoved));
    check(Some(Record { format: Format::Jwt, ..record() }), Some(user()), unknown);
    check(Some(Record { expires_at: None, ..record() }), Some(user()), unknown);
    check(
        Some(Record { id: TokenId { hash: other_hash, ..record().id }, ..record() }),
        Some(user()),
        unknown,
    );
    check(
        Some(Record { id: TokenId { user_id: "2".parse().unwrap(), ..record().id }, ..record() }),
        Some(user()),
        unknown,
    );
    check(Some(record()), Some(User { id: "2".parse().unwrap(), ..user() }), unknown);
}

#[test]
fn a_rejection_gives_the_reason_of_its_record() {
    let revoked =
        |because| Some(Record { revoked: Some(Revocation { at: NOW, because }), ..record() });
    for because in [Reason::Revoked, Reason::Replaced, Reason::UserChanged, Reason::UserRemoved] {
        check(revoked(because), Some(user()), Err(because));
        check(revoked(because), None, Err(because));
    }
    check(Some(Record { disabled_at: Some(NOW), ..record() }), Some(user()), Err(Reason::Disabled));
    check(Some(Record { replaced_at: Some(NOW), ..record() }), Some(user()), Err(Reason::Replaced));
    let window = NOW.after(Duration::from_secs(1));
    check(Some(Record { replaced_at: Some(window), ..record() }), Some(user()), Ok("read,write"));
}

#[test]
fn a_changed_or_blocked_user_rejects() {
    let renamed = BTreeMap::from([("username".into(), Value::Text("other".into()))]);
    let raised = BTreeMap::from([
        ("username".into(), Value::Text("my_username".into())),
        ("token_generation".into(), Value::Number("1".into())),
    ]);
    check(Some(record()), Some(User { attributes: renamed, ..user() }), Err(Reason::UserChanged));
    check(
        Some(record()),
        Some(User { attributes: raised.clone(), ..user() }),
        Err(Reason::Revoked),
    );
    let before_snapshots = Record { snapshot: Snapshot::default(), ..record() };
    check(
        Some(before_snapshots),
        Some(User { attributes: raised, ..user() }),
        Err(Reason::UserChanged),
    );
    check(
        Some(record()),
        Some(User { status: Status::Blocked, ..user() }),
        Err(Reason::UserBlocked),
    );
}

#[test]
fn a_rejection_names_the_changed_attributes_and_a_raised_generation_alone_is_a_revocation() {
    const NAMES: [&str; 5] = ["username", "password_hash", "status", "permissions", "plan"];
    let before = User {
        attributes: NAMES.map(|name| (name.to_owned(), Value::Text("before".into()))).into(),
        ..user()
    };
    let binding = Binding::new(NAMES.map(str::to_owned));
    let record = |snapshot: bool| Record {
        fingerprint: binding.fingerprint(&before),
        snapshot: if snapshot {
            Snapshot::new(&record().id.hash, &binding, &before)
        } else {
            Snapshot::default()
        },
        binding: binding.clone(),
        ..record()
    };
    let check = |changed: &[&str], expected: Reason, kinds: &[&str]| {
        let mut after = before.clone();
        let value = |name: &&str| match *name {
            "token_generation" => ("token_generation".to_owned(), Value::Number("1".into())),
            name => (name.to_owned(), Value::Text("after".into())),
        };
        after.attributes.extend(changed.iter().map(value));
        let marked = Some(Revocation { at: NOW, because: Reason::UserChanged });
        for (snapshot, revoked, expected, kinds) in [
            (true, None, expected, kinds),
            (false, None, Reason::UserChanged, &[][..]),
            // Prune has marked the record. The change is named until it is undone.
            (true, marked, Reason::UserChanged, kinds),
        ] {
            let record = Record { revoked, ..record(snapshot) };
            assert_eq!(
                invalidated(&record, Some(&after)),
                Some(if snapshot { expected_by_prune(changed) } else { expected })
            );
            let rejection = readmit(record, Some(after.clone()), NOW).unwrap_err();
            assert_eq!(rejection.reason, expected, "{changed:?}");
            assert_eq!(rejection.changed.kinds().collect::<Vec<_>>(), kinds, "{changed:?}");
        }
    };
    for name in NAMES {
        let kind = if name == "plan" { "other" } else { name };
        check(&[name], Reason::UserChanged, &[kind]);
        check(&[name, "token_generation"], Reason::UserChanged, &[kind]);
    }
    check(&["username", "plan"], Reason::UserChanged, &["username", "other"]);
    check(&["token_generation"], Reason::Revoked, &[]);
}

fn expected_by_prune(changed: &[&str]) -> Reason {
    if changed == ["token_generation"] { Reason::Revoked } else { Reason::UserChanged }
}

#[test]
fn a_developer_token_expires_when_its_record_says() {
    let claim = Claim { format: Format::Developer, user_id: None, expires_at: None, ..claim() };
    let check = |expires_at, now: Timestamp, expected: Option<Reason>| {
        let record = Record { format: Format::Developer, expires_at, ..record() };
        assert_eq!(
            admit(&claim, Some(record), Some(user()), now).err().map(|rejection| rejection.reason),
            expected
        );
    };
    let end = NOW.after(Duration::from_secs(60));
    check(None, Timestamp::MAX, None);
    check(Some(end), end.before(Duration::from_secs(1)), None);
    check(Some(end), end, Some(Reason::Expired));
}

#[test]
fn a_change_invalidates_and_an_unbound_block_does_not() {
    let blocked = User { status: Status::Blocked, ..user() };
    let renamed = User { attributes: BTreeMap::new(), ..user() };
    let renamed_and_blocked = User { attributes: BTreeMap::new(), ..blocked.clone() };
    let check = |user: Option<&User>, expected| assert_eq!(invalidated(&record(), user), expected);
    check(Some(&user()), None);
    check(Some(&blocked), None);
    check(Some(&renamed), Some(Reason::UserChanged));
    check(Some(&renamed_and_blocked), Some(Reason::UserBlocked));
    check(None, Some(Reason::UserRemoved));
}

#[test]
fn a_record_is_purged_after_its_retention() {
    let at = |seconds| Timestamp::from_unix(seconds);
    let check = |expires, revoked, expected| {
        assert_eq!(purge_at(expires, revoked, Duration::from_secs(10)), expected);
    };
    check(None, None, None);
    check(at(100), None, at(110));
    check(at(100), at(50), at(60));
    check(None, at(50), at(60));
    check(at(40), at(50), at(50));
}

/// The state of a token for every record and every user. Each array has one state per user, in the
/// order of `users`.
#[test]
fn record_and_user_decide_the_state_together() {
    let (past, future) = (NOW.before(Duration::from_secs(1)), NOW.after(Duration::from_secs(1)));
    let revoked = |because| Record { revoked: Some(Revocation { at: NOW, because }), ..record() };
    let disabled = Record { disabled_at: Some(past), ..record() };
    let blocked = User { status: Status::Blocked, ..user() };
    let renamed = User { attributes: BTreeMap::new(), ..user() };
    let renamed_and_blocked = User { attributes: BTreeMap::new(), ..blocked.clone() };
    let users = [Some(&user()), Some(&blocked), Some(&renamed), Some(&renamed_and_blocked), None];
    let for_good = ["user_changed", "user_blocked", "user_removed"];
    let check = |record: &Record, expected: [&str; 5]| {
        for (user, expected) in users.into_iter().zip(expected) {
            let state = state(record, user, NOW);
            assert_eq!(state.as_str(), expected, "{record:?} {user:?}");
            assert_eq!(state.is_live(), expected == "live");
            // Verification agrees with the state, and a token that can be live again counts.
            assert_eq!(
                readmit(record.clone(), user.cloned(), NOW).err().map(|rejection| rejection.reason),
                state.reason()
            );
            let is_final = record.live_until().is_none_or(|end| end.has_passed(NOW))
                || invalidated(record, user).is_some();
            assert_eq!(state.counts(), !is_final, "{record:?} {user:?}");
        }
    };
    let [changed, was_blocked, removed] = for_good;
    check(&record(), ["live", "user_blocked", changed, was_blocked, removed]);
    check(&disabled, ["disabled", "user_blocked", changed, was_blocked, removed]);
    check(
        &Record { expires_at: None, ..record() },
        ["live", "user_blocked", changed, was_blocked, removed],
    );
    check(
        &Record { replaced_at: Some(future), ..record() },
        ["live", "user_blocked", changed, was_blocked, removed],
    );
    check(&Record { expires_at: Some(NOW), ..disabled.clone() }, ["expired"; 5]);
    check(&Record { replaced_at: Some(NOW), ..record() }, ["replaced"; 5]);
    check(
        &Record { replaced_at: Some(past), disabled_at: Some(past), ..record() },
        ["replaced"; 5],
    );
    for because in [
        Reason::Revoked,
        Reason::Replaced,
        Reason::UserChanged,
        Reason::UserBlocked,
        Reason::UserRemoved,
    ] {
        check(&revoked(because), [because.as_str(); 5]);
        check(&Record { disabled_at: Some(past), ..revoked(because) }, [because.as_str(); 5]);
    }
}

#[test]
fn a_record_is_live_until_the_first_of_expiry_replacement_and_revocation() {
    let at = |seconds| NOW.after(Duration::from_secs(seconds));
    let check = |expires_at: Option<Timestamp>, replaced_at, revoked, expected| {
        let revoked = Option::map(revoked, |at| Revocation { at, because: Reason::Revoked });
        assert_eq!(Record { expires_at, revoked, replaced_at, ..record() }.live_until(), expected);
    };
    check(Some(at(60)), None, None, Some(at(60)));
    check(Some(at(60)), Some(at(30)), None, Some(at(30)));
    check(Some(at(60)), Some(at(90)), None, Some(at(60)));
    check(None, Some(at(30)), None, Some(at(30)));
    check(None, None, None, Some(Timestamp::MAX));
    check(None, None, Some(at(1)), None);
    check(Some(at(60)), Some(at(30)), Some(at(1)), None);
}
