//! A message's text with its lines numbered, and the place that a refusal names.

use crate::xml::{Document, Limits, Reader, Token};

/// A line of the text.
pub(super) struct Line {
    pub(super) text: String,
    /// Whether the refusal is about it.
    pub(super) is_meant: bool,
}

/// The lines of a message, with the one marked that `place` names: a line and column, or a path.
pub(super) fn lines(text: &str, place: Option<&str>) -> Vec<Line> {
    let meant = place.and_then(|place| line_of(text, place));
    let line = |(number, text): (usize, &str)| Line { text: text.to_owned(), is_meant: meant == Some(number + 1) };
    text.lines().enumerate().map(line).collect()
}

/// The number of the line that is meant.
fn line_of(text: &str, place: &str) -> Option<usize> {
    match place.strip_prefix("line ") {
        Some(rest) => rest.split(',').next()?.trim().parse().ok(),
        None => line_of_element(text, place),
    }
}

/// Where the element of a path begins; of one that is missing, where the nearest begins in which it
/// should be.
fn line_of_element(text: &str, path: &str) -> Option<usize> {
    let document = Document::decode(text.as_bytes(), Some("utf-8")).ok()?;
    let limits = Limits::default();
    let mut reader = Reader::new(&document, limits, &[]);
    let wanted: Vec<&str> = path.split('/').skip(1).map(|step| step.split(['[', '@']).next().unwrap_or(step)).collect();
    let (mut open, mut best): (Vec<&str>, (usize, Option<usize>)) = (Vec::new(), (0, None));
    loop {
        match reader.next_tag().ok()? {
            Token::Start(name) => {
                open.push(name.local);
                if open.len() > best.0 && open.len() <= wanted.len() && open[..] == wanted[..open.len()] {
                    best = (open.len(), Some(reader.position().line));
                }
            }
            Token::End => {
                open.pop();
            }
            Token::Text(_) => {}
            Token::Eof => return best.1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_or_a_line_marks_the_place() {
        let text = "<a>\n <b>\n  <c/>\n </b>\n <d>\n  <e>x</e>\n </d>\n</a>";
        let marked = |place: Option<&str>| {
            let lines = lines(text, place);
            lines.iter().position(|line| line.is_meant).map(|at| lines[at].text.trim().to_owned())
        };
        assert_eq!(marked(Some("/a/d/e")).as_deref(), Some("<e>x</e>"));
        assert_eq!(marked(Some("/a/d/missing")).as_deref(), Some("<d>"));
        assert_eq!(marked(Some("/a/b/c/@type")).as_deref(), Some("<c/>"));
        assert_eq!(marked(Some("line 3, column 5")).as_deref(), Some("<c/>"));
        assert_eq!((marked(Some("/other")), marked(None)), (None, None));
    }
}
