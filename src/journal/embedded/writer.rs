//! The writer: one thread that decides and appends, many requests to a commit.
//!
//! Each turn takes what waits, decides it on a scratch copy, appends it in one transaction and
//! commits. Only then are lanes, knowledge and index told, and only then is anybody answered. A
//! commit that fails leaves nothing behind, in the file or in memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;

use super::amendment::TRUNCATE_WITHIN;
use super::append::{self, Identity};
use super::command::{Command, Shown};
use super::follow::Progress;
use super::lanes::Lanes;
use super::log::{self, Log};
use super::schema::{self, Synchronous};
use super::standings::Standings;
use super::turn::{Effects, Turn};
use crate::clock::Clock;
use crate::domain::Outcome;
use crate::journal::batch::Batch;
use crate::journal::{Health, Observer, Unavailable};

/// How many requests may share a commit.
const BATCH: usize = 1024;

/// How often the free space is looked at, and a store that failed is tried.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// How long the log may become, in pages: what SQLite takes as well.
pub(super) const LOG_PAGES: u32 = 1_000;

/// How the store is kept.
#[derive(Clone)]
pub struct Options {
    /// Below this much free space, in MiB, nothing is accepted; 0: not looked at.
    pub min_free_mb: u64,
    /// Who is told what was taken.
    pub observer: Arc<dyn Observer>,
}

impl Default for Options {
    fn default() -> Self {
        Self { min_free_mb: 0, observer: Arc::new(()) }
    }
}

pub(super) struct Writer {
    pub(super) journal: Connection,
    pub(super) log: Log,
    pub(super) identity: Identity,
    pub(super) standings: Standings,
    pub(super) lanes: Lanes,
    pub(super) progress: Arc<Progress>,
    pub(super) shown: Arc<Shown>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: Options,
    pub(super) folder: PathBuf,
    pub(super) last: u64,
    pub(super) last_received: Timestamp,
    /// How hard the next commit is pushed to the disk.
    pub(super) synchronous: Synchronous,
    pub(super) free_mb: Option<u64>,
    pub(super) failing: bool,
}

impl Writer {
    /// Works until told to close or until nobody is left to ask.
    pub(super) fn run(mut self, commands: &Receiver<Command>) {
        let mut looked = self.look(None);
        loop {
            let first = match commands.recv_timeout(LOOK) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            looked = self.look(Some(looked));
            let mut batch: Vec<_> = first.into_iter().chain(commands.try_iter().take(BATCH - 1)).collect();
            let closing = batch.iter().position(|command| matches!(command, Command::Close));
            // What stands behind the request to close is dropped, which tells its callers.
            batch.truncate(closing.unwrap_or(batch.len()));
            let truncate: Vec<_> = batch.extract_if(.., |command| matches!(command, Command::Truncate(_))).collect();
            if !batch.is_empty() {
                self.turn(batch);
            }
            truncate.into_iter().for_each(|command| self.truncate(command));
            if closing.is_some() {
                // The file alone is then the whole journal, for whoever copies it.
                if let Err(error) = schema::checkpoint(&self.journal) {
                    self.failed(&error);
                    tracing::warn!(%error, "the journal's write-ahead log stays beside it");
                }
                return;
            }
            // Whoever was answered has not waited for it: the log alone is enough for a promise.
            if let Err(error) = self.log.empty_if_long(&self.journal) {
                self.failed(&error);
            }
        }
    }

    /// What was overwritten in the file is still in its log until that is emptied.
    fn truncate(&self, command: Command) {
        let Command::Truncate(promise) = command else { return };
        let done = schema::truncate_log(&self.journal, TRUNCATE_WITHIN);
        promise.keep(done.map_err(|error| self.failed(&error)));
    }

    /// Looks at the disk once in a while, and tries a store that failed.
    fn look(&mut self, last: Option<std::time::Instant>) -> std::time::Instant {
        let now = std::time::Instant::now();
        if let Some(last) = last.filter(|last| now.duration_since(*last) < LOOK) {
            return last;
        }
        self.free_mb = rustix::fs::statvfs(&self.folder).ok().map(|fs| (fs.f_bavail * fs.f_frsize) >> 20);
        // An idle journal whose health nobody asks for leaves the disk alone.
        if self.shown.asked.swap(false, Ordering::Relaxed) || self.failing {
            let tried = self.push(Synchronous::Full).and_then(|()| append::probe(&self.journal));
            self.failing = tried.is_err();
            if let Err(error) = tried {
                let failure = self.failed(&error);
                self.show(Health::NotReady(failure));
            }
        }
        if !self.failing {
            self.show(self.low_disk().map_or(Health::Ready, Health::NotReady));
        }
        now
    }

    fn low_disk(&self) -> Option<Unavailable> {
        let min_free_mb = self.options.min_free_mb;
        let free_mb = self.free_mb.filter(|free_mb| *free_mb < min_free_mb)?;
        Some(Unavailable::LowDisk { free_mb, min_free_mb })
    }

    fn show(&self, health: Health) {
        let mut shown = self.shown.health.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *shown != health {
            match &health {
                Health::Ready => tracing::info!("the journal takes events"),
                Health::NotReady(reason) => tracing::error!(%reason, "the journal takes no events"),
            }
            *shown = health;
        }
    }

