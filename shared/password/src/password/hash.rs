//! Parses and verifies password hashes: Argon2id, bcrypt, scrypt and PBKDF2, with bounds on memory
//! and time.
//!
//! The hashes come from other systems. One that costs too much is rejected; otherwise a single line
//! of an import could stop every log-in.

use argon2::{
    Algorithm, Argon2, Params,
    password_hash::{PasswordVerifier, phc::PasswordHash},
};
use base64::{
    Engine, alphabet,
    engine::general_purpose::{GeneralPurpose, NO_PAD},
    prelude::BASE64_STANDARD_NO_PAD,
};
use pbkdf2::pbkdf2_hmac;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The base64 of bcrypt, with its own alphabet.
const BCRYPT: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);

/// The maximum memory of one hash: 256 MiB, a seventh of the function's memory.
const MAX_MEMORY: u64 = 256 << 20;

/// The maximum memory times passes of one hash: 1 GiB, about three seconds.
const MAX_PASSED: u64 = 1 << 30;

/// The maximum cost of bcrypt: 2^15 rounds, about two seconds.
const HIGHEST_COST: u32 = 15;

/// The maximum rounds of PBKDF2, times the blocks of the output: about three seconds.
const MAX_ROUNDS: u64 = 5_000_000;

/// The maximum number of lanes or blocks, and the maximum length of a salt, far beyond common use.
const MAX_LANES: u32 = 64;
const MAX_SALT_LENGTH: usize = 64;

/// The minimum and maximum length of the output. A shorter one is too easy to guess.
const SHORTEST_OUTPUT: usize = 16;
const MAX_OUTPUT_LENGTH: usize = 64;

/// A parsed hash, within the bounds.
pub(super) enum Hash {
    Argon2id(Box<PasswordHash>),
    Bcrypt { cost: u32, salt: [u8; 16], output: [u8; 23] },
    Scrypt { params: scrypt::Params, salt: Vec<u8>, output: Vec<u8> },
    Pbkdf2 { digest: Digest, rounds: u32, salt: Vec<u8>, output: Vec<u8> },
}

#[derive(Clone, Copy)]
pub(super) enum Digest {
    Sha256,
    Sha512,
}

/// Why a hash from another system is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The kind is not supported.
    #[error("it must be a hash of Argon2id, bcrypt, scrypt, or PBKDF2 with SHA-256 or SHA-512")]
    Kind,
    /// The kind is supported, but the hash is malformed.
    #[error("it is a malformed hash of a supported kind")]
    Form,
    /// The hash takes more memory or time than a log-in can cost.
    #[error("it takes more memory or time than a log-in can cost")]
    Cost,
}

impl Hash {
    pub(super) fn read(text: &str) -> Result<Self, HashError> {
        let fields: Vec<&str> = text.split('$').collect();
        match fields.as_slice() {
            ["", "argon2id", ..] => argon2id(text),
            ["", "2a" | "2b" | "2y", cost, rest] => bcrypt(cost, rest),
            ["", "scrypt", params, salt, output] => scrypt(params, salt, output),
            ["", "pbkdf2-sha256", params, salt, output] => {
                pbkdf2(Digest::Sha256, params, salt, output)
            }
            ["", "pbkdf2-sha512", params, salt, output] => {
                pbkdf2(Digest::Sha512, params, salt, output)
            }
            ["", "2a" | "2b" | "2y" | "scrypt" | "pbkdf2-sha256" | "pbkdf2-sha512", ..] => {
                Err(HashError::Form)
            }
            _ => Err(HashError::Kind),
        }
    }

    /// Whether this is the hash of the password.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2id(hash) => Argon2::default().verify_password(password, &**hash).is_ok(),
            Self::Bcrypt { cost, salt, output } => is_of_bcrypt(password, *cost, *salt, output),
            Self::Scrypt { params, salt, output } => {
                let mut got = Zeroizing::new(vec![0; output.len()]);
                scrypt::scrypt(password, salt, params, &mut got).is_ok() && got.ct_eq(output).into()
            }
            Self::Pbkdf2 { digest, rounds, salt, output } => {
                let mut got = Zeroizing::new(vec![0; output.len()]);
                match digest {
                    Digest::Sha256 => pbkdf2_hmac::<Sha256>(password, salt, *rounds, &mut got),
                    Digest::Sha512 => pbkdf2_hmac::<Sha512>(password, salt, *rounds, &mut got),
                }
                got.ct_eq(output).into()
            }
        }
    }
}

/// `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.
fn argon2id(text: &str) -> Result<Hash, HashError> {
    let hash = PasswordHash::new(text).map_err(|_| HashError::Form)?;
    let length = hash.hash.as_ref().map(|output| output.as_ref().len());
    let is_whole = Algorithm::new(hash.algorithm)
        .is_ok_and(|algorithm| algorithm == Algorithm::Argon2id)
        && length.is_some_and(|length| length >= SHORTEST_OUTPUT);
    let params = Params::try_from(&hash).map_err(|_| HashError::Form)?;
    let memory = u64::from(params.m_cost()).saturating_mul(1024);
    let passed = memory.saturating_mul(u64::from(params.t_cost()));
    if memory > MAX_MEMORY || passed > MAX_PASSED || params.p_cost() > MAX_LANES {
        return Err(HashError::Cost);
    }
    if is_whole { Ok(Hash::Argon2id(Box::new(hash))) } else { Err(HashError::Form) }
}

