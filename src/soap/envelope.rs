//! The envelope (SOAP 1.1, section 4; SOAP 1.2 part 1, section 5): one walk through the whole
//! document, then one judgement in the order that the specifications ask for.

use super::content::shown;
use super::header::Header;
use super::payload::Payload;
use super::security::UsernameToken;
use super::vocabulary::{OPERATION, REQUEST, SOAP11, SOAP12, is_payload};
use super::{Addressing, Head, Media, Profile, Rejected, Request, Version};
use super::{job_application, suggest};
use crate::domain::StateChange;
use crate::refusal::{Code, Refusal};
use crate::xml::{Error, Name, Namespace, Reader, Token};

/// One message as it stands in the document, with what was found wrong on the way.
pub(super) struct Message<'a> {
    version: Version,
    mismatch: Option<Refusal>,
    header: Header,
    /// The first thing wrong with the envelope, or with what it holds instead of the operation.
    problem: Option<Refusal>,
    payload: Option<Payload<'a>>,
}

/// Reads a whole document, or as much of it as can be read; `by_media` is the version to answer in
/// where the document has none.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    by_media: Version,
    profile: &Profile,
) -> (Message<'a>, Result<(), Error>) {
    let mut message =
        Message { version: by_media, mismatch: None, header: Header::default(), problem: None, payload: None };
    let read = message.document(reader, profile);
    (message, read)
}

/// Judges what was read: the version, the headers that must be understood, then the rest.
pub(super) fn judge(
    mut message: Message<'_>,
    head: &Head<'_>,
    media: &Media<'_>,
    profile: &Profile,
) -> Result<Request, Rejected> {
    let change = message.change(head, media, profile);
    let Message { version, header: Header { addressing, security, .. }, .. } = message;
    let username_token = security.into_token();
    match change {
        Ok(change) => Ok(Request { version, change, addressing, username_token }),
        Err(refusal) => Err(Rejected { version, addressing, username_token: username_token.map(Box::new), refusal }),
    }
}

impl<'a> Message<'a> {
    /// The token of a Header that was read to its end, whatever came behind it.
    pub(super) fn token_of_header(self) -> Option<UsernameToken> {
        self.header.security.into_token().filter(|_| self.header.complete)
    }

    fn document(&mut self, reader: &mut Reader<'a>, profile: &Profile) -> Result<(), Error> {
        loop {
            match reader.next()? {
                Token::Start(name) => self.root(reader, name, profile)?,
                Token::Eof => return Ok(()),
                _ => {}
            }
        }
    }

    fn change(&mut self, head: &Head<'_>, media: &Media<'_>, profile: &Profile) -> Result<StateChange, Refusal> {
        self.mismatch.take().map_or(Ok(()), Err)?;
        self.header.judge()?;
        self.problem.take().map_or(Ok(()), Err)?;
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

    fn envelope(&mut self, reader: &mut Reader<'a>, profile: &Profile) -> Result<(), Error> {
        let soap = self.version.namespace();
        let (mut header, mut body) = (false, false);
        loop {
            match reader.next()? {
                Token::Start(Name { namespace, local: "Header" }) if namespace == soap && !header && !body => {
                    header = true;
                    self.check_attributes(reader, "/Envelope/Header");
                    self.header.read(reader, self.version, profile.username_tokens)?;
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
            self.refuse(Code::BadEnvelope, || {
                let found = if header { "Header" } else { "nothing" };
                format!("/Envelope/Body is required and is missing; found there: {found}.")
            });
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
        let addressed = self.header.addressing.as_ref().and_then(Addressing::action);
        for action in [said, addressed].into_iter().flatten().filter(|action| !action.is_empty()) {
            let name = action.rsplit(['/', '#', ':']).next().unwrap_or_default();
            // More than one is none.
            let several = action.contains(['"', ' ']);
            if several || !matches!(name, OPERATION | REQUEST | "TriggerCandidateStateChangeRequest") {
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
