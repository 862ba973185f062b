//! Checks that the keyring can be read, that a key signs, and how old the signing key is.

use std::time::Duration;

use hallpass_service::service;
use hallpass_store::{Failure, Keys};
use hallpass_token::{Keyring, Timestamp, keyring::Key};

use super::{Finding, Verdict};
use crate::{key::Secret, stack::Stack, trust};

const OF: &str = "keyring";

/// The age at which a signing key should be replaced: NIST SP 800-57 part 1, section 5.3.6,
/// recommends one to two years.
const OLD: Duration = Duration::from_secs(366 * 86_400);

pub(super) async fn check(stack: &Stack, now: Timestamp) -> Vec<Finding> {
    let fixed = match service::keys(&stack.lookup(), trust::connection) {
        Ok(Keys::Fixed(keyring)) => Some(keyring),
        Ok(Keys::Secret(_)) => None,
        // The check of the settings reports this error.
        Err(_) => return Vec::new(),
    };
    if let Some(keyring) = fixed {
        return state(&keyring, now);
    }
    let keyring = match Secret::of(stack) {
        Ok(secret) => secret.keyring().await.map_err(|failure| unreadable(&failure)),
        Err(_) => return Vec::new(),
    };
    keyring.map_or_else(|finding| vec![finding], |keyring| state(&keyring, now))
}

fn state(keyring: &Keyring, now: Timestamp) -> Vec<Finding> {
    let Some(signing) = keyring.signing(now) else {
        let first = keyring.keys().iter().map(Key::signs_from).min().unwrap_or(now);
        let detail = format!("no key signs before {first}: no token can be issued");
        return vec![Finding::new(
            OF,
            Verdict::Error,
            detail,
            "write a keyring with a key that signs now: `hallpass key new`",
        )];
    };
    let mut findings =
        vec![Finding::ok(OF, format!("{} signs; keys: {}", signing.id(), keyring.keys().len()))];
    // The first key of a keyring signs from 1970, so that its age is unknown.
    let age = now.since(signing.signs_from());
    if signing.signs_from() == Timestamp::EPOCH {
        let detail = format!("{} is the first key, whose age is not recorded", signing.id());
        findings.push(Finding::new(
            "age of the key",
            Verdict::Skipped,
            detail,
            "`hallpass key rotate` adds a key whose age is recorded",
        ));
    } else if age > OLD {
        let detail =
            format!("{} has been signing for {} days", signing.id(), age.as_secs() / 86_400);
        findings.push(Finding::new(
            "age of the key",
            Verdict::Warning,
            detail,
            "`hallpass key rotate`",
        ));
    } else {
        findings.push(Finding::ok("age of the key", format!("{} days", age.as_secs() / 86_400)));
    }
    if keyring.keys().len() >= Keyring::MAX_KEYS {
        let advice = "retire a key that no live token needs: `hallpass key retire`; the next \
                      rotation fails otherwise";
        findings.push(Finding::new(OF, Verdict::Warning, "the keyring is full", advice));
    }
    findings
}

fn unreadable(failure: &Failure) -> Finding {
    const ADVICE: &str =
        "check HALLPASS_KEYS_SECRET and the permission secretsmanager:GetSecretValue";
    Finding::new(
        OF,
        Verdict::Error,
        format!("no token can be issued or verified: {}", failure.report()),
        ADVICE,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyring_that_cannot_sign_is_wrong_and_an_old_or_full_one_is_a_warning() {
        let now = Timestamp::from_unix(2_000_000_000).unwrap();
        let key = |number: u8, signs_from: Timestamp| {
            let bytes: Vec<u8> =
                (0..32_u8).map(|at| at.wrapping_mul(at).wrapping_add(number) ^ 0xa5).collect();
            Key::new(format!("k{number}"), signs_from, bytes.into()).unwrap()
        };
        let days = |count: u64| now.before(Duration::from_secs(count * 86_400));
        let check = |signs_from: &[Timestamp], expected: &[Verdict]| {
            let keys = signs_from.iter().zip(1..).map(|(at, number)| key(number, *at)).collect();
            let findings = state(&Keyring::new(keys).unwrap(), now);
            let verdicts: Vec<Verdict> = findings.iter().map(|finding| finding.verdict).collect();
            assert_eq!(verdicts, expected, "{findings:?}");
        };
        check(&[days(3)], &[Verdict::Ok, Verdict::Ok]);
        check(&[Timestamp::EPOCH], &[Verdict::Ok, Verdict::Skipped]);
        check(&[days(400)], &[Verdict::Ok, Verdict::Warning]);
        check(&[days(400), days(1)], &[Verdict::Ok, Verdict::Ok]);
        check(&[now.after(Duration::from_secs(1))], &[Verdict::Error]);
        check(&[days(4), days(3), days(2), days(1)], &[Verdict::Ok, Verdict::Ok, Verdict::Warning]);
    }
}
