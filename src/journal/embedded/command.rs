//! What passes between the writer and the other threads: what it is asked for, and what it shows.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::watch;

use super::amendment::{Amended, Amendment};
use super::lanes::Seen;
use crate::journal::batch::Keyed;
use crate::journal::{Claims, Health, Promise, Quota, Receipt, Settled, Settlement, Unavailable};

/// What the writer is asked for.
pub(super) enum Command {
    Accept(Box<Keyed>, Promise<Receipt>),
    Claim(Quota, Duration, Promise<Claims>),
    Settle(Box<Settlement>, Promise<Settled>),
    Amend(Box<Amendment>, Promise<Amended>),
    Turn(Box<Amendment>, Promise<()>),
    /// Empties the write-ahead log; whether that could be done.
    Truncate(Promise<bool>),
    Close,
}

impl Command {
    /// Answers that it cannot be done.
    pub(super) fn refuse(self, failure: &Unavailable) {
        let failure = failure.clone();
        match self {
            Self::Accept(_, promise) => promise.keep(Err(failure)),
            Self::Claim(.., promise) => promise.keep(Err(failure)),
            Self::Settle(_, promise) => promise.keep(Err(failure)),
            Self::Amend(_, promise) => promise.keep(Err(failure)),
            Self::Turn(_, promise) => promise.keep(Err(failure)),
            Self::Truncate(promise) => promise.keep(Err(failure)),
            Self::Close => {}
        }
    }
}

/// What the writer shows to other threads.
pub(super) struct Shown {
    pub(super) health: Mutex<Health>,
    /// Set by whoever asks for the health, so that the next answer is from a new look.
    pub(super) asked: AtomicBool,
    pub(super) pulse: Mutex<Vec<Seen>>,
    pub(super) wake: watch::Sender<u64>,
}
