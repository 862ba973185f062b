//! Cursors of a list: whatever place was given out is taken, for its own list alone, and nothing that was not given out.
#![no_main]

use fuzz::{now, ring};
use libfuzzer_sys::fuzz_target;
use token::{
    TokenHash, UserId,
    cursor::{List, Position, open, seal},
};

fuzz_target!(|data: &[u8]| {
    let id = |id: &str| id.parse::<UserId>().expect("an ID");
    let list = List { caller: id("1"), owner: id("2") };
    let ring = ring();
    if let Ok(text) = std::str::from_utf8(data) {
        if let Some(position) = open(&ring, &list, text) {
            assert_eq!(seal(&ring, &list, position, now()).as_deref(), Some(text));
        }
        if let Ok(hash) = text.parse::<TokenHash>() {
            let cursor = seal(&ring, &list, Position::Token(hash), now()).expect("a key signs");
            assert_eq!(open(&ring, &list, &cursor), Some(Position::Token(hash)));
            assert_eq!(open(&ring, &List { caller: id("2"), ..list }, &cursor), None);
        }
    }
});
