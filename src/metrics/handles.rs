//! The handles through which what is counted for one organisation is counted, looked up once.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::families::{OUTCOMES, RESULTS, Seconds};
use crate::delivery::{Attempted, Reason};
use crate::domain::{EventType, Outcome, Source};
use crate::journal::{Taken, Verdict};

/// What is counted for one organisation.
#[derive(Debug)]
pub(super) struct Handles {
    /// By source, then by outcome.
    pub(super) messages: [[Counter; OUTCOMES.len()]; Source::ALL.len()],
    pub(super) refused: [Counter; Source::ALL.len()],
    pub(super) events: [Counter; EventType::ALL.len()],
    pub(super) deliveries: [Counter; RESULTS.len()],
    pub(super) failures: [Counter; Reason::ALL.len()],
    pub(super) attempts: Histogram,
    pub(super) not_signed_in: Counter,
    pub(super) not_kept: Counter,
    pub(super) details_reads: [Counter; RESULTS.len()],
    pub(super) gauges: Gauges,
}

/// What is looked at rather than counted.
#[derive(Debug)]
pub(super) struct Gauges {
    pub(super) pending: Gauge,
    pub(super) oldest: Seconds,
    pub(super) oldest_start: Seconds,
    pub(super) ready_lag: Seconds,
    pub(super) paused: Gauge,
    pub(super) dead: Gauge,
    pub(super) late: Gauge,
    pub(super) open_too_long: Gauge,
    pub(super) details_waiting: Gauge,
    pub(super) details_oldest: Seconds,
    pub(super) details_failed: Gauge,
}

impl Handles {
    pub(super) fn refused(&self, source: Source) -> &Counter {
        &self.refused[place(&Source::ALL, source)]
    }

    pub(super) fn taken(&self, taken: &Taken, count: u64) {
        self.messages[place(&Source::ALL, taken.source)][place(&OUTCOMES, taken.outcome)].inc_by(count);
        if matches!(taken.outcome, Outcome::Accepted | Outcome::Stale) {
            self.events[place(&EventType::ALL, taken.event_type)].inc_by(count);
        }
    }

    pub(super) fn attempted(&self, attempted: Attempted) {
        self.deliveries[result(attempted.verdict)].inc();
        self.attempts.observe(attempted.latency.as_secs_f64());
        if let Some(reason) = attempted.reason {
            self.failures[place(&Reason::ALL, reason)].inc();
        }
    }

    pub(super) fn read_back(&self, verdict: Verdict) {
        self.details_reads[result(verdict)].inc();
    }
}

/// Where the result that a verdict is stands among [`RESULTS`].
fn result(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Delivered => 0,
        Verdict::Retry { .. } => 1,
        Verdict::Paused { .. } => 2,
        Verdict::Dead => 3,
    }
}

/// Where a value stands among all that there are.
fn place<T: PartialEq>(all: &[T], value: T) -> usize {
    all.iter().position(|each| *each == value).expect("all values are listed")
}
