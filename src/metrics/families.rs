//! The names of the bridge's own figures.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

use super::handles::{Gauges, Handles};
use super::{Moment, whole};
use crate::delivery::Reason;
use crate::domain::{EventType, OrgId, Outcome, Source};
use crate::refusal::Code;

/// The commit from which the program was built, where whoever built it said so.
pub const COMMIT: &str = match option_env!("IMPER_BRIDGE_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// What becomes of the message of a known sender that is not taken.
const REFUSED: &str = "Refused";

pub(super) const OUTCOMES: [Outcome; 4] = [Outcome::Accepted, Outcome::Duplicate, Outcome::Stale, Outcome::DryRun];
pub(super) const RESULTS: [&str; 4] = ["delivered", "retry", "paused", "dead"];

/// In seconds; an attempt takes `delivery.timeout_seconds` at most.
const ATTEMPT_BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const COMMIT_BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

pub(super) type Seconds = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfMessages {
    orgid: String,
    source: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfEvents {
    orgid: String,
    event_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFaults {
    source: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDeliveries {
    orgid: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFailures {
    orgid: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOne {
    orgid: String,
}

/// A name, what it means, and the value.
type Figure = (&'static str, &'static str, i64);

/// What not every bridge has; a figure that is not known is not shown.
#[derive(Debug, Default, Clone)]
struct Around(Arc<Mutex<Vec<Figure>>>);

impl Collector for Around {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for (name, help, value) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            ConstGauge::new(*value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

/// The families.
#[derive(Debug)]
pub(super) struct Families {
    messages: Family<OfMessages, Counter>,
    events: Family<OfEvents, Counter>,
    faults: Family<OfFaults, Counter>,
    deliveries: Family<OfDeliveries, Counter>,
    failures: Family<OfFailures, Counter>,
    attempts: Family<OfOne, Histogram, fn() -> Histogram>,
    pending: Family<OfOne, Gauge>,
    oldest: Family<OfOne, Seconds>,
    oldest_start: Family<OfOne, Seconds>,
    ready_lag: Family<OfOne, Seconds>,
    paused: Family<OfOne, Gauge>,
    silent: Family<OfOne, Gauge>,
    dead: Family<OfOne, Gauge>,
    late: Family<OfOne, Gauge>,
    open_too_long: Family<OfOne, Gauge>,
    not_signed_in: Family<OfOne, Counter>,
    not_kept: Family<OfOne, Counter>,
    details_reads: Family<OfDeliveries, Counter>,
    details_waiting: Family<OfOne, Gauge>,
    details_oldest: Family<OfOne, Seconds>,
    details_failed: Family<OfOne, Gauge>,
    ready: Gauge,
    around: Around,
}

impl Families {
    pub(super) fn register(registry: &mut Registry) -> Self {
        // A gauge, as the older text format knows no type for what only has labels.
        let build = Registrar(registry).family::<[(&str, &str); 2], Gauge>("build_info", "What runs");
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION")), ("commit", COMMIT)]).set(1);
        let ready = Gauge::default();
        registry.register("ready", "1 while the journal takes events", ready.clone());
        let attempts = Family::new_with_constructor((|| Histogram::new(ATTEMPT_BUCKETS)) as fn() -> Histogram);
        let attempts = family(registry, "attempt_seconds", "How long delivery attempts took", attempts);
        let around = Around::default();
        registry.register_collector(Box::new(around.clone()));
        let mut of = Registrar(registry);
        Self {
            messages: of.family("messages", "Messages of known senders by what became of them"),
            events: of.family("events", "Recorded events by type, stale ones included"),
            faults: of.family("faults", "Messages that were not taken, whoever sent them, by code"),
            deliveries: of.family("deliveries", "Delivery attempts by their result"),
            failures: of.family("delivery_failures", "Attempts that did not deliver, by reason"),
            attempts,
            pending: of.family("pending_events", "Events that wait for delivery"),
            oldest: of.family("oldest_pending_seconds", "Age of the oldest event that waits"),
            oldest_start: of
                .family("oldest_undelivered_start_seconds", "Age of the oldest start of an interview that waits"),
            ready_lag: of.family("ready_lag_seconds", "For how long an event has been due that is not being delivered"),
            paused: of.family("paused", "1 while the deliveries of an organisation stand still"),
            silent: of.family("silent", "1 while no message came for longer than expected"),
            dead: of.family("dead_events", "Events that were given up and are still there"),
            late: of.family("late_starts", "Starts of interviews not delivered while that was of use"),
            open_too_long: of.family("interviews_open_too_long", "Interviews open for longer than expected"),
            not_signed_in: of.family("failed_sign_ins", "Messages whose credentials were refused, or not looked at"),
            not_kept: of.family("refused_not_kept", "Refused messages that the API cannot show"),
            details_reads: of.family("details_reads", "Attempts to read details back from Workday by their result"),
            details_waiting: of.family("details_waiting", "Protections whose details are still to be read"),
            details_oldest: of.family("details_oldest_waiting_seconds", "For how long the oldest of them has waited"),
            details_failed: of.family("details_failed", "Protections whose details cannot be read"),
            ready,
            around,
        }
    }

    /// All that is counted for an organisation.
    pub(super) fn handles(&self, org: &OrgId) -> Handles {
        let one = OfOne { orgid: org.to_string() };
        let orgid = || one.orgid.clone();
        let messages = |source: Source, outcome| {
            self.messages.get_or_create_owned(&OfMessages { orgid: orgid(), source: source.as_str(), outcome })
        };
        Handles {
            messages: Source::ALL.map(|source| OUTCOMES.map(|outcome| messages(source, outcome.as_str()))),
            refused: Source::ALL.map(|source| messages(source, REFUSED)),
            events: EventType::ALL.map(|event_type| {
                self.events.get_or_create_owned(&OfEvents { orgid: orgid(), event_type: event_type.as_str() })
            }),
            deliveries: RESULTS
                .map(|result| self.deliveries.get_or_create_owned(&OfDeliveries { orgid: orgid(), result })),
            failures: Reason::ALL.map(|reason| {
                self.failures.get_or_create_owned(&OfFailures { orgid: orgid(), reason: reason.as_str() })
            }),
            attempts: self.attempts.get_or_create_owned(&one),
            not_signed_in: self.not_signed_in.get_or_create_owned(&one),
            not_kept: self.not_kept.get_or_create_owned(&one),
            details_reads: RESULTS
                .map(|result| self.details_reads.get_or_create_owned(&OfDeliveries { orgid: orgid(), result })),
            gauges: Gauges {
                pending: self.pending.get_or_create_owned(&one),
                oldest: self.oldest.get_or_create_owned(&one),
                oldest_start: self.oldest_start.get_or_create_owned(&one),
                ready_lag: self.ready_lag.get_or_create_owned(&one),
                paused: self.paused.get_or_create_owned(&one),
                dead: self.dead.get_or_create_owned(&one),
                late: self.late.get_or_create_owned(&one),
                open_too_long: self.open_too_long.get_or_create_owned(&one),
                details_waiting: self.details_waiting.get_or_create_owned(&one),
                details_oldest: self.details_oldest.get_or_create_owned(&one),
                details_failed: self.details_failed.get_or_create_owned(&one),
            },
        }
    }

    pub(super) fn not_taken(&self, source: Source, code: Code) -> Counter {
        self.faults.get_or_create_owned(&OfFaults { source: source.as_str(), code: code.as_str() })
    }

    pub(super) fn listened(&self, org: &OrgId, silent: bool) {
        self.silent.get_or_create(&OfOne { orgid: org.to_string() }).set(i64::from(silent));
    }

    /// Takes over what is true of the whole process at this moment.
    pub(super) fn looked(&self, moment: &Moment<'_>) {
        self.ready.set(i64::from(moment.ready));
        let mut around = Vec::new();
        if let Some((free, wanted)) = moment.disk {
            around.push(("disk_free_bytes", "Free space on the disk of the journal.", whole(free)));
            around.push(("disk_wanted_bytes", "Free space below which nothing is accepted.", whole(wanted)));
        }
        if let Some(expires) = moment.certificate_expires {
            let help = "When the certificate expires, in seconds since 1970.";
            around.push(("certificate_expires_timestamp_seconds", help, expires.as_second()));
        }
        *self.around.0.lock().unwrap_or_else(PoisonError::into_inner) = around;
    }
}

/// What the journal's store takes.
#[derive(Debug)]
pub(super) struct Journal {
    commits: Histogram,
    batches: Histogram,
}

impl Journal {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let commits = Histogram::new(COMMIT_BUCKETS);
        registry.register("journal_commit_seconds", "From taking up requests to having them on disk", commits.clone());
        let batches = Histogram::new(exponential_buckets(1.0, 2.0, 11));
        registry.register("journal_batch_size", "Requests that shared a commit", batches.clone());
        Self { commits, batches }
    }

    pub(super) fn committed(&self, requests: usize, took: Duration) {
        self.commits.observe(took.as_secs_f64());
        self.batches.observe(requests as f64);
    }
}

/// Registers families whose figures begin with nothing.
struct Registrar<'r>(&'r mut Registry);

impl Registrar<'_> {
    fn family<L, M>(&mut self, name: &str, help: &str) -> Family<L, M>
    where
        L: EncodeLabelSet + Clone + std::hash::Hash + Eq + std::fmt::Debug + Send + Sync + 'static,
        M: EncodeMetric + TypedMetric + Default + std::fmt::Debug + Send + Sync + 'static,
    {
        family(self.0, name, help, Family::default())
    }
}

fn family<L, M, C>(registry: &mut Registry, name: &str, help: &str, family: Family<L, M, C>) -> Family<L, M, C>
where
    L: EncodeLabelSet + Clone + std::hash::Hash + Eq + std::fmt::Debug + Send + Sync + 'static,
    M: EncodeMetric + TypedMetric + std::fmt::Debug + Send + Sync + 'static,
    C: MetricConstructor<M> + Clone + Send + Sync + 'static,
{
    registry.register(name, help, family.clone());
    family
}
