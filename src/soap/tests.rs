//! Rules of SOAP that concern more than one file, each with a message of its own.

use std::time::Duration;

use super::*;
use crate::domain::{EventId, EventType, Outcome, Position};
use crate::refusal::Fault;

const SOAP11: &str = vocabulary::SOAP11_URI;
const SOAP12: &str = vocabulary::SOAP12_URI;
const PAYLOAD: &str = "<TriggerCandidateStateChange_Request xmlns='http://your-company.com/workday/webhooks'>\
    <Job_Application><Job_Application_ID>A1</Job_Application_ID><Candidate_Reference><ID>C1</ID></Candidate_Reference>\
    <Requisition_Reference><ID>R1</ID></Requisition_Reference><Stage>Interview</Stage></Job_Application>\
    </TriggerCandidateStateChange_Request>";

fn envelope(namespace: &str, header: &str, body: &str) -> String {
    format!("<e:Envelope xmlns:e='{namespace}'><e:Header>{header}</e:Header><e:Body>{body}</e:Body></e:Envelope>")
}

fn read_as(content_type: &str, xml: &str) -> Result<Request, Rejected> {
    let head = Head { content_type: Some(content_type), ..Head::default() };
    read(xml.as_bytes(), &head, &Profile::default(), xml::Limits::default())
}

fn refused(content_type: &str, xml: &str) -> (Version, Code) {
    let rejected = read_as(content_type, xml).expect_err(xml);
    (rejected.version, rejected.refusal.code)
}

/// A Header in a message of the version that is otherwise as it should be.
fn with_header(version: Version, header: &str) -> Result<Request, Code> {
    let namespace = if version == Version::Soap11 { SOAP11 } else { SOAP12 };
    let profile = Profile { username_tokens: true, ..Profile::default() };
    let head = Head { content_type: Some("text/xml"), ..Head::default() };
    let read = read(envelope(namespace, header, PAYLOAD).as_bytes(), &head, &profile, xml::Limits::default());
    read.map_err(|rejected| rejected.refusal.code)
}

#[test]
fn the_envelope_decides_the_version_whatever_the_content_type() {
    for content_type in ["text/xml", "application/soap+xml", "application/xml"] {
        for (namespace, version) in [(SOAP11, Version::Soap11), (SOAP12, Version::Soap12)] {
            assert_eq!(read_as(content_type, &envelope(namespace, "", PAYLOAD)).unwrap().version, version);
        }
    }
    for content_type in ["text/xml", "application/xml"] {
        assert_eq!(read_as(content_type, PAYLOAD).unwrap().version, Version::Bare);
    }
    assert_eq!(refused("application/soap+xml", PAYLOAD), (Version::Soap12, Code::BadEnvelope));
}

#[test]
fn what_is_no_xml_is_answered_by_its_content_type() {
    for (content_type, version) in
        [("text/xml", Version::Soap11), ("application/soap+xml", Version::Soap12), ("application/xml", Version::Bare)]
    {
        let cut = &envelope(SOAP12, "", PAYLOAD)[..100];
        assert_eq!(refused(content_type, cut), (version, Code::NotWellFormed));
        assert_eq!(refused(content_type, "<!DOCTYPE a><a/>"), (version, Code::DtdRefused));
        let charset = format!("{content_type}; charset=windows-1252");
        assert_eq!(refused(&charset, PAYLOAD), (version, Code::UnsupportedMediaType));
    }
}

#[test]
fn faults_take_precedence_in_the_order_of_the_specifications() {
    let must = "<h xmlns='urn:h' e:mustUnderstand='1'/>";
    let unknown = envelope("urn:soap-of-tomorrow", must, "<x/>");
    assert_eq!(refused("text/xml", &unknown), (Version::Soap11, Code::VersionMismatch));
    assert_eq!(refused("application/soap+xml", &unknown), (Version::Soap12, Code::VersionMismatch));
    assert_eq!(refused("text/xml", &format!("{unknown}<")), (Version::Soap11, Code::NotWellFormed));
    let both = envelope(SOAP12, must, "<x/>");
    assert_eq!(refused("text/xml", &both), (Version::Soap12, Code::NotUnderstood));
    assert_eq!(refused("text/xml", &both.replace(must, "")), (Version::Soap12, Code::UnknownOperation));
}

