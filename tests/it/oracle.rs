//! What every test with faults comes to in the end: what a client saw acknowledged is stored and
//! arrives, per application in order, and twice only where nobody could know that it had arrived.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde_json::Value;

use crate::bridge::{Bridge, element};
use crate::relay::{Received, Relay};

/// The events that a client saw acknowledged, per application in its order.
#[derive(Default)]
pub(crate) struct Acknowledged(BTreeMap<String, Vec<String>>);

/// How many events came how far.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) acknowledged: usize,
    pub(crate) stored: usize,
    pub(crate) delivered: usize,
    /// Events that the relay received more than once.
    pub(crate) resent: usize,
    /// Attempts whose outcome is not known.
    pub(crate) unknown: usize,
}

/// What the journal has to know of the attempts that arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempts {
    Recorded,
    MayBeGone,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, stored, delivered, resent, unknown } = self;
        write!(
            f,
            "{acknowledged} acknowledged, {stored} stored, {delivered} delivered, {resent} re-sent, \
             {unknown} attempts with an unknown outcome"
        )
    }
}

impl Acknowledged {
    /// Notes an event; one that is acknowledged again, as a duplicate, is noted once.
    pub(crate) fn note(&mut self, application: &str, event_id: &str) {
        let list = self.0.entry(application.to_owned()).or_default();
        if list.last().is_none_or(|last| last != event_id) {
            list.push(event_id.to_owned());
        }
    }

    /// Posts a change of stage that must be acknowledged.
    pub(crate) async fn change(&mut self, bridge: &Bridge, org: &str, application: &str, stage: &str) {
        let answer = bridge.change(org, application, stage).await;
        self.note(application, element(&answer, "Event_ID"));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Waits until all of the organisation's events are delivered, and compares what was acknowledged
    /// to its clients with what the journal holds and with what arrived.
    pub(crate) async fn prove(&self, bridge: &Bridge, relay: &Relay, org: &str) -> Figures {
        self.compare(bridge, relay, org, Attempts::Recorded).await
    }

    /// The same after power cuts, which may take what is known of attempts, never of events.
    pub(crate) async fn prove_after_power_cuts(&self, bridge: &Bridge, relay: &Relay, org: &str) -> Figures {
        self.compare(bridge, relay, org, Attempts::MayBeGone).await
    }

    async fn compare(&self, bridge: &Bridge, relay: &Relay, org: &str, attempts: Attempts) -> Figures {
        bridge.delivered_of(org).await;
        let events = bridge.events(&format!("orgid={org}")).await;
        let mut stored: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in &events {
            assert_eq!(event["delivery"]["state"], "delivered", "only boundaries of interviews are posted: {event}");
            stored.entry(text(event, "job_application_id")).or_default().push(text(event, "event_id"));
        }
        for (application, ids) in &self.0 {
            let kept = stored.get(application).map_or(&[][..], Vec::as_slice);
            assert!(in_order(ids, kept), "{application}: acknowledged {ids:?}, stored {kept:?}");
        }
        let arrived = arrivals(relay, org);
        assert_eq!(stored, first_arrivals(&arrived), "first arrivals are in the order of acceptance");
        let (resent, unknown) = sent_again_only_where_nobody_knew(bridge, &events, &arrived, attempts).await;
        Figures { acknowledged: self.len(), stored: events.len(), delivered: events.len(), resent, unknown }
    }
}

/// Whether all of these stand in `kept`, in this order.
fn in_order(ids: &[String], kept: &[String]) -> bool {
    let mut kept = kept.iter();
    ids.iter().all(|id| kept.any(|each| each == id))
}

fn text(event: &Value, key: &str) -> String {
    event[key].as_str().unwrap_or_else(|| panic!("no {key} in {event}")).to_owned()
}

/// What the relay received for an organisation, in its order.
pub(crate) fn arrivals(relay: &Relay, org: &str) -> Vec<Received> {
    let path = format!("/webhooks/{org}/workday");
    relay.received().into_iter().filter(|received| received.path == path).collect()
}

fn first_arrivals(arrived: &[Received]) -> BTreeMap<String, Vec<String>> {
    let mut seen: HashMap<&str, &Value> = HashMap::new();
    let mut first: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Received { idempotency_key, body, .. } in arrived {
        let before = seen.insert(idempotency_key, body);
        assert!(before.is_none_or(|before| before == body), "{idempotency_key} came with {before:?} and {body}");
        if before.is_none() {
            first.entry(text(body, "job_application_id")).or_default().push(idempotency_key.clone());
        }
    }
    first
}

/// Each arrival was an attempt of the log, and all attempts before the last failed or are unknown.
async fn sent_again_only_where_nobody_knew(
    bridge: &Bridge,
    events: &[Value],
    arrived: &[Received],
    recorded: Attempts,
) -> (usize, usize) {
    let mut times: HashMap<&str, usize> = HashMap::new();
    for received in arrived {
        *times.entry(&received.idempotency_key).or_default() += 1;
    }
    let (mut resent, mut unknown) = (0, 0);
    for event in events {
        let id = event["event_id"].as_str().unwrap();
        let (times, attempts) = (times[id], event["delivery"]["attempts"].as_u64().unwrap() as usize);
        let all_recorded = times <= attempts || recorded == Attempts::MayBeGone;
        assert!(all_recorded, "{id} came {times} times in {attempts} attempts");
        resent += usize::from(times > 1);
        if attempts == 1 {
            continue;
        }
        let log = bridge.api(&format!("events/{id}")).await["attempts_log"].take();
        let outcomes: Vec<_> = log.as_array().unwrap().iter().map(|attempt| text(attempt, "outcome")).collect();
        let (last, before) = outcomes.split_last().unwrap();
        let excused = before.iter().all(|outcome| ["retry", "unknown"].contains(&outcome.as_str()));
        assert!(last == "delivered" && excused && outcomes.len() == attempts, "{id}: {log}");
        unknown += before.iter().filter(|outcome| *outcome == "unknown").count();
    }
    (resent, unknown)
}
