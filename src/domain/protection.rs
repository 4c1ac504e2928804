//! The in-process result: a candidate is, or was, under identity protection for one application.

use jiff::Timestamp;

use super::lifecycle::EventType;

/// What handling an event does to the protection of its application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The candidate entered the interview: protection is on.
    Activated,
    /// The candidate left the interview: protection is off.
    Ended,
}

impl Change {
    /// What an event of this type changes; a state change that is no boundary changes nothing.
    pub fn of(event_type: EventType) -> Option<Self> {
        match event_type {
            EventType::InterviewStarted => Some(Self::Activated),
            EventType::InterviewEnded => Some(Self::Ended),
            EventType::StateChanged => None,
        }
    }
}

/// The span of one application's protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// When the latest interview started; `None`: there was no protection.
    pub started_at: Option<Timestamp>,
    /// When it ended; `None` while it lasts.
    pub ended_at: Option<Timestamp>,
}

impl Span {
    /// Whether the protection has begun and not ended.
    pub fn is_active(self) -> bool {
        self.started_at.is_some() && self.ended_at.is_none()
    }

    /// The span after `change` took effect at `at`. Applying the same change twice is applying it once,
    /// and there is nothing to end where nothing was on.
    #[must_use]
    pub fn after(self, change: Change, at: Timestamp) -> Self {
        match change {
            Change::Activated if self.is_active() => self,
            Change::Activated => Self { started_at: Some(at), ended_at: None },
            Change::Ended if !self.is_active() => self,
            Change::Ended => Self { ended_at: Some(at), ..self },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_and_ends_are_idempotent_and_a_return_starts_anew() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let on = Span::default().after(Change::Activated, at(1));
        assert!(on.is_active());
        assert_eq!(on.after(Change::Activated, at(2)), on);
        let off = on.after(Change::Ended, at(3));
        assert_eq!(off, Span { started_at: Some(at(1)), ended_at: Some(at(3)) });
        assert_eq!(off.after(Change::Ended, at(4)), off);
        assert_eq!(off.after(Change::Activated, at(5)), Span { started_at: Some(at(5)), ended_at: None });
        assert_eq!(Span::default().after(Change::Ended, at(6)), Span::default());
    }
}
