//! Upkeep on a thread of its own: what is to change is looked up here, one request after the
//! other, and asked of the writer in small steps, between which messages are taken.
//!
//! Only upkeep opens again what was settled, and upkeep is one thread: what it reads of settled
//! events still holds when the writer comes to it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;

use super::amend::{self, Reopened};
use super::amendment::{Amended, Amendment, Removal};
use super::append::Identity;
use super::command::Command;
use super::details;
use super::follow::Progress;
use super::read;
use super::removal::Remover;
use crate::clock::Clock;
use crate::domain::{CandidateId, EventId, OrgId};
use crate::journal::{
    Actor, DeliveryState, Discarded, Erasure, EventRecord, Keep, Replay, Replayed, Ticket, Unavailable, WaitingErasure,
    Which,
};

/// How many events one step changes.
pub(super) const STEP: usize = 500;

/// How often the writer is asked to empty its log before a receipt says so.
const TRUNCATIONS: usize = 50;

pub(super) type Job = Box<dyn FnOnce(&Keeper) + Send>;

/// What upkeep works with.
pub(super) struct Keeper {
    pub(super) connection: Connection,
    pub(super) identity: Identity,
    pub(super) progress: Arc<Progress>,
    pub(super) commands: SyncSender<Command>,
    pub(super) clock: Arc<dyn Clock>,
}

/// Does jobs until nobody can ask for more.
pub(super) fn run(keeper: &Keeper, jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        job(keeper);
    }
}

pub(super) fn failing(error: rusqlite::Error) -> Unavailable {
    Unavailable::Failing(error.to_string())
}

impl Keeper {
    pub(super) fn amend(&self, amendment: Amendment) -> Result<Amended, Unavailable> {
        let (promise, ticket) = Ticket::new();
        let sent = self.commands.send(Command::Amend(Box::new(amendment), promise));
        sent.map_err(|_| Unavailable::Stopped)?;
        ticket.wait()
    }

    pub(super) fn replay(&self, replay: Replay) -> Result<Replayed, Unavailable> {
        self.progress.catch_up()?;
        let mut found = Found::default();
        match replay.which {
            Which::One(id) => {
                let record = read::event(&self.connection, &self.identity, id).map_err(failing)?;
                record.iter().try_for_each(|(record, _)| self.look(record, replay.force, &mut found))?;
            }
            Which::All(mut filter) => {
                filter.state.get_or_insert(DeliveryState::Dead);
                let mut before = None;
                loop {
                    let page = read::events(&self.connection, &self.identity, &filter, before, STEP);
                    let page = page.map_err(failing)?;
                    page.items.iter().try_for_each(|record| self.look(record, replay.force, &mut found))?;
                    before = page.next;
                    if before.is_none() {
                        break;
                    }
                }
            }
        }
        let Found { mut reopened, mut replayed } = found;
        replayed.replayed = reopened.len() as u64;
        if !replay.dry_run {
            // They were found newest first and are opened in the order of acceptance.
            reopened.reverse();
            for step in reopened.chunks(STEP) {
                self.amend(Amendment::Replay { events: step.to_vec(), actor: replay.actor.clone() })?;
            }
        }
        Ok(replayed)
    }

    fn look(&self, record: &EventRecord, force: bool, found: &mut Found) -> Result<(), Unavailable> {
        let was_dead = match record.state {
            DeliveryState::Dead => true,
            DeliveryState::Delivered => false,
            DeliveryState::None | DeliveryState::Pending => {
                found.replayed.unsettled += 1;
                return Ok(());
            }
        };
        if record.superseded && !force {
            found.replayed.superseded += 1;
            return Ok(());
        }
        let event = &record.event;
        let sequence = event.event_id.sequence();
        let before = amend::replay_number(&self.connection, sequence).map_err(failing)?;
        found.reopened.push(Reopened {
            event: sequence,
            org: event.orgid.clone(),
            application: self.identity.keys.application(&event.orgid, event.job_application_id.as_str()),
            number: before + u32::from(!was_dead),
            was_dead,
        });
        Ok(())
    }

    pub(super) fn discard(&self, id: EventId, waiting: bool, actor: Actor) -> Result<Discarded, Unavailable> {
        self.progress.catch_up()?;
        let found = read::event(&self.connection, &self.identity, id).map_err(failing)?;
        let Some((record, _)) = found else { return Ok(Discarded::Unknown) };
        let was_dead = record.state == DeliveryState::Dead;
        let may_go = was_dead || (waiting && record.state == DeliveryState::Pending);
        if !may_go {
            return Ok(Discarded::NotDead);
        }
        let event = record.event;
        let application = self.identity.keys.application(&event.orgid, event.job_application_id.as_str());
        let discard = Amendment::Discard { event: id.sequence(), org: event.orgid, application, was_dead, actor };
        // It may have been delivered in between.
        Ok(if self.amend(discard)?.events == 1 { Discarded::Done } else { Discarded::NotDead })
    }

    pub(super) fn erase(&self, org: OrgId, candidate: CandidateId, actor: Actor) -> Result<u64, Unavailable> {
        Ok(self.amend(Amendment::Erasure { org, candidate, actor })?.sequence)
    }

