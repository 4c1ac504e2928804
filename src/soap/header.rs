//! The Header: which of its blocks are meant for us, which of those are understood, and what they say
//! (SOAP 1.1, section 4.2; SOAP 1.2 part 1, sections 2 and 5.2).

use std::borrow::Cow;

use super::content::shown;
use super::security::Security;
use super::vocabulary::{SOAP11, SOAP12, WSA04, WSA10, WSSE};
use super::{Addressing, Version, addressing};
use crate::refusal::{Code, Refusal};
use crate::xml::{Error, Name, Namespace, Reader, Token};

/// Most header blocks that are named in a `NotUnderstood` answer: keeps it small.
const MOST_NOT_UNDERSTOOD: usize = 16;

/// What the Header of one message says, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// The WS-Addressing blocks.
    pub(super) addressing: Option<Addressing>,
    /// The WS-Security blocks.
    pub(super) security: Security,
    /// Whether it was read to its end.
    pub(super) complete: bool,
    /// A `mustUnderstand` that is no boolean: whether its block must be understood cannot be known.
    unreadable: Option<Refusal>,
    not_understood: Vec<(String, String)>,
    /// The first thing wrong with blocks that are understood.
    problem: Option<Refusal>,
}

impl Header {
    /// Reads the Header that was just begun to its end. `tokens`: whether WS-Security is understood.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>, version: Version, tokens: bool) -> Result<(), Error> {
        loop {
            match reader.next()? {
                Token::Start(name) if is_ours(reader, version) => self.block(reader, version, name, tokens)?,
                Token::Start(_) => reader.skip()?,
                Token::Text(text) if text.trim_ascii().is_empty() => {}
                Token::Text(text) => {
                    let text = shown(text.trim());
                    self.refuse(Code::BadEnvelope, &format!(" holds the text \"{text}\": expected elements"));
                }
                Token::End | Token::Eof => {
                    self.complete = true;
                    return Ok(());
                }
            }
        }
    }

    /// What is wrong, in the order of precedence.
    pub(super) fn judge(&mut self) -> Result<(), Refusal> {
        if let Some(refusal) = self.unreadable.take() {
            return Err(refusal);
        }
        if !self.not_understood.is_empty() {
            return Err(not_understood(std::mem::take(&mut self.not_understood)));
        }
        self.problem.take().map_or(Ok(()), Err)
    }

    fn refuse(&mut self, code: Code, what: &str) {
        self.problem.get_or_insert_with(|| Refusal::new(code, format!("/Envelope/Header{what}.")));
    }

    fn block(&mut self, reader: &mut Reader<'_>, version: Version, name: Name<'_>, tokens: bool) -> Result<(), Error> {
        let must = self.must_understand(reader, version, name);
        let understood = match (name.namespace, name.local) {
            (WSSE, "Security") if tokens => self.security.read(reader)?,
            (WSA10 | WSA04, _) => match addressing::read(reader, name, &mut self.addressing)? {
                Ok(understood) => understood,
                Err(what) => {
                    self.refuse(Code::InvalidAddressingHeader, &format!(": {what}"));
                    true
                }
            },
            _ => {
                reader.skip()?;
                false
            }
        };
        if let Some(name) = must.filter(|_| !understood && self.not_understood.len() < MOST_NOT_UNDERSTOOD) {
            self.not_understood.push(name);
        }
        Ok(())
    }

    /// The name of a block that must be understood.
    fn must_understand(&mut self, reader: &Reader<'_>, version: Version, name: Name<'_>) -> Option<(String, String)> {
        match reader.attribute(version.namespace(), "mustUnderstand").map(|value| value.trim()) {
            None | Some("0" | "false") => None,
            Some("1" | "true") => Some((reader.namespace_name(name.namespace).to_owned(), name.local.to_owned())),
            Some(other) => {
                let (name, other) = (shown(name.local), shown(other));
                let what = format!("{name} has mustUnderstand=\"{other}\": expected 0, 1, true or false.");
                let refusal = Refusal::new(Code::BadEnvelope, format!("/Envelope/Header/{what}"));
                self.unreadable.get_or_insert(refusal);
                None
            }
        }
    }
}

impl Version {
    /// The namespace of the envelope's own names.
    pub(super) fn namespace(self) -> Namespace {
        if self == Self::Soap12 { SOAP12 } else { SOAP11 }
    }
}

/// Whether a header block is meant for the ultimate receiver, which is also a next one.
fn is_ours(reader: &Reader<'_>, version: Version) -> bool {
    let attribute = if version == Version::Soap12 { "role" } else { "actor" };
    let role = reader.attribute(version.namespace(), attribute).map_or("", Cow::as_ref);
    match (version, role.trim()) {
        (_, "") => true,
        (Version::Soap12, role) => matches!(
            role,
            "http://www.w3.org/2003/05/soap-envelope/role/next"
                | "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver"
        ),
        (_, actor) => actor == "http://schemas.xmlsoap.org/soap/actor/next",
    }
}

fn not_understood(blocks: Vec<(String, String)>) -> Refusal {
    let names: Vec<String> = blocks.iter().map(|(ns, local)| format!("{{{}}}{}", shown(ns), shown(local))).collect();
    let message = format!("Header blocks that must be understood are not: {}.", names.join(", "));
    Refusal { not_understood: blocks, ..Refusal::new(Code::NotUnderstood, message) }
}
