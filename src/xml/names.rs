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

/// How many bytes from the start of `text` can belong to a name; where it ends, something else begins.
pub(super) fn length(text: &[u8]) -> usize {
    text.iter().position(|&byte| CLASSES[usize::from(byte)] == 0).unwrap_or(text.len())
}

/// Splits a qualified name into prefix (empty: none) and local part; `None` if it is not one.
pub(super) fn split(name: &str) -> Option<(&str, &str)> {
    match memchr::memchr(b':', name.as_bytes()) {
        None => is_ncname(name).then_some(("", name)),
        Some(at) => {
            let (prefix, local) = (&name[..at], &name[at + 1..]);
            (is_ncname(prefix) && is_ncname(local)).then_some((prefix, local))
        }
    }
}

/// Whether the text is a name without a colon.
pub(super) fn is_ncname(name: &str) -> bool {
    let bytes = name.as_bytes();
    let Some(&first) = bytes.first() else { return false };
    let all = bytes.iter().fold(0, |seen, &byte| seen | not_part(byte));
    match all {
        0 => CLASSES[usize::from(first)] & START != 0,
        WIDE => is_wide_ncname(name),
        _ => false,
    }
}

/// Zero for an ASCII character of a name, [`WIDE`] for a byte of another, all bits for the rest.
fn not_part(byte: u8) -> u8 {
    match CLASSES[usize::from(byte)] {
        WIDE => WIDE,
        class if class & PART != 0 => 0,
        _ => u8::MAX,
    }
}

fn is_wide_ncname(name: &str) -> bool {
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
        assert_eq!(split("a"), Some(("", "a")));
        assert_eq!(split("a:b"), Some(("a", "b")));
        assert_eq!(split("é:日本"), Some(("é", "日本")));
        for bad in ["", ":", "a:", ":a", "a:b:c", "1a", "a:1", "-a", "a b", "a\u{D7}", "\u{B7}a", "a<", "a/"] {
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
