//! The writer: one thread that decides and appends, many requests to a commit.
//!
//! Each turn takes what waits, decides it on a scratch copy, appends it in one transaction and
//! commits. Only then are lanes, knowledge and index told, and only then is anybody answered. A
//! commit that fails leaves nothing behind, in the file or in memory.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::watch;

use super::append::{self, Identity};
use super::fact::Fact;
use super::follow::Progress;
use super::lanes::{Entry, LaneKey, Lanes, Pick};
use super::standings::Standings;
use crate::clock::Clock;
use crate::domain::{OrgId, Outcome, Source};
use crate::journal::batch::{Batch, Decided, Keyed};
use crate::journal::{
    Claimed, Claims, Fence, Health, LaneKind, Observer, Promise, Quota, Receipt, Settled, Settlement, Unavailable,
    Verdict, Waiting,
};

/// How many requests may share a commit.
const BATCH: usize = 1024;

/// How often the free space is looked at, and a store that failed is tried.
const LOOK: Duration = Duration::from_secs(1);

/// What the writer is asked for.
pub(super) enum Command {
    Accept(Box<Keyed>, Promise<Receipt>),
    Claim(Quota, Duration, Promise<Claims>),
    Settle(Box<Settlement>, Promise<Settled>),
    Close,
}

/// What the writer shows to other threads.
pub(super) struct Shown {
    pub(super) health: Mutex<Health>,
    /// Set by whoever asks for the health, so that the next answer is from a new look.
    pub(super) asked: AtomicBool,
    pub(super) waiting: Mutex<Vec<Waiting>>,
    pub(super) wake: watch::Sender<u64>,
}

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
    pub(super) free_mb: Option<u64>,
    pub(super) failing: bool,
}

/// What a batch will mean once it is committed.
#[derive(Default)]
struct Effects {
    pushed: Vec<(OrgId, LaneKey, Entry)>,
    claimed: Vec<(Pick, u64, Duration)>,
    settled: Vec<(Fence, Verdict)>,
    facts: Vec<Fact>,
    answers: Vec<Answer>,
    /// What was taken of whom, for the figures.
    taken_of: Vec<(OrgId, Source, Outcome, u64)>,
    /// Lanes that this batch claims or settles already.
    taken: HashSet<LaneKey>,
}

impl Effects {
    fn count(&mut self, org: OrgId, source: Source, outcome: Outcome) {
        let same = |of: &&mut (OrgId, Source, Outcome, u64)| of.0 == org && of.1 == source && of.2 == outcome;
        match self.taken_of.iter_mut().find(same) {
            Some((.., count)) => *count += 1,
            None => self.taken_of.push((org, source, outcome, 1)),
        }
    }
}

enum Answer {
    Accepted(Promise<Receipt>, Result<Receipt, Unavailable>),
    Claimed(Promise<Claims>, Claims),
    Settled(Promise<Settled>, Settled),
}

