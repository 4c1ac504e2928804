//! The pump: claims, lets handlers try, settles.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::report::Reports;
use super::{Handled, Outcome, Policy, Reason, Routes, share, verdict};
use crate::clock::Clock;
use crate::domain::protection::Change;
use crate::domain::{EventType, OrgId};
use crate::journal::{Answered, Claimed, LaneKind, Quota, ReadBack, Settled, Settlement, Verdict, Work};

/// How long to wait before a journal that fails is asked again.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);

/// How long the pump sleeps where nothing is due; it is woken when something comes.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// An attempt that was settled.
#[derive(Debug, Clone, Copy)]
pub struct Attempted {
    /// What becomes of the event.
    pub verdict: Verdict,
    /// Why it was not delivered.
    pub reason: Option<Reason>,
    /// How long the attempt took.
    pub latency: Duration,
}

/// Who is told how deliveries go.
pub trait Observer: Send + Sync {
    /// An attempt for the organisation was settled.
    fn attempted(&self, org: &OrgId, attempted: Attempted);
}

/// Delivers until told to stop, or does the work of another kind of lane.
pub struct Pump {
    kind: LaneKind,
    journal: Arc<dyn Work>,
    routes: Arc<dyn Routes>,
    clock: Arc<dyn Clock>,
    policy: Arc<ArcSwap<Policy>>,
    observer: Arc<dyn Observer>,
    /// Attempts whose result the journal could not record yet: while there are any, nothing is sent.
    unrecorded: AtomicUsize,
    reports: Reports,
    nudged: Notify,
}

impl Pump {
    /// A pump between this journal and these routes. The policy may be swapped while it runs.
    pub fn new(
        journal: Arc<dyn Work>,
        routes: Arc<dyn Routes>,
        clock: Arc<dyn Clock>,
        policy: Arc<ArcSwap<Policy>>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let (unrecorded, reports, nudged) = (AtomicUsize::new(0), Reports::default(), Notify::new());
        Self { kind: LaneKind::Delivery, journal, routes, clock, policy, observer, unrecorded, reports, nudged }
    }

    /// The same for lanes of another kind.
    #[must_use]
    pub fn of_kind(self, kind: LaneKind) -> Self {
        Self { kind, ..self }
    }

    /// Looks for work at once: the routes or the policy changed.
    pub fn nudge(&self) {
        self.nudged.notify_one();
    }

