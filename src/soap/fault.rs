//! Faults (SOAP 1.1, section 4.4; SOAP 1.2 part 1, section 5.4): a refusal in the caller's version.

use super::answer::document;
use super::vocabulary::{FAULT_DETAIL, SOAP11_URI, SOAP12_URI, WSSE_URI};
use super::{Addressing, Answer, Version};
use crate::refusal::{Code, Fault, Refusal};
use crate::xml::writer::Writer;

/// Which HTTP status a fault is sent with, where the SOAP binding decides: some client stacks lose
/// the body of the one, some of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FaultStatus {
    /// 500; 400 for a fault of the sender in SOAP 1.2 (part 2, table 20).
    #[default]
    Standard,
    /// 400 for every fault.
    Always400,
    /// 500 for every fault.
    Always500,
}

/// The answer to a message that was refused, in its version.
///
/// What HTTP itself asks for (401, 404, 413, …) is the status whatever `fault_status` says; a bare
/// payload knows no faults, and is answered 400 or 500 by whose fault it is.
pub fn fault(
    version: Version,
    addressing: Option<&Addressing>,
    refusal: &Refusal,
    fault_status: FaultStatus,
    namespace: &str,
) -> Answer {
    let header = (addressing.is_some() || has_blocks(version, refusal)).then_some(|writer: &mut Writer| {
        if let Some(addressing) = addressing {
            addressing.write_answer(writer, &addressing.fault_action(refusal, namespace));
        }
        blocks(writer, version, refusal);
    });
    let body = document(version, header, |writer| match version {
        Version::Soap11 => soap11(writer, refusal, namespace),
        Version::Soap12 => soap12(writer, addressing, refusal, namespace),
        Version::Bare => detail(writer, refusal, namespace),
    });
    Answer { status: status(version, refusal.code, fault_status), content_type: version.content_type(), body }
}

fn status(version: Version, code: Code, fault_status: FaultStatus) -> u16 {
    if let Some(status) = code.http_status() {
        return status;
    }
    let senders = code.fault() == Fault::Sender;
    match (version, fault_status) {
        (Version::Bare, _) => {
            if code.fault() == Fault::Receiver {
                500
            } else {
                400
            }
        }
        (_, FaultStatus::Always400) => 400,
        (_, FaultStatus::Always500) => 500,
        (Version::Soap12, FaultStatus::Standard) if senders => 400,
        (_, FaultStatus::Standard) => 500,
    }
}

fn has_blocks(version: Version, refusal: &Refusal) -> bool {
    refusal.code == Code::VersionMismatch || (version == Version::Soap12 && !refusal.not_understood.is_empty())
}

/// The header blocks that SOAP 1.2 (part 1, sections 5.4.7 and 5.4.8) has for two of its faults. The
/// one about versions also goes with a SOAP 1.1 fault (appendix A).
fn blocks(writer: &mut Writer, version: Version, refusal: &Refusal) {
    if refusal.code == Code::VersionMismatch {
        writer.start("v:Upgrade").attribute("xmlns:v", SOAP12_URI);
        for uri in [SOAP12_URI, SOAP11_URI] {
            let supported = writer.start("v:SupportedEnvelope").attribute("qname", "s:Envelope");
            supported.attribute("xmlns:s", uri).end();
        }
        writer.end();
    }
    if version == Version::Soap12 {
        for (namespace, local) in &refusal.not_understood {
            let block = writer.start("env:NotUnderstood");
            if namespace.is_empty() {
                block.attribute("qname", local).end();
            } else {
                block.attribute("qname", &format!("n:{local}")).attribute("xmlns:n", namespace).end();
            }
        }
    }
}

fn soap11(writer: &mut Writer, refusal: &Refusal, namespace: &str) {
    writer.start("env:Fault").start("faultcode");
    if refusal.failed_authentication {
        writer.attribute("xmlns:wsse", WSSE_URI).text("wsse:FailedAuthentication");
    } else {
        writer.text(match refusal.code.fault() {
            Fault::Sender => "env:Client",
            Fault::Receiver => "env:Server",
            Fault::VersionMismatch => "env:VersionMismatch",
            Fault::MustUnderstand => "env:MustUnderstand",
        });
    }
    writer.end();
    writer.element("faultstring", &refusal.message);
    writer.start("detail");
    detail(writer, refusal, namespace);
    writer.end().end();
}

fn soap12(writer: &mut Writer, addressing: Option<&Addressing>, refusal: &Refusal, namespace: &str) {
    writer.start("env:Fault").start("env:Code");
    writer.element(
        "env:Value",
        match refusal.code.fault() {
            Fault::Sender => "env:Sender",
            Fault::Receiver => "env:Receiver",
            Fault::VersionMismatch => "env:VersionMismatch",
            Fault::MustUnderstand => "env:MustUnderstand",
        },
    );
    let subcode = match (refusal.code, addressing) {
        _ if refusal.failed_authentication => Some(("xmlns:wsse", WSSE_URI, "wsse:FailedAuthentication")),
        (Code::InvalidAddressingHeader, Some(addressing)) => {
            Some(("xmlns:wsa", addressing.version().namespace(), "wsa:InvalidAddressingHeader"))
        }
        _ => None,
    };
    if let Some((prefix, uri, name)) = subcode {
        writer.start("env:Subcode").start("env:Value").attribute(prefix, uri).text(name).end().end();
    }
    writer.end().start("env:Reason").start("env:Text").attribute("xml:lang", "en").text(&refusal.message);
    writer.end().end().start("env:Detail");
    detail(writer, refusal, namespace);
    writer.end().end();
}

fn detail(writer: &mut Writer, refusal: &Refusal, namespace: &str) {
    writer.start(FAULT_DETAIL).attribute("xmlns", namespace);
    writer.element("Code", refusal.code.as_str()).element("Message", &refusal.message).end();
}
