//! The envelope (SOAP 1.1, section 4; SOAP 1.2 part 1, section 5): one walk through the whole
//! document, then one judgement in the order that the specifications ask for.

use std::borrow::Cow;

use super::content::shown;
use super::payload::Payload;
use super::security::Security;
use super::vocabulary::{OPERATION, REQUEST, SOAP11, SOAP12, WSA04, WSA10, WSSE, is_payload};
use super::{Addressing, Head, Media, Profile, Rejected, Request, Version};
use super::{addressing, job_application, suggest};
use crate::refusal::{Code, Refusal};
use crate::xml::{Error, Name, Namespace, Reader, Token};

/// Most header blocks that are named in a `NotUnderstood` answer: keeps it small.
const MOST_NOT_UNDERSTOOD: usize = 16;

/// One message as it stands in the document, with what was found wrong on the way.
pub(super) struct Message<'a> {
    version: Version,
    mismatch: Option<Refusal>,
    /// A `mustUnderstand` that is no boolean: whether it must be understood cannot be known.
    unreadable_header: Option<Refusal>,
    not_understood: Vec<(String, String)>,
    /// The first thing wrong with the headers that are understood, or with the envelope.
    problem: Option<Refusal>,
    addressing: Option<Addressing>,
    security: Security,
    payload: Option<Payload<'a>>,
}

/// Reads a whole document; `by_media` is the version to answer in where the document has none.
pub(super) fn read<'a>(reader: &mut Reader<'a>, by_media: Version, profile: &Profile) -> Result<Message<'a>, Error> {
    let mut message = Message {
        version: by_media,
        mismatch: None,
        unreadable_header: None,
        not_understood: Vec::new(),
        problem: None,
        addressing: None,
        security: Security::default(),
        payload: None,
    };
    loop {
        match reader.next()? {
            Token::Start(name) => message.root(reader, name, profile)?,
            Token::Eof => return Ok(message),
            _ => {}
        }
    }
}

/// Judges what was read: the version, the headers that must be understood, then the rest.
pub(super) fn judge(
    mut message: Message<'_>,
    head: &Head<'_>,
    media: &Media<'_>,
    profile: &Profile,
) -> Result<Request, Rejected> {
    let change = message.change(head, media, profile);
    let Message { version, addressing, security, .. } = message;
    match change {
        Ok(change) => Ok(Request { version, change, addressing, username_token: security.token }),
        Err(refusal) => Err(Rejected { version, addressing, refusal }),
    }
}

impl<'a> Message<'a> {
    fn change(
        &mut self,
        head: &Head<'_>,
        media: &Media<'_>,
        profile: &Profile,
    ) -> Result<crate::domain::StateChange, Refusal> {
        if let Some(refusal) = self.mismatch.take().or(self.unreadable_header.take()) {
            return Err(refusal);
        }
        if !self.not_understood.is_empty() {
            return Err(not_understood(std::mem::take(&mut self.not_understood)));
        }
        if let Some(refusal) = self.problem.take() {
            return Err(refusal);
        }
        if let Some(problem) = self.security.problem {
            return Err(Refusal::new(Code::BadEnvelope, format!("/Envelope/Header/Security: {problem}.")));
        }
        if profile.strict_soap_action {
            self.check_action(head.soap_action.or(media.action))?;
        }
        match &self.payload {
            Some(payload) => job_application::state_change(payload, profile, head.event),
            None => Err(Refusal::new(Code::UnknownOperation, format!("/Envelope/Body is empty: expected {REQUEST}."))),
        }
    }

    fn refuse(&mut self, code: Code, message: impl FnOnce() -> String) {
        if self.problem.is_none() {
            self.problem = Some(Refusal::new(code, message()));
        }
    }

    fn root(&mut self, reader: &mut Reader<'a>, name: Name<'a>, profile: &Profile) -> Result<(), Error> {
        match (name.namespace, name.local) {
            (SOAP11, "Envelope") => self.version = Version::Soap11,
            (SOAP12, "Envelope") => self.version = Version::Soap12,
            (_, "Envelope") => return self.other_version(reader, name),
            (_, REQUEST) if self.version != Version::Soap12 => {
                self.version = Version::Bare;
                return self.operation(reader, name, "", profile);
            }
            (_, found) => {
                if self.version == Version::Soap12 {
                    self.refuse(Code::BadEnvelope, || {
                        format!("Expected an Envelope of SOAP 1.2, found {}.", shown(found))
                    });
                } else {
                    self.refuse(Code::UnknownOperation, || unknown_operation("", found));
                }
                return reader.skip();
            }
        }
        self.check_attributes(reader, "/Envelope");
        self.envelope(reader, profile)
    }

