//! The figures that a scrape sees. No candidate, application or free text is ever a label.

use jiff::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::delivery;
use crate::domain::{OrgId, Source};
use crate::journal::{self, OrganisationStats, Pulse};

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
    oldest: Family<Organisation, Seconds>,
    oldest_start: Family<Organisation, Seconds>,
    paused: Family<Organisation, Gauge>,
    silent: Family<Organisation, Gauge>,
    late: Family<Organisation, Gauge>,
    open_too_long: Family<Organisation, Gauge>,
    not_kept: Family<Organisation, Counter>,
}

type Seconds = Gauge<f64, std::sync::atomic::AtomicU64>;

impl Metrics {
    /// Families without any figures.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("imper_bridge");
        Self {
            messages: family(&mut registry, "messages", "Messages by what became of them"),
            deliveries: family(&mut registry, "deliveries", "Delivery attempts by their result"),
            pending: family(&mut registry, "pending_events", "Events that wait for delivery"),
            oldest: family(&mut registry, "oldest_pending_seconds", "Age of the oldest event that waits"),
            oldest_start: family(
                &mut registry,
                "oldest_undelivered_start_seconds",
                "Age of the oldest start of an interview that waits",
            ),
            paused: family(&mut registry, "paused", "1 while the deliveries of an organisation stand still"),
            silent: family(&mut registry, "silent", "1 while no message came for longer than expected"),
            late: family(&mut registry, "late_starts", "Starts of interviews not delivered while that was of use"),
            open_too_long: family(
                &mut registry,
                "interviews_open_too_long",
                "Interviews open for longer than expected",
            ),
            not_kept: family(&mut registry, "refused_not_kept", "Refused messages that the API cannot show"),
            registry,
        }
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

    /// Takes over what takes a query to know.
    pub fn looked(&self, stats: &[OrganisationStats]) {
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for stats in stats {
            let labels = Organisation { orgid: stats.org.to_string() };
            self.late.get_or_create(&labels).set(gauge(stats.late));
            self.open_too_long.get_or_create(&labels).set(gauge(stats.open_too_long));
        }
    }

    /// Takes over whether an organisation from which messages are expected is silent.
    pub fn listened(&self, org: &OrgId, silent: bool) {
        self.silent.get_or_create(&Organisation { orgid: org.to_string() }).set(i64::from(silent));
    }

    /// Everything as OpenMetrics text, with what waits at this moment.
    pub fn scrape(&self, pulses: &[Pulse], now: Timestamp) -> String {
        let age =
            |since: Option<Timestamp>| since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0));
        for Pulse { org, pending, oldest, oldest_start, paused, .. } in pulses {
            let labels = Organisation { orgid: org.to_string() };
            self.pending.get_or_create(&labels).set(i64::try_from(*pending).unwrap_or(i64::MAX));
            self.oldest.get_or_create(&labels).set(age(*oldest));
            self.oldest_start.get_or_create(&labels).set(age(*oldest_start));
            self.paused.get_or_create(&labels).set(i64::from(paused.is_some()));
        }
        let mut page = String::new();
        text::encode(&mut page, &self.registry).expect("writing to a string does not fail");
        page
    }
}

fn family<L, M>(registry: &mut Registry, name: &str, help: &str) -> Family<L, M>
where
    L: EncodeLabelSet + Clone + std::hash::Hash + Eq + std::fmt::Debug + Send + Sync + 'static,
    M: EncodeMetric + TypedMetric + Default + std::fmt::Debug + Send + Sync + 'static,
{
    let family = Family::default();
    registry.register(name, help, family.clone());
    family
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
        metrics.listened(&org, true);
        let oldest = Some(Timestamp::from_second(90).unwrap());
        let pulse = Pulse {
            org,
            pending: 3,
            oldest,
            oldest_start: oldest,
            paused: None,
            held_until: None,
            last_message_at: None,
        };
        let page = metrics.scrape(&[pulse], now);
        for line in [
            "imper_bridge_messages_total{orgid=\"acme\",source=\"soap\",outcome=\"Accepted\"} 2",
            "imper_bridge_messages_total{orgid=\"acme\",source=\"soap\",outcome=\"Refused\"} 1",
            "imper_bridge_deliveries_total{orgid=\"acme\",result=\"delivered\"} 1",
            "imper_bridge_refused_not_kept_total{orgid=\"acme\"} 1",
            "imper_bridge_pending_events{orgid=\"acme\"} 3",
            "imper_bridge_oldest_pending_seconds{orgid=\"acme\"} 10.0",
            "imper_bridge_oldest_undelivered_start_seconds{orgid=\"acme\"} 10.0",
            "imper_bridge_paused{orgid=\"acme\"} 0",
            "imper_bridge_silent{orgid=\"acme\"} 1",
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
    }
}
