//! The path of an application through its stages, over time, as a drawing.

use std::fmt::Write;

use jiff::Timestamp;

use super::show::Moment;
use crate::domain::{Outcome, Position};
use crate::journal::EventRecord;

/// The drawing's width, where its time begins and ends, and the height of a stage.
const WIDTH: i64 = 760;
const LEFT: i64 = 160;
const RIGHT: i64 = WIDTH - 28;
const ROW: i64 = 36;

/// How many changes are drawn, and how far apart they are at least.
const MOST: usize = 24;
const APART: i64 = 14;

/// How much of a stage's name is shown.
const MOST_NAME: usize = 19;

/// What the picture is made from.
pub(super) struct Drawing {
    pub(super) width: i64,
    pub(super) height: i64,
    pub(super) rows: Vec<Row>,
    pub(super) spans: Vec<Span>,
    pub(super) dots: Vec<Dot>,
    /// The path's data.
    pub(super) line: String,
    pub(super) from: Moment,
    pub(super) until: Moment,
    /// The same in words.
    pub(super) words: String,
    /// Whether there are more changes than are drawn.
    pub(super) is_cut: bool,
}

/// A stage.
pub(super) struct Row {
    pub(super) y: i64,
    pub(super) name: String,
}

/// A time in an interview.
pub(super) struct Span {
    pub(super) x: i64,
    pub(super) width: i64,
}

/// A change.
pub(super) struct Dot {
    pub(super) x: i64,
    pub(super) y: i64,
}

impl Drawing {
    /// The drawing of a path, oldest first; none where there is nothing to draw. Stale messages are
    /// no part of it.
    pub(super) fn of(events: &[EventRecord], now: Timestamp) -> Option<Self> {
        let applied: Vec<_> = events.iter().filter(|record| record.outcome != Outcome::Stale).collect();
        let drawn = &applied[applied.len().saturating_sub(MOST)..];
        let first = drawn.first()?;
        let mut names: Vec<String> = Vec::new();
        let places: Vec<usize> = drawn.iter().map(|record| place(&mut names, &stage(record))).collect();
        let xs = xs(&drawn.iter().map(|record| record.event.timestamp).collect::<Vec<_>>(), now);
        let y = |place: usize| 26 + i64::try_from(place).unwrap_or(0) * ROW;
        let dots: Vec<Dot> = xs.iter().zip(&places).map(|(&x, &place)| Dot { x, y: y(place) }).collect();
        Some(Self {
            width: WIDTH,
            height: y(names.len()) + 14,
            line: line(&dots),
            spans: spans(drawn, &xs),
            words: words(drawn, now),
            rows: names.into_iter().enumerate().map(|(place, name)| Row { y: y(place), name: short(&name) }).collect(),
            dots,
            from: Moment::new(first.event.timestamp, now),
            until: Moment::new(now, now),
            is_cut: drawn.len() < applied.len(),
        })
    }
}

fn stage(record: &EventRecord) -> String {
    record.event.stage.as_ref().map_or("(no stage)".into(), |stage| stage.as_str().to_owned())
}

/// The row of a stage; a new one comes below the others.
fn place(names: &mut Vec<String>, name: &str) -> usize {
    names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}

/// Where each change stands: by its time, but apart from the one before.
fn xs(times: &[Timestamp], now: Timestamp) -> Vec<i64> {
    let begun = times.first().copied().unwrap_or(now);
    let whole = now.duration_since(begun).as_millis().max(1);
    let mut xs = Vec::new();
    let mut least = LEFT;
    for (index, time) in times.iter().enumerate() {
        let share = time.duration_since(begun).as_millis().clamp(0, whole) * i128::from(RIGHT - LEFT) / whole;
        // Room is left for those that follow.
        let most = RIGHT - APART * i64::try_from(times.len() - index).unwrap_or(0);
        let x = (LEFT + i64::try_from(share).unwrap_or(0)).min(most).max(least);
        xs.push(x);
        least = x + APART;
    }
    xs
}

/// Along a stage until the next change, then across to its stage.
fn line(dots: &[Dot]) -> String {
    let mut line = String::new();
    for (index, dot) in dots.iter().enumerate() {
        // Writing to a text does not fail.
        let _ = match index {
            0 => write!(line, "M{} {}", dot.x, dot.y),
            _ => write!(line, "H{}V{}", dot.x, dot.y),
        };
    }
    let _ = write!(line, "H{RIGHT}");
    line
}

fn spans(drawn: &[&EventRecord], xs: &[i64]) -> Vec<Span> {
    let (mut spans, mut open) = (Vec::new(), None);
    for (record, &x) in drawn.iter().zip(xs) {
        match (record.now, open) {
            (Position::In, None) => open = Some(x),
            (Position::Out, Some(from)) => {
                spans.push(Span { x: from, width: x - from });
                open = None;
            }
            _ => {}
        }
    }
    spans.extend(open.map(|from| Span { x: from, width: RIGHT - from }));
    spans
}

fn words(drawn: &[&EventRecord], now: Timestamp) -> String {
    let said = drawn.iter().map(|record| {
        let is_in = if record.now == Position::In { ", in an interview" } else { "" };
        format!("{} from {}{is_in}", stage(record), Moment::new(record.event.timestamp, now))
    });
    said.collect::<Vec<_>>().join("; ")
}

fn short(name: &str) -> String {
    match name.char_indices().nth(MOST_NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_stand_by_their_time_but_apart_and_within_the_drawing() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        assert_eq!(xs(&[at(0), at(50)], at(100)), [LEFT, LEFT + (RIGHT - LEFT) / 2]);
        let crowded = xs(&[at(0), at(0), at(99), at(99), at(100)], at(100));
        assert!(crowded.windows(2).all(|pair| pair[1] - pair[0] >= APART), "{crowded:?}");
        assert!(crowded.iter().all(|x| (LEFT..RIGHT).contains(x)), "{crowded:?}");
        assert_eq!(xs(&[at(7)], at(7)), [LEFT]);
        assert_eq!(short(&"x".repeat(30)).chars().count(), MOST_NAME + 1);
    }
}
