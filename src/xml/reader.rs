//! Tokens of one document, each of them checked.
//!
//! What the pieces of a document are says [`Pieces`]; what is wrong with one is found here or in the files
//! beside this one. Nothing is read after the first error, as the layer below could go on where the
//! document cannot.

use std::borrow::Cow;

use super::attributes::{Attribute, start_tag};
use super::decode::Document;
use super::namespaces::{Namespace, Namespaces};
use super::pieces::{Markup, Pieces};
use super::scan::Notes;
use super::{Error, ErrorKind, Fault, Limits, Position, ill_formed, is_space, names, references};

/// The expanded name of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    /// The namespace of its prefix, or the default one.
    pub namespace: Namespace,
    /// The part behind the prefix.
    pub local: &'a str,
}

/// What comes next in a document. Comments and processing instructions are checked and passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token<'a> {
    /// A start tag; its attributes are at [`Reader::attributes`].
    Start(Name<'a>),
    /// The end of the innermost open element, also of an empty one.
    End,
    /// A piece of character data: one element's text may come in several.
    Text(Cow<'a, str>),
    /// The end of a well-formed document.
    Eof,
}

/// Reads one document from start to end.
pub struct Reader<'a> {
    text: &'a str,
    notes: Notes,
    pieces: Pieces<'a>,
    namespaces: Namespaces<'a>,
    attributes: Vec<Attribute<'a>>,
    limits: Limits,
    depth: usize,
    elements: usize,
    /// An empty element was begun and is to be ended next.
    empty: bool,
    /// The first text that the last [`Reader::next_tag`] passed over, as it stands there.
    passed: &'a str,
}