    fn other_version(&mut self, reader: &mut Reader<'a>, name: Name<'_>) -> Result<(), Error> {
        let namespace = shown(reader.namespace_name(name.namespace));
        self.mismatch = Some(Refusal::new(
            Code::VersionMismatch,
            format!(
                "The Envelope is in the namespace \"{namespace}\", which is neither that of SOAP 1.1 nor of SOAP 1.2."
            ),
        ));
        if self.version == Version::Bare {
            self.version = Version::Soap11;
        }
        reader.skip()
    }

    fn soap(&self) -> Namespace {
        if self.version == Version::Soap12 { SOAP12 } else { SOAP11 }
    }

    fn envelope(&mut self, reader: &mut Reader<'a>, profile: &Profile) -> Result<(), Error> {
        let soap = self.soap();
        let (mut header, mut body) = (false, false);
        loop {
            match reader.next()? {
                Token::Start(Name { namespace, local: "Header" }) if namespace == soap && !header && !body => {
                    header = true;
                    self.check_attributes(reader, "/Envelope/Header");
                    self.header(reader)?;
                }
                Token::Start(Name { namespace, local: "Body" }) if namespace == soap && !body => {
                    body = true;
                    self.check_attributes(reader, "/Envelope/Body");
                    self.body(reader, profile)?;
                }
                Token::Start(name) => {
                    let place = if body { "after Body" } else { "before Body" };
                    let found = shown(name.local);
                    self.refuse(Code::BadEnvelope, || {
                        format!("/Envelope/{found} stands {place}: an Envelope holds one Header at most and one Body after it, of its own namespace.")
                    });
                    reader.skip()?;
                }
                Token::Text(text) => self.check_blank(&text, "/Envelope"),
                Token::End | Token::Eof => break,
            }
        }
        if !body {
            self.refuse(Code::BadEnvelope, || "/Envelope/Body is required and is missing.".to_owned());
        }
        Ok(())
    }

    /// SOAP 1.2 (sections 5.1 to 5.3) allows neither unqualified attributes on its Envelope nor an
    /// `encodingStyle` on its own elements; 1.1 allows both.
    fn check_attributes(&mut self, reader: &Reader<'_>, path: &str) {
        if self.version != Version::Soap12 {
            return;
        }
        let wrong = reader.attributes().iter().find(|attribute| {
            let unqualified = attribute.namespace == Namespace::NONE && path == "/Envelope";
            unqualified || (attribute.namespace == SOAP12 && attribute.local == "encodingStyle")
        });
        if let Some(attribute) = wrong {
            let name = shown(attribute.local);
            self.refuse(Code::BadEnvelope, || format!("{path} must not have the attribute {name} in SOAP 1.2."));
        }
    }

    fn check_blank(&mut self, text: &str, path: &str) {
        if !text.trim_ascii().is_empty() {
            self.refuse(Code::BadEnvelope, || {
                format!("{path} holds the text \"{}\": expected elements.", shown(text.trim()))
            });
        }
    }

    fn header(&mut self, reader: &mut Reader<'a>) -> Result<(), Error> {
        loop {
            match reader.next()? {
                Token::Start(name) => self.block(reader, name)?,
                Token::Text(text) => self.check_blank(&text, "/Envelope/Header"),
                Token::End | Token::Eof => return Ok(()),
            }
        }
    }

