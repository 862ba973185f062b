//! Cursors of a list: a cursor is accepted only if Hallpass issued it, and only for its own list.
#![no_main]

use fuzz::{keyring, now};
use hallpass_token::{
    TokenHash, UserId,
    cursor::{List, Position, decrypt_list, encrypt_list},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let id = |id: &str| id.parse::<UserId>().expect("an ID");
    let list = List { caller: id("1"), owner: id("2") };
    let keyring = keyring();
    if let Ok(text) = std::str::from_utf8(data) {
        if let Some(position) = decrypt_list(&keyring, &list, text) {
            assert_eq!(encrypt_list(&keyring, &list, position, now()).as_deref(), Some(text));
        }
        if let Ok(hash) = text.parse::<TokenHash>() {
            let cursor =
                encrypt_list(&keyring, &list, Position::Token(hash), now()).expect("a key signs");
            assert_eq!(decrypt_list(&keyring, &list, &cursor), Some(Position::Token(hash)));
            assert_eq!(decrypt_list(&keyring, &List { caller: id("2"), ..list }, &cursor), None);
        }
    }
});
