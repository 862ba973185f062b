//! Opening a token again and again, for callgrind: nothing else of this program costs anything in proportion.

use std::{hint::black_box, time::Duration};

use token::{
    Entropy, Format, Issuer, Keyring, Timestamp, UserId,
    codec::{developer, jwt, signed},
    keyring::Key,
};

use crate::Outcome;

/// What can be opened: a good token of each format, and what is refused.
pub const KINDS: [&str; 6] = ["signed", "developer", "jwt", "forged", "expired", "foreign"];

/// Opens a text of this kind so often. Time and keys are constant, so that the count is.
pub fn open(kind: &str, times: u64) -> Outcome<()> {
    let now = Timestamp::from_unix(1_800_000_000).ok_or("the time")?;
    let (ours, theirs, issuer) = (ring(1)?, ring(101)?, Issuer::new("", "hallpass")?);
    let hour = Duration::from_secs(3_600);
    let (ring, format, until) = match kind {
        "signed" | "foreign" => (&ours, Format::Signed, now.after(hour)),
        "developer" => (&ours, Format::Developer, now.after(hour)),
        "jwt" => (&ours, Format::Jwt, now.after(hour)),
        "forged" => (&theirs, Format::Signed, now.after(hour)),
        "expired" => (&ours, Format::Signed, now),
        other => return Err(format!("{other} is none of {KINDS:?}").into()),
    };
    let user_id: UserId = "01JZ8QXV5N3M4K7T9R2W6Y0HBC".parse().map_err(|_| "the user id")?;
    let secret = Entropy::new([7; 16]);
    let sealed = match format {
        Format::Signed => signed::seal(ring, &issuer, now, user_id, until, &secret)?,
        Format::Developer => developer::seal(ring, &issuer, now, user_id, &secret)?,
        Format::Jwt => {
            let contents = jwt::Contents { user_id, audience: jwt::Audience::User, expires_at: until, name: "My Name" };
            jwt::seal(ring, &issuer, now, contents, &secret)?
        }
    };
    let text = if kind == "foreign" { "sk_live_7Zb4TgFhV0sLx2QkPmNc9RwY" } else { sealed.text.reveal() };
    let is_good = ["signed", "developer", "jwt"].contains(&kind);
    for _ in 0..times {
        let opened = token::open(black_box(&ours), black_box(&issuer), black_box(text), black_box(now));
        if opened.is_ok() != is_good {
            return Err(format!("{kind}: {opened:?}").into());
        }
    }
    Ok(())
}

fn ring(first: u8) -> Outcome<Keyring> {
    let bytes: Vec<u8> = (0..32).map(|byte: u8| byte.wrapping_mul(7).wrapping_add(first)).collect();
    let key = Key::new("bench".to_owned(), Timestamp::from_unix(0).ok_or("the epoch")?, bytes.into())?;
    Ok(Keyring::new(vec![key])?)
}
