//! The WS-I Basic Profile 1.1, as far as an endpoint can be held to it from outside: a test for each
//! group of requirements, which are named by their numbers.

use reqwest::Response;
use roxmltree::{Document, Node};

use crate::bridge::{Bridge, Home, bare, element};

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const WSDL_SOAP: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
const XSD: &str = "http://www.w3.org/2001/XMLSchema";
const OURS: &str = "http://your-company.com/workday/webhooks";
const ACTION: &str = "http://your-company.com/workday/webhooks/TriggerCandidateStateChange";

fn bridge() -> (Home, Bridge) {
    let home = Home::new("[org.demo]\nauth.none = true\nhandler = \"in_process\"\n");
    let bridge = home.start();
    (home, bridge)
}

fn envelope(header: &str, body: &str) -> String {
    format!("<s:Envelope xmlns:s=\"{SOAP}\">{header}<s:Body>{body}</s:Body></s:Envelope>")
}

fn message(application: &str) -> String {
    envelope("", &bare(application, "Interview"))
}

async fn post(bridge: &Bridge, body: impl Into<reqwest::Body>) -> (u16, String) {
    let answer = bridge.post("demo", "text/xml; charset=utf-8", body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The status, and the local name of the fault's code.
async fn fault(bridge: &Bridge, body: String) -> (u16, String) {
    let (status, text) = post(bridge, body).await;
    (status, element(&text, "faultcode").trim_start_matches("env:").to_owned())
}

fn elements<'a>(node: Node<'a, 'a>) -> impl Iterator<Item = Node<'a, 'a>> {
    node.children().filter(Node::is_element)
}

/// All elements of a name in a document.
fn all<'a>(document: &'a Document<'a>, namespace: &'a str, name: &'a str) -> Vec<Node<'a, 'a>> {
    document.descendants().filter(|node| node.has_tag_name((namespace, name))).collect()
}

/// R9980, R1014, R1008, R1009, R1011, R1005, R1006, R1013, R1032, R1010, R1012, R2712 and, for faults,
/// R1000, R1001, R1004, R1031: how our own envelopes are built.
#[tokio::test]
async fn answers_and_faults_are_conformant_envelopes() {
    let (_home, bridge) = bridge();
    let addressed =
        "<s:Header><w:MessageID xmlns:w=\"http://www.w3.org/2005/08/addressing\">urn:1</w:MessageID></s:Header>";
    for (sent, is_fault) in [
        (message("P1"), false),
        (envelope(addressed, &bare("P2", "Interview")), false),
        (message(""), true),
        (envelope(addressed, &bare("", "Interview")), true),
        (message("P1").replace(SOAP, "urn:other"), true),
        ("<a".to_owned(), true),
    ] {
        let answer = bridge.post("demo", "text/xml", sent).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/xml; charset=utf-8");
        let text = answer.text().await.unwrap();
        // R1012: UTF-8; R1010 lets a receiver read either declaration; a byte order mark is not sent.
        assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?><env:Envelope "), "{text}");
        // The parser refuses a DTD by default: R1008.
        let document = Document::parse(&text).unwrap();
        assert!(!document.descendants().any(|node| node.is_pi()), "R1009");
        let root = document.root_element();
        let parts: Vec<_> = elements(root).map(|part| part.tag_name().name()).collect();
        assert!(
            root.has_tag_name((SOAP, "Envelope")) && matches!(parts[..], ["Body"] | ["Header", "Body"]),
            "R9980 R1011"
        );
        let own = document.descendants().filter(|node| node.tag_name().namespace() == Some(SOAP));
        assert!(own.clone().all(|node| node.attributes().len() == 0), "R1005 R1006 R1013 R1032: {text}");
        let body: Vec<_> = elements(all(&document, SOAP, "Body")[0]).collect();
        assert_eq!(body.len(), 1, "R2712");
        if is_fault {
            assert!(body[0].has_tag_name((SOAP, "Fault")));
            let children: Vec<_> = elements(body[0]).map(|child| child.tag_name()).collect();
            assert_eq!(
                children.iter().map(|name| name.name()).collect::<Vec<_>>(),
                ["faultcode", "faultstring", "detail"]
            );
            assert!(children.iter().all(|name| name.namespace().is_none()), "R1000 R1001");
            let code = elements(body[0]).next().unwrap().text().unwrap().strip_prefix("env:").unwrap().to_owned();
            assert!(["Client", "Server", "VersionMismatch", "MustUnderstand"].contains(&&*code), "R1004 R1031");
        } else {
            assert!(body[0].has_tag_name((OURS, "TriggerCandidateStateChange_Response")), "R1014 R2712");
        }
    }
}

