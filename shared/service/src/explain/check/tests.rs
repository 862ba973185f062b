//! The explanation agrees with the decision for random records, users and times.

use std::collections::BTreeMap;

use hallpass_store::verify::Found;
use hallpass_token::{
    Binding, Family, Format, Record, Rejection, Revocation, Snapshot, Status, TokenId, UserId,
    Value,
};
use proptest::{option, prelude::*, sample::select};

use super::*;

const START: u64 = 1_800_000_000;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(START.saturating_add(seconds)).unwrap()
}

/// A user in one of few states, so that two of them are often the same.
fn users() -> impl Strategy<Value = User> {
    let flags = (any::<bool>(), any::<bool>(), 0..2_u32, any::<bool>());
    (flags, option::of(0..8_u64)).prop_map(|((name, active, generation, permitted), due)| {
        let text = |text: &str| Value::Text(text.to_owned());
        let status = if active { Status::Active } else { Status::Blocked };
        let mut attributes = BTreeMap::from([
            ("user_id".to_owned(), text("1")),
            ("username".to_owned(), text(if name { "ada" } else { "grace" })),
            ("status".to_owned(), text(status.as_str())),
            ("token_generation".to_owned(), Value::Number(generation.to_string())),
        ]);
        let permissions =
            if permitted { vec!["read".to_owned()] } else { vec!["write".to_owned()] };
        attributes.insert("permissions".to_owned(), Value::TextSet(permissions));
        let due = due.map(|due| Value::Number(at(due).unix().to_string()));
        attributes.extend(due.map(|due| ("sign_in_due_at".to_owned(), due)));
        User::from_attributes(attributes).unwrap()
    })
}

prop_compose! {
    fn records()(
        issued_to in users(),
        bound_to in select(vec![vec![], vec!["username"], vec!["username", "status", "plan"]]),
        format in select(Format::ALL.to_vec()),
        expires_at in option::of(0..8_u64),
        revoked in option::of((0..8_u64, select(vec![Reason::Revoked, Reason::Leaked, Reason::Replaced, Reason::UserChanged]))),
        replaced_at in option::of(0..8_u64),
        disabled_at in option::of(Just(0)),
        scope in option::of(select(vec!["read", "admin"])),
    ) -> Record {
        let hash = "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        let id = TokenId { user_id: "1".parse::<UserId>().unwrap(), hash };
        let binding = Binding::new(bound_to.into_iter().map(str::to_owned));
        Record {
            id,
            format,
            name: None,
            description: None,
            scope: scope.map(|name| [name.parse().unwrap()].into_iter().collect()),
            issued_at: at(0),
            issued_by: "1".to_owned(),
            expires_at: expires_at.map(at),
            disabled_at: disabled_at.map(at),
            revoked: revoked.map(|(seconds, because)| Revocation { at: at(seconds), because }),
            fingerprint: binding.fingerprint(&issued_to),
            snapshot: Snapshot::new(&hash, &binding, &issued_to),
            binding,
            key_id: "a".to_owned(),
            family: Family::new(id),
            payload_digest: None,
            authenticated_at: at(0),
            expiry_cap: None,
            replaces: None,
            replaced_by: replaced_at.map(|_| hash),
            replaced_at: replaced_at.map(at),
            last_used_at: None,
            expiry_notified: None,
            reused_at: None,
            purge_at: None,
        }
    }
}

/// Whether a check that is said to have passed holds, computed apart from the decision.
fn holds(name: Name, record: &Record, user: Option<&User>, now: Timestamp) -> bool {
    let is_past = |at: Option<Timestamp>| at.is_some_and(|at| at.has_passed(now));
    match name {
        Name::Expiry => !is_past(record.expires_at),
        Name::Revocation => record.revoked.is_none_or(|mark| mark.because == Reason::Replaced),
        Name::Replacement => record.revoked.is_none() && !is_past(record.replaced_at),
        Name::User => user.is_some_and(|user| user.status == Status::Active),
        Name::Fingerprint => {
            user.is_some_and(|user| record.binding.fingerprint(user) == record.fingerprint)
        }
        Name::SignIn => user.is_some_and(|user| !is_past(user.sign_in_due_at())),
        Name::Disabled => record.disabled_at.is_none(),
        Name::Signature | Name::Record | Name::Scope | Name::Route => true,
    }
}

proptest! {
    #[test]
    fn the_failed_check_is_that_of_the_decision_and_every_check_before_it_holds(
        record in records(),
        user in option::weighted(0.9, users()),
        seconds in 0..8_u64,
        is_for_all in any::<bool>(),
    ) {
        let now = at(seconds);
        let decided = lifecycle::readmit(record.clone(), user.clone(), now);
        let found = Found { record: Some(record.clone()), user: user.clone(), ..Found::default() };
        let viewer = if is_for_all { Viewer::Administrator } else { Viewer::Owner };
        let facts = Facts {
            appearance: None,
            is_by_text: false,
            is_key_retired: false,
            found: &found,
            viewer,
        };
        let question = Question { call: None, rules: Rules::Unknown, now };
        let rejected = decided.as_ref().err().map(|rejection: &Rejection| {
            Rejected::new(*rejection, Some(record.id))
        });
        let scope = decided.as_ref().ok().map(|admitted| &admitted.scope);
        let checks = facts.checks(rejected.as_ref(), scope, &question);
        prop_assert_eq!(checks.iter().map(|check| check.name).collect::<Vec<_>>(), Name::ALL);
        let failed = checks.iter().position(|check| check.outcome == Outcome::Failed);
        prop_assert_eq!(failed.is_some(), rejected.is_some());
        for (index, check) in checks.iter().enumerate() {
            let is_before = failed.is_none_or(|failed| index < failed);
            prop_assert_eq!(check.outcome == Outcome::NotReached, !is_before && Some(index) != failed);
            prop_assert_eq!(check.reason.is_some(), check.outcome == Outcome::Failed);
            if check.outcome == Outcome::Passed {
                prop_assert!(holds(check.name, &record, user.as_ref(), now), "{:?}", check);
            }
        }
        if let (Some(failed), Some(rejected)) = (failed.map(|index| &checks[index]), rejected) {
            prop_assert_eq!(failed.reason, Some(rejected.reason.as_str()));
            let is_right = !holds(failed.name, &record, user.as_ref(), now);
            prop_assert!(is_right, "{:?}", failed);
            let is_mark = record.revoked.is_some();
            let is_past = failed.since.is_none_or(|since| since.has_passed(now));
            prop_assert!(is_mark || is_past, "{:?}", failed);
        }
    }
}

#[test]
fn the_checks_are_in_the_order_of_the_reasons() {
    // Without a mark, the fingerprint shows that all tokens of the user were revoked.
    assert_eq!(Name::of(Reason::Revoked, None), Name::Fingerprint);
    let others = Reason::ALL.into_iter().filter(|reason| *reason != Reason::Revoked);
    let names: Vec<Name> = others.map(|reason| Name::of(reason, None)).collect();
    assert!(names.is_sorted(), "{names:?}");
    let mut all = Name::ALL.map(Name::as_str).to_vec();
    assert!(Name::ALL.is_sorted());
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), Name::ALL.len());
}
