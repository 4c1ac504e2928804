//! Hostile messages: the kinds and numbers of WS-Attacker, entity bombs as parsers' own tests have
//! them, and what is costly rather than wrong.

use crate::bridge::bare;

/// A message that must not be taken.
pub(super) struct Hostile {
    pub(super) name: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// The codes of which one must be its answer.
    pub(super) refused_as: &'static [&'static str],
}

fn hostile(name: &'static str, body: impl Into<Vec<u8>>, refused_as: &'static [&'static str]) -> Hostile {
    Hostile { name, body: body.into(), headers: &[], refused_as }
}

/// An envelope with `header` in its Header and a valid request after what `before` puts there.
fn envelope(header: &str, before: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Header>{header}</s:Header>\
         <s:Body>{before}{}</s:Body></s:Envelope>",
        bare("hostile", "Interview")
    )
}

/// A request with something more in its `Job_Application`.
fn with(more: &str) -> String {
    bare("hostile", "Interview").replace("<Stage>", &format!("{more}<Stage>"))
}

const FLOOD: &[&str] = &["too_many_elements"];

/// Nesting, floods and long names, in WS-Attacker's numbers.
pub(super) fn floods() -> Vec<Hostile> {
    let long = "n".repeat(100_000);
    let nested = |n: usize| format!("{}{}", "<x>".repeat(n), "</x>".repeat(n));
    let attributes: String = (0..25_000).map(|i| format!(" a{i}=\"\"")).collect();
    let prefixes: String = (0..25_000).map(|i| format!(" xmlns:p{i}=\"urn:{i}\"")).collect();
    let colliding: Vec<String> = (0..10_000).map(colliding).collect();
    let each =
        |before: &str, after: &str| colliding.iter().map(|name| format!("{before}{name}{after}")).collect::<String>();
    vec![
        hostile("1,500 elements deep", with(&nested(1_500)), &["too_deep"]),
        hostile("1,500 elements deep in the Header", envelope(&nested(1_500), ""), &["too_deep"]),
        hostile("500,000 elements deep, never closed", "<x>".repeat(500_000), &["too_deep"]),
        hostile("25,000 elements", with(&"<x/>".repeat(25_000)), FLOOD),
        hostile("25,000 header blocks", envelope(&"<x/>".repeat(25_000), ""), FLOOD),
        hostile("25,000 attributes", with(&format!("<x{attributes}/>")), FLOOD),
        hostile("25,000 attributes of a header block", envelope(&format!("<x{attributes}/>"), ""), FLOOD),
        hostile("25,000 namespace declarations", with(&format!("<x{prefixes}/>")), FLOOD),
        hostile("an element's name of 100,000 characters", with(&format!("<{long}/>")), FLOOD),
        hostile("an attribute's name of 100,000 characters", with(&format!("<x {long}=\"\"/>")), FLOOD),
        hostile("a prefix of 100,000 characters", with(&format!("<x xmlns:{long}=\"u\"/>")), FLOOD),
        hostile("an end tag of 100,000 characters", with(&format!("<x></{long}>")), &["not_well_formed"]),
        hostile("10,000 elements whose names collide", with(&each("<", "/>")), FLOOD),
        hostile("10,000 attributes whose names collide", with(&format!("<x{}/>", each(" ", "=\"\""))), FLOOD),
        hostile("10,000 prefixes that collide", with(&format!("<x{}/>", each(" xmlns:", "=\"u\""))), FLOOD),
        hostile(
            "8,000 IDs",
            bare("hostile", "Interview").replace("</ID>", &format!("</ID>{}", "<ID>x</ID>".repeat(4_000))),
            FLOOD,
        ),
        hostile("a value of 2,000,000 characters", bare(&"9".repeat(2_000_000), "Interview"), &["invalid_value"]),
        hostile("2,000,000 spaces, then nothing", " ".repeat(2_000_000), &["not_well_formed"]),
    ]
}

/// A name of 28 letters; all of them have the same hash where strings are hashed as Java does.
fn colliding(number: usize) -> String {
    (0..14).map(|bit| if number >> bit & 1 == 1 { "Aa" } else { "BB" }).collect()
}