/// R1015, R1017, R2724, R1125, R1126: what is no envelope or not what the WSDL says meets a fault, and
/// what the profile leaves to the sender does not.
#[tokio::test]
async fn what_the_wsdl_does_not_say_is_a_client_fault() {
    let (_home, bridge) = bridge();
    let client = (500, "Client".to_owned());
    assert_eq!(fault(&bridge, "<letter>hello</letter>".to_owned()).await, client, "R1015");
    assert_eq!(fault(&bridge, envelope("", "<other/>")).await, client, "R2724");
    assert_eq!(fault(&bridge, envelope("", "")).await, client, "R2724");
    assert_eq!(fault(&bridge, message("").replace("<Stage>", "<stage>")).await.0, 500, "R1126");
    let typed = message("T1").replace(
        "<Stage>",
        "<Stage xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:x=\"http://www.w3.org/2001/XMLSchema\" xsi:type=\"x:string\">",
    );
    assert_eq!(post(&bridge, typed).await.0, 200, "R1017 asks not to require xsi:type; it does no harm either");
    assert_eq!(post(&bridge, message("T2")).await.0, 200, "R1017");
}

/// R1025, R1027, R1028, R1029, R2725: what must be understood is looked at before anything is done, and
/// in the order VersionMismatch, MustUnderstand, Client.
#[tokio::test]
async fn must_understand_comes_before_any_work_and_in_its_order() {
    let (_home, bridge) = bridge();
    let strange = "<s:Header><x:a xmlns:x=\"urn:x\" s:mustUnderstand=\"1\"/></s:Header>";
    let must = (500, "MustUnderstand".to_owned());
    assert_eq!(fault(&bridge, envelope(strange, &bare("M1", "Interview"))).await, must, "R1025 R1027");
    assert_eq!(fault(&bridge, envelope(strange, "<nothing/>")).await, must, "R2725");
    let other_version = envelope(strange, "<nothing/>").replace(SOAP, "urn:other");
    assert_eq!(fault(&bridge, other_version).await, (500, "VersionMismatch".to_owned()), "R2725");
    assert!(bridge.events("").await.is_empty(), "R1028 R1029: after a fault nothing else is done");
}

/// R2739, R2751, R2753: header blocks that the WSDL does not describe may come, in any order.
#[tokio::test]
async fn other_header_blocks_do_no_harm_in_any_order() {
    let (_home, bridge) = bridge();
    let (one, two) = ("<x:a xmlns:x=\"urn:x\"/>", "<y:b xmlns:y=\"urn:y\" s:mustUnderstand=\"0\">text</y:b>");
    for header in [format!("{one}{two}"), format!("{two}{one}")] {
        let sent = envelope(&format!("<s:Header>{header}</s:Header>"), &bare("H1", "Interview"));
        assert_eq!(post(&bridge, sent).await.0, 200);
    }
}

/// R1111, R1124, R1119, R1127, R2744, R2745: 200 for an answer, whatever the SOAPAction says.
#[tokio::test]
async fn the_soap_action_decides_nothing() {
    let (_home, bridge) = bridge();
    let post = || bridge.post("demo", "text/xml", message("A1"));
    let quoted = format!("\"{ACTION}\"");
    for action in [quoted.as_str(), ACTION, "\"\"", "", "\"urn:something:else\""] {
        let answer = post().header("SOAPAction", action).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{action}");
    }
    assert_eq!(post().send().await.unwrap().status(), 200, "no SOAPAction at all");
}

/// R1113, R1114, R1115, R1121, R1132, R1141: methods, media types, protocol versions, no cookies.
#[tokio::test]
async fn http_is_used_as_the_profile_says() {
    let (_home, bridge) = bridge();
    let allowed = |answer: &Response| answer.headers().contains_key("allow");
    let client = imper_bridge::delivery::relay::client(None, None).unwrap();
    let answer = client.delete(format!("{}/soap/demo", bridge.public)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), allowed(&answer)), (405, true), "R1114 R1132");
    let answer = bridge.post("demo", "text/plain", message("B1")).send().await.unwrap();
    assert_eq!(answer.status(), 415, "R1115");
    let answer = bridge.post("demo", "text/xml", message("B1")).send().await.unwrap();
    assert!(!answer.headers().contains_key("set-cookie"), "R1121");
    let body = message("B2");
    let head = format!("Content-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert!(raw(&bridge, &format!("POST /soap/demo HTTP/1.0\r\n{head}")).await.contains(" 200 OK"), "R1141");
    let host = format!("POST /soap/demo HTTP/1.1\r\nConnection: close\r\nHost: x\r\n{head}");
    assert!(raw(&bridge, &host).await.starts_with("HTTP/1.1 200 OK"), "R1141");
    assert!(raw(&bridge, "POST nonsense\r\n\r\n").await.contains(" 400 "), "R1113");
}