#[test]
fn must_understand_counts_where_the_header_is_ours() {
    let next11 = "e:actor='http://schemas.xmlsoap.org/soap/actor/next'";
    let role = |name: &str| format!("e:role='http://www.w3.org/2003/05/soap-envelope/role/{name}'");
    let (next, ultimate, none) = (role("next"), role("ultimateReceiver"), role("none"));
    let block = |attributes: &str| format!("<h:h xmlns:h='urn:h' {attributes}><h:i e:mustUnderstand='1'/></h:h>");
    for (version, attributes, expected) in [
        (Version::Soap11, "", true),
        (Version::Soap11, "e:mustUnderstand='0'", true),
        (Version::Soap11, "e:mustUnderstand='false'", true),
        (Version::Soap11, "e:mustUnderstand='1' e:actor='urn:other'", true),
        (Version::Soap11, "e:mustUnderstand='1'", false),
        (Version::Soap11, &format!("e:mustUnderstand=' true ' {next11}"), false),
        (Version::Soap11, "e:mustUnderstand='1' e:actor=''", false),
        (Version::Soap12, &format!("e:mustUnderstand='true' {none}"), true),
        (Version::Soap12, "e:mustUnderstand='1' e:role='urn:other'", true),
        (Version::Soap12, "mustUnderstand='1'", true),
        (Version::Soap12, &format!("e:mustUnderstand='true' {next}"), false),
        (Version::Soap12, &format!("e:mustUnderstand='1' {ultimate}"), false),
        (Version::Soap12, "e:mustUnderstand='1'", false),
    ] {
        let read = with_header(version, &block(attributes));
        let as_expected = if expected { read.is_ok() } else { read == Err(Code::NotUnderstood) };
        assert!(as_expected, "{version:?} {attributes}: {read:?}");
    }
    assert_eq!(with_header(Version::Soap12, &block("e:mustUnderstand='wrong'")), Err(Code::BadEnvelope));
}

#[test]
fn envelopes_must_be_built_as_soap_asks() {
    let e = |inner: &str| format!("<e:Envelope xmlns:e='{SOAP11}' xmlns:f='{SOAP12}'>{inner}</e:Envelope>");
    for inner in [
        "",
        "<e:Header/>",
        "<e:Body/><e:Body/>",
        "<e:Body/><e:Header/>",
        "<e:Header/><e:Header/><e:Body/>",
        "<e:Body/><x/>",
        "<x/><e:Body/>",
        "text<e:Body/>",
        "<e:Header>text</e:Header><e:Body/>",
        "<e:Body>text</e:Body>",
        "<f:Body/>",
        "<Body/>",
    ] {
        assert_eq!(refused("text/xml", &e(inner)), (Version::Soap11, Code::BadEnvelope), "{inner}");
    }
    for (inner, found) in [("", "found there: nothing."), ("<e:Header/>", "found there: Header.")] {
        let message = read_as("text/xml", &e(inner)).unwrap_err().refusal.message;
        assert!(message.starts_with("/Envelope/Body is required and is missing; ") && message.ends_with(found));
    }
    for inner in ["<e:Body/>", "<e:Body><x/></e:Body>"] {
        assert_eq!(refused("text/xml", &e(inner)), (Version::Soap11, Code::UnknownOperation), "{inner}");
    }
    let twice = envelope(SOAP11, "", &PAYLOAD.repeat(2));
    assert_eq!(refused("text/xml", &twice).1, Code::UnknownOperation);
    let style = |element: &str| {
        let style = "e:encodingStyle='http://www.w3.org/2003/05/soap-encoding'";
        envelope(SOAP12, "", PAYLOAD).replacen(element, &format!("{element} {style}"), 1)
    };
    for element in ["<e:Envelope", "<e:Header", "<e:Body"] {
        assert_eq!(refused("text/xml", &style(element)).1, Code::BadEnvelope, "{element}");
    }
    let attribute = envelope(SOAP12, "", PAYLOAD).replacen("<e:Envelope", "<e:Envelope a=''", 1);
    assert_eq!(refused("text/xml", &attribute).1, Code::BadEnvelope);
    assert!(read_as("text/xml", &attribute.replace(SOAP12, SOAP11)).is_ok());
}

