//! Cursors: positions in a list or in a search, which a client can neither read, change nor forge.
//!
//! They are encrypted and authenticated by the construction of RFC 5297 (SIV) over HMAC-SHA256 with
//! a separate subkey. The tag is a MAC of the cursor's context and of the position, truncated to 16
//! bytes. The position is masked with MACs of the tag and a counter. The inputs of the two kinds of
//! MAC start with different bytes, so that one key serves both. The encryption is deterministic:
//! each position has one cursor, and no random bytes are needed.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::Mac as _;
use subtle::ConstantTimeEq;

use crate::{
    id::{TokenHash, TokenId, UserId},
    keyring::{Key, Keyring, Mac},
    timestamp::Timestamp,
};

/// A position in the list of a user's tokens: after this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The token of this hash.
    Token(TokenHash),
    /// The developer token.
    Developer,
}

/// The context of a list. A cursor is valid for this caller and this owner only.
#[derive(Clone, Copy, Debug)]
pub struct List {
    /// The user who lists the tokens.
    pub caller: UserId,
    /// The owner of the listed tokens.
    pub owner: UserId,
}

/// The context of a search for the tokens that a family issued, to revoke them. A cursor is valid
/// for this search only.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// The user who revokes the tokens.
    pub caller: UserId,
    /// The token, or the family, of the request.
    pub token: TokenId,
}

/// The context of a list over a whole table. A cursor is valid for this caller and this list only.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// The user who lists the table.
    pub caller: UserId,
    /// The name of the list, which is not secret.
    pub list: &'a str,
}

/// The length of a tag, in bytes.
const TAG: usize = 16;

/// The length of a position in a list, in bytes: its kind and the hash.
const PLACE: usize = 17;

/// The maximum length of a cursor, in characters. The longest key of an item has 3,072 bytes.
pub const MAX_LENGTH: usize = 4_200;

/// The first byte of the input of a MAC: a tag of a list, a mask, or a tag of a search or of a list
/// over a table.
const LIST: u8 = 1;
const MASK: u8 = 2;
const SEARCH: u8 = 3;
const TABLE: u8 = 4;

/// Encrypts a position in a list. The cursor is base64url. Returns `None` if no key signs yet.
pub fn encrypt_list(
    keyring: &Keyring,
    list: &List,
    position: Position,
    now: Timestamp,
) -> Option<String> {
    encrypt(keyring, &list.context(), &place(position), now)
}

/// Decrypts a cursor of this list, with any key of the keyring. Returns `None` if the cursor is
/// invalid.
pub fn decrypt_list(keyring: &Keyring, list: &List, cursor: &str) -> Option<Position> {
    let place = decrypt(keyring, &list.context(), cursor)?;
    position(place.as_slice().try_into().ok()?)
}

/// Encrypts a position in a search. The cursor is base64url. Returns `None` if no key signs yet.
pub fn encrypt_search(
    keyring: &Keyring,
    search: &Search,
    place: &str,
    now: Timestamp,
) -> Option<String> {
    encrypt(keyring, &search.context(), place.as_bytes(), now)
}

/// Decrypts a cursor of this search, with any key of the keyring. Returns `None` if the cursor is
/// invalid.
pub fn decrypt_search(keyring: &Keyring, search: &Search, cursor: &str) -> Option<String> {
    String::from_utf8(decrypt(keyring, &search.context(), cursor)?).ok()
}

/// Encrypts a position in a list over a table. The cursor is base64url. Returns `None` if no key
/// signs yet.
pub fn encrypt_table(
    keyring: &Keyring,
    table: &Table<'_>,
    place: &str,
    now: Timestamp,
) -> Option<String> {
    encrypt(keyring, &table.context(), place.as_bytes(), now)
}

/// Decrypts a cursor of this list over a table, with any key of the keyring. Returns `None` if the
/// cursor is invalid.
pub fn decrypt_table(keyring: &Keyring, table: &Table<'_>, cursor: &str) -> Option<String> {
    String::from_utf8(decrypt(keyring, &table.context(), cursor)?).ok()
}

