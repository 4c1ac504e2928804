//! The request as it stands in the document: what each element holds, before anything is made of it.
//!
//! One pass over the tokens, keyed by namespace and local name; no tree is built, and unknown
//! elements are passed over with all they hold.

use std::borrow::Cow;

use super::content::{self, push};
use super::element::Element;
use super::vocabulary::{REQUEST, is_payload};
use crate::refusal::{Code, Refusal};
use crate::xml::{Error, Name, Reader, Token};

/// What one element holds; nothing at all if it is `xsi:nil`.
#[derive(Debug, Default)]
pub(super) struct Held<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) descriptor: Cow<'a, str>,
}

/// One `ID` of a reference, trimmed and not empty.
#[derive(Debug)]
pub(super) struct Id<'a> {
    of: Element,
    pub(super) id_type: Cow<'a, str>,
    pub(super) value: Cow<'a, str>,
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// The request of one message.
#[derive(Debug)]
pub(super) struct Payload<'a> {
    /// Where the request element stands.
    base: &'static str,
    applications: usize,
    held: Vec<(Element, Held<'a>)>,
    ids: Vec<Id<'a>>,
    /// What stands in a place and is no value, the first few: for the sentences of refusals.
    strays: Vec<(Place, Stray<'a>)>,
    /// The first thing that is wrong with how it is built.
    pub(super) problem: Option<Refusal>,
}

/// A place in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Directly in the request.
    Request,
    /// Directly in the `Job_Application`.
    Application,
    /// In an element of the `Job_Application`.
    In(Element),
}

