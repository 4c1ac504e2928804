//! The answer to a message that was taken, and the envelope around every answer.

use super::vocabulary::{RESPONSE, SOAP11_URI, SOAP12_URI};
use super::{Addressing, Version};
use crate::domain::{EventId, EventType, Outcome};
use crate::xml::writer::Writer;

/// What is sent back to the caller, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status: 200, or what the SOAP bindings ask for with the fault.
    pub status: u16,
    /// The Content-Type, with its charset: answers are UTF-8.
    pub content_type: &'static str,
    /// The document, in UTF-8 without a byte order mark.
    pub body: String,
}

/// What became of a message that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Success {
    /// The event that was stored, or the one that the message repeats. None for a dry run of a new one.
    pub event_id: Option<EventId>,
    /// What it was decided to mean.
    pub event_type: EventType,
    /// What was done with it.
    pub outcome: Outcome,
}

impl Version {
    /// The prefix-qualified names are the same in both versions; what the prefix stands for is not.
    fn envelope(self) -> Option<&'static str> {
        match self {
            Self::Soap11 => Some(SOAP11_URI),
            Self::Soap12 => Some(SOAP12_URI),
            Self::Bare => None,
        }
    }

    /// The Content-Type of an answer.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Soap11 => "text/xml; charset=utf-8",
            Self::Soap12 => "application/soap+xml; charset=utf-8",
            Self::Bare => "application/xml; charset=utf-8",
        }
    }
}

/// A document with an envelope around what `body` writes, or without one for a bare payload.
/// `header` writes the header blocks; `None`: there is no Header.
pub(super) fn document(
    version: Version,
    header: Option<impl FnOnce(&mut Writer)>,
    body: impl FnOnce(&mut Writer),
) -> String {
    let mut writer = Writer::document();
    let Some(envelope) = version.envelope() else {
        body(&mut writer);
        return writer.finish();
    };
    writer.start("env:Envelope").attribute("xmlns:env", envelope);
    if let Some(header) = header {
        writer.start("env:Header");
        header(&mut writer);
        writer.end();
    }
    writer.start("env:Body");
    body(&mut writer);
    writer.finish()
}

/// The answer 200 to a message that was taken, in its own version.
pub fn success(version: Version, addressing: Option<&Addressing>, namespace: &str, success: &Success) -> Answer {
    let header = addressing.map(|addressing| {
        |writer: &mut Writer| addressing.write_answer(writer, &Addressing::success_action(namespace))
    });
    let body = document(version, header, |writer| {
        writer.start(RESPONSE).attribute("xmlns", namespace);
        if let Some(event_id) = success.event_id {
            writer.element("Event_ID", &event_id.to_string());
        }
        writer.element("Event_Type", success.event_type.as_str());
        writer.element("Outcome", success.outcome.as_str());
        writer.end();
    });
    Answer { status: 200, content_type: version.content_type(), body }
}
