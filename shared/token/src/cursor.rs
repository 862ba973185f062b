//! Cursors: a place in a list or in a search, which a client can neither read nor change nor make.
//!
//! They are encrypted and authenticated by the construction of RFC 5297 (SIV) over HMAC-SHA256 under a subkey of their
//! own. The tag is a MAC of what the cursor is good for and of the place, cut to 16 bytes, and the place is masked with
//! MACs of the tag and a counter. The inputs of the two begin with different bytes, so that one key serves both. A place
//! has one cursor, so that nothing random is needed and the same list reads the same.

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::Mac as _;
use subtle::ConstantTimeEq;

use crate::{
    id::{TokenHash, TokenId, UserId},
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

/// Who revokes what a token's family issued. A cursor is good for this search alone.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// Who revokes.
    pub caller: UserId,
    /// The token, or the family, that was asked for.
    pub token: TokenId,
}

const TAG: usize = 16;

/// The kind of the place, and the hash.
const PLACE: usize = 17;

/// The longest cursor, in characters.
pub const MAX_LENGTH: usize = 2_048;

/// What the input of a tag begins with, by what the cursor is good for; a mask begins with another byte.
const LIST: u8 = 1;
const MASK: u8 = 2;
const SEARCH: u8 = 3;

/// The cursor of this place, in base64url. `None` while no key signs.
pub fn sign(keyring: &Keyring, list: &List, position: Position, now: Timestamp) -> Option<String> {
    encrypt(keyring, &list.context(), &place(position), now)
}

/// The place of a cursor that was given out for this list, under any key of the keyring.
pub fn open(keyring: &Keyring, list: &List, cursor: &str) -> Option<Position> {
    let place = decrypt(keyring, &list.context(), cursor)?;
    position(place.as_slice().try_into().ok()?)
}

/// The cursor of this place in a search, in base64url. `None` while no key signs.
pub fn encrypt_search(keyring: &Keyring, search: &Search, place: &str, now: Timestamp) -> Option<String> {
    encrypt(keyring, &search.context(), place.as_bytes(), now)
}

/// The place of a cursor that was given out for this search, under any key of the keyring.
pub fn open_search(keyring: &Keyring, search: &Search, cursor: &str) -> Option<String> {
    String::from_utf8(decrypt(keyring, &search.context(), cursor)?).ok()
}

impl List {
    fn context(&self) -> Vec<u8> {
        context(LIST, &[self.caller.as_str(), self.owner.as_str()])
    }
}

impl Search {
    fn context(&self) -> Vec<u8> {
        context(SEARCH, &[self.caller.as_str(), self.token.user_id.as_str(), &self.token.hash.text()])
    }
}

