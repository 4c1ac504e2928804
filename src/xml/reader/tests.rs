use super::super::check;
use super::*;

fn text(xml: &str) -> String {
    let document = Document::decode(xml.as_bytes(), None).unwrap();
    let mut reader = Reader::new(&document, Limits::default(), &[]);
    let mut out = String::new();
    loop {
        match reader.next().unwrap() {
            Token::Text(piece) => out.push_str(&piece),
            Token::Eof => return out,
            _ => {}
        }
    }
}

#[test]
fn character_data_comes_resolved_and_with_line_feeds() {
    assert_eq!(text("<a>x&amp;<![CDATA[<&]]>]]&gt;&#65;<!-- no --><?pi no?>\r\ny\rz&#13;</a>"), "x&<&]]>A\ny\nz\r");
}

#[test]
fn ill_formed_documents_are_refused() {
    for bad in [
        "",
        " ",
        "text",
        "<a>",
        "</a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "&amp;<a/>",
        "<a/>&#32;",
        "<![CDATA[]]><a/>",
        "<a/><![CDATA[ ]]>",
        " <?xml version='1.0'?><a/>",
        "<a/><?xml version='1.0'?>",
        "<a><?XML x?></a>",
        "<a><?x:y?></a>",
        "<a><??></a>",
        "<a><? x?></a>",
        "<a><?x\"?></a>",
        "<a>]]></a>",
        "<a>&</a>",
        "<a>& b;</a>",
        "<a>&b;</a>",
        "<a>&#x1;</a>",
        "<a><!-- a -- b --></a>",
        "<a><!-- a ---></a>",
        "<a><!--></a>",
        "<a><![cdata[]]></a>",
        "<a><b</a>",
        "<a></a b=''>",
        "<a></ a>",
        "<>x</>",
        "< a/>",
        "<a/ >",
        "<a\u{1}/>",
    ] {
        assert!(matches!(check(bad.as_bytes()).unwrap_err().kind(), ErrorKind::NotWellFormed(_)), "{bad}");
    }
}

#[test]
fn every_document_type_declaration_is_refused() {
    for bad in ["<!DOCTYPE a><a/>", "<!DOCTYPE", "<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"] {
        assert_eq!(check(bad.as_bytes()).unwrap_err().kind(), &ErrorKind::Dtd, "{bad}");
    }
}

#[test]
fn limits_hold_to_the_last_element() {
    let nested = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
    assert!(check(nested(64).as_bytes()).is_ok());
    assert_eq!(check(nested(65).as_bytes()).unwrap_err().kind(), &ErrorKind::TooDeep(64));
    let flat = |n: usize| format!("<a>{}</a>", "<b/>".repeat(n - 1));
    assert!(check(flat(10_000).as_bytes()).is_ok());
    assert_eq!(check(flat(10_001).as_bytes()).unwrap_err().kind(), &ErrorKind::TooManyElements(10_000));
}

#[test]
fn skipping_reads_to_the_matching_end() {
    let document = Document::decode(b"<a><b><c/>x<b/></b><d/></a>", None).unwrap();
    let mut reader = Reader::new(&document, Limits::default(), &[]);
    reader.next().unwrap();
    reader.next().unwrap();
    reader.skip().unwrap();
    assert!(matches!(reader.next(), Ok(Token::Start(Name { local: "d", .. }))));
    reader.skip().unwrap();
    assert_eq!(reader.next(), Ok(Token::End));
    assert_eq!(reader.next(), Ok(Token::Eof));
}
