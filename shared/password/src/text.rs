//! Single-line texts: user names, full names, names and descriptions of tokens. The same check
//! applies to all of them wherever Hallpass accepts one. Texts that an application has written are
//! shown unchanged.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{BidiControl, DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup},
};

/// Why a text is not a valid line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The text has no visible character.
    #[error("it must contain a visible character")]
    Invisible,
    /// The text is too long.
    #[error("it is too long")]
    TooLong,
    /// The text contains a control character or a line break.
    #[error("it must not contain control characters or line breaks")]
    Control,
    /// The text contains a character that changes the direction of the text around it.
    #[error("it must not contain characters that change the direction of text")]
    Bidi,
    /// The text starts or ends with white space or an invisible character.
    #[error("it must not start or end with white space")]
    Framed,
}

/// Symbols with a blank glyph: the empty braille pattern and the empty musical note head.
const BLANK: [char; 2] = ['\u{2800}', '\u{1d159}'];

/// Trims white space and the invisible characters that editors leave around text: the byte order
/// mark, the zero-width space and the word joiner. Tabs and line breaks are control characters.
/// They are kept, so that [`check`] rejects them.
pub fn trimmed(text: &str) -> &str {
    let is_space = |c: char| c.is_whitespace() && !c.is_control();
    text.trim_matches(|c: char| {
        is_space(c) || matches!(c, '\u{feff}' | '\u{200b}' | '\u{2060}' | '\u{180e}')
    })
}

/// Checks a line of at most `longest` characters.
///
/// # Errors
/// Returns a [`LineError`] if the text is not a valid line.
pub fn check(text: &str, longest: usize) -> Result<(), LineError> {
    if text.chars().count() > longest {
        return Err(LineError::TooLong);
    }
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(LineError::Control);
    }
    if text.chars().any(is_bidi_control) {
        return Err(LineError::Bidi);
    }
    if !text.chars().any(is_visible) {
        return Err(LineError::Invisible);
    }
    if trimmed(text) == text { Ok(()) } else { Err(LineError::Framed) }
}

/// Whether a character changes the direction of the text around it.
pub fn is_bidi_control(c: char) -> bool {
    CodePointSetData::new::<BidiControl>().contains(c)
}

/// Whether a character has a visible glyph: a letter, a digit, a punctuation mark or a symbol.
fn is_visible(c: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let has_glyph = [
        GeneralCategoryGroup::Letter,
        GeneralCategoryGroup::Number,
        GeneralCategoryGroup::Punctuation,
        GeneralCategoryGroup::Symbol,
        GeneralCategoryGroup::PrivateUse,
    ]
    .into_iter()
    .any(|group| group.contains(category));
    has_glyph && !ignorable.contains(c) && !BLANK.contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_trimmed_and_visible_and_does_not_change_direction() {
        let check = |text: &str, expected: Result<(), LineError>| {
            assert_eq!(check(text, 9), expected, "{text:?}");
        };
        for good in [
            "ada",
            "Ada L.",
            "日本",
            "é",
            "e\u{301}",
            "🦀",
            "#",
            "a\u{200d}b",
            "اسم",
            "שם",
            "1",
            "\u{e000}",
        ] {
            check(good, Ok(()));
        }
        for invisible in [
            "",
            " ",
            "\u{2800}",
            "\u{2800}\u{2800}",
            "\u{3164}",
            "\u{ffa0}",
            "\u{115f}",
            "\u{1160}",
            "\u{ad}",
            "\u{200b}",
            "\u{2060}",
            "\u{feff}",
            "\u{a0}",
            "\u{3000}",
            "\u{301}",
            "\u{fe0f}",
            "\u{180e}",
            "\u{e0001}",
            "\u{1d159}",
            " \u{2800} ",
        ] {
            check(invisible, Err(LineError::Invisible));
        }
        for control in
            ["a\tb", "a\n", "\0a", "a\u{7f}", "a\u{85}b", "a\u{2028}b", "a\u{2029}", "\u{1b}[31m"]
        {
            check(control, Err(LineError::Control));
        }
        for bidi in [
            '\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}',
            '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
        ] {
            check(&format!("a{bidi}b"), Err(LineError::Bidi));
        }
        for framed in [" a", "a ", "\u{a0}a", "a\u{3000}", "\u{feff}a", "a\u{200b}", "\u{2060}a"] {
            check(framed, Err(LineError::Framed));
            assert_eq!(trimmed(framed), "a");
        }
        check("1234567890", Err(LineError::TooLong));
    }
}
