//! What a message must be decided to mean, in the plainest terms.

use std::collections::HashMap;
use std::time::Duration;

use imper_bridge::domain::{EventType, Occurred, Outcome, Position};
use jiff::Timestamp;

#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) org: &'static str,
    pub(super) application: &'static str,
    pub(super) stage: &'static str,
    pub(super) status: Option<&'static str>,
    pub(super) told: Option<Position>,
    pub(super) occurred: Option<Occurred>,
    pub(super) message_id: Option<&'static str>,
    pub(super) dry_run: bool,
}

/// What makes messages of one application the same.
type Content = (&'static str, Option<&'static str>, Option<Position>);

impl Message {
    pub(super) fn lane(&self) -> (&'static str, &'static str) {
        (self.org, self.application)
    }

    fn content(&self) -> Content {
        (self.stage.trim(), self.status, self.told)
    }

    fn position(&self) -> Position {
        let interview = self.stage.trim().eq_ignore_ascii_case("interview");
        let closed = self.status == Some("rejected");
        self.told.unwrap_or(if interview && !closed { Position::In } else { Position::Out })
    }

    /// Its timestamp, unless that is a date or too far ahead to be believed.
    fn time(&self, now: Timestamp) -> Option<Timestamp> {
        let occurred = self.occurred.filter(|occurred| occurred.has_time)?;
        (occurred.at <= now + Duration::from_secs(300)).then_some(occurred.at)
    }
}

#[derive(Debug)]
struct Applied {
    event: usize,
    content: Content,
    time: Option<Timestamp>,
    position: Position,
}

/// What was heard of one application.
#[derive(Debug, Default)]
pub(super) struct Application {
    last: Option<Applied>,
    by_message_id: HashMap<(&'static str, Content), usize>,
}

#[derive(Default)]
pub(super) struct Applications(HashMap<(&'static str, &'static str), Application>);

#[derive(Debug)]
pub(super) enum Expected {
    Duplicate(usize),
    New { event_type: EventType, outcome: Outcome, was: Option<Position>, now: Position },
}

impl Applications {
    pub(super) fn of(&self, message: &Message) -> Option<&Application> {
        self.0.get(&message.lane())
    }

    pub(super) fn decide(&self, message: &Message, now: Timestamp) -> Expected {
        let nothing = Application::default();
        let known = self.of(message).unwrap_or(&nothing);
        let time = message.time(now);
        if let Some(last) = &known.last
            && last.content == message.content()
            && !matches!((last.time, time), (Some(last), Some(new)) if new > last)
        {
            return Expected::Duplicate(last.event);
        }
        if let Some(id) = message.message_id
            && let Some(event) = known.by_message_id.get(&(id, message.content()))
        {
            return Expected::Duplicate(*event);
        }
        let was = known.last.as_ref().map(|last| last.position);
        if let Some(Applied { time: Some(last), position, .. }) = known.last
            && time.is_some_and(|new| new < last)
        {
            let event_type = EventType::StateChanged;
            return Expected::New { event_type, outcome: Outcome::Stale, was, now: position };
        }
        let now = message.position();
        let event_type = match (was, now) {
            (Some(Position::In), Position::Out) => EventType::InterviewEnded,
            (None, Position::Out) if message.told.is_some() => EventType::InterviewEnded,
            (None | Some(Position::Out), Position::In) => EventType::InterviewStarted,
            _ => EventType::StateChanged,
        };
        Expected::New { event_type, outcome: Outcome::Accepted, was, now }
    }

    pub(super) fn learn(
        &mut self,
        message: &Message,
        event: usize,
        outcome: Outcome,
        position: Position,
        now: Timestamp,
    ) {
        let known = self.0.entry(message.lane()).or_default();
        if let Some(id) = message.message_id {
            known.by_message_id.insert((id, message.content()), event);
        }
        if outcome == Outcome::Accepted {
            known.last = Some(Applied { event, content: message.content(), time: message.time(now), position });
        }
    }
}
