//! The service's description: the files of `wsdl/`, with an organisation's namespace and address put
//! in. The originals are whole and valid as they stand.

use super::vocabulary::DEFAULT_NAMESPACE;
use crate::xml::writer::escape;

const WSDL: &str = include_str!("../../wsdl/candidate-state.wsdl");
const XSD: &str = include_str!("../../wsdl/candidate-state.xsd");
/// The JSON Schema of the candidate event.
pub const EVENT_SCHEMA: &str = include_str!("../../wsdl/candidate-event.schema.json");

/// The address in the original.
const ADDRESS: &str = "https://bridge.example.com/soap/demo";

/// Which bindings a WSDL describes. Some stacks take the first port, some cannot choose, and the WS-I
/// Basic Profile (R2711) advises against two ports at one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bindings {
    /// SOAP 1.1 first, then 1.2.
    #[default]
    Both,
    /// SOAP 1.1 alone.
    Soap11,
    /// SOAP 1.2 alone.
    Soap12,
}

/// The WSDL 1.1 of an endpoint, its schema inline.
pub fn wsdl(namespace: &str, address: &str, bindings: Bindings) -> String {
    let (soap11, soap12) = (bindings != Bindings::Soap12, bindings != Bindings::Soap11);
    let mut out = String::with_capacity(WSDL.len() + XSD.len());
    let mut written = true;
    let mut importing = false;
    for line in WSDL.lines() {
        match line.trim() {
            "<!-- SOAP 1.1 -->" => written = soap11,
            "<!-- SOAP 1.2 -->" => written = soap12,
            "<!-- end of SOAP 1.1 -->" | "<!-- end of SOAP 1.2 -->" => written = true,
            "<xsd:schema>" => importing = true,
            "</xsd:schema>" => {
                importing = false;
                inline_schema(&mut out);
            }
            _ if written && !importing => push_line(&mut out, line),
            _ => {}
        }
    }
    let out = in_namespace(&out, namespace);
    let mut escaped = String::new();
    escape(&mut escaped, address);
    out.replace(ADDRESS, &escaped)
}

/// The SOAPAction that the WSDL names for the operation in this namespace, without quotes.
pub fn action(namespace: &str) -> String {
    let quoted = WSDL.split("soapAction=\"").nth(1).and_then(|rest| rest.split('"').next());
    in_namespace(quoted.unwrap_or_default(), namespace)
}

/// The XML Schema of the payload, the answer and the fault's detail.
pub fn xsd(namespace: &str) -> String {
    in_namespace(XSD, namespace)
}

/// The schema without its XML declaration, which may stand only at the start of a document.
fn inline_schema(out: &mut String) {
    for line in XSD.lines().skip(1) {
        out.push_str("    ");
        push_line(out, line);
    }
}

fn push_line(out: &mut String, line: &str) {
    out.push_str(line.trim_end());
    out.push('\n');
}

fn in_namespace(text: &str, namespace: &str) -> String {
    let mut escaped = String::new();
    escape(&mut escaped, namespace);
    text.replace(DEFAULT_NAMESPACE, &escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::check;

    #[test]
    fn every_form_is_well_formed_and_complete() {
        for (bindings, soap11, soap12) in
            [(Bindings::Both, true, true), (Bindings::Soap11, true, false), (Bindings::Soap12, false, true)]
        {
            let wsdl = wsdl("urn:a&b", "https://x.example/soap/acme?event=interview_started&a=\"", bindings);
            check(wsdl.as_bytes()).unwrap();
            assert_eq!(wsdl.contains("CandidateStateSoap11Port"), soap11);
            assert_eq!(wsdl.contains("CandidateStateSoap12Port"), soap12);
            assert!(wsdl.contains("?event=interview_started&amp;a=&quot;\""), "{wsdl}");
            assert!(wsdl.contains("name=\"JobApplicationEventType\""));
            for gone in [DEFAULT_NAMESPACE, ADDRESS, "xsd:import", "schemaLocation"] {
                assert!(!wsdl.contains(gone), "{gone}");
            }
        }
    }

    #[test]
    fn the_originals_are_well_formed() {
        check(WSDL.as_bytes()).unwrap();
        check(XSD.as_bytes()).unwrap();
        assert_eq!(xsd(DEFAULT_NAMESPACE), XSD);
    }
}
