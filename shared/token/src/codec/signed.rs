//! `<prefix><user id>.<expires, lower-case hex seconds>.<43>`, and a checksum if there is one: the
//! default format, as in Drupal's services_token.

use super::{Claim, Format, IssuedText, Issuer, NoSigningKey, SignedSecret, Verdict, absorb};
use hmac::Mac as _;

use crate::{
    id::{TokenHash, TokenId, UserId},
    keyring::{Keyring, Mac},
    reason::Reason,
    secret::Entropy,
    timestamp::Timestamp,
};

/// The regular expression of a text between its prefix and its secret. The expiry is after 1978.
pub(super) const PATTERN: &str = r"[A-Za-z0-9_-]{1,64}\.[1-9a-f][0-9a-f]{7,9}\.";

/// Signs a token for this user that expires at `expires_at`.
///
/// # Errors
/// Returns [`NoSigningKey`] if no key of the keyring signs yet.
pub fn sign(
    keyring: &Keyring,
    issuer: &Issuer,
    now: Timestamp,
    user_id: UserId,
    expires_at: Timestamp,
    secret: &Entropy,
) -> Result<IssuedText, NoSigningKey> {
    let key = keyring.signing(now).ok_or(NoSigningKey)?;
    let subkey = key.signed.of(issuer.has_checksum()).clone();
    let signed = SignedSecret::encode(secret, mac(subkey, issuer, &user_id, expires_at, secret));
    Ok(IssuedText {
        text: issuer.finish(format!(
            "{}{user_id}.{:x}.{signed}",
            issuer.prefix(),
            expires_at.unix()
        )),
        id: TokenId { user_id, hash: TokenHash::of(secret) },
        key_id: key.id().to_owned(),
        payload_digest: None,
    })
}

pub(super) fn open(keyring: &Keyring, issuer: &Issuer, text: &str, now: Timestamp) -> Verdict {
    let Some((user_id, expires_at, signed)) = parse(issuer, text) else {
        return Verdict::NotMine;
    };
    let Some(signed) = signed.without_error() else {
        return Verdict::NotMine;
    };
    let has_signed = |key: &crate::keyring::Key| {
        let subkey = signed.subkey(&key.signed);
        signed.is_by(mac(subkey, issuer, &user_id, expires_at, &signed.secret))
    };
    if !keyring.keys().iter().any(has_signed) {
        return Verdict::Forged;
    }
    if expires_at.has_passed(now) {
        return Verdict::Rejected(Reason::Expired);
    }
    Verdict::Claim(Claim {
        format: Format::Signed,
        user_id: Some(user_id),
        hash: TokenHash::of(&signed.secret),
        expires_at: Some(expires_at),
        payload: None,
    })
}

pub(super) fn parse(issuer: &Issuer, text: &str) -> Option<(UserId, Timestamp, SignedSecret)> {
    let (user_id, rest) = issuer.after_prefix(text)?.split_once('.')?;
    let (expires_at, signed) = rest.split_once('.')?;
    if signed.len() < SignedSecret::TEXT_LENGTH {
        return None;
    }
    let (user_id, expires_at) = (user_id.parse().ok()?, parse_hex(expires_at)?);
    Some((user_id, expires_at, SignedSecret::decode(text, signed)?))
}

/// Parses lower-case hex without leading zeros, so that each number has one spelling.
fn parse_hex(text: &str) -> Option<Timestamp> {
    let canonical = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && !text.starts_with('0');
    let seconds = u64::from_str_radix(text, 16).ok().filter(|_| canonical)?;
    Timestamp::from_unix(seconds)
}

/// The MAC of all fields and the secret. With a prefix and a user ID of 29 characters together, it
/// takes two blocks of SHA-256.
fn mac(
    mut mac: Mac,
    issuer: &Issuer,
    user_id: &UserId,
    expires_at: Timestamp,
    secret: &Entropy,
) -> Mac {
    absorb(&mut mac, issuer.prefix());
    absorb(&mut mac, user_id.as_str());
    mac.update(&expires_at.unix().to_be_bytes());
    mac.update(secret.bytes());
    mac
}
