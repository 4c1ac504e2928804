//! SOAP 1.1, SOAP 1.2 and the bare payload: from bytes to a [`Request`], and from what became of it
//! to the bytes of an [`Answer`].
//!
//! A document is read once, to its end, and only then judged, in the order that SOAP asks for:
//! is it XML, is its version known, are its headers understood, and is the rest as it should be.
//! Nothing here knows HTTP beyond the header values that it is given, stores anything or compares
//! credentials.

pub mod addressing;
mod answer;
mod content;
mod element;
mod envelope;
mod fault;
mod header;
mod job_application;
mod media;
mod payload;
mod profile;
mod redact;
pub mod security;
mod sentences;
mod suggest;
mod vocabulary;
pub mod wsdl;

pub use addressing::Addressing;
pub use answer::{Answer, Success, success};
pub use fault::{FaultStatus, fault};
pub use media::{Media, check_media, likely_type, version_for};
pub use profile::{IdTypes, Profile};
pub use redact::without_passwords;
pub use security::UsernameToken;
pub use suggest::near;

use crate::domain::StateChange;
use crate::refusal::{Code, Refusal};
use crate::xml::{self, Document, ErrorKind, Reader};

/// In which form a message came, which is the form of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// SOAP 1.1, `text/xml`.
    Soap11,
    /// SOAP 1.2, `application/soap+xml`.
    Soap12,
    /// The payload without an envelope, `application/xml` or `text/xml`.
    Bare,
}

/// What a message's HTTP head says that its reading depends on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head<'a> {
    /// The header `Content-Type`, which tells SOAP 1.1 from 1.2 and may name a charset.
    pub content_type: Option<&'a str>,
    /// `SOAPAction`, as it was sent, with or without quotes.
    pub soap_action: Option<&'a str>,
    /// The value of `?event=` of the endpoint's URL, as it was sent.
    pub event: Option<&'a str>,
}

/// One message, read and found to be as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its form.
    pub version: Version,
    /// What it says.
    pub change: StateChange,
    /// Its WS-Addressing headers, if it has any.
    pub addressing: Option<Addressing>,
    /// Its WS-Security UsernameToken, if it has one. It is read, not verified.
    pub username_token: Option<UsernameToken>,
}

/// A message that was not taken, and what its answer depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The form in which to answer.
    pub version: Version,
    /// Its WS-Addressing headers, if it was read as far as that.
    pub addressing: Option<Addressing>,
    /// Its WS-Security UsernameToken, if it was read as far as that: whether what is wrong with the
    /// message may be told depends on who sent it.
    pub username_token: Option<Box<UsernameToken>>,
    /// Why.
    pub refusal: Refusal,
}

impl Rejected {
    /// A rejection of a message whose headers are not known.
    pub fn new(version: Version, refusal: Refusal) -> Self {
        Self { version, addressing: None, username_token: None, refusal }
    }
}

/// Reads one message.
///
/// # Errors
/// What is wrong with it, with the version to answer in: the envelope's, or, where there is none to
/// be read, that of the Content-Type.
pub fn read(body: &[u8], head: &Head<'_>, profile: &Profile, limits: xml::Limits) -> Result<Request, Rejected> {
    let media = check_media(head.content_type)?;
    let unreadable = |error: xml::Error| Rejected::new(media.version, unreadable(&error));
    let document = Document::decode(body, media.charset).map_err(unreadable)?;
    let known = vocabulary::known(&profile.namespace);
    let mut reader = Reader::new(&document, limits, &known);
    match envelope::read(&mut reader, media.version, profile) {
        (message, Ok(())) => envelope::judge(message, head, &media, profile),
        (message, Err(error)) => {
            Err(Rejected { username_token: message.token_of_header().map(Box::new), ..unreadable(error) })
        }
    }
}

/// Says in the words of the catalogue why a document could not be read.
fn unreadable(error: &xml::Error) -> Refusal {
    let code = match error.kind() {
        ErrorKind::NotWellFormed(_) => Code::NotWellFormed,
        ErrorKind::Dtd => Code::DtdRefused,
        ErrorKind::TooDeep(_) => Code::TooDeep,
        ErrorKind::TooManyElements(_)
        | ErrorKind::TooManyAttributes
        | ErrorKind::TooManyBindings
        | ErrorKind::NameTooLong => Code::TooManyElements,
        ErrorKind::UnsupportedEncoding(_) => Code::UnsupportedMediaType,
    };
    let message = match code {
        Code::NotWellFormed => format!("The document is not well-formed XML: {error}."),
        Code::UnsupportedMediaType => format!("The document cannot be decoded: {}.", error.kind()),
        _ => format!("The document is refused: {error}."),
    };
    Refusal::new(code, message)
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
