//! What the desks of one process share, and show without a query.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;
use uuid::Uuid;

use super::figures::Tally;
use super::link::Failure;
use super::schema::{Identity, SchemaError, Tables};
use crate::domain::{EventId, OrgId};
use crate::journal::batch::EventRef;
use crate::journal::{Health, Observer, Pulse, Unavailable};

/// What the desks share.
pub(super) struct Shared {
    pub(super) process: Uuid,
    pub(super) identity: Identity,
    pub(super) observer: Arc<dyn Observer>,
    health: Mutex<Health>,
    /// Something failed since the database last took something new in.
    doubtful: AtomicBool,
    pulse: Mutex<Shown>,
    wake: watch::Sender<u64>,
    tables: Mutex<Result<Tables, String>>,
}

#[derive(Default)]
struct Shown {
    pulses: Vec<Pulse>,
    /// How often this process itself changed what is shown.
    changes: u64,
}

impl Shared {
    pub(super) fn new(identity: Identity, observer: Arc<dyn Observer>) -> Result<Self, Failure> {
        let mut id = [0; 16];
        let random = getrandom::fill(&mut id);
        random.map_err(|error| Failure::Damaged(format!("the machine gives no random numbers: {error}")))?;
        Ok(Self {
            process: Uuid::from_bytes(id),
            identity,
            observer,
            health: Mutex::new(Health::Ready),
            doubtful: AtomicBool::new(false),
            pulse: Mutex::default(),
            wake: watch::Sender::new(0),
            tables: Mutex::new(Ok(Tables::Current)),
        })
    }

    pub(super) fn event_id(&self, event: &EventRef) -> EventId {
        EventId::compose(event.received_at.as_millisecond(), self.identity.tag, event.sequence)
    }

    pub(super) fn health(&self) -> Health {
        self.health.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    pub(super) fn show(&self, health: Health) {
        let mut shown = self.health.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *shown != health {
            match (&health, &*shown) {
                (Health::Ready, _) => tracing::info!("the journal takes events"),
                (Health::NotReady(reason), Health::Ready) => tracing::error!(%reason, "the journal takes no events"),
                // The words change from one failed attempt to the next; one line says enough.
                (Health::NotReady(_), Health::NotReady(_)) => {}
            }
            *shown = health;
        }
    }

    /// Takes note of a failure; what whoever asked is told.
    pub(super) fn failed(&self, failure: Failure) -> Unavailable {
        let reason = Unavailable::from(failure);
        self.doubtful.store(true, Relaxed);
        self.show(Health::NotReady(reason.clone()));
        reason
    }

    /// Whether it is to be tried if the database takes something new in.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful.load(Relaxed)
    }

    /// The database has taken something new in.
    pub(super) fn trust(&self) {
        self.doubtful.store(false, Relaxed);
    }

    /// Takes note of how the tables stand; an error if they are not for this bridge any more.
    pub(super) fn stand(&self, tables: Result<Tables, SchemaError>) -> Result<(), Failure> {
        let seen = match tables {
            Err(SchemaError::Failure(failure)) => return Err(failure),
            seen => seen.map_err(|error| error.to_string()),
        };
        let mut tables = self.tables.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let (Ok(Tables::Ahead(version)), true) = (&seen, *tables != seen) {
            tracing::info!(version, "a newer bridge has changed the tables; this one goes on");
        }
        *tables = seen;
        drop(tables);
        self.usable()
    }

    /// Whether the tables are for this bridge; they are looked at every second.
    pub(super) fn usable(&self) -> Result<(), Failure> {
        let tables = self.tables.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        tables.map(drop).map_err(Failure::Outgrown)
    }

    pub(super) fn wake(&self) {
        self.wake.send_modify(|level| *level += 1);
    }

    pub(super) fn waking(&self) -> watch::Receiver<u64> {
        self.wake.subscribe()
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.pulse.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn pulses(&self) -> Vec<Pulse> {
        self.shown().pulses.clone()
    }

    /// How often this process changed what is shown.
    pub(super) fn changes(&self) -> u64 {
        self.shown().changes
    }

    /// Shows what the database says.
    pub(super) fn refresh(&self, pulses: Vec<Pulse>) {
        self.shown().pulses = pulses;
    }

    /// Shows at once what this process itself has changed; the next look at the database corrects
    /// what that leaves inexact.
    pub(super) fn counted(&self, tally: &Tally) {
        let mut shown = self.shown();
        shown.changes += 1;
        for (org, change) in &tally.0 {
            let place = shown.pulses.iter().position(|pulse| pulse.org == *org).unwrap_or_else(|| {
                shown.pulses.push(blank(org.clone()));
                shown.pulses.len() - 1
            });
            let pulse = &mut shown.pulses[place];
            pulse.pending = pulse.pending.saturating_add_signed(change.pending);
            pulse.last_message_at = pulse.last_message_at.max(change.last_message_at);
            if pulse.pending == 0 {
                (pulse.oldest, pulse.oldest_start, pulse.due) = (None, None, None);
            } else if change.pending > 0 {
                pulse.oldest = pulse.oldest.or(change.last_message_at);
                pulse.oldest_start = pulse.oldest_start.or(change.last_started_at);
            }
        }
    }
}

fn blank(org: OrgId) -> Pulse {
    Pulse {
        org,
        pending: 0,
        oldest: None,
        oldest_start: None,
        due: None,
        paused: None,
        held_until: None,
        last_message_at: None,
    }
}
