//! Verifying a signed token allocates nothing, whether the token is valid or not, so that no caller
//! can make the authorizer use memory.

use std::time::Duration;

use hallpass_token::{
    Entropy, Issuer, Keyring, Reason, Timestamp, codec::signed, keyring::Key, open,
};

fn keyring(first: u8) -> Keyring {
    let bytes: Vec<u8> = (0..32)
        .map(|byte: u8| byte.wrapping_mul(byte).wrapping_mul(7).wrapping_add(first))
        .collect();
    Keyring::new(vec![
        Key::new(format!("key-{first}"), Timestamp::from_unix(0).unwrap(), bytes.into()).unwrap(),
    ])
    .unwrap()
}

#[test]
fn verifying_a_signed_token_allocates_nothing() {
    let issuer = Issuer::new("acme_", "hallpass").unwrap();
    verify_without_allocation(&issuer);
    verify_without_allocation(&issuer.with_checksum().unwrap());
}

fn verify_without_allocation(issuer: &Issuer) {
    let now = Timestamp::from_unix(1_800_000_000).unwrap();
    let signed = |keyring: &Keyring, seconds| {
        let expires_at = now.after(Duration::from_secs(seconds));
        let user_id = "01JZ8QXV5N3M4K7T9R2W6Y0HBC".parse().unwrap();
        signed::sign(keyring, issuer, now, user_id, expires_at, &Entropy::new([7; 16]))
            .unwrap()
            .text
    };
    let (own, foreign) = (keyring(0), keyring(100));
    let check = |text: &str, expected: Result<(), Reason>| {
        let mut got = Ok(());
        let counted =
            allocation_counter::measure(|| got = open(&own, issuer, text, now).map(|_| ()));
        assert_eq!(got, expected, "{text}");
        assert_eq!((counted.count_total, counted.bytes_total), (0, 0), "{text}");
    };
    check(signed(&own, 3_600).expose_secret(), Ok(()));
    check(signed(&own, 0).expose_secret(), Err(Reason::Expired));
    check(signed(&foreign, 3_600).expose_secret(), Err(Reason::Forged));
    check("sk_live_7Zb4TgFhV0sLx2QkPmNc9RwY", Err(Reason::Malformed));
    let wrong = format!("{}000000", signed(&foreign, 3_600).expose_secret());
    check(&wrong, Err(Reason::Malformed));
    check(&"a.".repeat(100_000), Err(Reason::Malformed));
    let counted = allocation_counter::measure(|| drop(signed(&own, 3_600)));
    assert!(counted.count_total > 0, "the counter counts nothing");
}
