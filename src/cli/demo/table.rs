//! The demo's table, readable in 80 columns; coloured on a terminal only.

use std::io::{self, Write};

use super::Came;
use super::chain::{self, Link, Linked};
use super::journey::Step;

const WIDTH: usize = 80;

/// Where the second column begins.
const INDENT: usize = 14;

const BOLD: &str = "1";
const GREEN: &str = "32";
const RED: &str = "31";
const DIM: &str = "2";

pub(super) struct Table<W> {
    output: W,
    coloured: bool,
}

impl<W: Write> Table<W> {
    pub(super) fn new(output: W, coloured: bool) -> Self {
        Self { output, coloured }
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn heading(&mut self, steps: usize) -> io::Result<()> {
        writeln!(
            self.output,
            "{steps} messages to a bridge on loopback, with a throw-away journal, a stand-in\n\
             relay whose first answer is a failure, and a second bridge.\n"
        )
    }

    pub(super) fn step(&mut self, number: usize, step: &Step, came: &Came, faults: &[String]) -> io::Result<()> {
        writeln!(self.output, "{}", self.painted(BOLD, &format!("{number}. {}", step.about)))?;
        self.row("message", &format!("{} to /soap/{}", step.fixture, step.org))?;
        let event_type = came.event_type.as_ref().map_or(String::new(), |event_type| format!(" {event_type}"));
        self.row("outcome", &format!("{} {}{event_type}", came.status, came.outcome))?;
        if let Some(message) = &came.message {
            self.row("says", message)?;
        }
        if let Some(id) = &came.event_id {
            self.row("event", id)?;
        }
        match came.relayed.last() {
            Some(last) => {
                self.row("delivered", &last.body)?;
                let answers: Vec<_> = came.relayed.iter().map(|one| one.answered.to_string()).collect();
                self.row("relay", &answers.join(", then "))?;
            }
            None => self.row("delivered", "nothing")?,
        }
        for fault in faults {
            let fault = self.painted(RED, fault);
            self.row("WRONG", &fault)?;
        }
        writeln!(self.output)
    }

    pub(super) fn link(&mut self, number: usize, link: &Link, came: &Linked) -> io::Result<()> {
        writeln!(self.output, "{}", self.painted(BOLD, &format!("{number}. {}", link.about)))?;
        self.row("message", &format!("{} to /soap/{}", link.fixture, chain::ORG))?;
        self.row("protection", &came.protection.as_ref().map_or("none".to_owned(), ToString::to_string))?;
        if !came.is_right {
            let fault = self.painted(RED, "the other bridge does not show what it should");
            self.row("WRONG", &fault)?;
        }
        writeln!(self.output)
    }

    pub(super) fn verdict(&mut self, steps: usize, wrong: usize) -> io::Result<()> {
        let verdict = match wrong {
            0 => self.painted(GREEN, &format!("All {steps} came out as expected.")),
            wrong => self.painted(RED, &format!("{wrong} of {steps} did not come out as expected.")),
        };
        writeln!(self.output, "{verdict}")
    }

    fn row(&mut self, name: &str, value: &str) -> io::Result<()> {
        let name = self.painted(DIM, &format!("   {name:<width$}", width = INDENT - 3));
        let mut lines = wrapped(value, WIDTH - INDENT).into_iter();
        writeln!(self.output, "{name}{}", lines.next().unwrap_or_default().trim_end())?;
        for line in lines {
            writeln!(self.output, "{:INDENT$}{}", "", line.trim_end())?;
        }
        Ok(())
    }
}

/// Breaks a text after commas and spaces, so that no line exceeds `width`; a longer piece is cut.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for piece in pieces(text, width) {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && line.chars().count() + piece.chars().count() > width {
            lines.push(piece.to_owned());
        } else {
            line.push_str(piece);
        }
    }
    lines
}

fn pieces(text: &str, width: usize) -> impl Iterator<Item = &str> {
    text.split_inclusive([',', ' ']).flat_map(move |mut piece| {
        let mut cut = Vec::new();
        while let Some((place, _)) = piece.char_indices().nth(width) {
            let (head, rest) = piece.split_at(place);
            cut.push(head);
            piece = rest;
        }
        cut.push(piece);
        cut
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_json_is_broken_after_commas() {
        let json = "{\"candidate_id\":\"W12345\",\"job_application_id\":\"WAPPLIC12345\",\"stage\":\"Interview\"}";
        let lines = wrapped(json, 50);
        assert!(lines.len() > 1 && lines.iter().all(|line| line.len() <= 50), "{lines:?}");
        assert_eq!(lines.concat(), json);
        let path = "/Envelope".repeat(20);
        assert!(wrapped(&path, 50).iter().all(|line| line.len() <= 50));
    }
}
