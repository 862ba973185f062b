//! `<prefix>6879-<43>`: the format of hypothesis/h, one per user. The text does not say whose it is.

use super::{Claim, Format, Issuer, NoSigningKey, Seal, Sealed, Verdict, absorb};
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
/// When no key of the ring signs yet.
pub fn seal(
    ring: &Keyring,
    issuer: &Issuer,
    now: Timestamp,
    user_id: UserId,
    secret: &Entropy,
) -> Result<Sealed, NoSigningKey> {
    let key = ring.signing(now).ok_or(NoSigningKey)?;
    let seal = Seal::encode(secret, mac(key.developer.clone(), issuer, secret));
    Ok(Sealed {
        text: Text::new(format!("{}{MARK}{seal}", issuer.prefix())),
        id: TokenId { user_id, hash: TokenHash::of(secret) },
        key_id: key.id().to_owned(),
        payload_digest: None,
    })
}

pub(super) fn open(ring: &Keyring, issuer: &Issuer, text: &str, _now: Timestamp) -> Verdict {
    let Some(seal) = parse(issuer, text) else {
        return Verdict::NotMine;
    };
    if !ring.keys().iter().any(|key| seal.is_by(mac(key.developer.clone(), issuer, &seal.secret))) {
        return Verdict::Forged;
    }
    Verdict::Claim(Claim {
        format: Format::Developer,
        user_id: None,
        hash: TokenHash::of(&seal.secret),
        expires_at: None,
        payload: None,
    })
}

pub(super) fn parse(issuer: &Issuer, text: &str) -> Option<Seal> {
    let seal = issuer.after_prefix(text)?.strip_prefix(MARK)?;
    if seal.len() == Seal::TEXT_LENGTH { Seal::decode(seal) } else { None }
}

fn mac(mut mac: Mac, issuer: &Issuer, secret: &Entropy) -> Mac {
    absorb(&mut mac, issuer.prefix());
    mac.update(secret.bytes());
    mac
}