/// `$2b$12$`, then 22 characters of salt and 31 of hash, in bcrypt's alphabet. `$2x$`, for hashes
/// of a broken implementation, is not supported.
fn bcrypt(cost: &str, rest: &str) -> Result<Hash, HashError> {
    let (salt, output) = rest.split_at_checked(22).ok_or(HashError::Form)?;
    let cost: u32 = number(cost).filter(|_| cost.len() == 2).ok_or(HashError::Form)?;
    let form = |_| HashError::Form;
    let salt =
        BCRYPT.decode(whole_bytes(salt)).map_err(form)?.try_into().map_err(|_| HashError::Form)?;
    let output = BCRYPT.decode(output).map_err(form)?.try_into().map_err(|_| HashError::Form)?;
    match cost {
        4..=HIGHEST_COST => Ok(Hash::Bcrypt { cost, salt, output }),
        16..=31 => Err(HashError::Cost),
        _ => Err(HashError::Form),
    }
}

/// Clears the unused bits of a salt. The last of its 22 characters holds only two bits of the 16
/// bytes. Some programs leave the other bits set, and bcrypt ignores them.
fn whole_bytes(salt: &str) -> String {
    const ALPHABET: &str = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut salt = salt.to_owned();
    let last = salt.pop().and_then(|last| ALPHABET.find(last)).unwrap_or_default() & 0b11_0000;
    salt.extend(ALPHABET.chars().nth(last));
    salt
}

/// Verifies a password with bcrypt, which hashes the first 72 bytes of the password and a trailing
/// NUL. A longer password is truncated, as in the system that created the hash. A password that
/// contains a NUL never matches: programs in C end the password there, and others reject it.
fn is_of_bcrypt(password: &[u8], cost: u32, salt: [u8; 16], output: &[u8; 23]) -> bool {
    let key: Zeroizing<Vec<u8>> =
        Zeroizing::new(password.iter().copied().chain([0]).take(72).collect());
    let got = Zeroizing::new(bcrypt::bcrypt(cost, salt, &key));
    let is_equal: bool = got
        .as_slice()
        .split_at_checked(output.len())
        .is_some_and(|(got, _)| got.ct_eq(output).into());
    is_equal && !password.contains(&0)
}

/// `$scrypt$ln=17,r=8,p=1$salt$hash`.
fn scrypt(params: &str, salt: &str, output: &str) -> Result<Hash, HashError> {
    let params: Vec<&str> = params.split(',').collect();
    let [ln, r, p] = params.as_slice() else {
        return Err(HashError::Form);
    };
    let named =
        |text: &str, name| text.strip_prefix(name).and_then(number).filter(|value| *value > 0);
    let (Some(ln), Some(r), Some(p)) = (named(ln, "ln="), named(r, "r="), named(p, "p=")) else {
        return Err(HashError::Form);
    };
    let block = u64::from(r).saturating_mul(128);
    let memory = 1_u64.checked_shl(ln).and_then(|n| n.checked_mul(block)).unwrap_or(u64::MAX);
    let passed = memory.saturating_mul(u64::from(p));
    if memory > MAX_MEMORY || passed > MAX_PASSED || r > MAX_LANES || p > MAX_LANES {
        return Err(HashError::Cost);
    }
    let log_n = u8::try_from(ln).map_err(|_| HashError::Form)?;
    let params = scrypt::Params::new(log_n, r, p).map_err(|_| HashError::Form)?;
    let (salt, output) = salt_and_output(salt, output)?;
    Ok(Hash::Scrypt { params, salt, output })
}

/// `$pbkdf2-sha256$i=600000,l=32$salt$hash`, or Passlib's `$pbkdf2-sha256$600000$salt$hash`, with
/// `.` in place of `+`.
fn pbkdf2(digest: Digest, params: &str, salt: &str, output: &str) -> Result<Hash, HashError> {
    let (rounds, length) = match params.split_once(',') {
        Some((rounds, length)) => {
            (rounds, Some(length.strip_prefix("l=").and_then(number).ok_or(HashError::Form)?))
        }
        None => (params, None),
    };
    let rounds = number(rounds.strip_prefix("i=").unwrap_or(rounds)).filter(|rounds| *rounds > 0);
    let rounds = rounds.ok_or(HashError::Form)?;
    let (salt, output) = salt_and_output(&salt.replace('.', "+"), &output.replace('.', "+"))?;
    if length.is_some_and(|length| usize::try_from(length) != Ok(output.len())) {
        return Err(HashError::Form);
    }
    let block = match digest {
        Digest::Sha256 => 32,
        Digest::Sha512 => 64,
    };
    let blocks = u64::try_from(output.len().div_ceil(block)).unwrap_or(u64::MAX);
    if u64::from(rounds).saturating_mul(blocks) > MAX_ROUNDS {
        return Err(HashError::Cost);
    }
    Ok(Hash::Pbkdf2 { digest, rounds, salt, output })
}

fn salt_and_output(salt: &str, output: &str) -> Result<(Vec<u8>, Vec<u8>), HashError> {
    let decoded = |text| BASE64_STANDARD_NO_PAD.decode(text).map_err(|_| HashError::Form);
    let (salt, output) = (decoded(salt)?, decoded(output)?);
    let fits = salt.len() <= MAX_SALT_LENGTH
        && (SHORTEST_OUTPUT..=MAX_OUTPUT_LENGTH).contains(&output.len());
    if fits { Ok((salt, output)) } else { Err(HashError::Form) }
}

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
