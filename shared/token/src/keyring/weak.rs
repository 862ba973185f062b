//! Keys that can be guessed: text, patterns, and keys printed in public documents.
//!
//! Fewer than one in 10^11 random keys of 32 bytes matches one of these rules.

use std::collections::HashSet;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

/// Published keys that are neither text nor a pattern, in base64url. The test vectors of RFC 2104
/// and RFC 4231 are patterns, text, or too short.
const PUBLISHED: [&str; 20] = [
    // RFC 7515 A.1, repeated in RFC 7517, RFC 7519 and RFC 7797.
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    // RFC 7520 3.5, the COSE examples, and the tests of PyJWT.
    "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",
    // RFC 8392 A.2.2.
    "QDaX3oevZGEcHTKgXasP4fy3FahqtDXx7JkZLXlWk4g",
    // RFC 9421 B.1.5.
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ",
    // RFC 5869 A.1 to A.3.
    "B3cJNiwuMt8N3D8NxHu6Y5C2xzu1D5wxIuyEStfCs-U",
    "Bqa4jFhTNhoGEEyc6zW0XO92ABSQRnEBShk_QMFfwkQ",
    "Ge8koyxxexZ_M6kdb2SL35ZZZ3av22N3rENMHCk8ywQ",
    // The documentation of jose, the test vectors of Fernet, and an example for JJWT.
    "zH4NRP1HMALxxCFnRZABFA7GOJtzU_gIj02alfL1lvI",
    "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4",
    "Yn2kjibddFAWtnPJ2AFlL8WXmohJMCvigQggaEypa5E",
    // Two keys from tutorials for Spring, which decode these hexadecimal texts as base64.
    "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
    "3cfa76ef14937c1c0ea519f8fc057a80fcd04a7420f8e8bcd0a7567c272e007b",
    // The SHA-256 of the empty text, of `secret` and of `password`.
    "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
    "K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols",
    "XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg",
    // The same of `test`, `admin`, `123456` and `changeme`.
    "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg",
    "jGl25bVBBBW96Qi9Te4V37Fnqchz_Eu4qB9vKrRIqRg",
    "jZae727K08KaOmKSgOaGzww_XVqGr_PKEgIMkjrcbJI",
    "BXugPWxEEEhj3HNh_kV4ll0YhzYPkKCJWILlimJI_IY",
    // NIST SP 800-38A F.1.5, a key of AES-256.
    "YD3rEBXKcb4rc67whX13gR81LAc7YQjXLZgQowkU3_Q",
];

/// The minimum number of different bytes, and of different steps between adjacent bytes, of a
/// random key.
const MIN_DIFFERENT: usize = 8;

/// Whether a key is text, a pattern or published.
pub(super) fn is_guessable(key: &[u8]) -> bool {
    is_text(key) || is_pattern(key) || is_published(key)
}

/// Whether a key is text: UTF-8, or ASCII in UTF-16, including white space, a byte order mark, and
/// the zero bytes with which programs pad a short key.
fn is_text(key: &[u8]) -> bool {
    let is_readable = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    let filled = key.iter().rev().take_while(|byte| **byte == 0).count();
    let key = key.get(..key.len().saturating_sub(filled)).unwrap_or_default();
    if std::str::from_utf8(key).is_ok_and(|text| text.chars().all(is_readable)) {
        return true;
    }
    let key =
        key.strip_prefix(&[0xff, 0xfe]).or_else(|| key.strip_prefix(&[0xfe, 0xff])).unwrap_or(key);
    let every_second = |first: usize| key.iter().skip(first).step_by(2);
    [(0, 1), (1, 0)].into_iter().any(|(zeros, text)| {
        every_second(zeros).all(|byte| *byte == 0)
            && every_second(text).all(|byte| is_readable((*byte).into()))
    })
}

/// Whether a key is published, or the start or the continuation of a published key.
fn is_published(key: &[u8]) -> bool {
    let text = BASE64_URL_SAFE_NO_PAD.encode(key);
    // The last characters depend on where the bytes are truncated.
    let compared = |published: &str| text.len().min(published.len()).saturating_sub(3);
    PUBLISHED
        .iter()
        .any(|published| text.get(..compared(published)) == published.get(..compared(published)))
}

