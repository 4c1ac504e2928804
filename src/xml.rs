//! Strict XML: what is not namespace-well-formed XML 1.0 never reaches the rooms above.
//!
//! A lenient parser in front of strict ones is how filters get bypassed, so the reader refuses
//! whatever the recommendations call ill-formed, and every document type declaration besides. The
//! checks are divided so that each is made once, where it is cheapest:
//!
//! | place | check |
//! |---|---|
//! | [`decode`] | byte order mark, charset, XML declaration; bytes to text |
//! | `scan` | one pass: forbidden characters; notes what the later places need not look for |
//! | `pieces` | markup through quick-xml, the only file that knows it: end tags, comments |
//! | `reader` | document structure, character data, limits |
//! | `attributes`, `names`, `namespaces` | start tags: names, values, duplicates, prefixes |
//! | `references` | the five names and character references |
//! | [`writer`] | text and values escaped on the way out |

mod attributes;
mod declaration;
pub mod decode;
mod names;
mod namespaces;
mod pieces;
mod reader;
mod references;
mod scan;
pub mod writer;

use std::borrow::Cow;
use std::fmt;

pub use attributes::{Attribute, MAX_ATTRIBUTES};
pub use decode::Document;
pub use names::MAX_NAME_BYTES;
pub use namespaces::{MAX_BINDINGS, Namespace};
pub use reader::{Name, Reader, Token};

/// How large a document may be in other respects than its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many elements may be open at once: stops the nesting attack, which exhausts the stack
    /// of whoever builds a tree.
    pub depth: usize,
    /// How many elements a document may hold: stops the element flood, where each costs the reader
    /// far more than its bytes.
    pub elements: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 64, elements: 10_000 }
    }
}

/// A place in a document, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line, ended by a line feed.
    pub line: usize,
    /// The column, in characters and not in bytes.
    pub column: usize,
}

impl Position {
    /// The place of a byte offset. Read only on the way to an error, so it may count from the start.
    fn of(text: &str, offset: usize) -> Self {
        let before = &text.as_bytes()[..offset.min(text.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        let column = 1 + before[line_start..].iter().filter(|&&b| b & 0xC0 != 0x80).count();
        Self { line, column }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a document is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// It is not namespace-well-formed XML 1.0; the sentence says in what way.
    #[error("{0}")]
    NotWellFormed(Cow<'static, str>),
    /// It holds a document type declaration.
    #[error("a document type declaration (DOCTYPE) is not allowed here")]
    Dtd,
    /// Elements are nested deeper than [`Limits::depth`].
    #[error("elements are nested deeper than {0}")]
    TooDeep(usize),
    /// There are more elements than [`Limits::elements`].
    #[error("there are more than {0} elements")]
    TooManyElements(usize),
    /// An element has more attributes than [`MAX_ATTRIBUTES`].
    #[error("an element has more than {MAX_ATTRIBUTES} attributes")]
    TooManyAttributes,
    /// More namespace declarations are in scope than [`MAX_BINDINGS`].
    #[error("more than {MAX_BINDINGS} namespace declarations are in scope")]
    TooManyBindings,
    /// A name is longer than [`MAX_NAME_BYTES`].
    #[error("a name is longer than {MAX_NAME_BYTES} bytes")]
    NameTooLong,
    /// Its character encoding is not read here.
    #[error("the character encoding \"{0}\" is not read here: use UTF-8, UTF-16, ISO-8859-1 or US-ASCII")]
    UnsupportedEncoding(String),
}

/// Why and where a document is not read. Small, as every token is returned in a `Result` with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<(ErrorKind, Position)>);

impl Error {
    /// Why it is not read: which rule or limit it breaks.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.0
    }

    /// Where reading ended. What stands behind that place is not known to be better.
    pub fn position(&self) -> Position {
        self.0.1
    }

    fn at(kind: ErrorKind, text: &str, offset: usize) -> Self {
        Self(Box::new((kind, Position::of(text, offset))))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kind(), self.position())
    }
}

impl std::error::Error for Error {}

/// What was found at a byte offset, before the offset is turned into a line and a column.
type Fault = (ErrorKind, usize);

fn ill_formed(what: impl Into<Cow<'static, str>>, offset: usize) -> Fault {
    (ErrorKind::NotWellFormed(what.into()), offset)
}

/// Whether XML counts the byte as white space.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Reads a whole document for nothing but its well-formedness, under the default [`Limits`].
///
/// # Errors
/// The first reason not to read it.
pub fn check(bytes: &[u8]) -> Result<(), Error> {
    let document = Document::decode(bytes, None)?;
    let mut reader = Reader::new(&document, Limits::default(), &[]);
    while reader.next()? != Token::Eof {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters() {
        let text = "<a>\n ü<b>";
        assert_eq!(Position::of(text, 0), Position { line: 1, column: 1 });
        assert_eq!(Position::of(text, text.find("<b").unwrap()), Position { line: 2, column: 3 });
        assert_eq!(Position::of(text, 1000), Position { line: 2, column: 6 });
    }

    #[test]
    fn an_error_names_its_place() {
        let error = check(b"<a>\n  <b></c></a>").unwrap_err();
        assert_eq!(error.position(), Position { line: 2, column: 6 });
        assert!(error.to_string().ends_with("(line 2, column 6)"), "{error}");
    }
}
