//! Anything inside a WS-Security header that must be understood, before a valid message: it is read as
//! a token, or the message is refused; never is it taken as if there had been no header.

#![no_main]

use imper_bridge::soap::{Head, Profile, read, without_passwords};
use imper_bridge::xml::Limits;
use libfuzzer_sys::fuzz_target;
use roxmltree::Node;

const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";

const BEGIN: &str = concat!(
    "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Header>",
    "<wsse:Security s:mustUnderstand=\"1\" ",
    "xmlns:wsse=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\" ",
    "xmlns:wsu=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd\">",
);
const END: &str = concat!(
    "</wsse:Security></s:Header><s:Body>",
    "<TriggerCandidateStateChange_Request xmlns=\"http://your-company.com/workday/webhooks\"><Job_Application>",
    "<Job_Application_ID>A1</Job_Application_ID>",
    "<Candidate_Reference><ID type=\"Candidate_ID\">W1</ID></Candidate_Reference>",
    "<Requisition_Reference><ID type=\"Requisition_ID\">R1</ID></Requisition_Reference>",
    "<Stage>Interview</Stage>",
    "</Job_Application></TriggerCandidateStateChange_Request></s:Body></s:Envelope>",
);

fuzz_target!(|inside: &str| {
    let message = format!("{BEGIN}{inside}{END}");
    let head = Head { content_type: Some("text/xml; charset=utf-8"), ..Head::default() };
    // Elsewhere the header is not understood, and nothing in it is read.
    let profile = Profile { username_tokens: true, ..Profile::default() };
    let Ok(request) = read(message.as_bytes(), &head, &profile, Limits::default()) else { return };
    // Whoever closes the header early writes an envelope of his own, and that one is read. The second
    // parser keeps a carriage return beside a reference, which XML 1.0 (section 2.11) does not.
    if inside.contains("Security") || inside.contains("\r&") || inside.contains(";\r") {
        return;
    }
    assert_eq!(request.change.application.as_str(), "A1");
    // A second parser says what the header holds.
    let document = match roxmltree::Document::parse(&message) {
        // It does not know that `xml` is bound without a declaration (Namespaces in XML 1.0, section 3).
        Err(roxmltree::Error::UnknownNamespace(prefix, _)) if prefix == "xml" => return,
        document => document.expect("well-formed XML"),
    };
    let header = document.descendants().find(|node| node.has_tag_name((WSSE, "Security"))).expect("the header");
    let blocks: Vec<Node<'_, '_>> = header.children().filter(Node::is_element).collect();
    let tokens: Vec<_> = blocks.iter().filter(|block| block.has_tag_name((WSSE, "UsernameToken"))).collect();
    let times = blocks.iter().filter(|block| block.has_tag_name((WSU, "Timestamp"))).count();
    assert_eq!(tokens.len() + times, blocks.len(), "something else was taken as understood");
    assert_eq!(tokens.is_empty(), request.username_token.is_none(), "a token was passed over");
    let Some(token) = request.username_token else { return };
    let times = |name| tokens[0].children().filter(|child| child.has_tag_name(name)).count();
    let parts = [(WSSE, "Username"), (WSSE, "Password"), (WSSE, "Nonce"), (WSU, "Created")];
    let is_divided = |part: &Node<'_, '_>| part.children().any(|child| child.is_element());
    let divided = tokens
        .iter()
        .flat_map(|token| token.children())
        .any(|part| parts.into_iter().any(|name| part.has_tag_name(name)) && is_divided(&part));
    let is_ambiguous = divided || tokens.len() > 1 || parts.into_iter().any(|name| times(name) > 1);
    assert_eq!(token.ambiguity.is_some(), is_ambiguous, "whoever says two things says nothing");
    if is_ambiguous {
        return;
    }
    assert_eq!(token.username, own_text(tokens[0], "Username").trim());
    let _ = token.created_at();
    let Some(password) = token.password else { return };
    let masked = read(without_passwords(&message).as_bytes(), &head, &profile, Limits::default());
    if let Some(mask) = masked.ok().and_then(|request| request.username_token?.password) {
        assert!(mask.value == "***" || mask.value.is_empty(), "what is kept still holds {:?}", mask.value);
    }
    assert_eq!(password.value, own_text(tokens[0], "Password"));
    let shown = format!("{password:?}");
    assert!(password.value.len() < 20 || !shown.contains(&password.value), "a password is never shown");
});

/// The text of a child of that name.
fn own_text(token: &Node<'_, '_>, name: &str) -> String {
    let child = token.children().find(|child| child.has_tag_name((WSSE, name)));
    let texts = child.into_iter().flat_map(|child| child.children()).filter(Node::is_text);
    texts.filter_map(|text| text.text()).collect()
}
