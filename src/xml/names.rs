//! Names as XML 1.0 (fifth edition, section 2.3) and Namespaces in XML 1.0 (section 4) build them.

/// Longest name that is read, in bytes: stops names of 100,000 characters, which are copied and
/// compared again for every end tag. Workday's longest stay below 100.
pub const MAX_NAME_BYTES: usize = 1000;

const START: u8 = 1;
const PART: u8 = 2;
const COLON: u8 = 4;
const WIDE: u8 = 8;

/// What each byte can be in a name; bytes of non-ASCII characters are only marked.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => START | PART,
            b'0'..=b'9' | b'-' | b'.' => PART,
            b':' => COLON,
            0x80.. => WIDE,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// A qualified name off the front of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QName<'a> {
    /// Empty where there is none.
    pub(super) prefix: &'a str,
    pub(super) local: &'a str,
    /// How many bytes of the text it takes.
    pub(super) length: usize,
}

/// How many bytes from the start of `text` can belong to a name; where it ends, something else begins.
pub(super) fn length(text: &[u8]) -> usize {
    text.iter().position(|&byte| CLASSES[usize::from(byte)] == 0).unwrap_or(text.len())
}

/// Takes the qualified name that a text starts with; `None` if it starts with something else.
#[inline]
pub(super) fn take(text: &str) -> Option<QName<'_>> {
    let bytes = text.as_bytes();
    let first = parts(bytes);
    match class(bytes, first) {
        WIDE => take_wide(text),
        COLON => {
            let length = first + 1 + parts(&bytes[first + 1..]);
            match class(bytes, length) {
                WIDE => take_wide(text),
                COLON => None,
                _ if class(bytes, 0) & class(bytes, first + 1) & START == 0 => None,
                _ => Some(QName { prefix: &text[..first], local: &text[first + 1..length], length }),
            }
        }
        _ if class(bytes, 0) & START == 0 => None,
        _ => Some(QName { prefix: "", local: &text[..first], length: first }),
    }
}

/// How many bytes are those of a name of ASCII characters.
#[inline(always)]
fn parts(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| CLASSES[usize::from(byte)] & PART == 0).unwrap_or(bytes.len())
}

/// The class of the byte at an index; zero at the end.
#[inline(always)]
fn class(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).map_or(0, |&byte| CLASSES[usize::from(byte)])
}

fn take_wide(text: &str) -> Option<QName<'_>> {
    let length = length(text.as_bytes());
    let name = &text[..length];
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    let prefixed = name.len() != local.len();
    (is_ncname(local) && (!prefixed || is_ncname(prefix))).then_some(QName { prefix, local, length })
}

/// Whether the text is a name without a colon.
pub(super) fn is_ncname(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(is_start) && chars.all(is_part)
}

fn is_start(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'a'..='z' | '_'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}'
        | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}'
        | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

fn is_part(c: char) -> bool {
    is_start(c) || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualified_names_have_at_most_one_colon_and_no_empty_part() {
        let split = |text| take(text).map(|name| (name.prefix, name.local, name.length));
        assert_eq!(split("a"), Some(("", "a", 1)));
        assert_eq!(split("a:b c"), Some(("a", "b", 3)));
        assert_eq!(split("é:日本='"), Some(("é", "日本", 9)));
        for bad in
            ["", ":", "a:", ":a", "a:b:c", "1a", "a:1", "-a", " a", "é:", ":é", "é:b:c", "a\u{D7}", "\u{B7}a", "<", "/"]
        {
            assert_eq!(split(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_name_ends_where_something_else_begins() {
        assert_eq!(length(b"a:b c"), 3);
        assert_eq!(length("é=".as_bytes()), 2);
        assert_eq!(length(b"abc"), 3);
        assert_eq!(length(b" a"), 0);
    }
}
