//! The reader beside roxmltree, a parser by other hands: what that one refuses is refused here too, and
//! what both read is read alike.
//!
//! Not the other way round: a document type declaration is refused here and read there, the limits are
//! tighter here, and roxmltree takes some documents that are not well-formed.

#![no_main]

use imper_bridge::xml::{Document, Limits, Reader, Token};
use libfuzzer_sys::fuzz_target;
use roxmltree::{Node, NodeType, ParsingOptions};

fuzz_target!(|text: &str| {
    let Ok(document) = Document::decode(text.as_bytes(), Some("utf-8")) else { return };
    let Some(ours) = ours(&document) else { return };
    let options = ParsingOptions { allow_dtd: false, ..ParsingOptions::default() };
    match roxmltree::Document::parse_with_options(text, options) {
        // It takes any attribute of the local name `xmlns` for a declaration of the default namespace, whatever its
        // prefix (Namespaces in XML 1.0, section 3, knows only the one without).
        _ if ours.contains("}xmlns=") => {}
        // It keeps a carriage return beside a reference, which XML 1.0 (section 2.11) turns into a line feed.
        Ok(_) if text.contains("\r&") || text.contains(";\r") => {}
        Ok(theirs) => {
            let mut told = String::new();
            tell(theirs.root_element(), &mut told);
            assert_eq!(ours, told);
        }
        // It does not know that `xml` is bound without a declaration (Namespaces in XML 1.0, section 3).
        Err(roxmltree::Error::UnknownNamespace(prefix, _)) if prefix == "xml" => {}
        Err(error) => panic!("taken here, refused there: {error}"),
    }
});

/// A document as one line of what it holds, in the words that `tell` uses.
fn ours(document: &Document<'_>) -> Option<String> {
    let mut reader = Reader::new(document, Limits::default(), &[]);
    let mut told = String::new();
    loop {
        match reader.next().ok()? {
            Token::Start(name) => {
                told += &format!("\u{1}<{{{}}}{}", reader.namespace_name(name.namespace), name.local);
                for attribute in reader.attributes() {
                    let namespace = reader.namespace_name(attribute.namespace);
                    told += &format!("\u{2}{{{namespace}}}{}={}", attribute.local, attribute.value);
                }
                told.push('\u{3}');
            }
            Token::End => told += "\u{1}>",
            Token::Text(text) => told += &text,
            Token::Eof => return Some(told),
        }
    }
}

fn tell(node: Node<'_, '_>, told: &mut String) {
    match node.node_type() {
        NodeType::Element => {
            let name = node.tag_name();
            *told += &format!("\u{1}<{{{}}}{}", name.namespace().unwrap_or(""), name.name());
            for attribute in node.attributes() {
                let namespace = attribute.namespace().unwrap_or("");
                *told += &format!("\u{2}{{{namespace}}}{}={}", attribute.name(), attribute.value());
            }
            told.push('\u{3}');
            node.children().for_each(|child| tell(child, told));
            *told += "\u{1}>";
        }
        NodeType::Text => *told += node.text().unwrap_or(""),
        _ => {}
    }
}
