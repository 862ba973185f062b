//! Cursors of lists: a place among a user's tokens, which a client can neither read nor change nor make.
//!
//! They are encrypted and authenticated by the construction of RFC 5297 (SIV) over HMAC-SHA256 under a subkey of their
//! own. The tag is a MAC of who lists whose tokens and of the place, cut to 16 bytes, and the place is masked with a
//! MAC of the tag. The two inputs begin with different bytes, so that one key serves both. A place has one cursor, so
//! that nothing random is needed and the same list reads the same.

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::Mac as _;
use subtle::ConstantTimeEq;

use crate::{
    id::{TokenHash, UserId},
    keyring::{Key, Keyring, Mac},
    timestamp::Timestamp,
};

/// A place among a user's tokens: behind this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The token of this hash.
    Token(TokenHash),
    /// The developer token.
    Developer,
}

/// Who lists whose tokens. A cursor is good for this list alone.
#[derive(Clone, Copy, Debug)]
pub struct List {
    /// Who lists.
    pub caller: UserId,
    /// Whose tokens they are.
    pub owner: UserId,
}

const TAG: usize = 16;

/// The kind of the place, and the hash.
const PLACE: usize = 17;

/// The cursor of this place, in base64url. `None` while no key signs.
pub fn seal(ring: &Keyring, list: &List, position: Position, now: Timestamp) -> Option<String> {
    let key = ring.signing(now)?;
    let place = place(position);
    let tag = tag(key, list, &place);
    Some(Base64UrlUnpadded::encode_string(&[tag.as_slice(), &masked(key, &tag, place)].concat()))
}

/// The place of a cursor that was given out for this list, under any key of the ring.
pub fn open(ring: &Keyring, list: &List, cursor: &str) -> Option<Position> {
    let mut bytes = [0; TAG + PLACE];
    let decoded = Base64UrlUnpadded::decode(cursor, &mut bytes).ok()?;
    let (given, sealed) = decoded.split_first_chunk::<TAG>()?;
    let sealed: [u8; PLACE] = sealed.try_into().ok()?;
    ring.keys().iter().find_map(|key| {
        let place = masked(key, given, sealed);
        let is_ours = bool::from(tag(key, list, &place).ct_eq(given));
        if is_ours { position(&place) } else { None }
    })
}

fn place(position: Position) -> [u8; PLACE] {
    let mut place = [0; PLACE];
    if let (Position::Token(hash), Some((kind, rest))) = (position, place.split_first_mut()) {
        *kind = 1;
        rest.copy_from_slice(hash.bytes());
    }
    place
}

fn position(place: &[u8; PLACE]) -> Option<Position> {
    match place.split_first()? {
        (1, hash) => hash.try_into().ok().map(TokenHash::from_bytes).map(Position::Token),
        (0, rest) if rest.iter().all(|byte| *byte == 0) => Some(Position::Developer),
        _ => None,
    }
}

fn tag(key: &Key, list: &List, place: &[u8; PLACE]) -> [u8; TAG] {
    let mut mac: Mac = key.cursor.clone();
    mac.update(&[1]);
    for id in [&list.caller, &list.owner] {
        // An ID has at most 64 characters.
        mac.update(&[u8::try_from(id.as_str().len()).unwrap_or(u8::MAX)]);
        mac.update(id.as_str().as_bytes());
    }
    mac.update(place);
    first(mac)
}

fn masked(key: &Key, tag: &[u8; TAG], place: [u8; PLACE]) -> [u8; PLACE] {
    let mut mac: Mac = key.cursor.clone();
    mac.update(&[2]);
    mac.update(tag);
    let mask: [u8; PLACE] = first(mac);
    let mut masked = place;
    for (byte, mask) in masked.iter_mut().zip(mask) {
        *byte ^= mask;
    }
    masked
}

/// The first bytes of the MAC.
fn first<const N: usize>(mac: Mac) -> [u8; N] {
    let full = mac.finalize().into_bytes();
    let mut first = [0; N];
    for (byte, of_mac) in first.iter_mut().zip(full) {
        *byte = of_mac;
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    const RING: &str = r#"[{"id":"a","key":"QsbwGHbgB93-JeQMiQPdWLWwL05TquTtANsX6niLpWY","signs_from":0}]"#;
    const OTHER: &str = r#"[{"id":"b","key":"tWgzVX2GrVrSa1xpsMMSlGqSOK4qGhdXh0bzg2cM2kM","signs_from":0}]"#;
    const BOTH: &str = r#"[{"id":"a","key":"QsbwGHbgB93-JeQMiQPdWLWwL05TquTtANsX6niLpWY","signs_from":0},
        {"id":"b","key":"tWgzVX2GrVrSa1xpsMMSlGqSOK4qGhdXh0bzg2cM2kM","signs_from":1}]"#;
    const NOW: Timestamp = Timestamp::MAX;

    fn list(caller: &str, owner: &str) -> List {
        List { caller: caller.parse().unwrap(), owner: owner.parse().unwrap() }
    }

    fn positions() -> [Position; 3] {
        let token = |hash: &str| Position::Token(hash.parse().unwrap());
        [token("AAAAAAAAAAAAAAAAAAAAAA"), token("BBBBBBBBBBBBBBBBBBBBBA"), Position::Developer]
    }

    #[test]
    fn a_cursor_leads_back_to_its_place_and_shows_nothing_of_it() {
        let ring = Keyring::parse(RING).unwrap();
        let list = list("1", "1");
        for position in positions() {
            let cursor = seal(&ring, &list, position, NOW).unwrap();
            assert_eq!(open(&ring, &list, &cursor), Some(position));
            assert_eq!(cursor.len(), 44);
            assert!(!cursor.contains("AAAAAA") && !cursor.contains("BBBBBB"));
            // A key that no longer signs still opens.
            assert_eq!(open(&Keyring::parse(BOTH).unwrap(), &list, &cursor), Some(position));
        }
    }

    #[test]
    fn a_cursor_of_another_list_another_ring_or_with_another_bit_is_none() {
        let ring = Keyring::parse(RING).unwrap();
        let own = list("1", "1");
        for position in positions() {
            let cursor = seal(&ring, &own, position, NOW).unwrap();
            for other in [list("2", "1"), list("1", "2"), list("11", "1"), list("2", "2")] {
                assert_eq!(open(&ring, &other, &cursor), None, "{other:?}");
            }
            assert_eq!(open(&Keyring::parse(OTHER).unwrap(), &own, &cursor), None);
            let bytes = Base64UrlUnpadded::decode_vec(&cursor).unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(open(&ring, &own, &Base64UrlUnpadded::encode_string(&changed)), None, "{bit}");
            }
        }
    }

    #[test]
    fn what_is_no_cursor_is_none() {
        let ring = Keyring::parse(RING).unwrap();
        let own = list("1", "1");
        let cursor = seal(&ring, &own, Position::Developer, NOW).unwrap();
        for text in ["", "a", "AAAA", "\u{e9}", " ", &cursor[..43], &format!("{cursor}A"), &format!("{cursor}=")] {
            assert_eq!(open(&ring, &own, text), None, "{text}");
        }
    }
}
