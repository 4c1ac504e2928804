//! Where the pieces of a document begin and end. The only file that knows quick-xml.
//!
//! quick-xml finds the markup, matches end tags and refuses `--` in comments and lone `&`; all else is
//! checked by the reader.

use std::io::BufRead;

use quick_xml::errors::{Error as Lower, IllFormedError, SyntaxError};
use quick_xml::events::Event;

use super::{ErrorKind, Fault, ill_formed};

/// What pieces there are, told apart as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub(super) enum Markup {
    Start,
    Empty,
    End,
    Text,
    CData,
    Reference,
    /// A comment, a processing instruction, a declaration.
    Other,
    Eof,
}

/// Goes through a document piece by piece.
pub(super) struct Pieces<'a> {
    lower: quick_xml::Reader<&'a [u8]>,
}

impl<'a> Pieces<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let mut lower = quick_xml::Reader::from_str(text);
        let config = lower.config_mut();
        config.check_comments = true;
        config.check_end_names = true;
        config.trim_markup_names_in_closing_tags = true;
        Self { lower }
    }

    /// Where the last piece ended, in bytes from the document's beginning.
    #[inline(always)]
    pub(super) fn offset(&self) -> usize {
        self.lower.buffer_position() as usize
    }

    /// Passes over the white space that most elements are separated by, and tells where that ends. To
    /// quick-xml it would be an event, which costs far more.
    #[inline(always)]
    pub(super) fn pass_spaces(&mut self) -> usize {
        let begin = self.offset();
        let rest = *self.lower.get_ref();
        // The scan has left nothing else below the space.
        let spaces = rest.iter().position(|&byte| byte > b' ').unwrap_or(rest.len());
        self.lower.stream().consume(spaces);
        begin + spaces
    }

    /// The next piece, which begins at `begin`. Only its kind is taken, as the source is at hand: moving the events
    /// themselves costs more than finding them.
    #[inline(always)]
    pub(super) fn next(&mut self, begin: usize) -> Result<Markup, Fault> {
        Ok(match self.lower.read_event() {
            Ok(Event::Start(_)) => Markup::Start,
            Ok(Event::Empty(_)) => Markup::Empty,
            Ok(Event::End(_)) => Markup::End,
            Ok(Event::Text(_)) => Markup::Text,
            Ok(Event::CData(_)) => Markup::CData,
            Ok(Event::GeneralRef(_)) => Markup::Reference,
            Ok(Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_)) => Markup::Other,
            Ok(Event::Eof) => Markup::Eof,
            Err(error) => return Err(fault(&error, begin)),
        })
    }
}

/// Says in our words what quick-xml found, so that its spelling is not part of any answer.
#[cold]
fn fault(error: &Lower, begin: usize) -> Fault {
    let what = match error {
        Lower::Syntax(SyntaxError::UnclosedDoctype) => return (ErrorKind::Dtd, begin),
        Lower::Syntax(SyntaxError::InvalidBangMarkup) => "<! begins neither a comment nor a CDATA section",
        Lower::Syntax(SyntaxError::UnclosedComment) => "a comment is not closed by -->",
        Lower::Syntax(SyntaxError::UnclosedCData) => "a CDATA section is not closed by ]]>",
        Lower::Syntax(SyntaxError::UnclosedPI | SyntaxError::UnclosedXmlDecl) => {
            "a processing instruction is not closed by ?>"
        }
        Lower::Syntax(_) => "a tag is not closed by >",
        Lower::IllFormed(IllFormedError::MismatchedEndTag { .. }) => "an end tag does not match its start tag",
        Lower::IllFormed(IllFormedError::UnmatchedEndTag(_)) => "an end tag has no start tag",
        Lower::IllFormed(IllFormedError::DoubleHyphenInComment) => "-- is not allowed in a comment",
        Lower::IllFormed(IllFormedError::UnclosedReference) => "& must begin a reference that ; closes",
        _ => "the markup is ill-formed",
    };
    ill_formed(what, begin)
}
