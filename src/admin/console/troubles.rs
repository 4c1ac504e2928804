//! What needs a person, grouped by cause, each with one safe thing to do; and the verdict over all.

mod deliveries;
mod organisation;
mod records;
mod stages;

pub(super) use deliveries::deliveries;

use jiff::SignedDuration;

use super::show::{Moment, count};
use super::sight::Sight;
use crate::journal::Health;

/// How long before its end a certificate is spoken of.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Something that a person should look at.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// Whether something does not work; else it only deserves a look.
    pub(super) broken: bool,
    /// Whether events wait because of it, though nothing counts as broken yet.
    pub(super) delays: bool,
    /// What is wrong, as a sentence without its full stop.
    pub(super) sentence: String,
    /// What that means.
    pub(super) meaning: String,
    /// A line to copy, of the configuration or for the terminal.
    pub(super) line: Option<String>,
    /// The safe thing to do.
    pub(super) act: Option<Act>,
    /// Where there is more to see: path and name.
    pub(super) see: Option<(String, &'static str)>,
}

/// A form with one button.
#[derive(Debug)]
pub(super) struct Act {
    /// Where it is sent.
    pub(super) path: String,
    /// What it holds.
    pub(super) fields: Vec<(&'static str, String)>,
    /// What its button says.
    pub(super) label: &'static str,
    /// What it touches.
    pub(super) touches: String,
}

/// The state of everything in a sentence.
pub(super) struct Verdict {
    /// How good that is.
    pub(super) grade: Grade,
    /// The sentence.
    pub(super) sentence: String,
    /// What else there is.
    pub(super) more: String,
}

/// How good something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grade {
    /// Nothing is wrong.
    Good,
    /// Something deserves a look.
    Look,
    /// Something does not work.
    Bad,
}

impl Grade {
    /// Which mark stands beside it.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Look => "look",
            Self::Bad => "bad",
        }
    }

    /// The same for whoever does not see marks.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Good => "Good",
            Self::Look => "Look",
            Self::Bad => "Problem",
        }
    }
}

impl Verdict {
    /// The verdict over what is seen, given what needs a person.
    pub(super) fn of(sight: &Sight, troubles: &[Trouble]) -> Self {
        let mut broken = troubles.iter().filter(|trouble| trouble.broken);
        if let Some(first) = broken.next() {
            let further = broken.count() as u64;
            let more = if further == 0 {
                String::new()
            } else {
                format!("And {} beside it, below.", count(further, "problem"))
            };
            return Self { grade: Grade::Bad, sentence: format!("{}.", first.sentence), more };
        }
        if let Some(first) = troubles.iter().find(|trouble| trouble.delays) {
            let (sentence, more) = (format!("{}.", first.sentence), "It is tried again, and nothing is lost.".into());
            return Self { grade: Grade::Look, sentence, more };
        }
        let waiting = sight.sum(|stats| stats.pending);
        let sentence = match sight.oldest_waiting() {
            _ if sight.stats.iter().all(|stats| stats.last_message_at.is_none()) => "No message has come yet.".into(),
            oldest => {
                let through = Moment::new(oldest.unwrap_or(sight.now), sight.now);
                format!("Everything accepted before {through} UTC is delivered.")
            }
        };
        let mut more = if waiting == 0 { String::new() } else { format!("{} on the way. ", count(waiting, "event")) };
        if !troubles.is_empty() {
            more.push_str("Something below deserves a look.");
        }
        Self { grade: Grade::Good, sentence, more }
    }
}

/// Everything that needs a person, what is broken first.
pub(super) fn troubles(sight: &Sight) -> Vec<Trouble> {
    let mut troubles: Vec<Trouble> = health(sight).into_iter().chain(certificate(sight)).chain(disk(sight)).collect();
    for stats in &sight.stats {
        troubles.extend(organisation::troubles(stats, sight));
    }
    troubles.extend(records::dead(sight));
    troubles.extend(records::refused(sight));
    troubles.sort_by_key(|trouble| (!trouble.broken, !trouble.delays));
    troubles
}

fn health(sight: &Sight) -> Option<Trouble> {
    let Health::NotReady(reason) = &sight.health else { return None };
    let sentence = format!("No message can be taken: {reason}");
    let meaning = "Workday is answered 503 and tries again. It recovers by itself once the cause is gone.".into();
    Some(Trouble { broken: true, sentence, meaning, ..Trouble::default() })
}

fn disk(sight: &Sight) -> Option<Trouble> {
    let (free, least) = sight.disk?;
    if matches!(sight.health, Health::NotReady(_)) || free >= least.saturating_mul(4) {
        return None;
    }
    let sentence = format!("The journal's disk has {} MiB left", free >> 20);
    let meaning = format!("Below {} MiB (store.min_free_mb) no message is accepted.", least >> 20);
    Some(Trouble { sentence, meaning, ..Trouble::default() })
}

fn certificate(sight: &Sight) -> Option<Trouble> {
    let expires = sight.certificate_expires?;
    if expires.duration_since(sight.now) > EXPIRES_SOON {
        return None;
    }
    let over = expires <= sight.now;
    let when = expires.strftime("%-d %B %Y, %H:%M UTC");
    let sentence =
        format!("The certificate of the public listener {} on {when}", if over { "expired" } else { "expires" });
    let meaning = "Workday takes no expired certificate. Put a new one in its place and reload (SIGHUP).".into();
    Some(Trouble { broken: over, sentence, meaning, ..Trouble::default() })
}