#[test]
fn both_versions_of_ws_addressing_are_read_and_answered() {
    for wsa in ["http://www.w3.org/2005/08/addressing", "http://schemas.xmlsoap.org/ws/2004/08/addressing"] {
        let header = format!(
            "<a:MessageID xmlns:a='{wsa}' e:mustUnderstand='1'> urn:uuid:1 </a:MessageID><a:Action xmlns:a='{wsa}'>x</a:Action>\
             <a:ReplyTo xmlns:a='{wsa}'><a:Address>http://elsewhere.example/</a:Address></a:ReplyTo>"
        );
        let request = with_header(Version::Soap11, &header).unwrap();
        let addressing = request.addressing.unwrap();
        assert_eq!((addressing.message_id(), addressing.action()), (Some("urn:uuid:1"), Some("x")));
        assert_eq!(addressing.reply_to(), Some("http://elsewhere.example/"));
        let done = Success { event_id: None, event_type: EventType::StateChanged, outcome: Outcome::DryRun };
        let answer = success(Version::Soap11, Some(&addressing), "urn:x", &done);
        assert!(answer.body.contains(&format!("<wsa:RelatesTo xmlns:wsa=\"{wsa}\">urn:uuid:1</wsa:RelatesTo>")));
        assert!(answer.body.contains("urn:x:CandidateStatePort:TriggerCandidateStateChangeResponse</wsa:Action>"));
        let declared = "urn:x:CandidateStatePort:TriggerCandidateStateChange:Fault:Fault_Detail".to_owned();
        let is_submission = wsa == vocabulary::WSA04_URI;
        let of_soap = format!("{wsa}{}", if is_submission { "/fault" } else { "/soap/fault" });
        for (refusal, action) in [
            (Refusal::new(Code::InvalidValue, "no"), &declared),
            (Refusal::unavailable("no", Duration::from_secs(1)), &declared),
            (Refusal::new(Code::InvalidAddressingHeader, "no"), &format!("{wsa}/fault")),
            (Refusal::new(Code::NotUnderstood, "no"), &of_soap),
            (Refusal::failed_authentication("no"), &of_soap),
        ] {
            for version in [Version::Soap11, Version::Soap12] {
                let answer = fault(version, Some(&addressing), &refusal, FaultStatus::Standard, "urn:x");
                assert!(answer.body.contains(&format!(">{action}</wsa:Action>")), "{}", answer.body);
            }
        }
        for twice in ["MessageID", "Action"] {
            let header = format!("<a:{twice} xmlns:a='{wsa}'>y</a:{twice}>").repeat(2);
            assert_eq!(with_header(Version::Soap12, &header), Err(Code::InvalidAddressingHeader));
        }
        let other = format!("<a:Unheard xmlns:a='{wsa}' e:mustUnderstand='1'/>");
        assert_eq!(with_header(Version::Soap12, &other), Err(Code::NotUnderstood));
    }
}

