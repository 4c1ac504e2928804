//! Any bytes, through decoding and the reader: no panic, and what is read stays within what the
//! reader promises.

#![no_main]

use imper_bridge::xml::{Document, Error, Limits, MAX_ATTRIBUTES, Reader, Token};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The first byte says what the Content-Type did.
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let charset = [None, Some("utf-8"), Some("utf-16"), Some("iso-8859-1"), Some("us-ascii")][*choice as usize % 5];
    let Ok(document) = Document::decode(bytes, charset) else { return };
    let known = ["http://schemas.xmlsoap.org/soap/envelope/"];
    let limits = Limits { depth: 16, elements: 200 };
    let tags = read(&document, &known, limits);
    // What passes over text finds the same tags, and stops at the same places.
    let mut reader = Reader::new(&document, limits, &known);
    for expected in tags {
        assert_eq!(reader.next_tag(), expected);
    }
});

/// Every token but the text, up to the end or an error.
fn read<'a>(document: &'a Document<'_>, known: &'a [&'a str], limits: Limits) -> Vec<Result<Token<'a>, Error>> {
    let mut reader = Reader::new(document, limits, known);
    let (mut started, mut ended, mut tags) = (0, 0, Vec::new());
    loop {
        let token = reader.next();
        match &token {
            Ok(Token::Start(name)) => {
                started += 1;
                assert!(!name.local.is_empty() && !name.local.contains(':'));
                assert!(reader.depth() <= limits.depth && started <= limits.elements);
                assert!(reader.attributes().len() <= MAX_ATTRIBUTES);
                for attribute in reader.attributes() {
                    assert!(!attribute.local.contains(':'));
                    let _ = reader.namespace_name(attribute.namespace);
                }
            }
            Ok(Token::End) => ended += 1,
            Ok(Token::Text(_)) => {
                assert!(reader.depth() > 0, "text stands within elements");
                continue;
            }
            Ok(Token::Eof) => assert!(started > 0 && started == ended && reader.depth() == 0),
            Err(error) => {
                let lines = document.text().matches('\n').count() + 1;
                assert!((1..=lines).contains(&error.position().line) && error.position().column >= 1);
            }
        }
        let over = matches!(token, Ok(Token::Eof) | Err(_));
        tags.push(token);
        if over {
            return tags;
        }
    }
}
