//! Bytes to text: which character encoding a document is in, and its text.
//!
//! The byte order mark comes first (RFC 7303, section 3.3), then the charset of the Content-Type,
//! then what the document itself shows (XML 1.0, appendix F). Text in UTF-8 is borrowed, not copied.

use std::borrow::Cow;

use super::scan::{self, Notes};
use super::{Error, ErrorKind, Fault, declaration, ill_formed};

/// A document as text, scanned for forbidden characters, its XML declaration read.
#[derive(Debug)]
pub struct Document<'a> {
    text: Cow<'a, str>,
    notes: Notes,
}

/// The encodings that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    /// Of an order that the byte order mark or the first character tells.
    Utf16,
    Utf16Le,
    Utf16Be,
    Latin1,
    Ascii,
}

impl Encoding {
    fn named(name: &str) -> Option<Self> {
        let is = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        if is(&["utf-8", "utf8"]) {
            Some(Self::Utf8)
        } else if is(&["utf-16", "utf16"]) {
            Some(Self::Utf16)
        } else if is(&["utf-16le"]) {
            Some(Self::Utf16Le)
        } else if is(&["utf-16be"]) {
            Some(Self::Utf16Be)
        } else if is(&["iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1", "l1"]) {
            Some(Self::Latin1)
        } else if is(&["us-ascii", "ascii"]) {
            Some(Self::Ascii)
        } else {
            None
        }
    }

    fn is_utf16(self) -> bool {
        matches!(self, Self::Utf16 | Self::Utf16Le | Self::Utf16Be)
    }
}

/// What tells the encoding, apart from the XML declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    Mark,
    Charset,
    FirstBytes,
}

impl<'a> Document<'a> {
    /// Decodes a document; `charset` is that of its Content-Type.
    ///
    /// # Errors
    /// When the encoding is not read here, when the bytes are not of it, when the XML declaration is
    /// malformed or contradicts the bytes, or when a character is forbidden in XML.
    pub fn decode(bytes: &'a [u8], charset: Option<&str>) -> Result<Self, Error> {
        let (shown, evidence, mark) = detect(bytes, charset)?;
        let (shown, text) = match text(&bytes[mark..], shown) {
            // Not UTF-8, but perhaps of the encoding that its declaration, read as Latin-1, names.
            Err(_) if evidence == Evidence::FirstBytes && bytes.starts_with(b"<?xml") => {
                (Encoding::Latin1, latin1(bytes))
            }
            decoded => (shown, decoded?),
        };
        let fail = |(kind, offset): Fault| Error::at(kind, &text, offset);
        let declared = declaration::encoding(&text).map_err(fail)?;
        let meant = meant(shown, evidence, declared).map_err(fail)?;
        if meant == shown { Self::scanned(text) } else { Self::scanned(self::text(bytes, meant)?) }
    }

    fn scanned(text: Cow<'a, str>) -> Result<Self, Error> {
        // Whoever reads on from here might take it for the document's own mark, and pass over it.
        if text.starts_with('\u{FEFF}') {
            let (kind, offset) = ill_formed("a second byte order mark stands before the root element", 0);
            return Err(Error::at(kind, &text, offset));
        }
        match scan::scan(&text) {
            Ok(notes) => Ok(Self { text, notes }),
            Err((kind, offset)) => Err(Error::at(kind, &text, offset)),
        }
    }

    /// The text, without a byte order mark.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn notes(&self) -> Notes {
        self.notes
    }
}

