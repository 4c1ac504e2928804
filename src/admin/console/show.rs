//! How times, spans and numbers are written.

use std::fmt;

use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::admin::json::time;
use crate::domain::{ApplicationId, CandidateEvent, EventType, OrgId, Position};
use crate::journal::DeliveryState;

/// A moment, for a `time` element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// RFC 3339.
    pub(super) exact: String,
    /// As people write it: of today only the time.
    pub(super) text: String,
}

impl Moment {
    /// A moment as it is written at `now`.
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        let form = match (at.strftime("%F").to_string(), now.strftime("%F").to_string()) {
            (day, today) if day == today => "%H:%M:%S",
            (day, today) if day[..4] == today[..4] => "%-d %b, %H:%M:%S",
            _ => "%-d %b %Y, %H:%M:%S",
        };
        Self { exact: time(at), text: at.strftime(form).to_string() }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The path of an application's page.
pub(super) fn application(org: &OrgId, application: &ApplicationId) -> String {
    format!("/applications/{org}/{}", utf8_percent_encode(application.as_str(), NON_ALPHANUMERIC))
}

/// An event type, as people say it.
pub(super) fn event_type(event_type: EventType) -> &'static str {
    match event_type {
        EventType::InterviewStarted => "Interview started",
        EventType::InterviewEnded => "Interview ended",
        EventType::StateChanged => "State changed",
    }
}

/// Where the candidate was before a message and is after it, as a sentence.
pub(super) fn moved(was: Option<Position>, now: Position) -> String {
    let place = |position: Position| match position {
        Position::In => "in an interview",
        Position::Out => "out of interviews",
    };
    format!("The candidate was {}, is {}.", was.map_or("unknown", place), place(now))
}

/// Whether the message said when the change occurred; else that is the time of receipt.
pub(super) fn has_time(event: &CandidateEvent) -> bool {
    event.timestamp != event.received_at
}

/// What became of a delivery, as people say it.
pub(super) fn state(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::None => "nothing to deliver",
        DeliveryState::Pending => "waiting",
        DeliveryState::Delivered => "delivered",
        DeliveryState::Dead => "given up",
    }
}

/// Which mark stands beside it.
pub(super) fn state_mark(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::None => "",
        DeliveryState::Pending => "look",
        DeliveryState::Delivered => "good",
        DeliveryState::Dead => "bad",
    }
}

/// How long ago something was, in the two units that matter.
pub(super) fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A number with what is counted: `1 event`, `2 events`.
pub(super) fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number))
}

/// A number of things and its verb in the past: `1 event was`, `2 events were`.
pub(super) fn were(number: u64, what: &str) -> String {
    format!("{} {}", count(number, what), if number == 1 { "was" } else { "were" })
}

/// A number with narrow spaces between its thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn of_today_only_the_time_is_said() {
        let now = at("2026-11-24T23:00:00Z");
        for (moment, text) in [
            ("2026-11-24T14:03:22Z", "14:03:22"),
            ("2026-11-03T14:03:22Z", "3 Nov, 14:03:22"),
            ("2025-12-31T23:59:59Z", "31 Dec 2025, 23:59:59"),
        ] {
            assert_eq!(Moment::new(at(moment), now).text, text);
        }
    }

    #[test]
    fn ages_and_numbers_are_short() {
        let begun = at("2026-11-24T00:00:00Z");
        for (until, text) in [
            ("2026-11-24T00:00:59Z", "59 s"),
            ("2026-11-24T00:59:59Z", "59 min"),
            ("2026-11-24T02:10:00Z", "2 h 10 min"),
            ("2026-11-28T05:00:00Z", "4 d 5 h"),
            ("2026-11-23T00:00:00Z", "0 s"),
        ] {
            assert_eq!(age(begun, at(until)), text);
        }
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!((count(1, "event"), count(0, "event")), ("1 event".into(), "0 events".into()));
        assert_eq!((were(1, "event"), were(2, "event")), ("1 event was".into(), "2 events were".into()));
    }
}
