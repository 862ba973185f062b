//! Calls `hallpass_token::open` repeatedly, for callgrind: `opening KIND TIMES`. The rest of the
//! program does not depend on TIMES.

use std::{env, error::Error, hint::black_box, time::Duration};

use hallpass_token::{
    Entropy, Format, Issuer, Keyring, Timestamp, UserId,
    codec::{developer, jwt, signed},
    keyring::Key,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut arguments = env::args().skip(1);
    let (Some(kind), Some(times)) = (arguments.next(), arguments.next()) else {
        return Err("usage: opening KIND TIMES".into());
    };
    open(&kind, times.parse()?)
}

/// Calls `hallpass_token::open` with a text of this kind. Time and keys are constant, so that the
/// count is as well.
fn open(kind: &str, times: u64) -> Outcome<()> {
    let now = Timestamp::from_unix(1_800_000_000).ok_or("the time")?;
    let (own, foreign, issuer) = (keyring(1)?, keyring(101)?, Issuer::new("", "hallpass")?);
    let hour = Duration::from_secs(3_600);
    let (keyring, format, until) = match kind {
        "signed" | "foreign" => (&own, Format::Signed, now.after(hour)),
        "developer" => (&own, Format::Developer, now.after(hour)),
        "jwt" => (&own, Format::Jwt, now.after(hour)),
        "forged" => (&foreign, Format::Signed, now.after(hour)),
        "expired" => (&own, Format::Signed, now),
        other => {
            return Err(format!(
                "unknown kind {other}; use signed, developer, jwt, forged, expired or foreign"
            )
            .into());
        }
    };
    let user_id: UserId = "01JZ8QXV5N3M4K7T9R2W6Y0HBC".parse().map_err(|_| "the user id")?;
    let secret = Entropy::new([7; 16]);
    let signed = match format {
        Format::Signed => signed::sign(keyring, &issuer, now, user_id, until, &secret)?,
        Format::Developer => developer::sign(keyring, &issuer, now, user_id, &secret)?,
        Format::Jwt => {
            let contents = jwt::Contents {
                user_id,
                audience: jwt::Audience::User,
                expires_at: until,
                name: "My Name",
            };
            jwt::sign(keyring, &issuer, now, contents, &secret)?
        }
    };
    let text = if kind == "foreign" {
        "sk_live_7Zb4TgFhV0sLx2QkPmNc9RwY"
    } else {
        signed.text.expose_secret()
    };
    let is_good = ["signed", "developer", "jwt"].contains(&kind);
    for _ in 0..times {
        let opened = hallpass_token::open(
            black_box(&own),
            black_box(&issuer),
            black_box(text),
            black_box(now),
        );
        if opened.is_ok() != is_good {
            return Err(format!("{kind}: {opened:?}").into());
        }
    }
    Ok(())
}

fn keyring(first: u8) -> Outcome<Keyring> {
    let bytes: Vec<u8> = (0..32)
        .map(|byte: u8| byte.wrapping_mul(byte).wrapping_mul(7).wrapping_add(first))
        .collect();
    let key =
        Key::new("bench".to_owned(), Timestamp::from_unix(0).ok_or("the epoch")?, bytes.into())?;
    Ok(Keyring::new(vec![key])?)
}
