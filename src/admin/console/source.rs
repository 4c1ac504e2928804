//! A message's text with its lines numbered, and the place in it that a refusal names.

use std::ops::Range;

use crate::xml::{Document, Limits, Position, Reader, Token};

/// A message's text.
pub(super) struct Source {
    pub(super) lines: Vec<Line>,
    /// Whether a place in it is marked.
    pub(super) is_marked: bool,
}

/// A line of the text.
pub(super) struct Line {
    /// What comes before the place that is meant; all of the line where none is in it.
    pub(super) before: String,
    pub(super) meant: Option<String>,
    pub(super) after: String,
}

impl Source {
    /// The text with what `place` names marked: a line and column, or an element's path.
    pub(super) fn new(text: &str, place: Option<&str>) -> Self {
        let meant = place.and_then(|place| meant(text, place));
        let mut begin = 0;
        let mut lines = Vec::new();
        for whole in text.split_inclusive('\n') {
            let line = whole.trim_end_matches(['\n', '\r']);
            let here = meant.clone().filter(|meant| (begin..=begin + line.len()).contains(&meant.start));
            lines.push(Line::new(line, here.map(|meant| meant.start - begin..(meant.end - begin).min(line.len()))));
            begin += whole.len();
        }
        Self { is_marked: lines.iter().any(|line| line.meant.is_some()), lines }
    }
}

impl Line {
    fn new(line: &str, meant: Option<Range<usize>>) -> Self {
        let Range { start, end } = meant.clone().unwrap_or(line.len()..line.len());
        let text = |range: Range<usize>| line[range].to_owned();
        Self { before: text(0..start), meant: meant.map(text), after: text(end..line.len()) }
    }
}

/// The part of the text that a place names.
fn meant(text: &str, place: &str) -> Option<Range<usize>> {
    match place.strip_prefix("line ") {
        Some(rest) => {
            let (line, rest) = rest.split_once(',')?;
            let column = rest.trim().strip_prefix("column ")?;
            let position = Position { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? };
            Some(around(text, offset(text, position)?))
        }
        None => tag_of(text, place),
    }
}

/// The byte offset of a line and column; of a column behind the line, its end.
fn offset(text: &str, position: Position) -> Option<usize> {
    let mut begin = 0;
    for (number, line) in text.split('\n').enumerate() {
        if number + 1 == position.line {
            let column = line.char_indices().nth(position.column.saturating_sub(1));
            return Some(begin + column.map_or(line.trim_end_matches('\r').len(), |(at, _)| at));
        }
        begin += line.len() + 1;
    }
    None
}

/// What to mark of a text that goes wrong at this byte: the tag or the word that begins there; where
/// the line ends there, its last character.
fn around(text: &str, at: usize) -> Range<usize> {
    let line_end = text[at..].find(['\n', '\r']).map_or(text.len(), |end| at + end);
    let mut chars = text[at..line_end].char_indices();
    match chars.next() {
        Some((_, '<')) => match chars.find(|(_, each)| matches!(each, '<' | '>')) {
            Some((end, '>')) => at..at + end + 1,
            Some((end, _)) => at..at + end,
            None => at..line_end,
        },
        Some(_) => {
            let end = chars.find(|(_, each)| each.is_whitespace() || matches!(each, '<' | '>'));
            at..end.map_or(line_end, |(end, _)| at + end)
        }
        None => {
            let last = text[..at].chars().next_back().filter(|last| *last != '\n');
            at - last.map_or(0, char::len_utf8)..at
        }
    }
}

/// The tag with which the element of a path begins; of one that is missing, that of the nearest in
/// which it should be.
fn tag_of(text: &str, path: &str) -> Option<Range<usize>> {
    let document = Document::decode(text.as_bytes(), Some("utf-8")).ok()?;
    let limits = Limits::default();
    let mut reader = Reader::new(&document, limits, &[]);
    let wanted: Vec<&str> = path.split('/').skip(1).map(|step| step.split(['[', '@']).next().unwrap_or(step)).collect();
    let (mut open, mut best): (Vec<&str>, (usize, Option<Position>)) = (Vec::new(), (0, None));
    let end = loop {
        match reader.next_tag().ok()? {
            Token::Start(name) => {
                open.push(name.local);
                if open.len() > best.0 && open.len() <= wanted.len() && open[..] == wanted[..open.len()] {
                    best = (open.len(), Some(reader.position()));
                }
            }
            Token::End => {
                open.pop();
            }
            Token::Text(_) => {}
            Token::Eof => break best.1?,
        }
    };
    // The reader stands behind the tag, in which no other begins.
    let end = offset(text, end)?;
    Some(text[..end].rfind('<')?..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str, place: Option<&str>) -> Option<(usize, String)> {
        let source = Source::new(text, place);
        let at = source.lines.iter().position(|line| line.meant.is_some())?;
        let line = &source.lines[at];
        let meant = line.meant.clone().unwrap();
        assert_eq!(format!("{}{meant}{}", line.before, line.after), text.lines().nth(at).unwrap());
        Some((at + 1, meant))
    }

    #[test]
    fn a_path_or_a_column_marks_the_place_and_not_the_line() {
        let text = "<a>\n <b>\n  <c/>\n </b>\r\n <d>\n  <e>x</e><f y='1'>z</f>\n </d>\n</a>";
        let at = |line, meant: &str| Some((line, meant.to_owned()));
        assert_eq!(marked(text, Some("/a/d/e")), at(6, "<e>"));
        assert_eq!(marked(text, Some("/a/d/f")), at(6, "<f y='1'>"));
        assert_eq!(marked(text, Some("/a/d/missing")), at(5, "<d>"));
        assert_eq!(marked(text, Some("/a/b/c/@type")), at(3, "<c/>"));
        assert_eq!(marked(text, Some("line 3, column 3")), at(3, "<c/>"));
        assert_eq!(marked(text, Some("line 6, column 6")), at(6, "x"));
        assert_eq!(marked(text, Some("line 4, column 99")), at(4, ">"));
        for none in [Some("/other"), Some("line 99, column 1"), Some("line x"), None] {
            assert_eq!(marked(text, none), None, "{none:?}");
        }
    }

    #[test]
    fn a_place_at_an_end_and_beside_other_letters_is_found() {
        assert_eq!(marked("<a>é<b", Some("line 1, column 5")), Some((1, "<b".into())));
        assert_eq!(marked("<ä", Some("line 1, column 3")), Some((1, "ä".into())));
        assert_eq!(marked("<é>\n", Some("line 1, column 4")), Some((1, ">".into())));
        assert_eq!(marked("", Some("line 1, column 1")), None);
    }
}