    pub(super) fn waiting_erasures(&self) -> Result<Vec<WaitingErasure>, Unavailable> {
        self.progress.catch_up()?;
        let remover = Remover::new(&self.connection, &self.identity);
        let waiting = amend::waiting_erasures(&self.connection).map_err(failing)?;
        let waiting = waiting.into_iter().map(|(number, org, candidate)| {
            let held = remover.of_candidate(&org, &candidate, false)?.is_none();
            Ok(WaitingErasure { number, names: remover.names(&org, &candidate)?, org, held })
        });
        waiting.collect::<rusqlite::Result<_>>().map_err(failing)
    }

    pub(super) fn finish_erasure(&self, number: u64, undelivered: bool) -> Result<Option<Erasure>, Unavailable> {
        let waiting = amend::waiting_erasures(&self.connection).map_err(failing)?;
        if let Some((_, org, candidate)) = waiting.into_iter().find(|(waiting, ..)| *waiting == number)
            && self.remove_candidate(number, &org, &candidate, undelivered)?
        {
            self.truncate()?;
        }
        amend::erasure_of(&self.connection, number).map_err(failing)
    }

    /// Whether nothing held the erasure up and it is done.
    fn remove_candidate(
        &self,
        number: u64,
        org: &OrgId,
        candidate: &CandidateId,
        undelivered: bool,
    ) -> Result<bool, Unavailable> {
        self.progress.catch_up()?;
        let as_of = self.progress.applied();
        let remover = Remover::new(&self.connection, &self.identity);
        let found = remover.of_candidate(org, candidate, undelivered).map_err(failing)?;
        let Some(mut events) = found else { return Ok(false) };
        let names = remover.names(org, candidate).map_err(failing)?;
        let answers = remover.answers(org, &names).map_err(failing)?;
        for step in answers.chunks(STEP) {
            self.amend(Amendment::Remove(Removal { answers: step.to_vec(), ..Removal::default() }))?;
        }
        while events.len() > STEP {
            let rest = events.split_off(STEP);
            let wanted = events.len() as u64;
            let removed = self.amend(Amendment::Remove(Removal { events, as_of, ..Removal::default() }))?.events;
            if removed < wanted {
                return Ok(false);
            }
            events = rest;
        }
        let wanted = events.len() as u64;
        let removal = Removal { events, as_of, erasure: Some(number), ..Removal::default() };
        let removed = self.amend(Amendment::Remove(removal))?.events;
        self.progress.catch_up()?;
        Ok(removed == wanted)
    }

    /// Makes the writer empty its log, where what was removed may still stand.
    fn truncate(&self) -> Result<(), Unavailable> {
        for _ in 0..TRUNCATIONS {
            let (promise, ticket) = Ticket::new();
            self.commands.send(Command::Truncate(promise)).map_err(|_| Unavailable::Stopped)?;
            if ticket.wait()? {
                return Ok(());
            }
        }
        Err(Unavailable::Failing("what was erased still stands in the write-ahead log, which readers hold".into()))
    }

    pub(super) fn purge(&self, older_than: Duration) -> Result<u64, Unavailable> {
        self.progress.catch_up()?;
        let before = self.clock.now() - older_than;
        let remover = Remover::new(&self.connection, &self.identity);
        let (mut after, mut kept, mut removed) = (0, HashSet::new(), 0);
        while let Some((last, events)) = remover.old(after, before, &mut kept).map_err(failing)? {
            if !events.is_empty() {
                removed += self.amend(Amendment::Remove(Removal { events, ..Removal::default() }))?.events;
            }
            after = last;
        }
        self.purge_strays(&remover, before)?;
        Ok(removed)
    }

    /// Forgets the details of protections that ended so long ago.
    pub(super) fn forget_details(&self, keep: &Keep) -> Result<u64, Unavailable> {
        self.progress.catch_up()?;
        let (now, mut forgotten) = (self.clock.now(), 0);
        for org in details::organisations(&self.connection).map_err(failing)? {
            loop {
                let events = details::over(&self.connection, &org, now - keep.of(&org), STEP).map_err(failing)?;
                let found = events.len();
                let gone = if found > 0 { self.amend(Amendment::ForgetDetails(events))?.events } else { 0 };
                forgotten += gone;
                if found < STEP || gone == 0 {
                    break;
                }
            }
        }
        Ok(forgotten)
    }

    fn purge_strays(&self, remover: &Remover<'_>, before: Timestamp) -> Result<(), Unavailable> {
        let mut after = 0;
        while let Some((last, stray)) = remover.stray_duplicates(after, before).map_err(failing)? {
            if !stray.is_empty() {
                self.amend(Amendment::Remove(Removal { stray, ..Removal::default() }))?;
            }
            after = last;
        }
        let holds_before = Some(before);
        self.amend(Amendment::Remove(Removal { holds_before, ..Removal::default() })).map(drop)
    }
}

#[derive(Default)]
struct Found {
    reopened: Vec<Reopened>,
    replayed: Replayed,
}
