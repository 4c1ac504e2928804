//! From Workday's message to the relay's receipt, over real HTTP, with the real binary.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bridge::{Home, element};
use crate::relay::Relay;

fn relayed(relay: &Relay, more: &str) -> String {
    format!(
        "[delivery]\nfirst_retry_seconds = 0.01\nmax_retry_seconds = 0.05\nprobe_seconds = 0.05\ntimeout_seconds = 2\n\
         [org.acme]\nauth.none = true\n\
         [org.acme.relay]\nurl = \"{}/webhooks/acme/workday\"\napi_key = \"relay-key\"\n{more}\n",
        relay.url()
    )
}

/// The event types that arrived, per application, in the order of first arrival.
fn arrived(relay: &Relay) -> HashMap<String, Vec<String>> {
    let mut seen: HashMap<String, Vec<(String, String)>> = HashMap::new();
    for request in relay.received() {
        let text = |key: &str| request.body[key].as_str().unwrap().to_owned();
        let list = seen.entry(text("job_application_id")).or_default();
        if list.iter().all(|(key, _)| *key != request.idempotency_key) {
            list.push((request.idempotency_key.clone(), text("event_type")));
        }
    }
    let types = |list: Vec<(String, String)>| list.into_iter().map(|(_, event_type)| event_type).collect();
    seen.into_iter().map(|(application, list)| (application, types(list))).collect()
}

#[tokio::test]
async fn the_relay_receives_what_its_contract_says() {
    let relay = Relay::start();
    let home = Home::new(&relayed(&relay, ""));
    let bridge = home.start();
    let seed = include_str!("../../fixtures/seed.xml");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let answer = bridge.post("acme", "text/xml", seed).header("traceparent", trace).send().await.unwrap();
    let answer = answer.text().await.unwrap();
    bridge.delivered().await;
    let received = &relay.received()[0];
    let event = &bridge.events("").await[0];
    assert_eq!(
        received.body,
        json!({ "event_type": "interview_started", "candidate_id": "W12345", "job_application_id": "WAPPLIC12345",
                "job_requisition_id": "REQ678", "timestamp": event["timestamp"] })
    );
    assert_eq!(received.path, "/webhooks/acme/workday");
    assert_eq!(received.header("authorization"), "Bearer relay-key");
    assert_eq!(received.header("content-type"), "application/json");
    assert_eq!(received.header("user-agent"), concat!("imper-bridge/", env!("CARGO_PKG_VERSION")));
    assert_eq!(received.idempotency_key, element(&answer, "Event_ID"));
    let traceparent = received.header("traceparent");
    assert!(traceparent.starts_with(&trace[..36]) && !traceparent.contains(&trace[36..52]), "{traceparent}");
    // What is no boundary of an interview is not for the relay.
    bridge.change("acme", "WAPPLIC12345", "Interview").await;
    bridge.change("acme", "OTHER", "Screen").await;
    bridge.delivered().await;
    assert_eq!(relay.received().len(), 1);
    assert!(home.start_fails().contains("in use by another process"));
}

#[tokio::test]
async fn the_studio_mapping_carries_every_state_change_and_requires_a_stage() {
    let relay = Relay::start();
    let home = Home::new(&relayed(&relay, "payload = \"state_change\""));
    let bridge = home.start();
    let seed = include_str!("../../fixtures/seed.xml");
    assert_eq!(bridge.post("acme", "text/xml", seed).send().await.unwrap().status(), 200);
    bridge.change("acme", "A2", "Screen").await;
    bridge.delivered().await;
    let bodies: Vec<Value> = relay.received().into_iter().map(|request| request.body).collect();
    let expected = json!({ "candidate_id": "W12345", "job_application_id": "WAPPLIC12345", "requisition_id": "REQ678",
                           "stage": "Interview", "step": "Phone Screen", "status": "Screening" });
    assert!(bodies.contains(&expected), "{bodies:?}");
    assert_eq!((bodies.len(), bodies[0].as_object().unwrap().len()), (2, 6));
    let told = crate::bridge::bare("A3", "").replace("<Stage></Stage>", "<Event_Type>interview_started</Event_Type>");
    let refused = bridge.post("acme", "application/xml", told).send().await.unwrap();
    assert_eq!(refused.status(), 400, "a stage is required even where the event type is explicit");
}

#[tokio::test]
async fn the_other_spelling_is_a_setting() {
    let relay = Relay::start();
    let home = Home::new(&relayed(&relay, "event_names = \"stage\""));
    let bridge = home.start();
    bridge.change("acme", "A1", "Interview").await;
    bridge.change("acme", "A1", "Offer").await;
    bridge.delivered().await;
    assert_eq!(arrived(&relay)["A1"], ["interview_stage_started", "interview_stage_ended"]);
}