/// Whether the key counts or repeats: few different bytes or steps, a period of at most half its
/// length, or several such patterns interleaved, as in `00 01 00 02 00 03`.
fn is_pattern(key: &[u8]) -> bool {
    let different = |bytes: &mut dyn Iterator<Item = u8>| bytes.collect::<HashSet<u8>>().len();
    let step = |apart: usize| {
        key.iter().zip(key.iter().skip(apart)).map(|(one, next)| next.wrapping_sub(*one))
    };
    let repeats = |period: usize| step(period).all(|step| step == 0);
    let counts = |apart: usize| {
        let steps: Vec<u8> = step(apart).collect();
        steps.iter().zip(steps.iter().skip(apart)).all(|(one, next)| one == next)
    };
    different(&mut key.iter().copied()) < MIN_DIFFERENT
        || different(&mut step(1)) < MIN_DIFFERENT
        || (1..=key.len() / 2).any(repeats)
        || (1..=key.len() / 3).any(counts)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;

    /// Published keys, texts and patterns.
    pub(in super::super) fn guessable() -> Vec<Vec<u8>> {
        let mut keys: Vec<Vec<u8>> =
            PUBLISHED.into_iter().map(|key| BASE64_URL_SAFE_NO_PAD.decode(key).unwrap()).collect();
        let text = [
            "a-string-secret-at-least-256-bits-long",
            "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
            "your-256-bit-secret-your-256-bit-secret",
            "super-secret-jwt-token-with-at-least-32-characters-long",
            "django-insecure-0123456789abcdefghijklmnopqrstuvwxyz",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0i",
            "Test Using Larger Than Block-Size Key - Hash Key First",
            "eW91ci0yNTYtYml0LXNlY3JldC15b3VyLTI1Ni1iaXQtc2VjcmV0\r\n",
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n",
            "correct horse battery staple\tcorrect horse",
        ];
        keys.extend(text.map(|text| text.as_bytes().to_vec()));
        let example = "super-secret-jwt-token-with-at-least-32-characters";
        let utf_16 =
            |bytes: fn(u16) -> [u8; 2]| example.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        keys.extend([
            utf_16(u16::to_le_bytes),
            utf_16(u16::to_be_bytes),
            [&[0xff, 0xfe], utf_16(u16::to_le_bytes).as_slice()].concat(),
            format!("\u{feff}{example}").into_bytes(),
            [example.as_bytes(), &[0; 7]].concat(),
            "ein-schlüssel-mit-umläuten-der-lang-genug-ist".as_bytes().to_vec(),
            "очень-секретный-ключ-для-примера".as_bytes().to_vec(),
            // The first 32 bytes of the key of RFC 7515 A.1.
            BASE64_URL_SAFE_NO_PAD.decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr8").unwrap(),
        ]);
        for length in [32_u8, 33, 48, 64, 131] {
            let each = |byte: &dyn Fn(u8) -> u8| (0..length).map(byte).collect::<Vec<u8>>();
            // RFC 4231, cases 6 and 7, and RFC 7518, appendix B.
            keys.push(each(&|_| 0xaa));
            keys.push(each(&|_| 0));
            keys.extend(
                [1_u8, 2, 3, 7, 37, 127, 128, 254, 255]
                    .map(|by| each(&|place| place.wrapping_mul(by).wrapping_add(by))),
            );
            keys.push(each(&|place| if place % 2 == 0 { 0 } else { place / 2 }));
            keys.push(each(&|place| if place % 4 == 3 { place / 4 } else { 0 }));
            keys.push(each(&|place| {
                if place < length / 2 { place } else { length.wrapping_sub(place) }
            }));
            keys.push(each(&|place| {
                if place % 2 == 0 { place } else { u8::MAX.wrapping_sub(place) }
            }));
            for period in [1_usize, 4, 5, 7, 8, 11, 16] {
                let part = Sha256::digest(period.to_be_bytes());
                keys.push(part.iter().take(period).cycle().take(length.into()).copied().collect());
            }
        }
        keys
    }

    #[test]
    fn published_keys_texts_and_patterns_are_guessable() {
        for key in guessable() {
            assert!(is_guessable(&key), "{key:?} {}", String::from_utf8_lossy(&key));
        }
    }

    #[test]
    fn a_key_has_at_least_eight_different_bytes_and_eight_different_steps() {
        // Without order, so that no other rule applies.
        let place = |number: usize| usize::from(Sha256::digest(number.to_be_bytes())[0]);
        let of_bytes = |count: usize| {
            (0..64).map(move |number| [3, 17, 90, 141, 7, 66, 250, 201, 33][place(number) % count])
        };
        let of_steps = |count: usize| {
            let steps = (0..64)
                .map(move |number| [1, 2, 4, 9, 31, 77, 120, 200, 150][place(number) % count]);
            steps.scan(0_u8, |byte, step| {
                *byte = byte.wrapping_add(step);
                Some(*byte)
            })
        };
        for (count, expected) in [(7, true), (8, false), (9, false)] {
            assert_eq!(
                is_pattern(&of_bytes(count).collect::<Vec<u8>>()),
                expected,
                "{count} bytes"
            );
            assert_eq!(
                is_pattern(&of_steps(count).collect::<Vec<u8>>()),
                expected,
                "{count} steps"
            );
        }
    }

    proptest! {
        #[test]
        fn a_random_key_is_not_guessable(
            key in prop::collection::vec(any::<u8>(), 1_usize),
            length in 32_usize..=64,
            seed: [u8; 16],
        ) {
            let first = Sha256::digest([seed.as_slice(), &key].concat());
            let bytes = [first, Sha256::digest(seed)].concat();
            prop_assert!(!is_guessable(&bytes[..length]));
        }
    }
}