/// The encoding, what tells it, and the length of the byte order mark.
fn detect(bytes: &[u8], charset: Option<&str>) -> Result<(Encoding, Evidence, usize), Error> {
    let unsupported = |name: &str| Error::at(ErrorKind::UnsupportedEncoding(name.to_owned()), "", 0);
    match bytes {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] | [0, 0, 0, b'<', ..] | [b'<', 0, 0, 0, ..] => {
            return Err(unsupported("UTF-32"));
        }
        [0xEF, 0xBB, 0xBF, ..] => return Ok((Encoding::Utf8, Evidence::Mark, 3)),
        [0xFF, 0xFE, ..] => return Ok((Encoding::Utf16Le, Evidence::Mark, 2)),
        [0xFE, 0xFF, ..] => return Ok((Encoding::Utf16Be, Evidence::Mark, 2)),
        _ => {}
    }
    let shown = match bytes {
        [b'<', 0, ..] => Encoding::Utf16Le,
        [0, b'<', ..] => Encoding::Utf16Be,
        [0x4C, 0x6F, 0xA7, 0x94, ..] => return Err(unsupported("EBCDIC")),
        _ => Encoding::Utf8,
    };
    let Some(charset) = charset else {
        return Ok((shown, Evidence::FirstBytes, 0));
    };
    match Encoding::named(charset) {
        Some(Encoding::Utf16) if shown.is_utf16() => Ok((shown, Evidence::Charset, 0)),
        Some(Encoding::Utf16) => Ok((Encoding::Utf16Be, Evidence::Charset, 0)),
        Some(encoding) => Ok((encoding, Evidence::Charset, 0)),
        None => Err(unsupported(charset)),
    }
}

/// Which encoding a document is in, given what its bytes show and what it declares.
fn meant(shown: Encoding, evidence: Evidence, declared: Option<&str>) -> Result<Encoding, Fault> {
    let Some(declared) = declared.filter(|_| evidence != Evidence::Charset) else {
        return match (evidence, shown) {
            (Evidence::FirstBytes, shown) if shown.is_utf16() => {
                Err(ill_formed("UTF-16 needs a byte order mark or a declaration", 0))
            }
            (Evidence::FirstBytes, _) => Ok(Encoding::Utf8),
            _ => Ok(shown),
        };
    };
    let named = Encoding::named(declared).ok_or_else(|| (ErrorKind::UnsupportedEncoding(declared.to_owned()), 0))?;
    let agrees = match (shown.is_utf16(), evidence) {
        (true, _) => named == shown || named == Encoding::Utf16,
        (false, Evidence::Mark) => named == Encoding::Utf8,
        (false, _) => !named.is_utf16(),
    };
    match (agrees, shown.is_utf16()) {
        (true, true) => Ok(shown),
        (true, false) => Ok(named),
        (false, _) => Err(ill_formed(format!("the document is not in the encoding that it declares, {declared}"), 0)),
    }
}

fn text(bytes: &[u8], encoding: Encoding) -> Result<Cow<'_, str>, Error> {
    match encoding {
        Encoding::Utf8 => utf8(bytes).map(Cow::Borrowed),
        Encoding::Utf16Le => utf16(bytes, u16::from_le_bytes).map(Cow::Owned),
        Encoding::Utf16 | Encoding::Utf16Be => utf16(bytes, u16::from_be_bytes).map(Cow::Owned),
        Encoding::Latin1 => Ok(latin1(bytes)),
        Encoding::Ascii => ascii(bytes).map(Cow::Borrowed),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let (kind, offset) = ill_formed("the bytes are not UTF-8", before.len());
        Error::at(kind, &String::from_utf8_lossy(before), offset)
    })
}

fn ascii(bytes: &[u8]) -> Result<&str, Error> {
    match bytes.iter().position(|byte| !byte.is_ascii()) {
        None => utf8(bytes),
        Some(at) => {
            let (kind, offset) = ill_formed("the bytes are not US-ASCII", at);
            Err(Error::at(kind, &String::from_utf8_lossy(&bytes[..at]), offset))
        }
    }
}

/// Every byte is the character of its number, which is not what windows-1252 makes of it.
fn latin1(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Error> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let mut text = String::with_capacity(bytes.len() / 2);
    for decoded in char::decode_utf16(units) {
        match decoded {
            Ok(c) => text.push(c),
            Err(_) => {
                let (kind, offset) = ill_formed("half of a surrogate pair is missing", text.len());
                return Err(Error::at(kind, &text, offset));
            }
        }
    }
    if bytes.len().is_multiple_of(2) {
        Ok(text)
    } else {
        let (kind, offset) = ill_formed("the last UTF-16 unit is cut in half", text.len());
        Err(Error::at(kind, &text, offset))
    }
}

#[cfg(test)]
mod tests;
