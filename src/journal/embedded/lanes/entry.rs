//! One event that waits in its lane.

use jiff::Timestamp;

/// An event that waits.
#[derive(Debug, Clone)]
pub(in crate::journal::embedded) struct Entry {
    pub(in crate::journal::embedded) sequence: u64,
    /// The record that put it here: the event itself, or its replay.
    pub(in crate::journal::embedded) opened: u64,
    /// Since when: its receipt, or its replay.
    pub(in crate::journal::embedded) since: Timestamp,
    pub(in crate::journal::embedded) attempts: u32,
    pub(in crate::journal::embedded) first_attempt: Option<Timestamp>,
    /// An interview's start that was never settled before: it is of use only for a while.
    pub(in crate::journal::embedded) is_start: bool,
    /// Whether it is replayed, and its number then.
    pub(in crate::journal::embedded) replay: Option<u32>,
    pub(in crate::journal::embedded) strikes: Strikes,
}

/// How often an event found the set-up wrong while others went through.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::journal::embedded) struct Strikes {
    pub(super) count: u32,
    /// How many deliveries of its organisation had gone through when it was counted last.
    deliveries: u64,
}

impl Strikes {
    /// After one more, when so many deliveries have gone through.
    pub(super) fn next(self, deliveries: u64) -> Self {
        let counts = self.count == 0 || deliveries > self.deliveries;
        Self { count: self.count + u32::from(counts), deliveries }
    }
}
