//! The figures that a scrape sees. No candidate, application or free text is ever a label.

use jiff::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::delivery;
use crate::domain::{OrgId, Source};
use crate::journal::{self, Waiting};

/// The content type of the OpenMetrics text that [`Metrics::scrape`] gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Message {
    orgid: String,
    source: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Delivery {
    orgid: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Organisation {
    orgid: String,
}

/// All families.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    messages: Family<Message, Counter>,
    deliveries: Family<Delivery, Counter>,
    pending: Family<Organisation, Gauge>,
    oldest: Family<Organisation, Gauge<f64, std::sync::atomic::AtomicU64>>,
    not_kept: Family<Organisation, Counter>,
}

impl Metrics {
    /// Families without any figures.
    pub fn new() -> Self {
        let (messages, deliveries) = (Family::default(), Family::default());
        let (pending, oldest) = (Family::default(), Family::default());
        let mut registry = Registry::with_prefix("imper_bridge");
        registry.register("messages", "Messages by what became of them", messages.clone());
        registry.register("deliveries", "Delivery attempts by their result", deliveries.clone());
        registry.register("pending_events", "Events that wait for delivery", pending.clone());
        registry.register("oldest_pending_seconds", "Age of the oldest event that waits", oldest.clone());
        let not_kept = Family::default();
        registry.register("refused_not_kept", "Refused messages that the API cannot show", not_kept.clone());
        Self { registry, messages, deliveries, pending, oldest, not_kept }
    }

    /// Counts a message of a known organisation that was refused.
    pub fn refused(&self, org: &OrgId, source: Source) {
        self.count(org, source, "Refused", 1);
    }

    /// Counts a refused message that could not be kept for the API.
    pub fn not_kept(&self, org: &OrgId) {
        self.not_kept.get_or_create(&Organisation { orgid: org.to_string() }).inc();
    }

    fn count(&self, org: &OrgId, source: Source, outcome: &'static str, count: u64) {
        let labels = Message { orgid: org.to_string(), source: source.as_str(), outcome };
        self.messages.get_or_create(&labels).inc_by(count);
    }

    /// Everything as OpenMetrics text, with what waits at this moment.
    pub fn scrape(&self, waiting: &[Waiting], now: Timestamp) -> String {
        for Waiting { org, pending, oldest } in waiting {
            let labels = Organisation { orgid: org.to_string() };
            self.pending.get_or_create(&labels).set(i64::try_from(*pending).unwrap_or(i64::MAX));
            let age = oldest.map_or(0.0, |oldest| now.duration_since(oldest).as_secs_f64().max(0.0));
            self.oldest.get_or_create(&labels).set(age);
        }
        let mut page = String::new();
        text::encode(&mut page, &self.registry).expect("writing to a string does not fail");
        page
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl journal::Observer for Metrics {
    fn taken(&self, org: &OrgId, source: Source, outcome: crate::domain::Outcome, count: u64) {
        self.count(org, source, outcome.as_str(), count);
    }
}

impl delivery::Observer for Metrics {
    fn attempted(&self, org: &OrgId, result: &'static str) {
        self.deliveries.get_or_create(&Delivery { orgid: org.to_string(), result }).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Outcome;
    use crate::journal::Observer;

    #[test]
    fn the_families_of_the_contract_are_there() {
        let metrics = Metrics::new();
        let org: OrgId = "acme".parse().unwrap();
        metrics.taken(&org, Source::Soap, Outcome::Accepted, 2);
        metrics.refused(&org, Source::Soap);
        metrics.not_kept(&org);
        delivery::Observer::attempted(&metrics, &org, "delivered");
        let now = Timestamp::from_second(100).unwrap();
        let waiting = [Waiting { org, pending: 3, oldest: Some(Timestamp::from_second(90).unwrap()) }];
        let page = metrics.scrape(&waiting, now);
        for line in [
            "imper_bridge_messages_total{orgid=\"acme\",source=\"soap\",outcome=\"Accepted\"} 2",
            "imper_bridge_messages_total{orgid=\"acme\",source=\"soap\",outcome=\"Refused\"} 1",
            "imper_bridge_deliveries_total{orgid=\"acme\",result=\"delivered\"} 1",
            "imper_bridge_refused_not_kept_total{orgid=\"acme\"} 1",
            "imper_bridge_pending_events{orgid=\"acme\"} 3",
            "imper_bridge_oldest_pending_seconds{orgid=\"acme\"} 10.0",
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
    }
}
