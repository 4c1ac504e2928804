//! One pass over the whole text before it is parsed.
//!
//! Forbidden characters can stand anywhere, so they are looked for once, over everything, in a loop
//! that the compiler turns into vector instructions; what the pass notes on its way spares the
//! later places most of their searches.

use super::{Fault, ill_formed};

/// What a text holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Notes {
    /// A carriage return: line ends have to be normalised.
    pub(super) carriage_return: bool,
    /// A `]`: `]]>` has to be looked for in character data.
    pub(super) bracket: bool,
}

/// Scans a text for characters that XML 1.0 (section 2.2) forbids.
pub(super) fn scan(text: &str) -> Result<Notes, Fault> {
    let (mut noted, mut wide) = (0, 0);
    for chunk in text.as_bytes().chunks(64) {
        for &byte in chunk {
            noted |= u8::from(is_noted(byte));
            wide |= byte;
        }
    }
    if wide >= 0x80
        && let Some(at) = noncharacter(text.as_bytes())
    {
        return Err(ill_formed("the characters U+FFFE and U+FFFF are not allowed in XML", at));
    }
    if noted == 0 { Ok(Notes::default()) } else { notes(text.as_bytes()) }
}

/// Whether a byte is anything but a plain one: few messages hold any such. Branch-free, so that the
/// loop over it vectorises.
#[inline(always)]
fn is_noted(byte: u8) -> bool {
    (byte < 0x20) & (byte != b'\n') & (byte != b'\t') | (byte == b']')
}

fn notes(bytes: &[u8]) -> Result<Notes, Fault> {
    let mut notes = Notes::default();
    for (at, &byte) in bytes.iter().enumerate().filter(|(_, byte)| is_noted(**byte)) {
        match byte {
            b'\r' => notes.carriage_return = true,
            b']' => notes.bracket = true,
            _ => return Err(ill_formed(format!("the control character U+{byte:04X} is not allowed in XML"), at)),
        }
    }
    Ok(notes)
}

/// Where U+FFFE or U+FFFF (EF BF BE, EF BF BF) stands.
fn noncharacter(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(0xEF, bytes).find(|&at| matches!(bytes[at..], [_, 0xBF, 0xBE | 0xBF, ..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_characters_are_found_wherever_they_stand() {
        for at in [0, 1, 63, 64, 65, 200] {
            for bad in ["\0", "\u{8}", "\u{B}", "\u{1F}", "\u{FFFE}", "\u{FFFF}"] {
                let text = format!("{}{bad}x", "a".repeat(at));
                assert_eq!(scan(&text).unwrap_err().1, at, "{bad:?}");
            }
        }
    }

    #[test]
    fn allowed_characters_pass_and_are_noted() {
        assert_eq!(scan("a\t\n\u{7F}\u{80}\u{FFFD}\u{1F600}\u{F000}"), Ok(Notes::default()));
        assert_eq!(scan("a\rb"), Ok(Notes { carriage_return: true, bracket: false }));
        assert_eq!(scan("]"), Ok(Notes { carriage_return: false, bracket: true }));
    }
}
