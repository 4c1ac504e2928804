//! Aligned columns for a terminal.

use std::io::{self, Write};

use serde_json::Value;

/// Writes rows under their headings, each column as wide as its widest cell.
pub(super) fn write(output: &mut impl Write, headings: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let widths: Vec<_> = (0..headings.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([headings[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<_> = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
        writeln!(output, "{}", padded.join("  ").trim_end())
    };
    line(&mut headings.iter().copied())?;
    rows.iter().try_for_each(|row| line(&mut row.iter().map(String::as_str)))
}

/// A value of the API as a cell: what senders wrote must not steer the terminal, nor turn the order in
/// which what stands around it is read.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.chars().fold(String::new(), |mut shown, c| {
            match c {
                c if c.is_control() => shown.push('\u{fffd}'),
                '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    shown.extend(c.escape_unicode());
                }
                c => shown.push(c),
            }
            shown
        }),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_steers_the_terminal() {
        let mut output = Vec::new();
        let rows = vec![vec!["é".into(), cell(&"a\u{1b}[31mb".into())], vec!["long".into(), cell(&Value::Null)]];
        write(&mut output, &["A", "B"], &rows).unwrap();
        assert_eq!(cell(&"a\u{202e}b".into()), "a\\u{202e}b", "it turns nothing around");
        assert_eq!(String::from_utf8(output).unwrap(), "A     B\né     a\u{fffd}[31mb\nlong  -\n");
    }
}