/// Entity bombs and external entities; `canary` is an address that nobody may call.
pub(super) fn entities(canary: &str) -> Vec<Hostile> {
    let dtd = |subset: &str| format!("<!DOCTYPE s [{subset}]>{}", with("<x>&a;</x>"));
    let laughs: String =
        (1..=20).map(|i| format!("<!ENTITY l{i} \"&l{0};&l{0};\">", i - 1)).collect::<Vec<_>>().concat();
    let references = "&a;".repeat(1 << 20);
    let bodies = [
        ("2^20 entities by doubling", dtd(&format!("<!ENTITY l0 \"ha\">{laughs}<!ENTITY a \"&l20;\">"))),
        ("2^20 references", format!("<!DOCTYPE s [<!ENTITY a \"\">]><s>{references}</s>")),
        ("quadratic blow-up", dtd(&format!("<!ENTITY a \"{}\">", "a".repeat(100_000)))),
        ("an entity within itself", dtd("<!ENTITY a \"&b;\"><!ENTITY b \"&a;\">")),
        ("parameter entities", dtd("<!ENTITY % p \"<!ENTITY a 'x'>\">%p;")),
        ("an external entity by HTTP", dtd(&format!("<!ENTITY a SYSTEM \"http://{canary}/a\">"))),
        ("an external entity by FTP", dtd(&format!("<!ENTITY a SYSTEM \"ftp://{canary}/a\">"))),
        ("an external entity of a file", dtd("<!ENTITY a SYSTEM \"file:///etc/passwd\">")),
        ("a public external entity", dtd(&format!("<!ENTITY a PUBLIC \"-//X//Y\" \"http://{canary}/a\">"))),
        ("an external parameter entity", dtd(&format!("<!ENTITY % p SYSTEM \"http://{canary}/p\">%p;"))),
        ("an external subset", format!("<!DOCTYPE s SYSTEM \"http://{canary}/d\">{}", with(""))),
        ("a default attribute", dtd("<!ATTLIST Stage x CDATA 'y'><!ENTITY a 'x'>")),
        ("a DTD in an envelope", format!("<!DOCTYPE s>{}", envelope("", ""))),
    ];
    let mut all: Vec<Hostile> =
        bodies.iter().map(|(name, body)| hostile(name, body.as_str(), &["dtd_refused"])).collect();
    // A filter that looks for bytes finds none of these in UTF-16.
    all.extend(bodies.iter().map(|(name, body)| {
        let units = std::iter::once(0xFEFF).chain(body.encode_utf16());
        hostile(name, units.flat_map(u16::to_le_bytes).collect::<Vec<_>>(), &["dtd_refused"])
    }));
    all.push(hostile("an entity without a DTD", with("<x>&a;</x>"), &["not_well_formed"]));
    all
}

/// Messages that say one thing to one layer and another to the next.
pub(super) fn spoofs() -> Vec<Hostile> {
    let wsa = |version: &str, name: &str, text: &str| format!("<w:{name} xmlns:w=\"{version}\">{text}</w:{name}>");
    let (v1, old) = ("http://www.w3.org/2005/08/addressing", "http://schemas.xmlsoap.org/ws/2004/08/addressing");
    let two_ids = wsa(v1, "MessageID", "urn:1") + &wsa(v1, "MessageID", "urn:2");
    let mixed = wsa(v1, "MessageID", "urn:1") + &wsa(old, "MessageID", "urn:1");
    let addressing: &[&str] = &["invalid_addressing_header"];
    let mut other = hostile(
        "a SOAPAction of ours on another operation",
        envelope("", "").replace("Trigger", "Delete"),
        &["unknown_operation"],
    );
    other.headers = &[("SOAPAction", "\"http://your-company.com/workday/webhooks/TriggerCandidateStateChange\"")];
    vec![
        other,
        hostile("another operation before ours", envelope("", "<DeleteAll/>"), &["unknown_operation"]),
        hostile("two MessageIDs", envelope(&two_ids, ""), addressing),
        hostile("two versions of WS-Addressing", envelope(&mixed, ""), addressing),
        hostile("a second Body", envelope("", "").replace("<s:Body>", "<s:Body/><s:Body>"), &["bad_envelope"]),
        hostile(
            "a Body wrapped in the Header",
            envelope("<s:Body/>", "").replace("<s:Body><T", "<s:Other><T").replace("t></s:Body>", "t></s:Other>"),
            &["bad_envelope"],
        ),
        hostile("a second root", format!("{}<evil/>", envelope("", "")), &["not_well_formed"]),
        hostile(
            "the operation in CDATA",
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><![CDATA[<x/>]]></s:Body></s:Envelope>",
            &["bad_envelope"],
        ),
    ]
}

/// Well-formed and within every default limit, 256 KiB among them, but as costly to read as these allow.
pub(super) fn costly() -> Vec<(&'static str, String)> {
    let elements: String = (0..6_000).map(|i| format!("<{}/>", colliding(i))).collect();
    let attributes: String = (0..64).map(|i| format!(" {}=\"&#65;\"", colliding(i))).collect();
    let prefixes: String = (0..60).map(|i| format!(" xmlns:{}{i}=\"urn:{i}\"", "p".repeat(900))).collect();
    let prefixed = format!("<{}0:x/>", "p".repeat(900)).repeat(200);
    let all = [
        ("6,000 unknown elements", with(&elements)),
        ("100 elements of 64 attributes", with(&format!("<x{attributes}/>").repeat(100))),
        ("long prefixes, resolved over and over", with(&format!("<x{prefixes}>{prefixed}</x>"))),
        ("40,000 references", with(&format!("<Step>{}</Step>", "&#32;".repeat(40_000)))),
    ];
    assert!(all.iter().all(|(_, body)| body.len() <= 262_144));
    all.into()
}
