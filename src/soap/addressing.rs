//! WS-Addressing 1.0 and its submission of August 2004: the headers that a retry is known by, and
//! those that go with an answer.
//!
//! Where an answer should go is read but never followed: it goes back on the connection.

use std::borrow::Cow;

use super::vocabulary::{WSA04, WSA04_URI, WSA10, WSA10_URI};
use super::{content, vocabulary};
use crate::refusal::{Code, Refusal};
use crate::xml::writer::Writer;
use crate::xml::{Error, Name, Namespace, Reader, Token};

/// The one action that the submission has for faults of its own and of SOAP.
const AUGUST_2004_FAULT: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault";

/// Longest `MessageID` that is taken, in bytes: it is stored with its event.
pub const MAX_MESSAGE_ID_BYTES: usize = 1024;

/// Which WS-Addressing a message speaks, by the namespace of its headers; its answer speaks the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressingVersion {
    /// The recommendation, `http://www.w3.org/2005/08/addressing`.
    V1,
    /// The submission, `http://schemas.xmlsoap.org/ws/2004/08/addressing`.
    August2004,
}

impl AddressingVersion {
    /// The namespace of its headers.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::V1 => WSA10_URI,
            Self::August2004 => WSA04_URI,
        }
    }

    fn of(namespace: Namespace) -> Option<Self> {
        match namespace {
            WSA10 => Some(Self::V1),
            WSA04 => Some(Self::August2004),
            _ => None,
        }
    }
}

/// The WS-Addressing headers of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressing(Box<Fields>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fields {
    version: AddressingVersion,
    message_id: Option<String>,
    action: Option<String>,
    to: Option<String>,
    reply_to: Option<String>,
    fault_to: Option<String>,
}

impl Addressing {
    fn new(version: AddressingVersion) -> Self {
        let fields = Fields { version, message_id: None, action: None, to: None, reply_to: None, fault_to: None };
        Self(Box::new(fields))
    }

    /// Which WS-Addressing it is.
    pub fn version(&self) -> AddressingVersion {
        self.0.version
    }

    /// The message's identity, trimmed.
    pub fn message_id(&self) -> Option<&str> {
        self.0.message_id.as_deref()
    }

    /// What the message wants done: `wsa:Action` (WS-Addressing 1.0 Core, section 3).
    pub fn action(&self) -> Option<&str> {
        self.0.action.as_deref()
    }

    /// Where the message goes: `wsa:To`. Nothing is decided by it.
    pub fn to(&self) -> Option<&str> {
        self.0.to.as_deref()
    }

    /// Where the sender would like the answer.
    pub fn reply_to(&self) -> Option<&str> {
        self.0.reply_to.as_deref()
    }

    /// Where the sender would like a fault.
    pub fn fault_to(&self) -> Option<&str> {
        self.0.fault_to.as_deref()
    }

    /// Writes the headers of the answer to this message.
    pub(super) fn write_answer(&self, writer: &mut Writer, action: &str) {
        writer.start("wsa:Action").attribute("xmlns:wsa", self.0.version.namespace()).text(action).end();
        if let Some(message_id) = self.message_id() {
            let relates_to = writer.start("wsa:RelatesTo").attribute("xmlns:wsa", self.0.version.namespace());
            relates_to.text(message_id).end();
        }
    }

    /// The action of an answer.
    pub(super) fn success_action(namespace: &str) -> String {
        vocabulary::response_action(namespace)
    }

    /// The action of a fault: of one about these headers, of one that SOAP or WS-Security defines
    /// (SOAP binding, section 6; submission, section 4), or of the one that the WSDL declares.
    pub(super) fn fault_action(&self, refusal: &Refusal, namespace: &str) -> Cow<'static, str> {
        let of_soap = matches!(refusal.code, Code::VersionMismatch | Code::NotUnderstood);
        match (self.0.version, refusal.code) {
            (AddressingVersion::V1, Code::InvalidAddressingHeader) => {
                "http://www.w3.org/2005/08/addressing/fault".into()
            }
            (AddressingVersion::August2004, Code::InvalidAddressingHeader) => AUGUST_2004_FAULT.into(),
            (AddressingVersion::V1, _) if of_soap || refusal.failed_authentication => {
                "http://www.w3.org/2005/08/addressing/soap/fault".into()
            }
            (AddressingVersion::August2004, _) if of_soap || refusal.failed_authentication => AUGUST_2004_FAULT.into(),
            _ => vocabulary::fault_action(namespace).into(),
        }
    }
}

/// Reads a header block of a WS-Addressing namespace. The inner result is whether it is understood, or
/// what is wrong with it.
pub(super) fn read(
    reader: &mut Reader<'_>,
    name: Name<'_>,
    addressing: &mut Option<Addressing>,
) -> Result<Result<bool, String>, Error> {
    let Some(version) = AddressingVersion::of(name.namespace) else {
        reader.skip()?;
        return Ok(Ok(false));
    };
    let value = match name.local {
        "MessageID" | "Action" | "To" => Some(content::text(reader)?.trim().to_owned()),
        "ReplyTo" | "FaultTo" | "From" => address(reader, name.namespace)?,
        "RelatesTo" => {
            reader.skip()?;
            return Ok(Ok(true));
        }
        _ => {
            reader.skip()?;
            return Ok(Ok(false));
        }
    };
    let addressing = addressing.get_or_insert_with(|| Addressing::new(version));
    if addressing.0.version != version {
        return Ok(Err("the message mixes two versions of WS-Addressing".to_owned()));
    }
    Ok(addressing.take(name.local, value).map(|()| true))
}

impl Addressing {
    fn take(&mut self, name: &str, value: Option<String>) -> Result<(), String> {
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return Err(format!("the header {name} holds no address or value"));
        };
        let field = match name {
            "MessageID" if value.len() > MAX_MESSAGE_ID_BYTES => {
                return Err(format!("the header MessageID is longer than {MAX_MESSAGE_ID_BYTES} bytes"));
            }
            "MessageID" => &mut self.0.message_id,
            "Action" => &mut self.0.action,
            "To" => &mut self.0.to,
            "ReplyTo" => &mut self.0.reply_to,
            "FaultTo" => &mut self.0.fault_to,
            _ => return Ok(()),
        };
        match field.replace(value) {
            None => Ok(()),
            Some(_) => Err(format!("the header {name} stands twice")),
        }
    }
}

/// The `Address` of an endpoint reference.
fn address(reader: &mut Reader<'_>, namespace: Namespace) -> Result<Option<String>, Error> {
    let mut address = None;
    loop {
        match reader.next_tag()? {
            Token::Start(Name { namespace: ns, local: "Address" }) if ns == namespace => {
                address = Some(content::text(reader)?.trim().to_owned());
            }
            Token::Start(_) => reader.skip()?,
            _ => return Ok(address),
        }
    }
}