/// What may stand where something else was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stray<'a> {
    /// An element that is not known there.
    Element(&'a str),
    /// Text where elements are wanted, as it stands in the document.
    Text(&'a str),
    /// An `ID` that is empty.
    EmptyId,
    /// An `xsi:nil` of the element itself.
    Nil,
}

const MOST_STRAYS: usize = 16;
/// Most `ID`s of one message: more are no references, but a flood.
const MOST_IDS: usize = 128;

impl<'a> Payload<'a> {
    /// Reads the request element that was just begun, which stands at `base` (`/Envelope/Body`, or
    /// nothing for a bare payload), to its end.
    pub(super) fn read(reader: &mut Reader<'a>, base: &'static str) -> Result<Self, Error> {
        let mut payload = Self {
            base,
            applications: 0,
            held: Vec::with_capacity(8),
            ids: Vec::with_capacity(8),
            strays: Vec::new(),
            problem: None,
        };
        loop {
            match payload.next_tag(reader, Place::Request)? {
                Token::Start(name) => payload.request_child(reader, name)?,
                _ => return Ok(payload),
            }
        }
    }

    /// What an element holds; nothing where it is not there.
    pub(super) fn held(&self, element: Element) -> Option<&Held<'a>> {
        self.held.iter().find(|(held, _)| *held == element).map(|(_, held)| held)
    }

    /// The IDs of a reference.
    pub(super) fn ids(&self, element: Element) -> impl Iterator<Item = &Id<'a>> {
        self.ids.iter().filter(move |id| id.of == element)
    }

    /// Whether there is a `Job_Application`.
    pub(super) fn has_application(&self) -> bool {
        self.applications > 0
    }

    /// What stands in a place and is no value.
    pub(super) fn strays(&self, place: Place) -> impl Iterator<Item = Stray<'a>> {
        self.strays.iter().filter(move |(at, _)| *at == place).map(|&(_, stray)| stray)
    }

    /// The names of the unknown elements at a place.
    pub(super) fn unknown(&self, place: Place) -> impl Iterator<Item = &'a str> {
        self.strays(place).filter_map(|stray| if let Stray::Element(name) = stray { Some(name) } else { None })
    }

    /// The names of the known elements in the `Job_Application`.
    pub(super) fn known(&self) -> impl Iterator<Item = &'static str> {
        self.held.iter().map(|(element, _)| element.name())
    }

    /// The path of a place, for the sentences of refusals.
    pub(super) fn path(&self, place: Place) -> String {
        let base = self.base;
        match place {
            Place::Request => format!("{base}/{REQUEST}"),
            Place::Application => format!("{base}/{REQUEST}/Job_Application"),
            Place::In(element) => format!("{base}/{REQUEST}/Job_Application/{}", element.name()),
        }
    }

    fn request_child(&mut self, reader: &mut Reader<'a>, name: Name<'a>) -> Result<(), Error> {
        if name.local != "Job_Application" {
            self.note(Place::Request, Stray::Element(name.local));
            return reader.skip();
        }
        if !self.is_ours(reader, Place::Request, name) {
            return reader.skip();
        }
        self.applications += 1;
        if self.applications > 1 {
            self.repeated(Place::Request, "Job_Application", "send a message for each job application");
            return reader.skip();
        }
        loop {
            match self.next_tag(reader, Place::Application)? {
                Token::Start(name) => self.application_child(reader, name)?,
                _ => return Ok(()),
            }
        }
    }

    fn application_child(&mut self, reader: &mut Reader<'a>, name: Name<'a>) -> Result<(), Error> {
        let Some(element) = Element::named(name.local) else {
            self.note(Place::Application, Stray::Element(name.local));
            return reader.skip();
        };
        if !self.is_ours(reader, Place::Application, name) {
            return reader.skip();
        }
        if self.held(element).is_some() {
            self.repeated(Place::Application, element.name(), "send it once");
            return reader.skip();
        }
        if content::is_nil(reader) {
            self.note(Place::In(element), Stray::Nil);
            self.held.push((element, Held::default()));
            return reader.skip();
        }
        let mut held = Held { text: Cow::Borrowed(""), descriptor: attribute(reader, "Descriptor") };
        loop {
            match if element.is_text() { reader.next()? } else { self.next_tag(reader, Place::In(element))? } {
                Token::Text(piece) => push(&mut held.text, piece),
                Token::Start(name) => self.reference_child(reader, element, name)?,
                Token::End | Token::Eof => break,
            }
        }
        self.held.push((element, held));
        Ok(())
    }

    fn reference_child(&mut self, reader: &mut Reader<'a>, of: Element, name: Name<'a>) -> Result<(), Error> {
        if name.local != "ID" || !of.is_reference() {
            self.note(Place::In(of), Stray::Element(name.local));
            return reader.skip();
        }
        if !self.is_ours(reader, Place::In(of), name) || content::is_nil(reader) {
            return reader.skip();
        }
        let id_type = trimmed(attribute(reader, "type"));
        let value = trimmed(content::text(reader)?);
        if value.is_empty() {
            self.note(Place::In(of), Stray::EmptyId);
            return Ok(());
        }
        if self.ids.len() == MOST_IDS {
            let message = format!("There are more than {MOST_IDS} IDs in the message.");
            self.refuse(Refusal::new(Code::TooManyElements, message));
            return Ok(());
        }
        self.ids.push(Id { of, id_type, value });
        Ok(())
    }

    /// Whether a known name is in a namespace that is read. One that is not is no unknown element, but
    /// a mistake that must not silently become a missing value.
    fn is_ours(&mut self, reader: &Reader<'a>, place: Place, name: Name<'a>) -> bool {
        let ours = is_payload(name.namespace);
        if !ours && self.problem.is_none() {
            let path = self.path(place);
            let namespace = content::shown(reader.namespace_name(name.namespace));
            self.problem = Some(Refusal::new(
                Code::WrongNamespace,
                format!(
                    "{path}/{} is in the namespace \"{namespace}\": put it into the namespace of the request.",
                    name.local
                ),
            ));
        }
        ours
    }

    fn repeated(&mut self, place: Place, name: &str, advice: &str) {
        let path = self.path(place);
        self.refuse(Refusal::new(Code::RepeatedElement, format!("{path}/{name} stands more than once: {advice}.")));
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.problem.get_or_insert(refusal);
    }

    fn note(&mut self, place: Place, stray: Stray<'a>) {
        if self.strays.len() < MOST_STRAYS {
            self.strays.push((place, stray));
        }
    }

    /// The next tag of an element that holds only elements.
    #[inline]
    fn next_tag(&mut self, reader: &mut Reader<'a>, place: Place) -> Result<Token<'a>, Error> {
        let token = reader.next_tag()?;
        if !reader.passed_text().is_empty() {
            self.note(place, Stray::Text(reader.passed_text()));
        }
        Ok(token)
    }
}

/// An attribute that may be qualified, as Workday's are, or not, as the seed's.
fn attribute<'a>(reader: &Reader<'a>, local: &str) -> Cow<'a, str> {
    let found = reader.attributes().iter().find(|a| a.local == local && is_payload(a.namespace));
    found.map_or(Cow::Borrowed(""), |attribute| attribute.value.clone())
}