    /// Runs until `stop` turns true, then lets attempts under way finish for at most `grace`;
    /// those that do not are recorded as unknown by having no settlement, and are sent again.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>, grace: Duration) {
        let mut wake = self.journal.wake();
        let mut attempts = Attempts::default();
        while !*stop.borrow() {
            wake.mark_unchanged();
            let next_due = self.start_some(&mut attempts).await;
            tokio::select! {
                _ = stop.changed() => {}
                Ok(()) = wake.changed() => {}
                () = attempts.ended() => {}
                () = self.nudged.notified() => {}
                () = self.clock.sleep(next_due.unwrap_or(LONGEST_SLEEP)) => {}
            }
        }
        if tokio::time::timeout(grace, attempts.all_ended()).await.is_err() {
            tracing::warn!(attempts = attempts.tasks.len(), "ending with attempts under way; they are sent again");
        }
    }

    /// Claims what there is room for and starts it; the time until something more is due.
    async fn start_some(self: &Arc<Self>, attempts: &mut Attempts) -> Option<Duration> {
        if self.unrecorded.load(Ordering::Relaxed) > 0 {
            return Some(JOURNAL_PAUSE);
        }
        let policy = self.policy.load_full();
        let quota = share::quota(policy.concurrency, &attempts.in_flight, self.routes.organisations());
        let quota = Quota { kind: self.kind, ..quota };
        if quota.total == 0 || quota.known.is_empty() {
            return None;
        }
        let (asked_at, lease) = (self.clock.monotonic(), lease(&policy));
        let claims = match self.journal.claim(quota, lease).await {
            Ok(claims) => claims,
            Err(reason) => {
                tracing::warn!(%reason, "nothing can be delivered while the journal cannot record it");
                return Some(JOURNAL_PAUSE);
            }
        };
        for claimed in claims.claimed {
            let org = claimed.event.orgid.clone();
            let span = tracing::debug_span!(
                "attempt", orgid = %org, event.id = %claimed.event.event_id, attempt = claimed.attempt,
                trace.id = %claimed.trace().trace_id()
            );
            let attempt = Arc::clone(self).attempt(claimed, asked_at, asked_at + lease, Arc::clone(&policy));
            attempts.start(org, attempt.instrument(span));
        }
        claims.next_due
    }

    async fn attempt(self: Arc<Self>, claimed: Claimed, claimed_at: Duration, until: Duration, policy: Arc<Policy>) {
        let org = claimed.event.orgid.clone();
        // A fence protects the journal's rows, not the relay: what could still be under way when
        // somebody else gets the work must not begin.
        if self.clock.monotonic() + policy.timeout >= until {
            return;
        }
        let handled = match self.routes.handler(&org) {
            Some(handler) => handler.handle(claimed.clone(), policy.timeout).await,
            None => removed(),
        };
        let elapsed = self.clock.monotonic().saturating_sub(claimed_at);
        let since_first = claimed.since_first + elapsed;
        let tried = verdict::Try { attempt: claimed.attempt, since_first, strike: claimed.strike };
        let verdict = verdict::of_outcome(&handled.outcome, &policy, tried, || self.clock.chance());
        let is_delivery = self.kind == LaneKind::Delivery;
        let late = is_delivery && is_late(&claimed, verdict, claimed.age + elapsed > policy.useful_within);
        match self.kind {
            LaneKind::Details => self.reports.details(&claimed, verdict),
            LaneKind::Delivery => self.reports.delivery(&claimed, &handled, verdict),
        }
        let Handled { answered, protection, read_back, reason, .. } = handled;
        // A protection that is on from before another handler was configured ends with its interview.
        let ends = is_delivery && verdict == Verdict::Delivered;
        let ends = ends && claimed.event.event_type == EventType::InterviewEnded;
        let protection = protection.or(ends.then_some(Change::Ended));
        let attempted = Attempted { verdict, reason, latency: answered.latency };
        let settlement = Settlement { fence: claimed.fence, verdict, answered, protection, read_back, late };
        self.settle(settlement, &org, attempted).await;
    }

    /// Settles, however long the journal takes to be able to.
    async fn settle(&self, settlement: Settlement, org: &OrgId, attempted: Attempted) {
        let mut waits = false;
        loop {
            match self.journal.settle(settlement.clone()).await {
                Ok(Settled::Applied) => self.observer.attempted(org, attempted),
                Ok(Settled::Stale) => tracing::warn!(orgid = %org, "an attempt outlived its lease; its result is void"),
                Err(reason) => {
                    if !std::mem::replace(&mut waits, true) {
                        self.unrecorded.fetch_add(1, Ordering::Relaxed);
                        tracing::warn!(%reason, orgid = %org, "the result of an attempt cannot be recorded yet");
                    }
                    self.clock.sleep(JOURNAL_PAUSE).await;
                    continue;
                }
            }
            if waits {
                self.unrecorded.fetch_sub(1, Ordering::Relaxed);
            }
            return;
        }
    }
}

/// Whether an interview's start was not delivered while that was of use. What is replayed was
/// counted before.
fn is_late(claimed: &Claimed, verdict: Verdict, past_use: bool) -> bool {
    let is_start = claimed.event.event_type == EventType::InterviewStarted && !claimed.replayed;
    is_start && (verdict == Verdict::Dead || (verdict == Verdict::Delivered && past_use))
}

/// Long enough for the whole attempt and for settling it.
fn lease(policy: &Policy) -> Duration {
    policy.timeout * 2 + Duration::from_secs(10)
}

/// The attempts under way and whose they are.
#[derive(Default)]
struct Attempts {
    tasks: JoinSet<()>,
    organisations: HashMap<tokio::task::Id, OrgId>,
    in_flight: HashMap<OrgId, usize>,
}

impl Attempts {
    fn start(&mut self, org: OrgId, attempt: impl Future<Output = ()> + Send + 'static) {
        *self.in_flight.entry(org.clone()).or_default() += 1;
        self.organisations.insert(self.tasks.spawn(attempt).id(), org);
    }

    /// Waits until at least one ended, and takes note of all that did; for ever where there is none.
    async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.note(ended),
            None => std::future::pending().await,
        }
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.note(ended);
        }
    }

    async fn all_ended(&mut self) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.note(ended);
        }
    }

    fn note(&mut self, ended: Result<(tokio::task::Id, ()), tokio::task::JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "an attempt panicked; its event is tried again once its lease ran out");
                error.id()
            }
        };
        let Some(org) = self.organisations.remove(&id) else { return };
        if let Some(count) = self.in_flight.get_mut(&org) {
            *count -= 1;
            if *count == 0 {
                self.in_flight.remove(&org);
            }
        }
    }
}

fn removed() -> Handled {
    let error = Some("the organisation is no longer configured".to_owned());
    Handled {
        outcome: Outcome::Retry { retry_after: None, whole_organisation: false },
        answered: Answered { error, ..Answered::default() },
        reason: Some(Reason::Removed),
        protection: None,
        read_back: ReadBack::Nothing,
    }
}
