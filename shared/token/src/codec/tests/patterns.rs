//! The expressions of secret scanners against the texts of tokens.

use regex::Regex;

use super::{pattern::patterns, *};

/// The texts that the expression of a format finds.
fn found(issuer: &Issuer, format: Format, in_text: &str) -> Vec<String> {
    let all = patterns(issuer).unwrap();
    let pattern = all.iter().find(|pattern| pattern.format == format).unwrap();
    let expression = Regex::new(&pattern.expression).unwrap();
    let texts: Vec<String> =
        expression.captures_iter(in_text).map(|found| found[1].to_owned()).collect();
    assert!(texts.iter().all(|text| text.starts_with(&pattern.keyword)));
    texts
}

/// A signed and a developer token with this expiry.
fn tokens(issuer: &Issuer, id: &str, end: u64, secret: [u8; 16]) -> [(Format, String); 2] {
    let (keyring, id, secret) = (keyring(), user(id), Entropy::new(secret));
    let end = Timestamp::from_unix(end).unwrap();
    let signed = signed::sign(&keyring, issuer, NOW, id, end, &secret).unwrap();
    let developer = developer::sign(&keyring, issuer, NOW, id, &secret).unwrap();
    [(Format::Signed, signed), (Format::Developer, developer)]
        .map(|(format, issued)| (format, issued.text.expose_secret().to_owned()))
}

proptest! {
    #[test]
    fn every_text_with_the_prefix_is_found_whole_between_other_text(
        prefix in "[A-Za-z0-9_-]{1,20}",
        id in user_ids(),
        end in 0x1000_0000..=Timestamp::MAX.unix(),
        secret: [u8; 16],
    ) {
        let (plain, checking) = (issuer(&prefix), issuer(&prefix).with_checksum().unwrap());
        for (signer, scanner) in [(&plain, &plain), (&plain, &checking), (&checking, &checking)] {
            for (format, text) in tokens(signer, &id, end, secret) {
                for (before, after) in
                    [("", ""), ("token=\"", "\""), ("Bearer ", "\r\n"), ("é<", "."), ("`", "`")]
                {
                    let around = format!("{before}{text}{after}");
                    prop_assert_eq!(found(scanner, format, &around), [text.clone()]);
                }
                let twice = format!("{text} {text}\n{text}");
                prop_assert_eq!(found(scanner, format, &twice).len(), 3, "{}", twice);
            }
        }
    }

    #[test]
    fn no_other_text_is_found(id in "[a-z0-9]{1,20}", secret: [u8; 16], words in "[a-z_. -]{0,200}") {
        let issuer = issuer("acme_").with_checksum().unwrap();
        for (format, text) in tokens(&issuer, &id, NOW.unix(), secret) {
            let (short, _) = text.split_at(text.len().saturating_sub(1));
            let (without, _) = text.split_at(text.len().saturating_sub(7));
            for near in [
                &text["acme_".len()..],
                &text.replacen("acme_", "acme-", 1),
                &text.replacen("acme_", "ACME_", 1),
                &format!("x{text}"),
                &format!("{text}0"),
                short,
                without,
                &words,
                &format!("acme_{words}"),
            ] {
                prop_assert_eq!(found(&issuer, format, near), Vec::<String>::new(), "{}", near);
            }
        }
    }
}

#[test]
fn the_expressions_are_those_of_the_documentation() {
    let of = |issuer: &Issuer| patterns(issuer).map(|all| all.map(|pattern| pattern.expression));
    assert_eq!(of(&issuer("")), None);
    let signed = r"\b(acme_[A-Za-z0-9_-]{1,64}\.[1-9a-f][0-9a-f]{7,9}\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])\b";
    let developer = r"\b(acme_6879-[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])\b";
    assert_eq!(of(&issuer("acme_")), Some([signed.to_owned(), developer.to_owned()]));
    let checking = of(&issuer("-a").with_checksum().unwrap()).unwrap();
    let developer = r"\B(-a6879-[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048](?:[0-4][0-9A-Za-z]{5})?)\b";
    assert_eq!(checking[1], developer);
}