/// What the tag begins with: the kind and the names, each behind its length.
fn context(kind: u8, names: &[&str]) -> Vec<u8> {
    let mut context = vec![kind];
    for name in names {
        // An ID has at most 64 characters.
        context.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        context.extend_from_slice(name.as_bytes());
    }
    context
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

fn encrypt(keyring: &Keyring, context: &[u8], place: &[u8], now: Timestamp) -> Option<String> {
    let key = keyring.signing(now)?;
    let tag = tag(key, context, place);
    Some(Base64UrlUnpadded::encode_string(&[tag.as_slice(), &masked(key, &tag, place)].concat()))
}

fn decrypt(keyring: &Keyring, context: &[u8], cursor: &str) -> Option<Vec<u8>> {
    let decoded = Base64UrlUnpadded::decode_vec(Some(cursor).filter(|cursor| cursor.len() <= MAX_LENGTH)?).ok()?;
    let (given, encrypted) = decoded.split_first_chunk::<TAG>()?;
    keyring.keys().iter().find_map(|key| {
        let place = masked(key, given, encrypted);
        let is_ours = bool::from(tag(key, context, &place).ct_eq(given));
        is_ours.then_some(place)
    })
}

fn tag(key: &Key, context: &[u8], place: &[u8]) -> [u8; TAG] {
    let mut mac: Mac = key.cursor.clone();
    mac.update(context);
    mac.update(place);
    let full = mac.finalize().into_bytes();
    let mut tag = [0; TAG];
    for (byte, of_mac) in tag.iter_mut().zip(full) {
        *byte = of_mac;
    }
    tag
}

/// The place masked, or a masked place as it was.
fn masked(key: &Key, tag: &[u8; TAG], place: &[u8]) -> Vec<u8> {
    let mut masked = place.to_vec();
    for (number, block) in (0_u32..).zip(masked.chunks_mut(32)) {
        let mut mac: Mac = key.cursor.clone();
        mac.update(&[MASK]);
        mac.update(tag);
        mac.update(&number.to_be_bytes());
        for (byte, mask) in block.iter_mut().zip(mac.finalize().into_bytes()) {
            *byte ^= mask;
        }
    }
    masked
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
        let keyring = Keyring::parse(RING).unwrap();
        let list = list("1", "1");
        for position in positions() {
            let cursor = sign(&keyring, &list, position, NOW).unwrap();
            assert_eq!(open(&keyring, &list, &cursor), Some(position));
            assert_eq!(cursor.len(), 44);
            assert!(!cursor.contains("AAAAAA") && !cursor.contains("BBBBBB"));
            // A key that no longer signs still opens.
            assert_eq!(open(&Keyring::parse(BOTH).unwrap(), &list, &cursor), Some(position));
        }
    }

    #[test]
    fn a_cursor_of_another_list_another_keyring_or_with_another_bit_is_none() {
        let keyring = Keyring::parse(RING).unwrap();
        let own = list("1", "1");
        for position in positions() {
            let cursor = sign(&keyring, &own, position, NOW).unwrap();
            for other in [list("2", "1"), list("1", "2"), list("11", "1"), list("2", "2")] {
                assert_eq!(open(&keyring, &other, &cursor), None, "{other:?}");
            }
            assert_eq!(open(&Keyring::parse(OTHER).unwrap(), &own, &cursor), None);
            let bytes = Base64UrlUnpadded::decode_vec(&cursor).unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(open(&keyring, &own, &Base64UrlUnpadded::encode_string(&changed)), None, "{bit}");
            }
        }
    }

    #[test]
    fn what_is_no_cursor_is_none() {
        let keyring = Keyring::parse(RING).unwrap();
        let own = list("1", "1");
        let cursor = sign(&keyring, &own, Position::Developer, NOW).unwrap();
        for text in ["", "a", "AAAA", "\u{e9}", " ", &cursor[..43], &format!("{cursor}A"), &format!("{cursor}=")] {
            assert_eq!(open(&keyring, &own, text), None, "{text}");
        }
    }

    #[test]
    fn a_cursor_of_a_search_is_good_for_its_own_caller_and_token_alone_and_shows_nothing() {
        let keyring = Keyring::parse(RING).unwrap();
        let search =
            |caller: &str, token: &str| Search { caller: caller.parse().unwrap(), token: token.parse().unwrap() };
        let own = search("2", "1.AAAAAAAAAAAAAAAAAAAAAA");
        for place in ["", "1", "1.AAAAAAAAAAAAAAAAAAAAAA~~1~1\nBBBBBBBBBBBBBBBBBBBBBA", &"x".repeat(1_000)] {
            let cursor = encrypt_search(&keyring, &own, place, NOW).unwrap();
            assert_eq!(open_search(&keyring, &own, &cursor).as_deref(), Some(place));
            assert!(cursor.len() <= MAX_LENGTH && !cursor.contains("AAAAAA") && !cursor.contains("eHh4"), "{cursor}");
            for other in [
                search("3", "1.AAAAAAAAAAAAAAAAAAAAAA"),
                search("2", "1.BBBBBBBBBBBBBBBBBBBBBA"),
                search("2", "11.AAAAAAAAAAAAAAAAAAAAAA"),
                search("21", "1.AAAAAAAAAAAAAAAAAAAAAA"),
            ] {
                assert_eq!(open_search(&keyring, &other, &cursor), None, "{other:?}");
            }
            assert_eq!(open_search(&Keyring::parse(OTHER).unwrap(), &own, &cursor), None);
            assert_eq!(open(&keyring, &list("2", "1"), &cursor), None, "of a list");
            let bytes = Base64UrlUnpadded::decode_vec(&cursor).unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(open_search(&keyring, &own, &Base64UrlUnpadded::encode_string(&changed)), None, "{bit}");
            }
        }
        assert_eq!(open_search(&keyring, &own, &"A".repeat(MAX_LENGTH + 4)), None);
        let of_list = sign(&keyring, &list("2", "1"), Position::Developer, NOW).unwrap();
        assert_eq!(open_search(&keyring, &own, &of_list), None, "of a list");
    }
}