impl List {
    fn context(&self) -> Vec<u8> {
        context(LIST, &[self.caller.as_str(), self.owner.as_str()])
    }
}

impl Search {
    fn context(&self) -> Vec<u8> {
        context(
            SEARCH,
            &[self.caller.as_str(), self.token.user_id.as_str(), &self.token.hash.text()],
        )
    }
}

impl Table<'_> {
    fn context(&self) -> Vec<u8> {
        context(TABLE, &[self.caller.as_str(), self.list])
    }
}

/// The start of a tag's input: the kind, and the names, each preceded by its length.
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
        (0, _) => Some(Position::Developer),
        _ => None,
    }
}

fn encrypt(keyring: &Keyring, context: &[u8], place: &[u8], now: Timestamp) -> Option<String> {
    let key = keyring.signing(now)?;
    let tag = tag(key, context, place);
    Some(BASE64_URL_SAFE_NO_PAD.encode([tag.as_slice(), &masked(key, &tag, place)].concat()))
}

fn decrypt(keyring: &Keyring, context: &[u8], cursor: &str) -> Option<Vec<u8>> {
    let decoded = BASE64_URL_SAFE_NO_PAD
        .decode(Some(cursor).filter(|cursor| cursor.len() <= MAX_LENGTH)?)
        .ok()?;
    let (given, encrypted) = decoded.split_first_chunk::<TAG>()?;
    keyring.keys().iter().find_map(|key| {
        let place = masked(key, given, encrypted);
        let is_authentic = bool::from(tag(key, context, &place).ct_eq(given));
        is_authentic.then_some(place)
    })
}

fn tag(key: &Key, context: &[u8], place: &[u8]) -> [u8; TAG] {
    let mut mac: Mac = key.cursor.clone();
    mac.update(context);
    mac.update(place);
    let full = mac.finalize().into_bytes();
    let mut tag = [0; TAG];
    for (byte, from_mac) in tag.iter_mut().zip(full) {
        *byte = from_mac;
    }
    tag
}

