//! The XML declaration (XML 1.0, sections 2.8, 2.9 and 4.3.3).

use super::{Fault, ill_formed, is_space};

/// Reads the declaration that a text may start with, and gives the encoding that it names.
pub(super) fn encoding(text: &str) -> Result<Option<&str>, Fault> {
    let Some(rest) = text.strip_prefix("<?xml").filter(|rest| rest.bytes().next().is_none_or(is_space_or_end)) else {
        return Ok(None);
    };
    // Nothing within a declaration can hold a question mark.
    let Some(end) = memchr::memchr(b'?', rest.as_bytes()).filter(|end| rest[*end..].starts_with("?>")) else {
        return Err(ill_formed("the XML declaration is not closed by ?>", 0));
    };
    let mut rest = &rest[..end];
    let malformed = || ill_formed("the XML declaration is malformed", 0);
    let version = pseudo_attribute(&mut rest, "version").map_err(|()| malformed())?.ok_or_else(malformed)?;
    if !is_version(version) {
        return Err(ill_formed("the XML declaration names no version 1.x", 0));
    }
    let encoding = pseudo_attribute(&mut rest, "encoding").map_err(|()| malformed())?;
    if encoding.is_some_and(|name| !is_encoding_name(name)) {
        return Err(ill_formed("the XML declaration names no encoding", 0));
    }
    let standalone = pseudo_attribute(&mut rest, "standalone").map_err(|()| malformed())?;
    if !matches!(standalone, None | Some("yes" | "no")) || !rest.bytes().all(is_space) {
        return Err(malformed());
    }
    Ok(encoding)
}

fn is_space_or_end(byte: u8) -> bool {
    is_space(byte) || byte == b'?'
}

/// Takes `name = "value"`, after the white space that must precede it, off the front of `rest`.
fn pseudo_attribute<'a>(rest: &mut &'a str, name: &str) -> Result<Option<&'a str>, ()> {
    let trimmed = trim(rest);
    let Some(after) = trimmed.strip_prefix(name) else { return Ok(None) };
    if trimmed.len() == rest.len() {
        return Err(());
    }
    let value = trim(trim(after).strip_prefix('=').ok_or(())?);
    let quote = value.chars().next().filter(|&c| c == '"' || c == '\'').ok_or(())?;
    let (value, after) = value[1..].split_once(quote).ok_or(())?;
    *rest = after;
    Ok(Some(value))
}

fn trim(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r'])
}

fn is_version(version: &str) -> bool {
    version.strip_prefix("1.").is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit()))
}

fn is_encoding_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_read() {
        assert_eq!(encoding("<a/>"), Ok(None));
        assert_eq!(encoding("<?xml-stylesheet href='x'?>"), Ok(None));
        assert_eq!(encoding("<?xml version='1.0'?>"), Ok(None));
        assert_eq!(encoding("<?xml version = \"1.0\"\n encoding='UTF-8' standalone='no' ?>"), Ok(Some("UTF-8")));
    }

    #[test]
    fn malformed_declarations_are_refused() {
        for bad in [
            "<?xml?>",
            "<?xml ?>",
            "<?xml version=1.0?>",
            "<?xml version='1.0>",
            "<?xml version='2.0'?>",
            "<?xml version='1.'?>",
            "<?xml version='1.0'encoding='UTF-8'?>",
            "<?xml encoding='UTF-8' version='1.0'?>",
            "<?xml encoding='UTF-8'?>",
            "<?xml version='1.0' standalone='yes' encoding='UTF-8'?>",
            "<?xml version='1.0' standalone='maybe'?>",
            "<?xml version='1.0' encoding=''?>",
            "<?xml version='1.0' encoding='8-bit'?>",
            "<?xml version='1.0' valid='no'?>",
            "<?xml version='1.0' version='1.0'?>",
        ] {
            assert!(encoding(bad).is_err(), "{bad}");
        }
    }
}