impl Answer {
    fn give(self, failure: Option<&Unavailable>) {
        fn or<T>(failure: Option<&Unavailable>, result: Result<T, Unavailable>) -> Result<T, Unavailable> {
            failure.map_or(result, |failure| Err(failure.clone()))
        }
        match self {
            Self::Accepted(promise, result) => promise.keep(or(failure, result)),
            Self::Claimed(promise, claims) => promise.keep(or(failure, Ok(claims))),
            Self::Settled(promise, settled) => promise.keep(or(failure, Ok(settled))),
        }
    }
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
            if !batch.is_empty() {
                self.turn(batch);
            }
            if closing.is_some() {
                return;
            }
        }
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
            let tried = append::probe(&self.journal);
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
        if let rusqlite::Error::SqliteFailure(code, _) = error
            && matches!(code.extended_code, rusqlite::ffi::SQLITE_IOERR_FSYNC | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC)
        {
            tracing::error!(%error, "the journal cannot be synced to the disk; ending, since nothing can be promised");
            std::process::exit(1);
        }
        Unavailable::Failing(error.to_string())
    }

    fn turn(&mut self, commands: Vec<Command>) {
        let at = self.last_received.max(now_in_milliseconds(&*self.clock));
        let mut effects = Effects::default();
        let mut commands = commands.into_iter();
        match self.store(&mut commands, at, &mut effects) {
            Ok(last) => {
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
                commands.for_each(|command| refuse(command, &failure));
            }
        }
    }

    /// Decides and appends; the number of the last record once it is all on disk.
    fn store(
        &mut self,
        commands: &mut impl Iterator<Item = Command>,
        at: Timestamp,
        effects: &mut Effects,
    ) -> rusqlite::Result<u64> {
        let low_disk = self.low_disk();
        let now = self.clock.monotonic();
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

    fn commit_effects(&mut self, mut effects: Effects, at: Timestamp, last: u64) {
        let now = self.clock.monotonic();
        // A turn that wrote nothing says nothing about the disk.
        self.failing &= last == self.last;
        self.last = last;
        self.progress.push(&mut effects.facts, last);
        let woken = !effects.pushed.is_empty() || !effects.settled.is_empty();
        for (org, lane, entry) in effects.pushed {
            self.lanes.push(&org, lane, entry, now);
        }
        for (pick, attempt, until) in &effects.claimed {
            self.lanes.claimed(pick, *attempt, at, *until);
        }
        for (fence, verdict) in effects.settled {
            self.lanes.settled(fence, verdict, now);
        }
        self.show_waiting();
        for (org, source, outcome, count) in &effects.taken_of {
            self.options.observer.taken(org, *source, *outcome, *count);
        }
        if !self.failing {
            self.show(self.low_disk().map_or(Health::Ready, Health::NotReady));
        }
        effects.answers.into_iter().for_each(|answer| answer.give(None));
        if woken {
            self.shown.wake.send_modify(|level| *level += 1);
        }
    }

    pub(super) fn show_waiting(&mut self) {
        let changed = self.lanes.take_changed();
        if changed.is_empty() {
            return;
        }
        let mut shown = self.shown.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for waiting in changed {
            match shown.iter_mut().find(|shown| shown.org == waiting.org) {
                Some(shown) => *shown = waiting,
                None => shown.push(waiting),
            }
        }
    }
}

fn refuse(command: Command, failure: &Unavailable) {
    match command {
        Command::Accept(_, promise) => promise.keep(Err(failure.clone())),
        Command::Claim(.., promise) => promise.keep(Err(failure.clone())),
        Command::Settle(_, promise) => promise.keep(Err(failure.clone())),
        Command::Close => {}
    }
}

/// The journal keeps milliseconds; what is decided must be what is stored.
fn now_in_milliseconds(clock: &dyn Clock) -> Timestamp {
    let now = clock.now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// One transaction under way.
struct Turn<'t> {
    journal: &'t Connection,
    identity: &'t Identity,
    lanes: &'t mut Lanes,
    batch: Batch<'t, Standings>,
    last: u64,
    effects: &'t mut Effects,
    low_disk: Option<Unavailable>,
    now: Duration,
}

