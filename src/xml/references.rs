//! References (XML 1.0, section 4.1): without a document type declaration only the five predefined
//! names and the character references exist.

/// What a reference stands for: the text between `&` and `;` is given.
pub(super) fn resolve(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = name.strip_prefix('#')?;
            match digits.strip_prefix('x') {
                Some(digits) => character(digits, 16),
                None => character(digits, 10),
            }
        }
    }
}

/// Digits only (`from_str_radix` would take a sign), of any number, as leading zeros are legal.
fn character(digits: &str, radix: u32) -> Option<char> {
    if digits.is_empty() {
        return None;
    }
    let mut code = 0_u32;
    for digit in digits.chars() {
        code = code.checked_mul(radix)?.checked_add(digit.to_digit(radix)?)?;
    }
    char::from_u32(code).filter(|&c| is_char(c))
}

/// Whether XML 1.0 (section 2.2) allows the character.
pub(super) fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_resolve() {
        let table = [("amp", '&'), ("#65", 'A'), ("#x41", 'A'), ("#x0000041", 'A'), ("#13", '\r'), ("#x1F600", '😀')];
        for (name, c) in table {
            assert_eq!(resolve(name), Some(c), "{name}");
        }
    }

    #[test]
    fn all_else_does_not() {
        let bad = ["", "#", "#x", "AMP", "nbsp", "#+65", "#X41", "#x+41", "#0", "#x1F", "#xD800", "#xFFFE", "#x110000"];
        for name in bad.into_iter().chain(["#99999999999999999999", " amp", "amp ", "#6 5", "#-1"]) {
            assert_eq!(resolve(name), None, "{name}");
        }
    }
}
