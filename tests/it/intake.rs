//! The JSON intake, at the real binary: alone, and with another bridge that forwards to it.

use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::bridge::{Bridge, Home, PATIENCE};

const INTAKE: &str = "[org.acme]\nauth.none = true\nhandler = \"in_process\"\n\
    [org.acme.intake]\nkey = \"first\"\nkey_next = \"second\"\n\
    [org.deaf]\nauth.none = true\nhandler = \"in_process\"\n";

fn five(application: &str, event_type: &str) -> Value {
    json!({
        "event_type": event_type, "candidate_id": "W12345", "job_application_id": application,
        "job_requisition_id": "REQ678", "timestamp": "2026-04-09T14:30:00Z"
    })
}

fn six(application: &str, stage: &str) -> Value {
    json!({
        "candidate_id": "W12345", "job_application_id": application, "requisition_id": "REQ678",
        "stage": stage, "step": "Phone Screen", "status": "Screening"
    })
}

async fn send(bridge: &Bridge, path: &str, key: &str, content_type: &str, body: String) -> Response {
    let client: Client = imper_bridge::delivery::relay::client(None, None).unwrap();
    let request = client.post(format!("{}{path}", bridge.public)).header("Content-Type", content_type);
    let request = if key.is_empty() { request } else { request.bearer_auth(key) };
    request.body(body).timeout(PATIENCE).send().await.unwrap()
}

