//! `<prefix>6879-<43>`: the format of hypothesis/h, one per user. The text does not say whose it is.

use super::{Claim, Format, IssuedText, Issuer, NoSigningKey, Seal, Verdict, absorb};
use hmac::Mac as _;

use crate::{
    id::{TokenHash, TokenId, UserId},
    keyring::{Keyring, Mac},
    secret::{Entropy, Text},
    timestamp::Timestamp,
};

/// What every developer token begins with, after the prefix of the deployment.
pub const MARK: &str = "6879-";

/// Makes a developer token. Whose it is and when it ends only its record says.
///
/// # Errors
/// When no key of the keyring signs yet.
pub fn sign(
    keyring: &Keyring,
    issuer: &Issuer,
    now: Timestamp,
    user_id: UserId,
    secret: &Entropy,
) -> Result<IssuedText, NoSigningKey> {
    let key = keyring.signing(now).ok_or(NoSigningKey)?;
    let sign = Seal::encode(secret, mac(key.developer.clone(), issuer, secret));
    Ok(IssuedText {
        text: Text::new(format!("{}{MARK}{sign}", issuer.prefix())),
        id: TokenId { user_id, hash: TokenHash::of(secret) },
        key_id: key.id().to_owned(),
        payload_digest: None,
    })
}

pub(super) fn open(keyring: &Keyring, issuer: &Issuer, text: &str, _now: Timestamp) -> Verdict {
    let Some(sign) = parse(issuer, text) else {
        return Verdict::NotMine;
    };
    if !keyring.keys().iter().any(|key| sign.is_by(mac(key.developer.clone(), issuer, &sign.secret))) {
        return Verdict::Forged;
    }
    Verdict::Claim(Claim {
        format: Format::Developer,
        user_id: None,
        hash: TokenHash::of(&sign.secret),
        expires_at: None,
        payload: None,
    })
}

pub(super) fn parse(issuer: &Issuer, text: &str) -> Option<Seal> {
    let sign = issuer.after_prefix(text)?.strip_prefix(MARK)?;
    if sign.len() == Seal::TEXT_LENGTH { Seal::decode(sign) } else { None }
}

fn mac(mut mac: Mac, issuer: &Issuer, secret: &Entropy) -> Mac {
    absorb(&mut mac, issuer.prefix());
    mac.update(secret.bytes());
    mac
}