#[test]
fn username_tokens_are_read_and_other_tokens_are_not_taken_for_understood() {
    let secext = vocabulary::WSSE_URI;
    let utility = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
    let security = |inner: &str| {
        format!("<s:Security xmlns:s='{secext}' xmlns:u='{utility}' e:mustUnderstand='1'>{inner}</s:Security>")
    };
    let digest = "<u:Timestamp/><s:UsernameToken><s:Username> imper </s:Username>\
        <s:Password Type='http://x#PasswordDigest'>abc=</s:Password><s:Nonce>bm9uY2U=</s:Nonce>\
        <u:Created>2026-04-09T14:30:00Z</u:Created></s:UsernameToken>";
    let token = with_header(Version::Soap11, &security(digest)).unwrap().username_token.unwrap();
    assert_eq!((token.username.as_str(), token.nonce.as_deref()), ("imper", Some("bm9uY2U=")));
    assert_eq!(token.created.as_deref(), Some("2026-04-09T14:30:00Z"));
    assert_eq!(token.password.as_ref().unwrap().kind, security::PasswordType::Digest);
    assert!(!format!("{token:?}").contains("abc"), "a password is never shown");
    let text = "<s:UsernameToken><s:Username>a</s:Username><s:Password> b </s:Password></s:UsernameToken>";
    let token = with_header(Version::Soap12, &security(text)).unwrap().username_token.unwrap();
    let password = security::Password { kind: security::PasswordType::Text, value: " b ".to_owned() };
    assert_eq!(token.password, Some(password));
    let signed = security(&format!("{text}<d:Signature xmlns:d='urn:dsig'/>"));
    assert_eq!(with_header(Version::Soap12, &signed), Err(Code::NotUnderstood));
    let optional = signed.replace("e:mustUnderstand='1'", "");
    assert!(with_header(Version::Soap12, &optional).unwrap().username_token.is_some());
    let xml = envelope(SOAP12, &security(text), PAYLOAD);
    let refusal = read_as("text/xml", &xml).unwrap_err().refusal;
    assert_eq!(refusal.not_understood, [(secext.to_owned(), "Security".to_owned())], "where nobody checks tokens");
    let passed = read_as("text/xml", &xml.replace("e:mustUnderstand='1'", "")).unwrap();
    assert_eq!(passed.username_token, None);
    for twice in [text.repeat(2), text.replace("</s:Username>", "</s:Username><s:Username>c</s:Username>")] {
        let token = with_header(Version::Soap11, &security(&twice)).unwrap().username_token.unwrap();
        assert!(token.ambiguity.is_some_and(|why| why.contains("twice")), "{twice}");
    }
    for part in [">a</s:Username>", "> b </s:Password>"] {
        let divided = text.replace(part, &format!("><d:x xmlns:d='urn:d'/{part}"));
        let token = with_header(Version::Soap11, &security(&divided)).unwrap().username_token.unwrap();
        assert!(token.ambiguity.is_some_and(|why| why.contains("elements")), "{divided}");
    }
    for empty in ["", "<d:Other xmlns:d='urn:other'/>"] {
        let both = security(text) + &security(empty).replace("e:mustUnderstand='1'", "");
        let token = with_header(Version::Soap11, &both).unwrap().username_token.unwrap();
        assert!(token.ambiguity.is_some_and(|why| why.contains("two Security headers")), "{both}");
    }
}

#[test]
fn a_wrong_action_matters_only_where_it_is_asked_to() {
    let strict = Profile { strict_soap_action: true, ..Profile::default() };
    let xml = envelope(SOAP11, "", PAYLOAD);
    let table = [
        (None, true),
        (Some(""), true),
        (Some("\"\""), true),
        (Some("TriggerCandidateStateChange"), true),
        (Some("\"http://your-company.com/workday/webhooks/TriggerCandidateStateChange\""), true),
        (Some("urn:x#TriggerCandidateStateChange_Request"), true),
        (Some("\"urn:DeleteEverything\""), false),
    ];
    for (soap_action, taken) in table {
        let head = Head { content_type: Some("text/xml"), soap_action, event: None };
        assert!(read(xml.as_bytes(), &head, &Profile::default(), xml::Limits::default()).is_ok());
        let read = read(xml.as_bytes(), &head, &strict, xml::Limits::default());
        assert_eq!(read.map_err(|r| r.refusal.code).err(), (!taken).then_some(Code::ActionMismatch), "{soap_action:?}");
    }
    let parameter = Head { content_type: Some("application/soap+xml; action=\"urn:x/Other\""), ..Head::default() };
    assert!(read(envelope(SOAP12, "", PAYLOAD).as_bytes(), &parameter, &strict, xml::Limits::default()).is_err());
}

#[test]
fn the_url_may_say_what_the_message_means() {
    let at = |event, xml: &str| {
        let head = Head { content_type: Some("text/xml"), soap_action: None, event };
        let read = read(xml.as_bytes(), &head, &Profile::default(), xml::Limits::default());
        read.map(|request| request.change.told).map_err(|rejected| rejected.refusal.code)
    };
    assert_eq!(at(None, PAYLOAD), Ok(None));
    assert_eq!(at(Some("interview_stage_ended"), PAYLOAD), Ok(Some(Position::Out)));
    assert_eq!(at(Some("hired"), PAYLOAD), Err(Code::InvalidValue));
    let element = PAYLOAD.replace("<Stage>Interview</Stage>", "<Event_Type>interview_started</Event_Type>");
    assert_eq!(at(Some("interview_started"), &element), Ok(Some(Position::In)));
    assert_eq!(at(Some("interview_ended"), &element), Ok(Some(Position::In)), "the message comes first");
    assert_eq!(at(Some("hired"), &element), Err(Code::InvalidValue));
    let stageless = PAYLOAD.replace("<Stage>Interview</Stage>", "");
    assert_eq!(at(Some("interview_ended"), &stageless), Ok(Some(Position::Out)));
    assert_eq!(at(None, &stageless), Err(Code::MissingElement));
    let profile = Profile { stage_always_required: true, ..Profile::default() };
    let head = Head { content_type: Some("text/xml"), soap_action: None, event: Some("interview_ended") };
    assert!(read(stageless.as_bytes(), &head, &profile, xml::Limits::default()).is_err());
}