async fn post(bridge: &Bridge, body: &Value) -> Value {
    let answer = send(bridge, "/webhooks/acme/workday", "first", "application/json", body.to_string()).await;
    assert_eq!(answer.status(), 200);
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn both_shapes_are_decided_like_soap_messages() {
    let home = Home::new(INTAKE);
    let bridge = home.start();
    let said = |answer: &Value| (answer["event_type"].clone(), answer["outcome"].clone());
    let started = post(&bridge, &six("A1", "Interview")).await;
    assert_eq!(said(&started), (json!("interview_started"), json!("Accepted")));
    let again = post(&bridge, &six("A1", "Interview")).await;
    assert_eq!((&again["event_id"], &again["outcome"]), (&started["event_id"], &json!("Duplicate")));
    assert_eq!(said(&post(&bridge, &six("A1", "Offer")).await), (json!("interview_ended"), json!("Accepted")));
    let started = post(&bridge, &five("A2", "interview_stage_started")).await;
    assert_eq!(said(&started), (json!("interview_started"), json!("Accepted")));
    let event = bridge.api(&format!("events/{}", started["event_id"].as_str().unwrap())).await;
    assert_eq!((&event["source"], &event["timestamp"]), (&json!("webhook"), &json!("2026-04-09T14:30:00Z")));
    let older = json!({ "timestamp": "2026-04-09T14:00:00Z" });
    let mut stale = five("A2", "interview_ended");
    stale["timestamp"] = older["timestamp"].clone();
    assert_eq!(post(&bridge, &stale).await["outcome"], "Stale");
    // SOAP and JSON speak of the same applications.
    let ended = bridge.change("acme", "A2", "Offer").await;
    assert!(ended.contains("interview_ended"), "{ended}");
    let second =
        send(&bridge, "/webhooks/acme", "second", "application/json; charset=utf-8", six("A3", "Screen").to_string());
    assert_eq!(second.await.status(), 200, "either path, and the key that will follow");
    let metrics = bridge.admin_get("/metrics", "").await.text().await.unwrap();
    assert!(metrics.contains("imper_bridge_messages_total{orgid=\"acme\",source=\"webhook\",outcome=\"Stale\"} 1"));
}

#[tokio::test]
async fn bad_input_is_told_its_field_and_leaves_nothing() {
    let home = Home::new(&format!("{INTAKE}[limits]\nbody_bytes = 2000\n"));
    let bridge = home.start();
    let (good, json_type) = (five("A1", "interview_started").to_string(), "application/json");
    let acme = "/webhooks/acme/workday";
    let mut unknown = five("A1", "interview_paused");
    for (path, key, content_type, body, status, field) in [
        (acme, "", json_type, good.clone(), 401, Value::Null),
        (acme, "wrong", json_type, good.clone(), 401, Value::Null),
        ("/webhooks/nobody/workday", "first", json_type, good.clone(), 404, Value::Null),
        ("/webhooks/deaf", "first", json_type, good.clone(), 404, Value::Null),
        (acme, "first", "text/xml", good.clone(), 415, Value::Null),
        ("/webhooks/acme?dry_run=1", "first", json_type, good.clone(), 400, Value::Null),
        ("/webhooks/acme/", "first", json_type, good.clone(), 404, Value::Null),
        (acme, "first", json_type, "{\"event_type\":".into(), 400, Value::Null),
        (acme, "first", json_type, unknown.to_string(), 400, json!("event_type")),
        (acme, "first", json_type, six("", "Interview").to_string(), 400, json!("job_application_id")),
        (acme, "first", json_type, json!({ "pad": "x".repeat(3000) }).to_string(), 413, Value::Null),
    ] {
        let answer = send(&bridge, path, key, content_type, body).await;
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!((answer.status().as_u16(), kind.as_str()), (status, "application/problem+json"), "{path} {field}");
        assert_eq!(answer.headers().contains_key("www-authenticate"), status == 401);
        let problem: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!((&problem["status"], &problem["field"]), (&json!(status), &field), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{problem}");
    }
    unknown["stage"] = json!("Interview");
    assert_eq!(send(&bridge, acme, "first", json_type, unknown.to_string()).await.status(), 400, "both shapes at once");
    let get = bridge.get(acme).await;
    assert_eq!((get.status().as_u16(), get.headers()["allow"].to_str().unwrap()), (405, "POST"));
    assert!(bridge.events("").await.is_empty());
}

/// A bridge that takes SOAP forwards to one that takes JSON and protects, which dies at random
/// moments: the protections come out right, and in order.
#[tokio::test]
async fn a_bridge_forwards_to_another_that_is_killed() {
    let inner = Home::new(INTAKE);
    let mut second = inner.start();
    let port = second.public.rsplit(':').next().unwrap().to_owned();
    let fixed = INTAKE.to_owned();
    for shape in ["webhook", "state_change"] {
        let outer = Home::new(&format!(
            "[org.acme]\nauth.none = true\n[org.acme.relay]\nurl = \"http://127.0.0.1:{port}/webhooks/acme/workday\"\n\
             api_key = \"first\"\npayload = \"{shape}\"\nevent_names = \"stage\"\n\
             [delivery]\nfirst_retry_seconds = 0.02\nmax_retry_seconds = 0.05\n"
        ));
        let first = outer.start();
        for round in 0..3 {
            for number in 0..20 {
                let application = format!("{shape}-{round}-{number}");
                first.change("acme", &application, "Interview").await;
                if number % 2 == 0 {
                    first.change("acme", &application, "Offer").await;
                }
            }
            second.kill();
            inner.listen_at(&port, &fixed);
            second = inner.start();
        }
        first.delivered().await;
        second.delivered().await;
        for round in 0..3 {
            for number in 0..20 {
                let application = second.api(&format!("applications/acme/{shape}-{round}-{number}")).await;
                assert_eq!(application["in_interview"], number % 2 == 1, "{application}");
                let types: Vec<_> =
                    application["path"].as_array().unwrap().iter().map(|event| event["event_type"].clone()).collect();
                let expected = ["interview_started", "interview_ended"];
                assert_eq!(types, expected[..2 - number % 2], "each once, in order: {application}");
            }
        }
    }
    let active = second.api("protections?orgid=acme&active=true&limit=1000").await;
    assert_eq!(active["protections"].as_array().unwrap().len(), 2 * 3 * 10);
}
