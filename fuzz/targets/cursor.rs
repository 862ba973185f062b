//! Cursors of a list: what is taken has one text, and whatever place was given out is taken.
#![no_main]

use fuzz::{from_url, url};
use libfuzzer_sys::fuzz_target;
use store::tokens::PageKey;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data)
        && let Some(key) = PageKey::from_cursor(text)
    {
        assert_eq!(key.cursor(), text);
        let place = from_url(text).expect("it was taken");
        assert!((1..=PageKey::MAX_BYTES).contains(&place.len()) && std::str::from_utf8(&place).is_ok());
    }
    let is_place = (1..=PageKey::MAX_BYTES).contains(&data.len()) && std::str::from_utf8(data).is_ok();
    assert_eq!(PageKey::from_cursor(&url(data)).is_some(), is_place);
});