#[test]
fn statuses_follow_http_first_then_the_binding_then_the_setting() {
    use FaultStatus::{Always400, Always500, Standard};
    let status = |version, code, setting| fault(version, None, &Refusal::new(code, "x"), setting, "urn:x").status;
    for setting in [Standard, Always400, Always500] {
        for version in [Version::Soap11, Version::Soap12, Version::Bare] {
            assert_eq!(status(version, Code::Unauthorized, setting), 401);
            assert_eq!(status(version, Code::Unavailable, setting), 503);
        }
        assert_eq!(status(Version::Bare, Code::InvalidValue, setting), 400);
    }
    assert_eq!(status(Version::Soap11, Code::InvalidValue, Standard), 500);
    assert_eq!(status(Version::Soap12, Code::InvalidValue, Standard), 400);
    assert_eq!(status(Version::Soap12, Code::NotUnderstood, Standard), 500);
    assert_eq!(status(Version::Soap12, Code::VersionMismatch, Standard), 500);
    assert_eq!(status(Version::Soap12, Code::Internal, Standard), 500);
    assert_eq!(status(Version::Soap12, Code::InvalidValue, Always500), 500);
    assert_eq!(status(Version::Soap11, Code::Internal, Always400), 400);
}

#[test]
fn every_refusal_can_be_answered_in_every_version_and_read_again() {
    for &code in Code::ALL {
        for version in [Version::Soap11, Version::Soap12, Version::Bare] {
            let not_understood = vec![("urn:h&".to_owned(), "h".to_owned()), (String::new(), "i".to_owned())];
            let refusal = Refusal { not_understood, ..Refusal::new(code, "<&>\"'\u{1}") };
            let answer = fault(version, None, &refusal, FaultStatus::Standard, "urn:a&b");
            xml::check(answer.body.as_bytes()).unwrap();
            assert!(answer.body.contains(&format!("<Code>{}</Code>", code.as_str())), "{}", answer.body);
            let upgrade = version != Version::Bare && code.fault() == Fault::VersionMismatch;
            assert_eq!(answer.body.contains("Upgrade"), upgrade);
        }
    }
    let refusal = Refusal::failed_authentication("no");
    for version in [Version::Soap11, Version::Soap12] {
        let answer = fault(version, None, &refusal, FaultStatus::Standard, "urn:x");
        assert!(answer.body.contains(">wsse:FailedAuthentication<"));
        assert_eq!(answer.status, 401);
    }
}

#[test]
fn a_success_is_the_response_of_the_contract() {
    let event_id = EventId::compose(1_775_745_001_123, 1, 7);
    let done =
        Success { event_id: Some(event_id), event_type: EventType::InterviewStarted, outcome: Outcome::Accepted };
    let answer = success(Version::Bare, None, "urn:x", &done);
    let expected = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><TriggerCandidateStateChange_Response xmlns=\"urn:x\">\
         <Event_ID>{event_id}</Event_ID><Event_Type>interview_started</Event_Type><Outcome>Accepted</Outcome>\
         </TriggerCandidateStateChange_Response>"
    );
    assert_eq!((answer.status, answer.body), (200, expected));
    for (version, content_type) in
        [(Version::Soap11, "text/xml; charset=utf-8"), (Version::Soap12, "application/soap+xml; charset=utf-8")]
    {
        let answer = success(version, None, "urn:x", &done);
        xml::check(answer.body.as_bytes()).unwrap();
        assert_eq!(answer.content_type, content_type);
        assert!(!answer.body.contains("Header"));
    }
}
