//! What the log says, in which form, and what it never says.

use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::bridge::{Bridge, Home, PATIENCE, TOKEN, bare, element};
use crate::relay::Relay;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn sections(relay: &Relay) -> String {
    format!(
        "[org.acme]\nauth.basic = {{ username = \"imper\", password = \"the-pass-word\" }}\n\
         auth.wsse = {{ username = \"imper\", password = \"the-wsse-word\" }}\n\
         intake = {{ key = \"the-intake-key\" }}\n\
         [org.acme.relay]\nurl = \"{}/acme\"\napi_key = \"the-relay-key\"\n\
         [delivery]\nfirst_retry_seconds = 0.01\nmax_retry_seconds = 0.01\nprobe_seconds = 0.01\n",
        relay.url()
    )
}

/// The bridge with this option, which logs everything of its own.
fn chatty(home: &Home, option: &str) -> Bridge {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec \"$0\" \"$@\" {option}"), env!("CARGO_BIN_EXE_imper-bridge")]);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("RUST_LOG", "imper_bridge=trace").current_dir(home.path(""));
    home.started_by(command)
}

impl Bridge {
    async fn acted(&self, method: reqwest::Method, path: &str, body: Value) -> (u16, String) {
        let client = imper_bridge::delivery::relay::client(None, None).unwrap();
        let request = client.request(method, format!("{}/api/v1/{path}", self.admin)).bearer_auth(TOKEN);
        let request = if body.is_null() { request } else { request.body(body.to_string()) };
        let answer = request.timeout(PATIENCE).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn given_up(&self) -> Value {
        let begun = Instant::now();
        loop {
            if let Some(event) = self.events("state=dead").await.first() {
                return event.clone();
            }
            assert!(begun.elapsed() < PATIENCE, "no event was given up");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

/// A line that says this, as the object that it is.
fn line(log: &str, message: &str) -> Value {
    let mut lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
    lines.find(|line| line["message"] == message).unwrap_or_else(|| panic!("{message} is not in {log}"))
}

/// What is wrong is said when it begins, when it changes and when it is over, and not at each probe.
#[tokio::test]
async fn a_set_up_that_stays_wrong_is_said_once() {
    let relay = Relay::start();
    let home = Home::new(&format!(
        "[org.acme]\nauth.none = true\nrelay = {{ url = \"{}/acme\", api_key = \"k\" }}\n\
         [delivery]\nfirst_retry_seconds = 0.01\nmax_retry_seconds = 0.01\nprobe_seconds = 0.01\n",
        relay.url()
    ));
    let bridge = home.start();
    for (answer, more) in [("401", 5), ("403", 5), ("503", 5), ("200", 1)] {
        let before = relay.received().len();
        relay.answer(answer);
        if before == 0 {
            bridge.change("acme", "A1", "Interview").await;
        }
        relay.wait_for_all(before + more);
    }
    bridge.delivered().await;
    let log = home.log();
    let times = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    for status in ["status=401", "status=403"] {
        assert_eq!(times(status), 1, "{log}");
    }
    assert_eq!((times("status=503"), times("the relay takes events again")), (1, 1), "{log}");
    assert_eq!(times("pause and are probed"), 2, "{log}");
}

#[tokio::test]
async fn lines_of_json_hold_the_spans_of_message_and_attempt() {
    let relay = Relay::start();
    let home = Home::new(&sections(&relay));
    let bridge = chatty(&home, "--log-format json");
    let post = |application| {
        let request = bridge.post("acme", "application/xml", bare(application, "Interview"));
        request.basic_auth("imper", Some("the-pass-word"))
    };
    let traced = post("A1").header("traceparent", format!("00-{TRACE}-b7ad6b7169203331-00"));
    let answer = traced.send().await.unwrap().text().await.unwrap();
    bridge.delivered().await;
    let malformed = post("A2").header("traceparent", format!("00-{TRACE}-0000000000000000-01"));
    let other = malformed.send().await.unwrap().text().await.unwrap();
    bridge.delivered().await;
    assert!(bridge.terminate().success());

    let log = home.log();
    let id = element(&answer, "Event_ID");
    let taken = line(&log, "a message was taken");
    assert_eq!((&taken["level"], &taken["outcome"]), (&json!("DEBUG"), &json!("Accepted")));
    let span = json!({ "name": "message", "orgid": "acme", "source": "soap", "event.id": id, "trace.id": TRACE });
    assert_eq!(taken["spans"], json!([span]));
    let delivered = line(&log, "delivered");
    let span = json!({ "name": "attempt", "orgid": "acme", "event.id": id, "attempt": 1, "trace.id": TRACE });
    assert_eq!((&delivered["event.id"], &delivered["spans"]), (&json!(id), &json!([span])));
    assert_eq!(line(&log, "stopped")["level"], "INFO");

    let received = relay.received();
    let sent = |place: usize| received[place].header("traceparent").to_owned();
    assert!(sent(0).starts_with(&format!("00-{TRACE}-")) && sent(0).ends_with("-00"), "{}", sent(0));
    let own = element(&other, "Event_ID").replace('-', "");
    assert!(sent(1).starts_with(&format!("00-{own}-")), "what is malformed is ignored: {}", sent(1));
}

/// Whoever reads the log learns of no candidate and no secret, whatever level it has.
#[tokio::test]
async fn nothing_personal_and_no_secret_is_logged() {
    let relay = Relay::start();
    let home = Home::new(&sections(&relay));
    let bridge = chatty(&home, "");
    everything(&bridge, &relay).await;
    assert!(bridge.terminate().success());
    let log = home.log();
    for said in ["a message was taken", "a message was refused", "an event was given up", "an operator acted"] {
        assert!(log.contains(said), "{said} is not in\n{log}");
    }
    let secrets = ["the-pass-word", "the-wsse-word", "the-intake-key", "the-relay-key", "wr0ng", TOKEN];
    let personal = ["APP-1", "APP-2", "APP-3", "C-APP", "REQ678", "Lovelace", "Job_Application", "because of"];
    for never in secrets.iter().chain(&personal) {
        assert!(!log.contains(never), "{never} is in\n{log}");
    }
}

/// Messages that are taken, refused, delivered, given up, sent again and erased.
async fn everything(bridge: &Bridge, relay: &Relay) {
    let named =
        |application: &str| bare(application, "Interview").replace("<Stage>", "<Name>Ada Lovelace</Name><Stage>");
    let post = async |body: String, password: &str| {
        let request = bridge.post("acme", "application/xml", body).basic_auth("imper", Some(password));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(post(named("APP-1"), "the-pass-word").await, 200);
    assert_eq!(post(named("APP-1"), "the-pass-word").await, 200, "a duplicate");
    bridge.delivered().await;
    assert_eq!(post(named("APP-1").replace("Stage>", "Lovelace>"), "the-pass-word").await, 400);
    assert_eq!(post(named("APP-1").replace("</", "<"), "the-pass-word").await, 400);
    assert_eq!(post(named("APP-1"), "wr0ng").await, 401);
    let client = imper_bridge::delivery::relay::client(None, None).unwrap();
    let intake = async |text: &str| {
        let request = client.post(format!("{}/webhooks/acme", bridge.public)).bearer_auth("the-intake-key");
        let request = request.header("content-type", "application/json").body(text.to_owned());
        request.send().await.unwrap().status().as_u16()
    };
    relay.answer("503,401,422");
    let shape = "{\"event_type\":\"interview_started\",\"candidate_id\":\"C-APP-2\",\"job_application_id\":\"APP-2\",\
                 \"job_requisition_id\":\"REQ678\",\"timestamp\":\"2026-04-09T14:30:00Z\"}";
    assert_eq!(intake(shape).await, 200);
    assert_eq!(intake(&shape.replace("interview_started", "Lovelace")).await, 400);
    let dead = bridge.given_up().await["event_id"].as_str().unwrap().to_owned();
    relay.answer("200");
    assert_eq!(bridge.acted(reqwest::Method::POST, &format!("events/{dead}/replay"), Value::Null).await.0, 200);
    bridge.delivered().await;
    let by_hand = json!({ "event_type": "interview_ended", "reason": "because of Lovelace" });
    assert_eq!(bridge.acted(reqwest::Method::POST, "applications/acme/APP-2/events", by_hand).await.0, 200);
    bridge.delivered().await;
    for path in ["applications/acme/APP-3", "nothing/at/APP-3", "events?candidate_id=C-APP-1&state=Lovelace"] {
        assert!(bridge.acted(reqwest::Method::GET, path, Value::Null).await.0 >= 400, "{path}");
    }
    let refused: Value = bridge.api("refused").await;
    let id = refused["refused"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(bridge.acted(reqwest::Method::POST, &format!("refused/{id}/retry"), Value::Null).await.0, 422);
    assert_eq!(bridge.acted(reqwest::Method::DELETE, "candidates/acme/C-APP-2", Value::Null).await.0, 200);
    // At once, or when the interview's end has been delivered.
    let erased = bridge.acted(reqwest::Method::DELETE, "candidates/acme/C-APP-1?force=true", Value::Null).await;
    assert!([200, 202].contains(&erased.0), "{}", erased.1);
    bridge.delivered().await;
}
