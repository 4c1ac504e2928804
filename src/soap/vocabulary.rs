//! The names that messages are made of.

use crate::xml::Namespace;

/// SOAP 1.1 (section 3).
pub(super) const SOAP11_URI: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// SOAP 1.2 part 1 (section 5).
pub(super) const SOAP12_URI: &str = "http://www.w3.org/2003/05/soap-envelope";
/// WS-Addressing 1.0.
pub(super) const WSA10_URI: &str = "http://www.w3.org/2005/08/addressing";
/// WS-Addressing as submitted in August 2004.
pub(super) const WSA04_URI: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
/// WS-Security 1.0 and 1.1.
pub(super) const WSSE_URI: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
/// WS-Security's utilities.
const WSU_URI: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
/// XML Schema's attributes for instances.
const XSI_URI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// Workday's own.
pub(super) const WORKDAY_URI: &str = "urn:com.workday/bsvc";
/// The payload's, unless an organisation has another one.
pub(super) const DEFAULT_NAMESPACE: &str = "http://your-company.com/workday/webhooks";

pub(super) const SOAP11: Namespace = Namespace::known(0);
pub(super) const SOAP12: Namespace = Namespace::known(1);
pub(super) const WSA10: Namespace = Namespace::known(2);
pub(super) const WSA04: Namespace = Namespace::known(3);
pub(super) const WSSE: Namespace = Namespace::known(4);
pub(super) const WSU: Namespace = Namespace::known(5);
pub(super) const XSI: Namespace = Namespace::known(6);
const WORKDAY: Namespace = Namespace::known(7);
const ORGANISATION: Namespace = Namespace::known(8);

/// The namespaces in the order of their numbers above.
pub(super) fn known(organisation: &str) -> [&str; 9] {
    [SOAP11_URI, SOAP12_URI, WSA10_URI, WSA04_URI, WSSE_URI, WSU_URI, XSI_URI, WORKDAY_URI, organisation]
}

/// Whether the payload is read in this namespace. An organisation whose namespace is Workday's finds
/// it under Workday's number.
pub(super) fn is_payload(namespace: Namespace) -> bool {
    matches!(namespace, Namespace::NONE | WORKDAY | ORGANISATION)
}

/// The one operation.
pub(super) const OPERATION: &str = "TriggerCandidateStateChange";
/// Its request.
pub(super) const REQUEST: &str = "TriggerCandidateStateChange_Request";
/// Its answer.
pub(super) const RESPONSE: &str = "TriggerCandidateStateChange_Response";
/// The fault that it declares, and the element of its detail.
pub(super) const FAULT_DETAIL: &str = "Fault_Detail";
/// The name of its port type in the WSDL.
const PORT_TYPE: &str = "CandidateStatePort";

/// The `wsa:Action` of the answer, by the default pattern of WS-Addressing's WSDL binding
/// (section 4.4.4): namespace, port type, output name.
pub(super) fn response_action(namespace: &str) -> String {
    default_action(namespace, &[PORT_TYPE, &format!("{OPERATION}Response")])
}

/// The `wsa:Action` of the declared fault, by the same pattern: namespace, port type, operation,
/// `Fault`, fault name.
pub(super) fn fault_action(namespace: &str) -> String {
    default_action(namespace, &[PORT_TYPE, OPERATION, "Fault", FAULT_DETAIL])
}

fn default_action(namespace: &str, names: &[&str]) -> String {
    let delimiter = if namespace.starts_with("urn:") { ":" } else { "/" };
    let namespace = namespace.strip_suffix(delimiter).unwrap_or(namespace);
    format!("{namespace}{delimiter}{}", names.join(delimiter))
}
