//! Events of one document, each of them checked. The only file that knows quick-xml.
//!
//! quick-xml finds where markup begins and ends, matches end tags and refuses `--` in comments and
//! lone `&`; all else is checked here or in the files beside this one. Nothing is read after the
//! first error, as quick-xml could go on where the document cannot.

use std::borrow::Cow;
use std::io::BufRead;

use quick_xml::errors::{Error as Lower, IllFormedError, SyntaxError};
use quick_xml::events::Event;

use super::attributes::{Attribute, start_tag};
use super::decode::Document;
use super::namespaces::{Namespace, Namespaces};
use super::scan::Notes;
use super::{Error, ErrorKind, Fault, Limits, Position, ill_formed, is_space, names, references};

/// The expanded name of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    /// The namespace of its prefix, or the default one.
    pub namespace: Namespace,
    /// The local part.
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

/// What quick-xml tells apart, as far as it matters here.
#[derive(Debug, Clone, Copy)]
enum Markup {
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

/// Reads one document from start to end.
pub struct Reader<'a> {
    text: &'a str,
    notes: Notes,
    lower: quick_xml::Reader<&'a [u8]>,
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
        let mut lower = quick_xml::Reader::from_str(text);
        let config = lower.config_mut();
        config.check_comments = true;
        config.check_end_names = true;
        config.trim_markup_names_in_closing_tags = true;
        Self {
            text,
            notes: document.notes(),
            lower,
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
            let begin = if TEXT || self.depth == 0 { self.offset() } else { self.pass_spaces() };
            if self.depth == 0 && self.text.as_bytes()[begin..].starts_with(b"<!DOCTYPE") {
                return Err(self.error((ErrorKind::Dtd, begin)));
            }
            let markup = self.markup(begin)?;
            let source = &self.text[begin..self.offset()];
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
        Position::of(self.text, self.offset())
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

    fn offset(&self) -> usize {
        self.lower.buffer_position() as usize
    }

    /// Passes over the white space that most elements are separated by, and tells where that ends. To
    /// quick-xml it would be an event, which costs far more.
    #[inline(always)]
    fn pass_spaces(&mut self) -> usize {
        let begin = self.offset();
        let rest = &self.text.as_bytes()[begin..];
        // The scan has left nothing else below the space.
        let spaces = rest.iter().position(|&byte| byte > b' ').unwrap_or(rest.len());
        self.lower.stream().consume(spaces);
        begin + spaces
    }

    #[cold]
    fn error(&self, (kind, offset): Fault) -> Error {
        Error::at(kind, self.text, offset)
    }

    /// What quick-xml finds next. Only its kind is taken, as the source is at hand: moving the events
    /// themselves costs more than finding them.
    #[inline(always)]
    fn markup(&mut self, begin: usize) -> Result<Markup, Error> {
        Ok(match self.lower.read_event() {
            Ok(Event::Start(_)) => Markup::Start,
            Ok(Event::Empty(_)) => Markup::Empty,
            Ok(Event::End(_)) => Markup::End,
            Ok(Event::Text(_)) => Markup::Text,
            Ok(Event::CData(_)) => Markup::CData,
            Ok(Event::GeneralRef(_)) => Markup::Reference,
            Ok(Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_)) => Markup::Other,
            Ok(Event::Eof) => Markup::Eof,
            Err(error) => return Err(self.error(lower_fault(&error, begin))),
        })
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

/// Says in our words what quick-xml found, so that its spelling is not part of any answer.
fn lower_fault(error: &Lower, begin: usize) -> Fault {
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
mod tests {
    use super::super::check;
    use super::*;

    fn text(xml: &str) -> String {
        let document = Document::decode(xml.as_bytes(), None).unwrap();
        let mut reader = Reader::new(&document, Limits::default(), &[]);
        let mut out = String::new();
        loop {
            match reader.next().unwrap() {
                Token::Text(piece) => out.push_str(&piece),
                Token::Eof => return out,
                _ => {}
            }
        }
    }

    #[test]
    fn character_data_comes_resolved_and_with_line_feeds() {
        assert_eq!(text("<a>x&amp;<![CDATA[<&]]>]]&gt;&#65;<!-- no --><?pi no?>\r\ny\rz&#13;</a>"), "x&<&]]>A\ny\nz\r");
    }

    #[test]
    fn ill_formed_documents_are_refused() {
        for bad in [
            "",
            " ",
            "text",
            "<a>",
            "</a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "x<a/>",
            "&amp;<a/>",
            "<a/>&#32;",
            "<![CDATA[]]><a/>",
            "<a/><![CDATA[ ]]>",
            " <?xml version='1.0'?><a/>",
            "<a/><?xml version='1.0'?>",
            "<a><?XML x?></a>",
            "<a><?x:y?></a>",
            "<a><??></a>",
            "<a><? x?></a>",
            "<a><?x\"?></a>",
            "<a>]]></a>",
            "<a>&</a>",
            "<a>& b;</a>",
            "<a>&b;</a>",
            "<a>&#x1;</a>",
            "<a><!-- a -- b --></a>",
            "<a><!-- a ---></a>",
            "<a><!--></a>",
            "<a><![cdata[]]></a>",
            "<a><b</a>",
            "<a></a b=''>",
            "<a></ a>",
            "<>x</>",
            "< a/>",
            "<a/ >",
            "<a\u{1}/>",
        ] {
            assert!(matches!(check(bad.as_bytes()).unwrap_err().kind(), ErrorKind::NotWellFormed(_)), "{bad}");
        }
    }

    #[test]
    fn every_document_type_declaration_is_refused() {
        for bad in ["<!DOCTYPE a><a/>", "<!DOCTYPE", "<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"]
        {
            assert_eq!(check(bad.as_bytes()).unwrap_err().kind(), &ErrorKind::Dtd, "{bad}");
        }
    }

    #[test]
    fn limits_hold_to_the_last_element() {
        let nested = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
        assert!(check(nested(64).as_bytes()).is_ok());
        assert_eq!(check(nested(65).as_bytes()).unwrap_err().kind(), &ErrorKind::TooDeep(64));
        let flat = |n: usize| format!("<a>{}</a>", "<b/>".repeat(n - 1));
        assert!(check(flat(10_000).as_bytes()).is_ok());
        assert_eq!(check(flat(10_001).as_bytes()).unwrap_err().kind(), &ErrorKind::TooManyElements(10_000));
    }

    #[test]
    fn skipping_reads_to_the_matching_end() {
        let document = Document::decode(b"<a><b><c/>x<b/></b><d/></a>", None).unwrap();
        let mut reader = Reader::new(&document, Limits::default(), &[]);
        reader.next().unwrap();
        reader.next().unwrap();
        reader.skip().unwrap();
        assert!(matches!(reader.next(), Ok(Token::Start(Name { local: "d", .. }))));
        reader.skip().unwrap();
        assert_eq!(reader.next(), Ok(Token::End));
        assert_eq!(reader.next(), Ok(Token::Eof));
    }
}
