//! What upkeep asks of the writer: changes of the record that are no messages, each part of a batch
//! like any other request.

use std::time::Duration;

use jiff::Timestamp;

use super::amend::{self, Figures, Reopened};
use super::fact::{Fact, RemovedFact};
use super::gate::Change;
use super::lanes::{Entry, Strikes};
use super::turn::Turn;
use crate::domain::{CandidateId, OrgId};
use crate::journal::LaneKind;
use crate::journal::batch::Key;

/// A change of the record.
pub(super) enum Amendment {
    Replay { events: Vec<Reopened>, actor: Box<str> },
    Discard { event: u64, org: OrgId, application: Key, was_dead: bool, actor: Box<str> },
    Gate { org: OrgId, change: Change, actor: Box<str> },
    SetUpRead { actor: Box<str> },
    Erasure { org: OrgId, candidate: CandidateId, actor: Box<str> },
    Remove(Removal),
}

/// What is to be removed.
#[derive(Default)]
pub(super) struct Removal {
    pub(super) events: Vec<RemovedEvent>,
    /// The record up to which the journal was looked through for them.
    pub(super) as_of: u64,
    /// Records of events that were removed before.
    pub(super) stray: Vec<u64>,
    /// Settlements whose answers speak of who is to be forgotten.
    pub(super) answers: Vec<u64>,
    /// The erasure that is done with this, if all of it can be removed.
    pub(super) erasure: Option<u64>,
    /// What relays asked for before this time is forgotten.
    pub(super) holds_before: Option<Timestamp>,
}

/// An event that is to be removed.
pub(super) struct RemovedEvent {
    pub(super) fact: RemovedFact,
    /// The latest event of its application, as it was read: if there is a later one, this one stays.
    pub(super) head: Option<u64>,
    pub(super) records: Vec<u64>,
    pub(super) figures: Figures,
}

/// What an amendment came to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Amended {
    /// The last record of it.
    pub(super) sequence: u64,
    /// How many events it changed.
    pub(super) events: u64,
}

impl Turn<'_> {
    pub(super) fn amend(&mut self, amendment: Amendment) -> rusqlite::Result<Amended> {
        let at = self.batch.at();
        match amendment {
            Amendment::Replay { events, actor } => {
                let count = events.len() as u64;
                for reopened in events {
                    self.reopen(&reopened, at, &actor)?;
                }
                Ok(Amended { sequence: self.last, events: count })
            }
            Amendment::Discard { event, org, application, was_dead, actor } => {
                let lane = (application, LaneKind::Delivery);
                if !was_dead && (!self.lanes.holds(lane, event) || self.effects.taken.contains(&lane)) {
                    return Ok(Amended { sequence: self.last, events: 0 });
                }
                let sequence = self.sequence();
                amend::discard(self.journal, sequence, at, event, was_dead, &actor)?;
                if !was_dead {
                    self.effects.dropped.push((org.clone(), lane, event));
                }
                self.effects.facts.push(Fact::Discarded { sequence, event, org, was_dead });
                Ok(Amended { sequence, events: 1 })
            }
            Amendment::Gate { org, change, actor } => {
                self.gate(org, change, Some(&*actor))?;
                Ok(Amended { sequence: self.last, events: 0 })
            }
            Amendment::SetUpRead { actor } => {
                let probing: Vec<_> = self.lanes.probing().cloned().collect();
                for org in probing {
                    self.gate(org, Change::SetUpMended, Some(&*actor))?;
                }
                Ok(Amended { sequence: self.last, events: 0 })
            }
            Amendment::Erasure { org, candidate, actor } => {
                let sequence = self.sequence();
                amend::erasure(self.journal, sequence, at, &org, &candidate, &actor)?;
                Ok(Amended { sequence, events: 0 })
            }
            Amendment::Remove(removal) => self.remove(removal, at),
        }
    }

    fn reopen(&mut self, reopened: &Reopened, at: Timestamp, actor: &str) -> rusqlite::Result<()> {
        let sequence = self.sequence();
        amend::replay(self.journal, sequence, at, reopened, actor)?;
        let Reopened { event, ref org, application, number, was_dead } = *reopened;
        let entry = Entry {
            sequence: event,
            opened: sequence,
            since: at,
            attempts: 0,
            first_attempt: None,
            is_start: false,
            replay: Some(number),
            strikes: Strikes::default(),
        };
        self.effects.pushed.push((org.clone(), (application, LaneKind::Delivery), entry));
        self.effects.facts.push(Fact::Replayed { sequence, event, at, org: org.clone(), number, was_dead });
        Ok(())
    }

    /// Records a change of an organisation's gate.
    pub(super) fn gate(&mut self, org: OrgId, change: Change, reason: Option<&str>) -> rusqlite::Result<()> {
        let sequence = self.sequence();
        amend::gate(self.journal, sequence, self.batch.at(), &org, &change, reason)?;
        self.effects.gated.push((org, change, reason.map(str::to_owned)));
        Ok(())
    }

    fn remove(&mut self, removal: Removal, at: Timestamp) -> rusqlite::Result<Amended> {
        let wanted = removal.events.len() as u64;
        let mut removed = 0;
        for event in removal.events {
            removed += u64::from(self.remove_event(event, removal.as_of)?);
        }
        for record in &removal.stray {
            amend::remove_record(self.journal, *record)?;
        }
        for settlement in &removal.answers {
            amend::remove_answer(self.journal, *settlement)?;
        }
        if let Some(before) = removal.holds_before {
            amend::forget_holds(self.journal, before)?;
        }
        if let Some(number) = removal.erasure.filter(|_| removed == wanted) {
            amend::erased(self.journal, number, at, removed)?;
        }
        if removed > 0 || !removal.stray.is_empty() {
            amend::keep_numbering(self.journal, self.last, at)?;
        }
        Ok(Amended { sequence: self.last, events: removed })
    }

    /// Whether the event could be removed: it stays where its application has moved on since.
    fn remove_event(&mut self, event: RemovedEvent, as_of: u64) -> rusqlite::Result<bool> {
        let RemovedEvent { fact, head, records, figures } = event;
        let application: Key = fact.application;
        let known = self.batch.known(application)?.map(|known| known.head);
        if known.is_some() && known != head {
            return Ok(false);
        }
        amend::remove(self.journal, fact.event, &records)?;
        amend::count_removed(self.journal, &fact.org, &figures)?;
        if fact.waits {
            amend::remove_later(self.journal, fact.event, as_of)?;
            self.effects.dropped.push((fact.org.clone(), (application, LaneKind::Delivery), fact.event));
        }
        if fact.forget {
            self.batch.forget(application);
        }
        if let Some(message) = fact.message {
            self.batch.forget_message(message);
        }
        self.effects.facts.push(Fact::Removed(Box::new(fact)));
        Ok(true)
    }
}

/// How long the writer may wait for readers when it empties the write-ahead log.
pub(super) const TRUNCATE_WITHIN: Duration = Duration::from_millis(100);
