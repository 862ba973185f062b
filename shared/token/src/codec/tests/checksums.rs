//! Texts with a checksum, and their relation to those without one.

use super::{
    checksum::{self, Checksum},
    *,
};

/// The deployment of these tests, which adds checksums.
fn checking(prefix: &str) -> Issuer {
    issuer(prefix).with_checksum().unwrap()
}

/// The texts of a signed and a developer token of this issuer.
fn both(issuer: &Issuer, id: &str, secret: [u8; 16]) -> [(Format, String); 2] {
    let (keyring, id, secret) = (keyring(), user(id), Entropy::new(secret));
    let end = NOW.after(Duration::from_secs(60));
    let signed = signed::sign(&keyring, issuer, NOW, id, end, &secret).unwrap();
    let developer = developer::sign(&keyring, issuer, NOW, id, &secret).unwrap();
    [(Format::Signed, signed), (Format::Developer, developer)]
        .map(|(format, issued)| (format, issued.text.expose_secret().to_owned()))
}

/// What this text is, and how many tags were compared for it.
fn checks(issuer: &Issuer, text: &str) -> (Result<Format, Reason>, usize) {
    CHECKS.set(0);
    let opened = open(&keyring(), issuer, text, NOW).map(|claim| claim.format);
    (opened, CHECKS.get())
}

fn with_checksum(text: &str) -> String {
    let mut text = text.to_owned();
    checksum::append(&mut text);
    text
}

proptest! {
    #[test]
    fn both_forms_verify_under_either_setting(
        prefix in "[A-Za-z0-9_-]{1,20}",
        id in user_ids(),
        secret: [u8; 16],
    ) {
        let issuers = [issuer(&prefix), checking(&prefix)];
        for (signer, form) in issuers.iter().zip([Checksum::Absent, Checksum::Right]) {
            for (format, text) in both(signer, &id, secret) {
                for verifier in &issuers {
                    prop_assert_eq!(checks(verifier, &text), (Ok(format), 1), "{}", &text);
                    let seen = inspect::inspect(verifier, &text).unwrap();
                    prop_assert_eq!((seen.format, seen.checksum), (format, form));
                }
            }
        }
    }

    #[test]
    fn a_token_of_one_form_never_verifies_in_the_other(
        prefix in "[A-Za-z0-9_-]{1,20}",
        id in user_ids(),
        secret: [u8; 16],
    ) {
        let (plain, checking) = (issuer(&prefix), checking(&prefix));
        let forged = (Err(Reason::Forged), keyring().keys().len());
        let malformed = (Err(Reason::Malformed), 0);
        for (_, text) in both(&plain, &id, secret) {
            prop_assert_eq!(checks(&plain, &with_checksum(&text)), forged, "{}", text);
            prop_assert_eq!(checks(&plain, &format!("{text}000000")), malformed, "{}", text);
        }
        for (_, text) in both(&checking, &id, secret) {
            let (stripped, _) = text.split_at(text.len().saturating_sub(checksum::LENGTH));
            prop_assert_eq!(checks(&checking, stripped), forged, "{}", text);
            prop_assert_eq!(checks(&checking, &with_checksum(&text)), malformed, "{}", text);
        }
    }

    #[test]
    fn any_one_character_change_of_a_text_with_a_checksum_costs_no_key_operation(
        prefix in "[A-Za-z0-9_-]{1,20}",
        id in user_ids(),
        secret: [u8; 16],
        place: prop::sample::Index,
        other in prop_oneof![prop::char::any(), prop::char::range('0', 'z')],
    ) {
        let issuer = checking(&prefix);
        for (_, text) in both(&issuer, &id, secret) {
            let mut changed: Vec<char> = text.chars().collect();
            let place = place.index(changed.len());
            prop_assume!(changed[place] != other);
            changed[place] = other;
            let longer: String =
                changed[..place].iter().copied().chain(text.chars().skip(place)).collect();
            let changed_text: String = changed.iter().collect();
            changed.remove(place);
            let shorter: String = changed.iter().collect();
            let twice = format!("{}{}", &text[..place], &text[place.saturating_sub(1)..]);
            for bad in [changed_text, longer, shorter, twice].into_iter().filter(|bad| *bad != text)
            {
                prop_assert_eq!(checks(&issuer, &bad), (Err(Reason::Malformed), 0), "{}", bad);
            }
        }
    }
}

#[test]
fn the_text_of_a_token_is_the_same_in_every_version() {
    // Computed from the documentation with the HMAC and the CRC-32 of another language.
    let check = |issuer: Issuer, expected: [&str; 2]| {
        let texts = both(&issuer, "1", [7; 16]).map(|(_, text)| text);
        assert_eq!(texts, expected);
    };
    check(
        issuer("acme_"),
        [
            "acme_1.6b49d23c.BwcHBwcHBwcHBwcHBwcHBxw0XijSFsKukC_aZZvc2vE",
            "acme_6879-BwcHBwcHBwcHBwcHBwcHB-Wb3gqzEZW74uj3_eER4rk",
        ],
    );
    check(
        checking("acme_"),
        [
            "acme_1.6b49d23c.BwcHBwcHBwcHBwcHBwcHByfx6JgwCySgktWLLdAHV8Q3tExvt",
            "acme_6879-BwcHBwcHBwcHBwcHBwcHB6ErctvEGuUuJcqBgTzlpfQ4KGix5",
        ],
    );
}

#[test]
fn a_text_with_a_wrong_checksum_is_malformed_without_a_key_operation_and_inspected() {
    let issuer = checking("acme_");
    for (format, text) in both(&issuer, "1", [7; 16]) {
        assert_eq!(inspect::inspect(&issuer, &text).unwrap().checksum, Checksum::Right);
        let (rest, right) = text.split_at(text.len() - checksum::LENGTH);
        let last = if right.ends_with('0') { '1' } else { '0' };
        for wrong in ["000000", "4gfFC3", "......", "é1234", &format!("{}{last}", &right[..5])] {
            let text = format!("{rest}{wrong}");
            assert_eq!(checks(&issuer, &text), (Err(Reason::Malformed), 0), "{text}");
            let seen = inspect::inspect(&issuer, &text);
            assert_eq!(
                seen.map(|seen| (seen.format, seen.checksum)),
                Some((format, Checksum::Wrong)),
                "{text}"
            );
        }
    }
}

#[test]
fn a_jwt_has_no_checksum_and_a_checksum_needs_a_prefix() {
    let contents = jwt::Contents {
        user_id: user("1"),
        audience: Audience::User,
        expires_at: NOW.after(Duration::from_secs(60)),
        name: "Ada",
    };
    let of = |issuer| jwt::sign(&keyring(), &issuer, NOW, contents, &Entropy::new([7; 16]));
    let (one, other) = (of(issuer("acme_")).unwrap(), of(checking("acme_")).unwrap());
    assert_eq!(one.text.expose_secret(), other.text.expose_secret());
    let error = issuer("").with_checksum().unwrap_err();
    assert_eq!(
        (error, error.to_string().as_str()),
        (IssuerError::Checksum, "a checksum needs a prefix")
    );
    assert!(checking("a").has_checksum() && !issuer("a").has_checksum());
}