/// What the server says to these bytes until it closes the connection.
async fn raw(bridge: &Bridge, sent: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(bridge.public.trim_start_matches("http://")).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(crate::bridge::PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

/// R4001, R1010, R1012: messages in UTF-8 and UTF-16, with and without a byte order mark.
#[tokio::test]
async fn both_unicode_encodings_are_read() {
    let (_home, bridge) = bridge();
    let text = format!("<?xml version=\"1.0\" encoding=\"utf-16\"?>{}", message("Ü1"));
    let utf16 = |order: fn(u16) -> [u8; 2]| {
        let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
        units.flat_map(order).collect::<Vec<u8>>()
    };
    for body in [utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)] {
        let answer = bridge.post("demo", "text/xml; charset=utf-16", body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "R1010 R1012");
    }
    for body in [message("Ü1"), format!("\u{FEFF}{}", message("Ü1"))] {
        assert_eq!(post(&bridge, body).await.0, 200, "R4001");
    }
    assert_eq!(bridge.events("").await.len(), 1, "all of them said the same");
}

/// R0001 and the requirements of sections 4.2 to 4.7 and 5 of the profile on a description: those on
/// the document (R4003, R4004, R2001 to R2007, R2022, R2023, R2028, R2029), its schema (R2101, R2102,
/// R2105, R2110 to R2112, R2801), messages (R2201, R2204, R2206, R2210, R2306, R5001), the port type
/// (R2303, R2304), and the bindings (R2401, R2701, R2702, R2705, R2706, R2710, R2716, R2718, R2721,
/// R2723, R2740, R2754); R2711 is met by the description of one binding.
#[tokio::test]
async fn the_description_is_conformant() {
    let (_home, bridge) = bridge();
    let text = bridge.get("/soap/demo?wsdl&soap=1.1").await.text().await.unwrap();
    assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"), "R4003 R4004");
    let wsdl = Document::parse(&text).unwrap();
    let root = wsdl.root_element();
    assert!(root.has_tag_name((WSDL, "definitions")) && root.attribute("targetNamespace") == Some(OURS), "R2028 R2029");
    let order: Vec<_> = elements(root).map(|child| child.tag_name().name()).collect();
    assert_eq!(
        order,
        ["types", "message", "message", "message", "portType", "binding", "service"],
        "R2022 R2023 R2028"
    );
    assert!(
        all(&wsdl, WSDL, "import").is_empty() && all(&wsdl, XSD, "import").is_empty(),
        "R2001 to R2007 R2101 R2102"
    );
    check_schema(&wsdl);
    check_references(&wsdl);
    check_binding(&wsdl);
    assert_eq!(all(&wsdl, WSDL_SOAP, "address").len(), 1, "R2711");
}

fn check_schema(wsdl: &Document<'_>) {
    let schemas = all(wsdl, XSD, "schema");
    assert!(schemas.len() == 1 && schemas[0].attribute("targetNamespace") == Some(OURS), "R2105 R2801");
    assert!(!wsdl.input_text().contains("http://schemas.xmlsoap.org/soap/encoding/"), "R2110 to R2112");
    assert!(
        !wsdl.input_text().contains("arrayType") && !wsdl.input_text().contains("name=\"ArrayOf"),
        "R2110 to R2112"
    );
}

fn check_references(wsdl: &Document<'_>) {
    let global: Vec<_> = elements(all(wsdl, XSD, "schema")[0]).filter_map(|node| node.attribute("name")).collect();
    for message in all(wsdl, WSDL, "message") {
        let parts: Vec<_> = elements(message).collect();
        let element = parts[0].attribute("element").expect("R2204").strip_prefix("tns:").unwrap();
        assert!(parts.len() == 1 && global.contains(&element), "R2101 R2201 R2206 R2210");
        assert!(parts[0].attribute("type").is_none() && parts[0].attribute("name").is_some(), "R2306 R5001");
    }
    let operations = all(wsdl, WSDL, "portType").into_iter().flat_map(elements).collect::<Vec<_>>();
    assert_eq!(operations.len(), 1, "R2304 R2710");
    let parts: Vec<_> = elements(operations[0]).map(|part| part.tag_name().name()).collect();
    assert_eq!(parts, ["documentation", "input", "output", "fault"], "R2303");
}

fn check_binding(wsdl: &Document<'_>) {
    let [binding] = all(wsdl, WSDL_SOAP, "binding")[..] else { panic!("R2401 R2701") };
    assert_eq!(binding.attribute("transport"), Some("http://schemas.xmlsoap.org/soap/http"), "R2701 R2702");
    assert_eq!(binding.attribute("style"), Some("document"), "R2705");
    let [operation] = all(wsdl, WSDL_SOAP, "operation")[..] else { panic!("R2718") };
    assert_eq!(operation.attribute("soapAction"), Some(ACTION), "R2744 R2745");
    assert_eq!(operation.attribute("style"), Some("document"), "R2705");
    let names = |name| all(wsdl, WSDL, name).iter().filter_map(|node| node.attribute("name")).collect::<Vec<_>>();
    assert_eq!(names("operation"), ["TriggerCandidateStateChange"; 2], "R2718");
    assert_eq!(names("fault"), ["Fault_Detail"; 2], "R2740");
    for body in ["body", "fault"].into_iter().flat_map(|name| all(wsdl, WSDL_SOAP, name)) {
        assert_eq!(body.attribute("use"), Some("literal"), "R2706 R2723");
        assert!(["namespace", "encodingStyle", "parts"].iter().all(|name| body.attribute(*name).is_none()), "R2716");
    }
    let fault = all(wsdl, WSDL_SOAP, "fault")[0];
    assert_eq!(fault.attribute("name"), fault.parent().unwrap().attribute("name"), "R2721 R2754");
}
