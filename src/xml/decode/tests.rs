use super::*;

fn decoded(bytes: &[u8], charset: Option<&str>) -> Result<String, ErrorKind> {
    Document::decode(bytes, charset).map(|document| document.text().to_owned()).map_err(|error| error.kind().clone())
}

fn utf16le(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn utf16be(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

#[test]
fn utf8_is_borrowed_with_and_without_a_mark() {
    for bytes in ["<a>ü</a>".as_bytes(), "\u{FEFF}<a>ü</a>".as_bytes()] {
        let document = Document::decode(bytes, None).unwrap();
        assert_eq!(document.text(), "<a>ü</a>");
        assert!(matches!(document.text, Cow::Borrowed(_)));
    }
    assert!(matches!(decoded(b"<a>\xFC</a>", None), Err(ErrorKind::NotWellFormed(_))));
    assert!(matches!(decoded(b"<a>\xC0\x80</a>", Some("utf-8")), Err(ErrorKind::NotWellFormed(_))));
}

#[test]
fn a_second_mark_is_text_before_the_root() {
    let twice = "\u{FEFF}\u{FEFF}<a/>";
    for bytes in [twice.as_bytes(), &utf16le(twice), &utf16be(twice)] {
        assert!(matches!(decoded(bytes, None), Err(ErrorKind::NotWellFormed(_))));
    }
}

#[test]
fn utf16_is_read_as_xml_allows() {
    let declared = "<?xml version='1.0' encoding='UTF-16'?><a>ü😀</a>";
    for (bytes, mark) in [(utf16le(declared), [0xFF, 0xFE]), (utf16be(declared), [0xFE, 0xFF])] {
        assert_eq!(decoded(&bytes, None).as_deref(), Ok(declared));
        let marked = [&mark[..], &bytes].concat();
        assert_eq!(decoded(&marked, None).as_deref(), Ok(declared));
        assert_eq!(decoded(&marked, Some("utf-8")).as_deref(), Ok(declared), "the mark beats the charset");
        assert_eq!(decoded(&bytes, Some("UTF-16")).as_deref(), Ok(declared));
        assert!(decoded(&bytes[..bytes.len() - 1], None).is_err());
    }
    assert_eq!(decoded(&utf16le("<a/>"), Some("utf-16le")).as_deref(), Ok("<a/>"));
    assert!(decoded(&utf16le("<a/>"), None).is_err(), "neither mark nor declaration");
    assert!(decoded(&utf16le("<?xml version='1.0' encoding='UTF-8'?><a/>"), None).is_err());
    assert!(decoded(b"\xFF\xFE<\0a\0/\0>\0\0\xD8", None).is_err());
}

#[test]
fn latin_1_is_not_windows_1252() {
    let body = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xFC\x80</a>";
    assert!(decoded(body, None).unwrap().ends_with("<a>ü\u{80}</a>"));
    assert_eq!(decoded(b"<a>\xFC</a>", Some("iso-8859-1")).as_deref(), Ok("<a>ü</a>"));
    let twice = "<?xml version='1.0' encoding='latin1'?><a>ü</a>".as_bytes();
    assert!(decoded(twice, None).unwrap().ends_with("Ã¼</a>"), "valid UTF-8, but declared otherwise");
}

#[test]
fn the_charset_beats_the_declaration() {
    let body = "<?xml version='1.0' encoding='ISO-8859-1'?><a>ü</a>".as_bytes();
    assert!(decoded(body, Some("UTF-8")).unwrap().ends_with("<a>ü</a>"));
    assert!(decoded(b"<?xml version='1.0' encoding='UTF-8'?><a>\xFC</a>", Some("latin1")).is_ok());
    assert!(decoded(b"<a>\xFC</a>", Some("us-ascii")).is_err());
    assert!(decoded(b"<?xml version='1.0' encoding='US-ASCII'?><a>\xFC</a>", None).is_err());
    assert!(decoded(b"<?xml version='1.0'?><a>\xFC</a>", None).is_err(), "nothing says that it is not UTF-8");
}

#[test]
fn other_encodings_are_named() {
    let named = |name: &str| Err(ErrorKind::UnsupportedEncoding(name.to_owned()));
    assert_eq!(decoded(b"<a/>", Some("windows-1252")), named("windows-1252"));
    assert_eq!(decoded(b"<?xml version='1.0' encoding='Shift_JIS'?><a/>", None), named("Shift_JIS"));
    assert_eq!(decoded(b"\xFF\xFE\0\0<\0\0\0", None), named("UTF-32"));
    assert_eq!(decoded(b"\x4C\x6F\xA7\x94", None), named("EBCDIC"));
}

#[test]
fn a_declaration_that_the_bytes_belie_is_refused() {
    assert!(decoded(b"<?xml version='1.0' encoding='UTF-16'?><a/>", None).is_err());
    assert!(decoded(b"\xEF\xBB\xBF<?xml version='1.0' encoding='ISO-8859-1'?><a/>", None).is_err());
    assert!(decoded(b"\xEF\xBB\xBF<?xml version='1.0' encoding='utf-8'?><a/>", None).is_ok());
}
