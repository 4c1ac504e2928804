//! The inside of a start tag: its name and its attributes (XML 1.0, section 3.1).

use std::borrow::Cow;

use super::names::QName;
use super::namespaces::Namespace;
use super::{ErrorKind, Fault, MAX_NAME_BYTES, ill_formed, is_space, names, references};

/// Most attributes of one element: stops 25,000 attributes, each of which must differ from all
/// others. Workday's elements have two or three.
pub const MAX_ATTRIBUTES: usize = 64;

/// An attribute with its namespace resolved and its value normalised (XML 1.0, section 3.3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The namespace of its prefix; none without a prefix.
    pub namespace: Namespace,
    /// The prefix, empty where there is none.
    pub(super) prefix: &'a str,
    /// The local part of its name.
    pub local: &'a str,
    /// The value, references resolved, white space turned into spaces.
    pub value: Cow<'a, str>,
    /// Where its name starts, for errors.
    pub(super) offset: usize,
}

/// Reads the inside of a start tag, without `<`, `>` and `/`, which stands at `offset`. The
/// namespaces of the attributes are not resolved yet. Gives the element's prefix and local name.
pub(super) fn start_tag<'a>(
    tag: &'a str,
    offset: usize,
    attributes: &mut Vec<Attribute<'a>>,
) -> Result<QName<'a>, Fault> {
    attributes.clear();
    let name = name(tag, offset, "the element")?;
    let mut at = name.length;
    let bytes = tag.as_bytes();
    loop {
        let spaces = spaces(&bytes[at..]);
        if at + spaces == bytes.len() {
            return Ok(name);
        }
        if spaces == 0 {
            return Err(ill_formed("white space is missing before this", offset + at));
        }
        at += spaces;
        if attributes.len() == MAX_ATTRIBUTES {
            return Err((ErrorKind::TooManyAttributes, offset + at));
        }
        at += attribute(&tag[at..], offset + at, attributes)?;
    }
}

/// Takes one attribute off the front of `text`, and tells its length.
fn attribute<'a>(text: &'a str, offset: usize, attributes: &mut Vec<Attribute<'a>>) -> Result<usize, Fault> {
    let bytes = text.as_bytes();
    let QName { prefix, local, length } = name(text, offset, "an attribute")?;
    let mut at = length;
    at += spaces(&bytes[at..]);
    if bytes.get(at) != Some(&b'=') {
        return Err(ill_formed("an attribute needs = and a value", offset + at));
    }
    at += 1;
    at += spaces(&bytes[at..]);
    let quote = match bytes.get(at) {
        Some(&quote @ (b'"' | b'\'')) => quote,
        _ => return Err(ill_formed("an attribute's value must be quoted", offset + at)),
    };
    at += 1;
    let (value, length) = value(&text[at..], quote, offset + at)?;
    attributes.push(Attribute { namespace: Namespace::NONE, prefix, local, value, offset });
    Ok(at + length + 1)
}

fn name<'a>(text: &'a str, offset: usize, what: &str) -> Result<QName<'a>, Fault> {
    match names::take(text) {
        Some(name) if name.length <= MAX_NAME_BYTES => Ok(name),
        Some(_) => Err((ErrorKind::NameTooLong, offset)),
        None => Err(ill_formed(format!("{what} has no well-formed name"), offset)),
    }
}

fn spaces(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| !is_space(byte)).unwrap_or(bytes.len())
}

/// Takes a value off the front of `text`, up to its closing quote, and tells its length there. Most
/// values need no change and are borrowed.
fn value(text: &str, quote: u8, offset: usize) -> Result<(Cow<'_, str>, usize), Fault> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += bytes[at..].iter().position(|&byte| SPECIAL[usize::from(byte)]).unwrap_or(bytes.len() - at);
        match bytes.get(at) {
            Some(&byte) if byte == quote => return Ok((Cow::Borrowed(&text[..at]), at)),
            Some(b'"' | b'\'') => at += 1,
            _ => break,
        }
    }
    let Some(length) = memchr::memchr(quote, bytes) else {
        return Err(ill_formed("an attribute's value is not closed", offset));
    };
    Ok((Cow::Owned(rebuilt(&text[..length], at, offset)?), length))
}

/// What may not stand in an attribute's value for itself.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let bytes = b"\"'<&\t\n\r";
    let mut index = 0;
    while index < bytes.len() {
        special[bytes[index] as usize] = true;
        index += 1;
    }
    special
};

fn rebuilt(value: &str, first: usize, offset: usize) -> Result<String, Fault> {
    let mut out = String::with_capacity(value.len());
    out.push_str(&value[..first]);
    let mut rest = &value[first..];
    while let Some(at) = rest.find(['<', '&', '\t', '\n', '\r']) {
        out.push_str(&rest[..at]);
        let place = offset + value.len() - rest.len() + at;
        let (c, used) = match &rest.as_bytes()[at..] {
            [b'<', ..] => return Err(ill_formed("< is not allowed in an attribute's value", place)),
            [b'&', ..] => reference(&rest[at + 1..], place)?,
            [b'\r', b'\n', ..] => (' ', 2),
            _ => (' ', 1),
        };
        out.push(c);
        rest = &rest[at + used..];
    }
    out.push_str(rest);
    Ok(out)
}

fn reference(after: &str, place: usize) -> Result<(char, usize), Fault> {
    let end = after.find(';').ok_or_else(|| ill_formed("a reference is not closed by ;", place))?;
    match references::resolve(&after[..end]) {
        Some(c) => Ok((c, end + 2)),
        None => Err(ill_formed("a reference names neither a predefined entity nor an XML character", place)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tag: &str) -> Result<Vec<(String, String)>, ErrorKind> {
        let mut attributes = Vec::new();
        start_tag(tag, 0, &mut attributes).map_err(|(kind, _)| kind)?;
        Ok(attributes.iter().map(|a| (format!("{}:{}", a.prefix, a.local), a.value.to_string())).collect())
    }

    #[test]
    fn attributes_are_read_and_normalised() {
        let read = read("p:e a='1'\n b = \"x\ty\r\nz\" \t q:c='&lt;&#10;&#x41;\"'  ").unwrap();
        let expected = [(":a", "1"), (":b", "x y z"), ("q:c", "<\nA\"")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn malformed_tags_are_refused() {
        for bad in [
            "",
            " a",
            "1",
            "a:",
            "e a",
            "e a=",
            "e a=1",
            "e a='1",
            "e a='1'b='2'",
            "e a='<'",
            "e a='&'",
            "e a='& '",
            "e a='&nbsp;'",
            "e a='&#0;'",
            "e / ",
            "e a='1' /",
            "e'a'",
            "e =",
            "e a=='1'",
            "e a:b:c='1'",
        ] {
            assert!(matches!(read(bad), Err(ErrorKind::NotWellFormed(_))), "{bad}");
        }
    }

    #[test]
    fn floods_are_refused() {
        let many = |n: usize| format!("e{}", (0..n).map(|i| format!(" a{i}=''")).collect::<String>());
        assert_eq!(read(&many(MAX_ATTRIBUTES)).unwrap().len(), MAX_ATTRIBUTES);
        assert_eq!(read(&many(MAX_ATTRIBUTES + 1)), Err(ErrorKind::TooManyAttributes));
        assert_eq!(read(&"n".repeat(MAX_NAME_BYTES + 1)), Err(ErrorKind::NameTooLong));
        assert_eq!(read(&format!("e {}=''", "n".repeat(MAX_NAME_BYTES + 1))), Err(ErrorKind::NameTooLong));
    }
}