/// Masks a position, or unmasks a masked one.
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

    const KEYRING: &str =
        r#"[{"id":"a","key":"QsbwGHbgB93-JeQMiQPdWLWwL05TquTtANsX6niLpWY","signs_from":0}]"#;
    const OTHER: &str =
        r#"[{"id":"b","key":"tWgzVX2GrVrSa1xpsMMSlGqSOK4qGhdXh0bzg2cM2kM","signs_from":0}]"#;
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
    fn a_cursor_decrypts_to_its_position_and_hides_it() {
        let keyring = Keyring::parse(KEYRING).unwrap();
        let list = list("1", "1");
        for position in positions() {
            let cursor = encrypt_list(&keyring, &list, position, NOW).unwrap();
            assert_eq!(decrypt_list(&keyring, &list, &cursor), Some(position));
            assert_eq!(cursor.len(), 44);
            assert!(!cursor.contains("AAAAAA") && !cursor.contains("BBBBBB"));
            // A key that no longer signs still decrypts.
            assert_eq!(
                decrypt_list(&Keyring::parse(BOTH).unwrap(), &list, &cursor),
                Some(position)
            );
        }
    }

    #[test]
    fn a_cursor_of_another_list_or_keyring_or_with_a_changed_bit_is_rejected() {
        let keyring = Keyring::parse(KEYRING).unwrap();
        let own = list("1", "1");
        for position in positions() {
            let cursor = encrypt_list(&keyring, &own, position, NOW).unwrap();
            for other in [list("2", "1"), list("1", "2"), list("11", "1"), list("2", "2")] {
                assert_eq!(decrypt_list(&keyring, &other, &cursor), None, "{other:?}");
            }
            assert_eq!(decrypt_list(&Keyring::parse(OTHER).unwrap(), &own, &cursor), None);
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(&cursor).unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(
                    decrypt_list(&keyring, &own, &BASE64_URL_SAFE_NO_PAD.encode(&changed)),
                    None,
                    "{bit}"
                );
            }
        }
    }

    #[test]
    fn a_malformed_cursor_is_rejected() {
        let keyring = Keyring::parse(KEYRING).unwrap();
        let own = list("1", "1");
        let cursor = encrypt_list(&keyring, &own, Position::Developer, NOW).unwrap();
        for text in [
            "",
            "a",
            "AAAA",
            "\u{e9}",
            " ",
            &cursor[..43],
            &format!("{cursor}A"),
            &format!("{cursor}="),
        ] {
            assert_eq!(decrypt_list(&keyring, &own, text), None, "{text}");
        }
    }

    #[test]
    fn a_cursor_of_a_table_is_valid_for_its_caller_and_list_only_and_hides_its_position() {
        let keyring = Keyring::parse(KEYRING).unwrap();
        let table = |caller: &str, list| Table { caller: caller.parse().unwrap(), list };
        for place in ["1", "AAAAAAAAAA", &"x".repeat(3_073)] {
            let cursor = encrypt_table(&keyring, &table("2", "users"), place, NOW).unwrap();
            let decrypted = |caller, list| decrypt_table(&keyring, &table(caller, list), &cursor);
            assert_eq!(decrypted("2", "users").as_deref(), Some(place));
            assert_eq!(decrypted("3", "users"), None);
            assert_eq!(decrypted("2", "tokens"), None);
            assert_eq!(decrypted("2u", "sers"), None);
            assert_eq!(decrypt_list(&keyring, &list("2", "1"), &cursor), None);
            assert!(cursor.len() <= MAX_LENGTH && !cursor.contains("QUFB"), "{cursor}");
            let changed = if cursor.starts_with('A') { "B" } else { "A" };
            let changed = format!("{changed}{}", &cursor[1..]);
            assert_eq!(decrypt_table(&keyring, &table("2", "users"), &changed), None);
        }
    }

    #[test]
    fn a_cursor_of_a_search_is_valid_for_its_caller_and_token_only_and_hides_its_position() {
        let keyring = Keyring::parse(KEYRING).unwrap();
        let search = |caller: &str, token: &str| Search {
            caller: caller.parse().unwrap(),
            token: token.parse().unwrap(),
        };
        let own = search("2", "1.AAAAAAAAAAAAAAAAAAAAAA");
        for place in
            ["", "1", "1.AAAAAAAAAAAAAAAAAAAAAA~~1~1\nBBBBBBBBBBBBBBBBBBBBBA", &"x".repeat(1_000)]
        {
            let cursor = encrypt_search(&keyring, &own, place, NOW).unwrap();
            assert_eq!(decrypt_search(&keyring, &own, &cursor).as_deref(), Some(place));
            assert!(
                cursor.len() <= MAX_LENGTH
                    && !cursor.contains("AAAAAA")
                    && !cursor.contains("eHh4"),
                "{cursor}"
            );
            for other in [
                search("3", "1.AAAAAAAAAAAAAAAAAAAAAA"),
                search("2", "1.BBBBBBBBBBBBBBBBBBBBBA"),
                search("2", "11.AAAAAAAAAAAAAAAAAAAAAA"),
                search("21", "1.AAAAAAAAAAAAAAAAAAAAAA"),
            ] {
                assert_eq!(decrypt_search(&keyring, &other, &cursor), None, "{other:?}");
            }
            assert_eq!(decrypt_search(&Keyring::parse(OTHER).unwrap(), &own, &cursor), None);
            assert_eq!(
                decrypt_list(&keyring, &list("2", "1"), &cursor),
                None,
                "a cursor of a list"
            );
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(&cursor).unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(
                    decrypt_search(&keyring, &own, &BASE64_URL_SAFE_NO_PAD.encode(&changed)),
                    None,
                    "{bit}"
                );
            }
        }
        assert_eq!(decrypt_search(&keyring, &own, &"A".repeat(MAX_LENGTH + 4)), None);
        let of_list = encrypt_list(&keyring, &list("2", "1"), Position::Developer, NOW).unwrap();
        assert_eq!(decrypt_search(&keyring, &own, &of_list), None, "a cursor of a list");
    }
}