impl<'a> Reader<'a> {
    /// A reader of the document. `known` namespaces have fixed numbers: see [`Namespace::known`].
    pub fn new(document: &'a Document<'_>, limits: Limits, known: &'a [&'a str]) -> Self {
        let text = document.text();
        Self {
            text,
            notes: document.notes(),
            pieces: Pieces::of(text),
            namespaces: Namespaces::new(known),
            attributes: Vec::with_capacity(4),
            limits,
            depth: 0,
            elements: 0,
            empty: false,
            passed: "",
        }
    }

    /// The next token. After an error or [`Token::Eof`] there is nothing more to ask for.
    ///
    /// # Errors
    /// The first thing in the document that is not namespace-well-formed, or over a limit.
    #[expect(clippy::should_implement_trait, reason = "an iterator could not lend, and the end is a token")]
    pub fn next(&mut self) -> Result<Token<'a>, Error> {
        self.pull::<true>()
    }

    /// The next token that is not text, for those who read elements that hold only elements: most
    /// messages are indented, and their white space need not be handed over.
    ///
    /// # Errors
    /// As [`Reader::next`]: what is passed over is checked all the same.
    pub fn next_tag(&mut self) -> Result<Token<'a>, Error> {
        self.passed = "";
        self.pull::<false>()
    }

    /// The beginning of the text, other than white space, that the last [`Reader::next_tag`] passed
    /// over, as it stands in the document; empty where there was none.
    pub fn passed_text(&self) -> &'a str {
        self.passed
    }

    #[cold]
    fn pass_text(&mut self, source: &'a str) {
        if self.passed.is_empty() {
            self.passed = source;
        }
    }

    #[inline(always)]
    fn pull<const TEXT: bool>(&mut self) -> Result<Token<'a>, Error> {
        if self.empty {
            self.empty = false;
            return Ok(self.end());
        }
        loop {
            let begin = if TEXT || self.depth == 0 { self.pieces.offset() } else { self.pieces.pass_spaces() };
            if self.depth == 0 && self.text.as_bytes()[begin..].starts_with(b"<!DOCTYPE") {
                return Err(self.error((ErrorKind::Dtd, begin)));
            }
            let markup = match self.pieces.next(begin) {
                Ok(markup) => markup,
                Err(fault) => return Err(self.error(fault)),
            };
            let source = &self.text[begin..self.pieces.offset()];
            let read = match markup {
                Markup::Start => self.start(&source[1..source.len() - 1], begin),
                Markup::Empty => {
                    self.empty = true;
                    self.start(&source[1..source.len() - 2], begin)
                }
                Markup::End => return Ok(self.end()),
                Markup::Text if self.depth > 0 => match self.character_data(source, begin) {
                    Ok(_) if !TEXT => {
                        self.pass_text(source);
                        continue;
                    }
                    text => text,
                },
                Markup::CData if self.depth > 0 && !TEXT => {
                    self.pass_text(&source[9..source.len() - 3]);
                    continue;
                }
                Markup::CData if self.depth > 0 => Ok(Token::Text(self.lines(&source[9..source.len() - 3]))),
                Markup::Reference => match self.reference(&source[1..source.len() - 1], begin) {
                    Ok(_) if !TEXT => {
                        self.pass_text(source);
                        continue;
                    }
                    text => text,
                },
                Markup::Eof => self.eof(),
                Markup::Text | Markup::CData | Markup::Other => {
                    passed_over(markup, source, begin).map_err(|fault| self.error(fault))?;
                    continue;
                }
            };
            return read.map_err(|fault| self.error(fault));
        }
    }

    /// The attributes of the element that was just begun, without namespace declarations.
    pub fn attributes(&self) -> &[Attribute<'a>] {
        &self.attributes
    }

    /// The value of an attribute of the element that was just begun.
    pub fn attribute(&self, namespace: Namespace, local: &str) -> Option<&Cow<'a, str>> {
        let found = self.attributes.iter().find(|a| a.local == local && a.namespace == namespace);
        found.map(|attribute| &attribute.value)
    }

    /// The name of a namespace that is in scope; empty for none.
    pub fn namespace_name(&self, namespace: Namespace) -> &str {
        self.namespaces.name(namespace)
    }

    /// How many elements are open.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Where the reader is, for the errors of those who read from it.
    pub fn position(&self) -> Position {
        Position::of(self.text, self.pieces.offset())
    }

    /// Passes over the rest of the element that was just begun.
    ///
    /// # Errors
    /// As [`Reader::next`]: what is skipped is checked all the same.
    pub fn skip(&mut self) -> Result<(), Error> {
        let outer = self.depth - 1;
        while self.depth > outer {
            self.next_tag()?;
        }
        Ok(())
    }

    #[cold]
    fn error(&self, (kind, offset): Fault) -> Error {
        Error::at(kind, self.text, offset)
    }

    fn start(&mut self, tag: &'a str, begin: usize) -> Result<Token<'a>, Fault> {
        if self.depth == 0 && self.elements > 0 {
            return Err(ill_formed("a second root element begins", begin));
        }
        self.elements += 1;
        self.depth += 1;
        if self.elements > self.limits.elements {
            return Err((ErrorKind::TooManyElements(self.limits.elements), begin));
        }
        if self.depth > self.limits.depth {
            return Err((ErrorKind::TooDeep(self.limits.depth), begin));
        }
        let name = start_tag(tag, begin + 1, &mut self.attributes)?;
        self.namespaces.enter(self.depth, &mut self.attributes)?;
        let namespace = self.namespaces.resolve(name.prefix, begin + 1)?;
        Ok(Token::Start(Name { namespace, local: name.local }))
    }

    fn end(&mut self) -> Token<'a> {
        self.namespaces.leave(self.depth);
        self.depth -= 1;
        Token::End
    }

    #[inline(always)]
    fn character_data(&self, text: &'a str, begin: usize) -> Result<Token<'a>, Fault> {
        if self.notes.bracket
            && let Some(at) = text.find("]]>")
        {
            return Err(ill_formed("]]> is not allowed in character data", begin + at));
        }
        Ok(Token::Text(self.lines(text)))
    }

    /// Normalises line ends (XML 1.0, section 2.11).
    #[inline(always)]
    fn lines(&self, text: &'a str) -> Cow<'a, str> {
        if self.notes.carriage_return && text.contains('\r') {
            Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
        } else {
            Cow::Borrowed(text)
        }
    }

    fn reference(&self, name: &str, begin: usize) -> Result<Token<'a>, Fault> {
        if self.depth == 0 {
            return Err(ill_formed("a reference stands outside the root element", begin));
        }
        match references::resolve(name) {
            Some(c) => Ok(Token::Text(Cow::Owned(c.into()))),
            None => Err(ill_formed("a reference names neither a predefined entity nor an XML character", begin)),
        }
    }

    fn eof(&self) -> Result<Token<'a>, Fault> {
        if self.depth > 0 {
            Err(ill_formed("the document ends before its elements do", self.text.len()))
        } else if self.elements == 0 {
            Err(ill_formed("there is no root element", self.text.len()))
        } else {
            Ok(Token::Eof)
        }
    }
}

/// Checks what is not passed on: text outside the root element, comments and instructions.
fn passed_over(markup: Markup, source: &str, begin: usize) -> Result<(), Fault> {
    match markup {
        Markup::Text => outside(source, begin),
        Markup::CData => Err(ill_formed("a CDATA section stands outside the root element", begin)),
        _ if source.starts_with("<!--") => Ok(()),
        _ if source.starts_with("<!") => Err((ErrorKind::Dtd, begin)),
        _ => processing_instruction(&source[2..source.len() - 2], begin),
    }
}

fn outside(text: &str, begin: usize) -> Result<(), Fault> {
    match text.bytes().position(|byte| !is_space(byte)) {
        None => Ok(()),
        Some(at) => Err(ill_formed("text stands outside the root element", begin + at)),
    }
}

fn processing_instruction(content: &str, begin: usize) -> Result<(), Fault> {
    let length = names::length(content.as_bytes());
    let target = &content[..length];
    if begin == 0 && target == "xml" {
        Ok(())
    } else if target.eq_ignore_ascii_case("xml") {
        Err(ill_formed("an XML declaration stands only at the very start, in lower case", begin))
    } else if !names::is_ncname(target) || !content[length..].bytes().next().is_none_or(is_space) {
        Err(ill_formed("a processing instruction has no well-formed target", begin))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
