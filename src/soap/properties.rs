//! Properties of reading and writing, over messages that were damaged at random.

use proptest::prelude::*;

use super::*;
use crate::domain::{EventType, Outcome};
use crate::xml::Token;

const SEEDS: [&str; 4] = [
    include_str!("../../fixtures/seed.xml"),
    include_str!("../../fixtures/workday-style-soap12.xml"),
    include_str!("../../fixtures/cdata-and-references.xml"),
    include_str!("../../fixtures/addressing.xml"),
];

/// What breaks XML, or nearly does.
const SNIPPETS: &[&str] = &[
    "<",
    ">",
    "&",
    "\"",
    "'",
    "=",
    "/",
    "<!--",
    "-->",
    "--",
    "<![CDATA[",
    "]]>",
    "<?x ",
    "?>",
    "&amp;",
    "&#0;",
    "&#x41;",
    "&#xD800;",
    "&lt",
    ";",
    " xmlns=''",
    " xmlns:a='urn:a'",
    " a:b='1'",
    " b=\"2\"",
    "<a:b>",
    "</a:b>",
    "<c/>",
    ":",
    "\r\n",
    "\t",
    "\u{1}",
    "\u{FFFE}",
    "é",
    "😀",
    "<?xml version='1.0'?>",
    "xml",
    "<!DOCTYPE a>",
    " ",
    "0",
    "-",
    ".",
];

#[derive(Debug, Clone)]
enum Damage {
    Insert(usize, usize),
    Delete(usize, usize),
    Repeat(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<usize>(), 0..SNIPPETS.len()).prop_map(|(at, snippet)| Damage::Insert(at, snippet)),
        (any::<usize>(), 1..30_usize).prop_map(|(at, length)| Damage::Delete(at, length)),
        (any::<usize>(), 1..60_usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
    ]
}

fn damaged() -> impl Strategy<Value = String> {
    (0..SEEDS.len(), prop::collection::vec(damage(), 0..4)).prop_map(|(seed, damages)| {
        let mut chars: Vec<char> = SEEDS[seed].chars().collect();
        for damage in damages {
            let place = |at: usize, length: usize| {
                let at = at % (chars.len() + 1);
                (at, (at + length).min(chars.len()))
            };
            match damage {
                Damage::Insert(at, snippet) => {
                    let (at, _) = place(at, 0);
                    chars.splice(at..at, SNIPPETS[snippet].chars());
                }
                Damage::Delete(at, length) => {
                    let (at, end) = place(at, length);
                    chars.drain(at..end);
                }
                Damage::Repeat(at, length) => {
                    let (at, end) = place(at, length);
                    let piece = chars[at..end].to_vec();
                    chars.splice(end..end, piece);
                }
            }
        }
        chars.into_iter().collect()
    })
}

/// All character data of a document.
fn text(xml: &str) -> Result<String, xml::Error> {
    let document = Document::decode(xml.as_bytes(), None)?;
    let mut reader = Reader::new(&document, xml::Limits::default(), &[]);
    let mut text = String::new();
    loop {
        match reader.next()? {
            Token::Text(piece) => text.push_str(&piece),
            Token::Eof => return Ok(text),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Another strict parser is a second opinion: whatever it refuses, we refuse, and where both
    /// accept, they read the same text.
    #[test]
    fn whatever_roxmltree_refuses_is_refused(xml in damaged()) {
        let ours = text(&xml);
        match roxmltree::Document::parse(&xml) {
            Ok(theirs) => {
                let nodes = theirs.root_element().descendants().filter(|node| node.is_text());
                let theirs: String = nodes.filter_map(|node| node.text()).collect();
                if let Ok(ours) = ours {
                    prop_assert_eq!(ours, theirs);
                }
            }
            Err(error) => prop_assert!(ours.is_err(), "{}: {}", error, xml),
        }
    }

    /// Reading never panics, and every refusal can be answered as XML in which the message can be read.
    #[test]
    fn every_refusal_of_a_damaged_message_can_be_answered(xml in damaged(), soap12: bool) {
        let content_type = if soap12 { "application/soap+xml" } else { "text/xml" };
        let head = Head { content_type: Some(content_type), ..Head::default() };
        if let Err(rejected) = read(xml.as_bytes(), &head, &Profile::default(), xml::Limits::default()) {
            let (version, addressing) = (rejected.version, rejected.addressing.as_ref());
            let answer = fault(version, addressing, &rejected.refusal, FaultStatus::Standard, "urn:x");
            let text = text(&answer.body);
            prop_assert!(text.is_ok_and(|text| text.contains(&rejected.refusal.message)), "{}", answer.body);
        }
    }

    /// Bytes that are no text at all neither panic nor are accepted.
    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let head = Head { content_type: Some("text/xml"), ..Head::default() };
        prop_assert!(read(&bytes, &head, &Profile::default(), xml::Limits::default()).is_err());
    }

    /// Whatever stands in a value we write, it reads back as itself, but for what XML cannot hold.
    #[test]
    fn what_is_written_reads_back(namespace in "\\PC{1,20}", message in any::<String>()) {
        let refusal = Refusal::new(Code::InvalidValue, message.clone());
        let expected: String = message.chars().map(|c| match c {
            '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'.. => c,
            _ => '\u{FFFD}',
        }).collect();
        let answer = fault(Version::Bare, None, &refusal, FaultStatus::Standard, &namespace);
        prop_assert_eq!(text(&answer.body).unwrap(), format!("invalid_value{expected}"));
        let done = Success { event_id: None, event_type: EventType::StateChanged, outcome: Outcome::Stale };
        let answer = success(Version::Soap12, None, &namespace, &done);
        prop_assert_eq!(text(&answer.body).unwrap(), "state_changedStale");
    }
}
