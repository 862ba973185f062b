//! `<prefix>6879-<43>`, and a checksum if there is one: the token format of hypothesis/h, one per user. The text does not name the
//! user.

use super::{Claim, Format, IssuedText, Issuer, NoSigningKey, SignedSecret, Verdict, absorb};
use hmac::Mac as _;

use crate::{
    id::{TokenHash, TokenId, UserId},
    keyring::{Keyring, Mac},
    secret::Entropy,
    timestamp::Timestamp,
};

/// The start of every developer token, after the prefix of the deployment.
pub const MARK: &str = "6879-";

/// Signs a developer token. Only its record holds its user and its expiry.
///
/// # Errors
/// Returns [`NoSigningKey`] if no key of the keyring signs yet.
pub fn sign(
    keyring: &Keyring,
    issuer: &Issuer,
    now: Timestamp,
    user_id: UserId,
    secret: &Entropy,
) -> Result<IssuedText, NoSigningKey> {
    let key = keyring.signing(now).ok_or(NoSigningKey)?;
    let subkey = key.developer.of(issuer.has_checksum()).clone();
    let signed = SignedSecret::encode(secret, mac(subkey, issuer, secret));
    Ok(IssuedText {
        text: issuer.finish(format!("{}{MARK}{signed}", issuer.prefix())),
        id: TokenId { user_id, hash: TokenHash::of(secret) },
        key_id: key.id().to_owned(),
        payload_digest: None,
    })
}

pub(super) fn open(keyring: &Keyring, issuer: &Issuer, text: &str, _now: Timestamp) -> Verdict {
    let Some(signed) = parse(issuer, text).and_then(SignedSecret::without_error) else {
        return Verdict::NotMine;
    };
    if !keyring
        .keys()
        .iter()
        .any(|key| signed.is_by(mac(signed.subkey(&key.developer), issuer, &signed.secret)))
    {
        return Verdict::Forged;
    }
    Verdict::Claim(Claim {
        format: Format::Developer,
        user_id: None,
        hash: TokenHash::of(&signed.secret),
        expires_at: None,
        payload: None,
    })
}

pub(super) fn parse(issuer: &Issuer, text: &str) -> Option<SignedSecret> {
    SignedSecret::decode(text, issuer.after_prefix(text)?.strip_prefix(MARK)?)
}

fn mac(mut mac: Mac, issuer: &Issuer, secret: &Entropy) -> Mac {
    absorb(&mut mac, issuer.prefix());
    mac.update(secret.bytes());
    mac
}