    fn block(&mut self, reader: &mut Reader<'a>, name: Name<'a>) -> Result<(), Error> {
        let soap = self.soap();
        if !self.is_ours(reader) {
            return reader.skip();
        }
        let must = match reader.attribute(soap, "mustUnderstand").map(|value| value.trim()) {
            None | Some("0" | "false") => None,
            Some("1" | "true") => Some((reader.namespace_name(name.namespace).to_owned(), name.local.to_owned())),
            Some(other) => {
                let message = format!(
                    "/Envelope/Header/{} has mustUnderstand=\"{}\": expected 0, 1, true or false.",
                    shown(name.local),
                    shown(other)
                );
                self.unreadable_header.get_or_insert(Refusal::new(Code::BadEnvelope, message));
                None
            }
        };
        let understood = match (name.namespace, name.local) {
            (WSSE, "Security") => self.security.read(reader)?,
            (WSA10 | WSA04, _) => self.addressing_block(reader, name)?,
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

    fn addressing_block(&mut self, reader: &mut Reader<'a>, name: Name<'a>) -> Result<bool, Error> {
        match addressing::read(reader, name, &mut self.addressing)? {
            Ok(understood) => Ok(understood),
            Err(what) => {
                self.refuse(Code::InvalidAddressingHeader, || format!("/Envelope/Header: {what}."));
                Ok(true)
            }
        }
    }

    /// Whether a header block is meant for the ultimate receiver, which is also a next one (SOAP 1.1,
    /// section 4.2.2; SOAP 1.2 part 1, section 2.2).
    fn is_ours(&self, reader: &Reader<'_>) -> bool {
        let attribute = if self.version == Version::Soap12 { "role" } else { "actor" };
        let role = reader.attribute(self.soap(), attribute).map_or("", Cow::as_ref);
        match (self.version, role.trim()) {
            (_, "") => true,
            (Version::Soap12, role) => matches!(
                role,
                "http://www.w3.org/2003/05/soap-envelope/role/next"
                    | "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver"
            ),
            (_, actor) => actor == "http://schemas.xmlsoap.org/soap/actor/next",
        }
    }

    fn body(&mut self, reader: &mut Reader<'a>, profile: &Profile) -> Result<(), Error> {
        let mut any = false;
        loop {
            match reader.next()? {
                Token::Start(_) if any => {
                    self.refuse(Code::UnknownOperation, || {
                        format!("/Envelope/Body holds more than one element: expected {REQUEST} alone.")
                    });
                    reader.skip()?;
                }
                Token::Start(name) => {
                    any = true;
                    self.operation(reader, name, "/Envelope/Body", profile)?;
                }
                Token::Text(text) => self.check_blank(&text, "/Envelope/Body"),
                Token::End | Token::Eof => return Ok(()),
            }
        }
    }

    fn operation(
        &mut self,
        reader: &mut Reader<'a>,
        name: Name<'a>,
        base: &'static str,
        profile: &Profile,
    ) -> Result<(), Error> {
        if name.local != REQUEST {
            self.refuse(Code::UnknownOperation, || unknown_operation(base, name.local));
            reader.skip()
        } else if !is_payload(name.namespace) {
            let found = shown(reader.namespace_name(name.namespace));
            self.refuse(Code::WrongNamespace, || {
                format!(
                    "{base}/{REQUEST} is in the namespace \"{found}\": expected \"{}\", \"urn:com.workday/bsvc\" or none.",
                    profile.namespace
                )
            });
            reader.skip()
        } else {
            self.payload = Some(Payload::read(reader, base)?);
            Ok(())
        }
    }

    /// What the sender says that it wants, in the SOAPAction or in `wsa:Action`, must be the one
    /// operation; nothing said is nothing wrong.
    fn check_action(&self, soap_action: Option<&str>) -> Result<(), Refusal> {
        let said = soap_action.map(|action| action.trim().trim_matches('"').trim());
        let addressed = self.addressing.as_ref().and_then(Addressing::action);
        for action in [said, addressed].into_iter().flatten().filter(|action| !action.is_empty()) {
            let name = action.rsplit(['/', '#', ':']).next().unwrap_or_default();
            if !matches!(name, OPERATION | REQUEST | "TriggerCandidateStateChangeRequest") {
                let action = shown(action);
                let message = format!("The action \"{action}\" names another operation: expected {OPERATION}.");
                return Err(Refusal::new(Code::ActionMismatch, message));
            }
        }
        Ok(())
    }
}

fn unknown_operation(base: &str, found: &str) -> String {
    let name = shown(found);
    match suggest::near(REQUEST, [found]).or(Some(found).filter(|found| *found == OPERATION)) {
        Some(_) => format!("{base}/{name} is not known: did you mean {REQUEST}?"),
        None => format!("{base}/{name} is not known: expected {REQUEST}."),
    }
}

fn not_understood(blocks: Vec<(String, String)>) -> Refusal {
    let names: Vec<String> = blocks.iter().map(|(ns, local)| format!("{{{}}}{}", shown(ns), shown(local))).collect();
    let message = format!("Header blocks that must be understood are not: {}.", names.join(", "));
    Refusal { not_understood: blocks, ..Refusal::new(Code::NotUnderstood, message) }
}
