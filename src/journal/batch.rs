//! Deciding a batch of messages on a scratch copy, the same for every store.
//!
//! A store loads what it knows, decides each message here, stores the batch, commits, and only
//! then merges what was learned. A commit that fails leaves no trace: the scratch is dropped.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use jiff::Timestamp;

use super::{After, Incoming};
use crate::domain::lifecycle::{self, Decision, Likeness, Seen, Standing};
use crate::domain::{EventId, EventType, Outcome, Position};

/// A stored event, as far as a duplicate's answer needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRef {
    /// Its place in the journal.
    pub sequence: u64,
    /// When it was received.
    pub received_at: Timestamp,
    /// What it was decided to mean.
    pub event_type: EventType,
}

/// What a store knows of an application that it has heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Where the last applied event left it.
    pub standing: Standing,
    /// That event.
    pub applied: EventRef,
    /// The place of its latest event, applied or stale.
    pub head: u64,
}

/// Identifies an application or a message within a store: a 128-bit hash under the store's secret
/// key. With it two of a billion differ but for a chance of 1 in 10²⁰.
pub type Key = u128;

/// A hasher for maps by [`Key`]: the key is a hash already, and nobody can choose it.
#[derive(Debug, Default, Clone, Copy)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

/// A map by [`Key`], which is a hash already and is not hashed again.
pub type KeyMap<V> = HashMap<Key, V, BuildHasherDefault<KeyHasher>>;

/// A message with the keys under which its store knows what it is compared with.
#[derive(Debug, Clone)]
pub struct Keyed {
    /// The message.
    pub incoming: Incoming,
    /// Of organisation and application.
    pub application: Key,
    /// Of application, MessageID and likeness, so that only the same message has the same key.
    pub message: Option<Key>,
    /// Of stage, step, status and explicit type.
    pub likeness: Likeness,
}

/// What a store knew before the batch.
pub trait Knowledge {
    /// Why it cannot tell.
    type Error;

    /// What is known of the application with this key.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn application(&mut self, key: Key) -> Result<Option<Known>, Self::Error>;

    /// The event that had this MessageID and likeness.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn message(&mut self, key: Key) -> Result<Option<EventRef>, Self::Error>;
}

/// An event that is to be stored, beside its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewEvent {
    /// Where the candidate was; `None`: unknown.
    pub was: Option<Position>,
    /// Where the candidate is.
    pub now: Position,
    /// What it means.
    pub event_type: EventType,
    /// `Accepted` or `Stale`.
    pub outcome: Outcome,
    /// Whether it is to be delivered.
    pub deliver: bool,
    /// The message's own timestamp, where it takes part in ordering.
    pub ordered_at: Option<Timestamp>,
    /// What was known of the application.
    pub known: Option<Known>,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// It is to be stored.
    New(NewEvent),
    /// It repeats this event.
    Duplicate(EventRef),
    /// What it was concluded from does not hold any more: it is not stored.
    Overtaken,
}

/// What a batch learned, to be merged once it is committed.
#[derive(Debug, Default)]
pub struct Learned {
    /// Applications, as the batch left them; `None`: forgotten.
    pub applications: KeyMap<Option<Known>>,
    /// Messages that carried a MessageID; `None`: forgotten.
    pub messages: KeyMap<Option<EventRef>>,
}

/// A batch under decision.
pub struct Batch<'k, K> {
    knowledge: &'k mut K,
    learned: Learned,
    at: Timestamp,
}

impl<'k, K: Knowledge> Batch<'k, K> {
    /// A batch received at `at`, on top of what is known.
    pub fn new(knowledge: &'k mut K, at: Timestamp) -> Self {
        Self { knowledge, learned: Learned::default(), at }
    }

    /// Decides one message in the light of those before it. Nothing is learned from it yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn decide(&mut self, message: &Keyed) -> Result<Decided, K::Error> {
        let known = self.known(message.application)?;
        let latest = known.map(|known| known.head);
        if message.incoming.after.is_some_and(|After(event)| event.map(EventId::sequence) != latest) {
            return Ok(Decided::Overtaken);
        }
        let repeated = match message.message {
            None => None,
            Some(key) => match self.learned.messages.get(&key) {
                Some(event) => *event,
                None => self.knowledge.message(key)?,
            },
        };
        let incoming = &message.incoming;
        let seen = Seen {
            position: incoming.position,
            reason: incoming.reason,
            likeness: message.likeness,
            ordered_at: lifecycle::ordered_at(incoming.change.occurred, self.at),
            repeats_message_id: repeated.is_some(),
        };
        let decision = lifecycle::decide(known.as_ref().map(|known| &known.standing), &seen);
        let new = |event_type, outcome, was, now| {
            let deliver = outcome == Outcome::Accepted && incoming.deliver.takes(event_type);
            Decided::New(NewEvent { was, now, event_type, outcome, deliver, ordered_at: seen.ordered_at, known })
        };
        Ok(match (decision, known, repeated) {
            (Decision::DuplicateOfLast, Some(known), _) => Decided::Duplicate(known.applied),
            (Decision::DuplicateOfMessageId, _, Some(event)) => Decided::Duplicate(event),
            (Decision::Stale { stays }, ..) => new(EventType::StateChanged, Outcome::Stale, Some(stays), stays),
            (Decision::Accepted { event_type, was, now }, ..) => new(event_type, Outcome::Accepted, was, now),
            (Decision::DuplicateOfLast, None, _) | (Decision::DuplicateOfMessageId, _, None) => {
                unreachable!("a duplicate is decided only of an event that is known")
            }
        })
    }

    /// Learns from an event that was stored at `sequence`.
    pub fn learn(&mut self, message: &Keyed, new: &NewEvent, sequence: u64) {
        let event = EventRef { sequence, received_at: self.at, event_type: new.event_type };
        let standing = Standing { position: new.now, likeness: message.likeness, ordered_at: new.ordered_at };
        let known = match (new.outcome, new.known) {
            (Outcome::Stale, Some(known)) => Known { head: sequence, ..known },
            _ => Known { standing, applied: event, head: sequence },
        };
        self.learned.applications.insert(message.application, Some(known));
        if let Some(key) = message.message {
            self.learned.messages.entry(key).or_insert(None).get_or_insert(event);
        }
    }

    /// What is known of an application, in the light of the batch.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn known(&mut self, application: Key) -> Result<Option<Known>, K::Error> {
        match self.learned.applications.get(&application) {
            Some(known) => Ok(*known),
            None => self.knowledge.application(application),
        }
    }

    /// Forgets an application, whose events are removed.
    pub fn forget(&mut self, application: Key) {
        self.learned.applications.insert(application, None);
    }

    /// Forgets a message, whose event is removed.
    pub fn forget_message(&mut self, message: Key) {
        self.learned.messages.insert(message, None);
    }

    /// When the batch was received.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// What is to be merged once the batch is committed.
    pub fn finish(self) -> Learned {
        self.learned
    }
}
