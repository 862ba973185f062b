//! Measures signing and verifying tokens: `cargo bench -p opening`.
//!
//! Every request pays for verification, so the benchmarks include all kinds of invalid tokens as
//! well.

use std::time::Duration;

use divan::{Bencher, black_box, counter::BytesCount};
use hallpass_token::{
    Entropy, Format, Issuer, Keyring, Timestamp, UserId,
    codec::{MAX_LENGTH, developer, jwt, signed},
    keyring::Key,
    open,
};

const NOW: u64 = 1_800_000_000;

const FORMATS: [Format; 3] = [Format::Signed, Format::Developer, Format::Jwt];

fn main() {
    divan::main();
}

fn now() -> Timestamp {
    Timestamp::from_unix(NOW).unwrap()
}

/// Returns a keyring of `count` keys. The last one signs.
fn keyring(first: u8, count: u8) -> Keyring {
    let key = |index: u8| {
        let bytes: Vec<u8> = (0..32)
            .map(|byte: u8| byte.wrapping_mul(byte).wrapping_mul(7).wrapping_add(index))
            .collect();
        Key::new(
            format!("key-{index}"),
            Timestamp::from_unix(u64::from(index)).unwrap(),
            bytes.into(),
        )
        .unwrap()
    };
    Keyring::new((first..first + count).map(key).collect()).unwrap()
}

fn issuer() -> Issuer {
    Issuer::new("", "hallpass").unwrap()
}

/// Signs a token of this format whose user ID is a ULID.
fn sign(keyring: &Keyring, format: Format, lifetime: u64) -> String {
    let user_id: UserId = "01JZ8QXV5N3M4K7T9R2W6Y0HBC".parse().unwrap();
    let (issuer, secret) = (issuer(), Entropy::new([7; 16]));
    let expires_at = now().after(Duration::from_secs(lifetime));
    let signed = match format {
        Format::Signed => signed::sign(keyring, &issuer, now(), user_id, expires_at, &secret),
        Format::Developer => developer::sign(keyring, &issuer, now(), user_id, &secret),
        Format::Jwt => {
            let contents = jwt::Contents {
                user_id,
                audience: jwt::Audience::User,
                expires_at,
                name: "My Name",
            };
            jwt::sign(keyring, &issuer, now(), contents, &secret)
        }
    };
    signed.unwrap().text.expose_secret().to_owned()
}

fn open_each(bencher: Bencher<'_, '_>, keyring: &Keyring, text: &str, is_good: bool) {
    let (issuer, now) = (issuer(), now());
    assert_eq!(open(keyring, &issuer, text, now).is_ok(), is_good, "{text}");
    bencher.counter(BytesCount::of_str(text)).bench_local(|| {
        open(black_box(keyring), black_box(&issuer), black_box(text), black_box(now))
    });
}

#[divan::bench(args = FORMATS)]
fn signing(bencher: Bencher<'_, '_>, format: Format) {
    let keyring = keyring(0, 1);
    bencher.bench_local(|| sign(black_box(&keyring), black_box(format), 3_600));
}

#[divan::bench(args = FORMATS)]
fn opening(bencher: Bencher<'_, '_>, format: Format) {
    let keyring = keyring(0, 1);
    open_each(bencher, &keyring, &sign(&keyring, format, 3_600), true);
}

/// The newest key signs. A keyring that lists it last is the worst case for a valid token.
#[divan::bench(args = 1..=4)]
fn opening_by_keys_in_the_keyring(bencher: Bencher<'_, '_>, keys: u8) {
    let keyring = keyring(0, keys);
    open_each(bencher, &keyring, &sign(&keyring, Format::Signed, 3_600), true);
}

#[divan::bench(args = FORMATS)]
fn forged(bencher: Bencher<'_, '_>, format: Format) {
    let (own, foreign) = (keyring(0, 1), keyring(100, 1));
    open_each(bencher, &own, &sign(&foreign, format, 3_600), false);
}

#[divan::bench(args = 1..=4)]
fn forged_by_keys_in_the_keyring(bencher: Bencher<'_, '_>, keys: u8) {
    let (own, foreign) = (keyring(0, keys), keyring(100, 1));
    open_each(bencher, &own, &sign(&foreign, Format::Signed, 3_600), false);
}

/// An expired signed token. The signature is verified before the expiry.
#[divan::bench]
fn expired(bencher: Bencher<'_, '_>) {
    let keyring = keyring(0, 1);
    open_each(bencher, &keyring, &sign(&keyring, Format::Signed, 0), false);
}

/// Tokens of other systems.
#[divan::bench(args = ["0f8fad5b-d9cb-469f-a165-70867728950e", "sk_live_7Zb4TgFhV0sLx2QkPmNc9RwY", "bearer"])]
fn foreign(bencher: Bencher<'_, '_>, text: &str) {
    open_each(bencher, &keyring(0, 1), text, false);
}

/// Texts that resemble a JWT, up to the maximum length and longer: the cost is linear, and constant
/// above the maximum.
#[divan::bench(args = [64, 256, 1_024, MAX_LENGTH, MAX_LENGTH + 1, 65_536])]
fn malformed_by_length(bencher: Bencher<'_, '_>, length: usize) {
    let text = format!("ey.ey{}", "A".repeat(length - 5));
    open_each(bencher, &keyring(0, 1), &text, false);
}

/// The longest texts that reach a MAC: forged JWTs whose header names a key of the keyring.
#[divan::bench(args = [256, 1_024, MAX_LENGTH])]
fn forged_by_length(bencher: Bencher<'_, '_>, length: usize) {
    let keyring = keyring(0, 1);
    let real = sign(&keyring, Format::Jwt, 3_600);
    let header = real.split('.').next().unwrap();
    let claims = "A".repeat(length.saturating_sub(header.len() + 47));
    open_each(bencher, &keyring, &format!("{header}.ey{claims}.{}", "A".repeat(43)), false);
}