impl Turn<'_> {
    fn take(&mut self, command: Command) -> rusqlite::Result<()> {
        match command {
            Command::Accept(message, promise) => {
                let (org, source) = (message.incoming.org.clone(), message.incoming.source);
                let (result, failed) = split(self.accept(*message), Err(Unavailable::Stopped));
                if let Ok(receipt) = &result {
                    self.effects.count(org, source, receipt.outcome);
                }
                self.effects.answers.push(Answer::Accepted(promise, result));
                failed
            }
            Command::Claim(quota, lease, promise) => {
                let (claims, failed) = split(self.claim(&quota, lease), Claims::default());
                self.effects.answers.push(Answer::Claimed(promise, claims));
                failed
            }
            Command::Settle(settlement, promise) => {
                let (settled, failed) = split(self.settle(&settlement), Settled::Stale);
                self.effects.answers.push(Answer::Settled(promise, settled));
                failed
            }
            Command::Close => Ok(()),
        }
    }

    fn sequence(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn accept(&mut self, message: Keyed) -> rusqlite::Result<Result<Receipt, Unavailable>> {
        let at = self.batch.at();
        let dry_run = message.incoming.dry_run;
        let new = match self.batch.decide(&message)? {
            Decided::New(new) => new,
            Decided::Duplicate(event) => {
                let event_id = Some(self.identity.event_id(&event));
                let outcome = if dry_run { Outcome::DryRun } else { Outcome::Duplicate };
                if !dry_run {
                    let sequence = self.sequence();
                    append::duplicate(self.journal, sequence, at, event.sequence)?;
                    self.effects.facts.push(Fact::Duplicate { event: event.sequence, at });
                }
                return Ok(Ok(Receipt { event_id, event_type: event.event_type, outcome }));
            }
        };
        if dry_run {
            return Ok(Ok(Receipt { event_id: None, event_type: new.event_type, outcome: Outcome::DryRun }));
        }
        if let Some(refused) = self.refused(&message, new.deliver) {
            return Ok(Err(refused));
        }
        let sequence = self.sequence();
        append::event(self.journal, sequence, at, &message, &new)?;
        self.batch.learn(&message, &new, sequence);
        if new.deliver {
            let entry = Entry { sequence, received_at: at, attempts: 0, first_attempt: None };
            let lane = (message.application, LaneKind::Delivery);
            self.effects.pushed.push((message.incoming.org.clone(), lane, entry));
        }
        self.effects.facts.push(Fact::of_event(sequence, at, message, &new, self.identity));
        let event = crate::journal::batch::EventRef { sequence, received_at: at, event_type: new.event_type };
        let event_id = Some(self.identity.event_id(&event));
        Ok(Ok(Receipt { event_id, event_type: new.event_type, outcome: new.outcome }))
    }

    fn refused(&self, message: &Keyed, deliver: bool) -> Option<Unavailable> {
        if self.low_disk.is_some() {
            return self.low_disk.clone();
        }
        let incoming = &message.incoming;
        if !deliver || incoming.pending_limit == 0 {
            return None;
        }
        let pushed = self.effects.pushed.iter().filter(|(org, ..)| *org == incoming.org).count() as u64;
        let pending = self.lanes.pending(&incoming.org) + pushed;
        (pending >= incoming.pending_limit).then_some(Unavailable::Backlog { pending })
    }

    fn claim(&mut self, quota: &Quota, lease: Duration) -> rusqlite::Result<Claims> {
        let mut claims = Claims::default();
        // Nothing is handed out whose result could not be recorded.
        if self.low_disk.is_some() {
            claims.next_due = Some(LOOK);
            return Ok(claims);
        }
        for pick in self.lanes.pick(quota, self.now, &self.effects.taken) {
            let stored = append::read(self.journal, pick.entry.sequence, self.identity.tag)?;
            let Some(stored) = stored else { continue };
            let attempt = self.sequence();
            let at = self.batch.at();
            append::attempt(self.journal, attempt, at, pick.entry.sequence, pick.lane.1)?;
            let event = pick.entry.sequence;
            self.effects.facts.push(Fact::Attempt { sequence: attempt, event, at });
            claims.claimed.push(Claimed {
                idempotency_key: stored.event.event_id.to_string(),
                fence: Fence { event, attempt },
                attempt: pick.entry.attempts + 1,
                since_first: pick.entry.first_attempt.map_or(Duration::ZERO, |first| since(at, first)),
                age: since(at, stored.event.received_at),
                trace: stored.trace,
                event: stored.event,
            });
            self.effects.taken.insert(pick.lane);
            self.effects.claimed.push((pick, attempt, self.now + lease));
        }
        claims.next_due = self.lanes.next_due(quota, self.now);
        Ok(claims)
    }

    fn settle(&mut self, settlement: &Settlement) -> rusqlite::Result<Settled> {
        let at = self.batch.at();
        let Some((org, lane)) = self.lanes.held(settlement.fence).map(|(org, lane)| (org.clone(), lane)) else {
            return Ok(Settled::Stale);
        };
        let repeated = self.effects.settled.iter().any(|(fence, _)| *fence == settlement.fence);
        let taken_over = self.effects.taken.contains(&lane);
        if repeated || taken_over {
            return Ok(Settled::Stale);
        }
        let event_time = match settlement.protection {
            None => at,
            Some(_) => append::read(self.journal, settlement.fence.event, self.identity.tag)?
                .map_or(at, |stored| stored.event.timestamp),
        };
        let sequence = self.sequence();
        append::settlement(self.journal, sequence, at, settlement)?;
        self.effects.facts.push(Fact::of_settlement(sequence, at, settlement, org, lane.0, event_time));
        self.effects.settled.push((settlement.fence, settlement.verdict));
        // Its next event may be claimed only once this is committed.
        self.effects.taken.insert(lane);
        Ok(Settled::Applied)
    }
}

/// The value to answer with, and whether the batch goes on. Where it does not, all its answers are
/// replaced by the failure.
fn split<T>(result: rusqlite::Result<T>, otherwise: T) -> (T, rusqlite::Result<()>) {
    match result {
        Ok(value) => (value, Ok(())),
        Err(error) => (otherwise, Err(error)),
    }
}

fn since(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}