#[tokio::test]
async fn failures_are_retried_in_order_and_refusals_are_not() {
    let relay = Relay::start();
    relay.answer("503,408,429,425,500,200");
    let home = Home::new(&relayed(&relay, ""));
    let bridge = home.start();
    bridge.change("acme", "A1", "Interview").await;
    bridge.change("acme", "A1", "Offer").await;
    bridge.delivered().await;
    let keys: Vec<_> = relay.received().into_iter().map(|request| request.idempotency_key).collect();
    assert_eq!(keys.len(), 7);
    assert!(keys[..6].iter().all(|key| *key == keys[0]) && keys[6] != keys[0], "a re-send keeps its key: {keys:?}");
    let started = &bridge.events("event_type=interview_started").await[0];
    assert_eq!((&started["delivery"]["state"], &started["delivery"]["attempts"]), (&json!("delivered"), &json!(6)));

    relay.answer("422");
    bridge.change("acme", "A2", "Interview").await;
    bridge.delivered().await;
    let dead = &bridge.events("state=dead").await[0];
    assert_eq!(dead["delivery"]["attempts"], 1);
    assert_eq!(dead["delivery"]["last_error"], "the relay answered 422");
    relay.answer("200");
    bridge.change("acme", "A2", "Offer").await;
    bridge.delivered().await;
    assert_eq!(bridge.events("state=delivered&job_application_id=A2").await.len(), 1, "a dead letter holds up nothing");
    let stats = &bridge.api("stats").await["organisations"][0];
    assert_eq!((&stats["accepted"], &stats["delivered"], &stats["dead"]), (&json!(4), &json!(3), &json!(1)));
    let page = bridge.api(&format!("events/{}", started["event_id"].as_str().unwrap())).await;
    let log = page["attempts_log"].as_array().unwrap();
    assert_eq!((log.len(), &log[0]["status"], &log[0]["outcome"]), (6, &json!(503), &json!("retry")));
    assert_eq!((&log[5]["status"], &log[5]["outcome"]), (&json!(200), &json!("delivered")));
}

#[tokio::test]
async fn an_application_whose_event_hangs_does_not_hold_up_the_others() {
    let relay = Relay::start();
    relay.answer("200@600,200");
    let home = Home::new(&relayed(&relay, "").replace("timeout_seconds = 2", "timeout_seconds = 120"));
    let bridge = home.start();
    bridge.change("acme", "stuck", "Interview").await;
    relay.wait_for(1).await;
    bridge.change("acme", "stuck", "Offer").await;
    for n in 0..20 {
        bridge.change("acme", &format!("free{n}"), "Interview").await;
    }
    relay.wait_for(21).await;
    let waiting = bridge.events("state=pending").await;
    let applications: Vec<_> = waiting.iter().map(|event| &event["job_application_id"]).collect();
    assert_eq!(applications, ["stuck"; 2], "the hanging attempt was waited for");
    // Only now does the attempt end, as its connection breaks.
    let relay = relay.leave().come_back();
    bridge.delivered().await;
    assert_eq!(arrived(&relay)["stuck"], ["interview_started", "interview_ended"]);
}

#[tokio::test]
async fn what_a_relay_redirects_to_is_not_called() {
    let relay = Relay::start();
    relay.answer("302,200");
    let home = Home::new(&relayed(&relay, ""));
    let bridge = home.start();
    bridge.change("acme", "A1", "Interview").await;
    bridge.delivered().await;
    let paths: Vec<_> = relay.received().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/webhooks/acme/workday"; 2]);
}

/// A relay that is away for a while: Workday's answers stay good and fast, and everything arrives.
#[tokio::test]
async fn the_relay_may_be_away() {
    let relay = Relay::start();
    let home = Home::new(&relayed(&relay, "").replace("timeout_seconds = 2", "timeout_seconds = 120"));
    let bridge = home.start();
    bridge.change("acme", "before", "Interview").await;
    bridge.delivered().await;
    let relay = relay.leave();
    let mut slowest = Duration::ZERO;
    for n in 0..200 {
        let begun = Instant::now();
        bridge.change("acme", &format!("A{}", n % 40), ["Interview", "Offer"][(n / 40) % 2]).await;
        slowest = slowest.max(begun.elapsed());
    }
    // Far above what the busiest machine needs, far below the timeout of an attempt.
    assert!(slowest < Duration::from_secs(30), "a message waited {slowest:?} while the relay was away");
    assert_eq!(bridge.api("stats").await["organisations"][0]["pending"], 200);
    let relay = relay.come_back();
    bridge.delivered().await;
    let mut arrived = arrived(&relay);
    assert_eq!(arrived.remove("before").unwrap().len(), 1);
    assert_eq!(arrived.len(), 40);
    let turns = ["interview_started", "interview_ended"];
    for (application, types) in arrived {
        assert!(
            types.iter().enumerate().all(|(n, each)| each == turns[n % 2]) && types.len() == 5,
            "{application}: {types:?}"
        );
    }
}
