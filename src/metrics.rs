//! The figures that a scrape sees. No candidate, application or free text is ever a label, and nobody
//! who has not signed in can make a label's value: organisations are those that are configured or in
//! the journal, everything else is of fixed sets.
//!
//! What is counted while messages and attempts pass goes to the handles of their organisation, which
//! are resolved once; `families` knows the names, `process` what the system says of the process.

mod families;
mod format;
mod handles;
mod process;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use self::families::{Families, Journal};
use self::handles::Handles;
use crate::delivery::{self, Attempted};
use crate::domain::{OrgId, Source};
use crate::journal::{self, OrganisationStats, Pulse, Taken};
use crate::refusal::Code;

pub use families::COMMIT;
pub use format::Format;

/// All figures of this process, as `/metrics` shows them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    families: Families,
    journal: Journal,
    organisations: RwLock<HashMap<OrgId, Arc<Handles>>>,
}

/// What is looked at when a scrape comes.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'m> {
    /// The time.
    pub now: Timestamp,
    /// Whether the journal takes events.
    pub ready: bool,
    /// What waits.
    pub pulses: &'m [Pulse],
    /// What is free on the journal's disk and what must be, in bytes; none for a database.
    pub disk: Option<(u64, u64)>,
    /// When the public listener's certificate expires; none without one.
    pub certificate_expires: Option<Timestamp>,
}

impl Metrics {
    /// All families, described but without a series: organisations come as they are [`expect`](Self::expect)ed.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        process::register(&mut registry);
        let bridge = registry.sub_registry_with_prefix("imper_bridge");
        let (families, journal) = (Families::register(bridge), Journal::register(bridge));
        Self { registry, families, journal, organisations: RwLock::default() }
    }

    /// Shows an organisation's counters before anything is counted, so that the first count is a rise.
    pub fn expect<'o>(&self, organisations: impl IntoIterator<Item = &'o OrgId>) {
        organisations.into_iter().for_each(|org| drop(self.of(org)));
    }

    /// Counts a message of a known organisation that was refused although its sender is known.
    pub fn refused(&self, org: &OrgId, source: Source) {
        self.of(org).refused(source).inc();
    }

    /// Counts a message that was not taken, whoever sent it.
    pub fn not_taken(&self, source: Source, code: Code) {
        self.families.not_taken(source, code).inc();
    }

    /// Counts a message for an organisation whose credentials were refused, or not looked at.
    pub fn not_signed_in(&self, org: &OrgId) {
        self.of(org).not_signed_in.inc();
    }

    /// Counts a refused message that could not be kept for the API.
    pub fn not_kept(&self, org: &OrgId) {
        self.of(org).not_kept.inc();
    }

    fn of(&self, org: &OrgId) -> Arc<Handles> {
        if let Some(handles) = self.organisations.read().unwrap_or_else(PoisonError::into_inner).get(org) {
            return Arc::clone(handles);
        }
        let mut organisations = self.organisations.write().unwrap_or_else(PoisonError::into_inner);
        let handles = organisations.entry(org.clone()).or_insert_with(|| Arc::new(self.families.handles(org)));
        Arc::clone(handles)
    }

    /// Takes over what takes a query to know, and was so at this time.
    pub fn looked(&self, stats: &[OrganisationStats], now: Timestamp) {
        for stats in stats {
            let gauges = &self.of(&stats.org).gauges;
            gauges.dead.set(whole(stats.dead));
            gauges.late.set(whole(stats.late));
            gauges.open_too_long.set(whole(stats.open_too_long));
            gauges.details_waiting.set(whole(stats.details.waiting));
            gauges.details_oldest.set(age(stats.details.oldest_waiting, now));
            gauges.details_failed.set(whole(stats.details.failed));
        }
    }

    /// Counts an attempt to read details back from Workday.
    pub fn read_back(&self, org: &OrgId, attempted: Attempted) {
        self.of(org).read_back(attempted.verdict);
    }

    /// Takes over whether an organisation from which messages are expected is silent.
    pub fn listened(&self, org: &OrgId, silent: bool) {
        self.families.listened(org, silent);
    }

    /// Everything as text, with what there is to see at this moment.
    pub fn scrape(&self, moment: &Moment<'_>, format: Format) -> String {
        let age = |since| age(since, moment.now);
        for Pulse { org, pending, oldest, oldest_start, due, paused, .. } in moment.pulses {
            let gauges = &self.of(org).gauges;
            gauges.pending.set(whole(*pending));
            gauges.oldest.set(age(*oldest));
            gauges.oldest_start.set(age(*oldest_start));
            gauges.ready_lag.set(age(*due));
            gauges.paused.set(i64::from(paused.is_some()));
        }
        self.families.looked(moment);
        let mut page = String::new();
        text::encode(&mut page, &self.registry).expect("writing to a string does not fail");
        format.write(page)
    }
}

fn age(since: Option<Timestamp>, now: Timestamp) -> f64 {
    since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0))
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl journal::Observer for Metrics {
    fn taken(&self, taken: &Taken, count: u64) {
        self.of(&taken.org).taken(taken, count);
    }

    fn committed(&self, requests: usize, took: Duration) {
        self.journal.committed(requests, took);
    }
}

impl delivery::Observer for Metrics {
    fn attempted(&self, org: &OrgId, attempted: Attempted) {
        self.of(org).attempted(attempted);
    }
}

#[cfg(test)]
mod tests;