    /// After an error of fsync nobody knows what is on the disk: the process ends rather than guess.
    fn failed(&self, error: &rusqlite::Error) -> Unavailable {
        if log::is_unsynced(error) {
            tracing::error!(%error, "the journal cannot be synced to the disk; ending, since nothing can be promised");
            std::process::exit(1);
        }
        Unavailable::Failing(error.to_string())
    }

    fn turn(&mut self, commands: Vec<Command>) {
        let at = self.last_received.max(now_in_milliseconds(&*self.clock));
        let mut effects = Effects::default();
        let wanted = needed(&commands);
        let (begun, requests) = (self.clock.monotonic(), commands.len());
        let mut commands = commands.into_iter();
        match self.store(&mut commands, at, wanted, &mut effects) {
            Ok(last) => {
                self.options.observer.committed(requests, self.clock.monotonic().saturating_sub(begun));
                self.last_received = at;
                self.commit_effects(effects, at, last);
            }
            Err(error) => {
                let failure = self.failed(&error);
                if !self.journal.is_autocommit() && self.journal.execute_batch("ROLLBACK").is_err() {
                    tracing::error!("the journal's failed transaction cannot be rolled back; ending");
                    std::process::exit(1);
                }
                self.failing = true;
                self.show(Health::NotReady(failure.clone()));
                effects.answers.into_iter().for_each(|answer| answer.give(Some(&failure)));
                commands.for_each(|command| command.refuse(&failure));
            }
        }
    }

    /// Decides and appends; the number of the last record once it is all on disk.
    fn store(
        &mut self,
        commands: &mut impl Iterator<Item = Command>,
        at: Timestamp,
        wanted: Synchronous,
        effects: &mut Effects,
    ) -> rusqlite::Result<u64> {
        let low_disk = self.low_disk();
        let now = self.clock.monotonic();
        self.push(wanted)?;
        self.journal.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut turn = Turn {
            journal: &self.journal,
            identity: &self.identity,
            lanes: &mut self.lanes,
            batch: Batch::new(&mut self.standings, at),
            last: self.last,
            effects,
            low_disk,
            now,
        };
        for command in commands {
            turn.take(command)?;
        }
        let last = turn.last;
        let learned = turn.batch.finish();
        self.journal.prepare_cached("COMMIT")?.execute([])?;
        self.standings.merge(learned, last);
        Ok(last)
    }

    /// Sets how hard the next commits are pushed to the disk. SQLite takes it when it compiles the
    /// statement, which is why it is not kept prepared.
    fn push(&mut self, wanted: Synchronous) -> rusqlite::Result<()> {
        if self.synchronous != wanted {
            schema::push(&self.journal, wanted)?;
            self.synchronous = wanted;
        }
        Ok(())
    }

    fn commit_effects(&mut self, mut effects: Effects, at: Timestamp, last: u64) {
        let now = self.clock.monotonic();
        // A turn that wrote nothing says nothing about the disk.
        self.failing &= last == self.last;
        self.last = last;
        self.progress.push(&mut effects.facts, last);
        let woken =
            !effects.pushed.is_empty() || !effects.settled.is_empty() || !effects.gated.is_empty() || effects.stirred;
        for (org, lane, entry) in effects.pushed {
            self.lanes.push(&org, lane, entry, now);
        }
        for (pick, attempt, until) in &effects.claimed {
            self.lanes.claimed(pick, *attempt, at, *until);
        }
        for (fence, verdict) in effects.settled {
            self.lanes.settled(fence, verdict, now);
        }
        for (org, lane, event) in &effects.dropped {
            self.lanes.drop_event(org, *lane, *event, now);
        }
        for (org, change, reason) in &effects.gated {
            self.lanes.gated(org, change, reason.as_deref(), at, now, Duration::ZERO);
        }
        for (taken, _) in effects.taken_of.iter().filter(|(taken, _)| taken.outcome != Outcome::DryRun) {
            self.lanes.heard(&taken.org, at);
        }
        self.show_pulse();
        for (taken, count) in &effects.taken_of {
            self.options.observer.taken(taken, *count);
        }
        if !self.failing {
            self.show(self.low_disk().map_or(Health::Ready, Health::NotReady));
        }
        effects.answers.into_iter().for_each(|answer| answer.give(None));
        if woken {
            self.shown.wake.send_modify(|level| *level += 1);
        }
    }

    pub(super) fn show_pulse(&mut self) {
        let changed = self.lanes.take_changed(self.clock.now(), self.clock.monotonic());
        if changed.is_empty() {
            return;
        }
        let mut shown = self.shown.pulse.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for seen in changed {
            match shown.iter_mut().find(|shown| shown.pulse.org == seen.pulse.org) {
                Some(shown) => *shown = seen,
                None => shown.push(seen),
            }
        }
    }
}

/// How hard a batch has to be pushed to the disk. Claims and settlements may go with a power cut:
/// what they were about is then sent again, as after any end in the middle of an attempt. They go
/// to the disk with the next commit that is synced, and a killed process takes nothing with it.
fn needed(commands: &[Command]) -> Synchronous {
    let may_go = |command: &Command| matches!(command, Command::Claim(..) | Command::Settle(..));
    if commands.iter().all(may_go) { Synchronous::Normal } else { Synchronous::Full }
}

/// The journal keeps milliseconds; what is decided must be what is stored.
fn now_in_milliseconds(clock: &dyn Clock) -> Timestamp {
    let now = clock.now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
