//! The content of one element, as text.

use std::borrow::Cow;

use super::vocabulary::XSI;
use crate::xml::{Error, Reader, Token};

/// Adds a piece of text to those before it; a single piece stays borrowed.
pub(super) fn push<'a>(text: &mut Cow<'a, str>, piece: Cow<'a, str>) {
    if text.is_empty() {
        *text = piece;
    } else {
        text.to_mut().push_str(&piece);
    }
}

/// Reads the element that was just begun to its end and gives its own text. Elements within it are
/// passed over.
pub(super) fn text<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, Error> {
    let mut text = Cow::Borrowed("");
    loop {
        match reader.next()? {
            Token::Text(piece) => push(&mut text, piece),
            Token::Start(_) => reader.skip()?,
            Token::End | Token::Eof => return Ok(text),
        }
    }
}

/// Whether the element that was just begun is `xsi:nil`.
pub(super) fn is_nil(reader: &Reader<'_>) -> bool {
    reader.attribute(XSI, "nil").is_some_and(|value| matches!(value.trim(), "true" | "1"))
}

/// A value that came from the sender, short enough to be shown in a sentence.
pub(super) fn shown(value: &str) -> String {
    const MOST: usize = 60;
    let mut shown: String = value.chars().take(MOST).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}
