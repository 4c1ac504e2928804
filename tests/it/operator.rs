//! What an operator sees and does, at the real binary.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::bridge::{Bridge, Home, PATIENCE, TOKEN, bare, command, element};
use crate::relay::Relay;

const TOKENS: &str = "[[admin.tokens]]\nname = \"looks\"\ntoken = \"viewer-token\"\nrole = \"viewer\"\n\
    [[admin.tokens]]\nname = \"acts\"\ntoken = \"acme-token\"\nrole = \"operator\"\norgs = [\"acme\"]\n";

/// An organisation `acme` with this relay, which is tried again at once, and one `other` in-process.
fn sections(relay: &Relay) -> String {
    format!(
        "{TOKENS}[org.acme]\nauth.none = true\n[org.acme.relay]\nurl = \"{}/acme\"\napi_key = \"k\"\n\
         [org.other]\nauth.none = true\nhandler = \"in_process\"\n\
         [delivery]\nfirst_retry_seconds = 0.01\nmax_retry_seconds = 0.01\nprobe_seconds = 0.05\n",
        relay.url()
    )
}

impl Bridge {
    async fn act(&self, method: Method, path: &str, token: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/api/v1/{path}", self.admin);
        let client = imper_bridge::delivery::relay::client(None, None).unwrap();
        let request = client.request(method, url).bearer_auth(token).timeout(PATIENCE);
        let request = if body.is_null() { request } else { request.body(body.to_string()) };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
    }

    async fn post_api(&self, path: &str, body: Value) -> (u16, Value) {
        self.act(Method::POST, path, TOKEN, body).await
    }

    async fn stats_of(&self, org: &str) -> Value {
        let stats = self.api("stats").await;
        let organisations = stats["organisations"].as_array().unwrap().clone();
        organisations.into_iter().find(|each| each["orgid"] == org).unwrap_or(Value::Null)
    }

    async fn until(&self, org: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let stats = self.stats_of(org).await;
            if holds(&stats) {
                return stats;
            }
            assert!(begun.elapsed() < PATIENCE, "{stats}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn metrics(&self) -> String {
        self.admin_get("/metrics", "").await.text().await.unwrap()
    }
}

fn id(answer: &str) -> String {
    element(answer, "Event_ID").to_owned()
}

#[tokio::test]
async fn a_wrong_set_up_pauses_its_organisation_and_resumes_by_itself() {
    let relay = Relay::start();
    relay.answer("401");
    let home = Home::new(&sections(&relay));
    let bridge = home.start();
    let first = id(&bridge.change("acme", "A1", "Interview").await);
    for n in 2..=5 {
        bridge.change("acme", &format!("A{n}"), "Interview").await;
    }
    let paused = bridge.until("acme", |stats| stats["paused"] == true).await;
    assert_eq!(paused["paused_by"], "set_up");
    assert_eq!(paused["paused_because"], "the relay answered 401");
    assert!(bridge.metrics().await.contains("imper_bridge_paused{orgid=\"acme\"} 1"));
    relay.wait_for(12).await;
    let stats = bridge.stats_of("acme").await;
    assert_eq!((&stats["dead"], &stats["pending"]), (&json!(0), &json!(5)), "nothing is dropped");
    let log = bridge.api(&format!("events/{first}")).await;
    assert_eq!(log["attempts_log"][0]["outcome"], "paused");
    bridge.change("other", "B1", "Interview").await;
    bridge.until("other", |stats| stats["delivered"] == 1).await;

    relay.answer("200");
    let stats = bridge.until("acme", |stats| stats["delivered"] == 5).await;
    assert_eq!((&stats["paused"], &stats["paused_since"]), (&json!(false), &Value::Null));
    let events = bridge.events("orgid=acme").await;
    assert!(events.iter().all(|event| event["delivery"]["state"] == "delivered"));
}

/// A relay that does not know the application `bad`, and takes all others.
async fn relay_without_bad() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_by_application(stream));
        }
    });
    url
}

/// Answers a connection's requests, whose bodies are short objects.
async fn answer_by_application(mut stream: tokio::net::TcpStream) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut request = Vec::new();
    while let Ok(read) = stream.read_buf(&mut request).await
        && read > 0
    {
        if request.ends_with(b"}") {
            let bad = String::from_utf8_lossy(&request).contains("\"bad\"");
            let status = if bad { "404 Not Found" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            request.clear();
        }
    }
}

#[tokio::test]
async fn an_event_that_alone_finds_the_set_up_wrong_becomes_a_dead_letter() {
    let sections = format!(
        "[org.acme]\nauth.none = true\n[org.acme.relay]\nurl = \"{}/acme\"\napi_key = \"k\"\n\
         [delivery]\nprobe_seconds = 0.02\n",
        relay_without_bad().await
    );
    let home = Home::new(&sections);
    let bridge = home.start();
    let bad = id(&bridge.change("acme", "bad", "Interview").await);
    for n in 1..=3 {
        bridge.change("acme", &format!("good {n}"), "Interview").await;
        bridge.until("acme", |stats| stats["delivered"] == n).await;
    }
    bridge.until("acme", |stats| stats["dead"] == 1 && stats["paused"] == false).await;
    let event = bridge.api(&format!("events/{bad}")).await;
    let outcomes: Vec<_> =
        event["attempts_log"].as_array().unwrap().iter().map(|each| each["outcome"].clone()).collect();
    assert_eq!(outcomes.last().unwrap(), "dead");
    assert!(outcomes.len() >= 3 && outcomes[..outcomes.len() - 1].iter().all(|outcome| outcome == "paused"));
}

#[tokio::test]
async fn dead_letters_are_replayed_and_deleted() {
    let relay = Relay::start();
    relay.answer("422");
    let home = Home::new(&sections(&relay));
    let bridge = home.start();
    let mut ids = Vec::new();
    for n in 1..=3 {
        ids.push(id(&bridge.change("acme", &format!("A{n}"), "Interview").await));
    }
    bridge.until("acme", |stats| stats["dead"] == 3).await;
    let late = bridge.stats_of("acme").await["late"].clone();
    assert_eq!(late, 3, "a start that was given up is not delivered in time");
    relay.answer("200");
    let one = format!("events/{}", ids[0]);
    assert_eq!(bridge.act(Method::POST, &format!("{one}/replay"), "viewer-token", Value::Null).await.0, 403);
    let (status, answer) = bridge.post_api(&format!("{one}/replay"), Value::Null).await;
    assert_eq!((status, &answer["replayed"]), (200, &json!(1)));
    bridge.until("acme", |stats| stats["delivered"] == 1).await;
    assert_eq!(bridge.act(Method::DELETE, &one, TOKEN, Value::Null).await.0, 409, "it is no dead letter");
    let (status, answer) = bridge.post_api(&format!("{one}/replay"), Value::Null).await;
    assert_eq!((status, &answer["replayed"]), (200, &json!(1)));
    bridge.delivered().await;
    let keys: Vec<_> = relay.received().into_iter().map(|received| received.idempotency_key).collect();
    assert_eq!(keys[3..], [ids[0].clone(), format!("{}.1", ids[0])]);

    let (status, answer) = bridge.post_api("replay", json!({})).await;
    assert_eq!((status, &answer["field"]), (400, &json!("body")));
    let (status, answer) = bridge.post_api("replay", json!({ "state": "dead", "colour": "red" })).await;
    assert_eq!((status, &answer["field"]), (400, &json!("colour")));
    let filter = json!({ "orgid": "acme", "state": "dead", "since": "2020-01-01T00:00:00Z" });
    let (status, answer) = bridge.post_api("replay?dry_run=true", filter.clone()).await;
    assert_eq!((status, &answer["replayed"]), (200, &json!(2)));
    assert_eq!(bridge.stats_of("acme").await["dead"], 2, "it only counted");
    assert_eq!(bridge.act(Method::DELETE, &format!("events/{}", ids[1]), "acme-token", Value::Null).await.0, 204);
    assert_eq!(bridge.admin_get(&format!("/api/v1/events/{}", ids[1]), TOKEN).await.status(), 404);
    let (_, answer) = bridge.act(Method::POST, "replay", "acme-token", filter).await;
    assert_eq!(answer["replayed"], 1);
    bridge.until("acme", |stats| stats["delivered"] == 2 && stats["dead"] == 0).await;
}

#[tokio::test]
async fn a_start_whose_interview_is_over_is_replayed_by_force_alone() {
    let relay = Relay::start();
    relay.answer("422,200");
    let home = Home::new(&sections(&relay));
    let bridge = home.start();
    let started = id(&bridge.change("acme", "A1", "Interview").await);
    bridge.until("acme", |stats| stats["dead"] == 1).await;
    relay.answer("200");
    bridge.change("acme", "A1", "Offer").await;
    bridge.delivered().await;
    let event = bridge.api(&format!("events/{started}")).await;
    assert_eq!((&event["superseded"], &event["delivery"]["state"]), (&json!(true), &json!("dead")));
    let (status, problem) = bridge.post_api(&format!("events/{started}/replay"), Value::Null).await;
    assert_eq!(status, 409);
    assert!(problem["detail"].as_str().unwrap().contains("superseded"), "{problem}");
    let (_, counted) = bridge.post_api("replay", json!({ "state": "dead" })).await;
    assert_eq!((&counted["replayed"], &counted["superseded"]), (&json!(0), &json!(1)));
    let (status, _) = bridge.post_api(&format!("events/{started}/replay"), json!({ "force": true })).await;
    assert_eq!(status, 200);
    bridge.until("acme", |stats| stats["delivered"] == 2).await;
}

#[tokio::test]
async fn an_operator_pauses_an_organisation_and_lets_it_go() {
    let relay = Relay::start();
    let home = Home::new(&sections(&relay));
    let bridge = home.start();
    for (token, path, status) in [
        ("viewer-token", "organisations/acme/pause", 403),
        ("acme-token", "organisations/other/pause", 404),
        (TOKEN, "organisations/nobody/pause", 404),
        ("no-token", "organisations/acme/pause", 401),
        (TOKEN, "organisations/ACME/pause", 400),
        ("acme-token", "organisations/acme/pause", 200),
    ] {
        assert_eq!(bridge.act(Method::POST, path, token, Value::Null).await.0, status, "{token} {path}");
    }
    bridge.change("acme", "A1", "Interview").await;
    bridge.change("other", "B1", "Interview").await;
    bridge.until("other", |stats| stats["delivered"] == 1).await;
    bridge.kill();
    let bridge = home.start();
    let stats = bridge.stats_of("acme").await;
    assert_eq!((&stats["paused_by"], &stats["paused_because"]), (&json!("operator"), &json!("acts")));
    assert!(relay.received().is_empty());
    assert_eq!(
        bridge.post_api("organisations/acme/resume", Value::Null).await.1,
        json!({"orgid": "acme", "paused": false})
    );
    bridge.delivered().await;
    assert_eq!(relay.received().len(), 1);
    assert!(home.log().contains("acts") && home.log().contains("pause"), "actions are logged with the token's name");
}

#[tokio::test]
async fn an_interview_is_closed_and_opened_by_hand() {
    let relay = Relay::start();
    let home = Home::new(&sections(&relay));
    let bridge = home.start();
    bridge.change("acme", "A 1/x", "Interview").await;
    let path = "applications/acme/A%201%2Fx";
    let close = json!({ "event_type": "interview_ended", "reason": "the message was lost" });
    assert_eq!(bridge.act(Method::POST, &format!("{path}/events"), "viewer-token", close.clone()).await.0, 403);
    let (status, answer) = bridge.post_api(&format!("{path}/events"), close.clone()).await;
    assert_eq!(
        (status, &answer["event_type"], &answer["outcome"]),
        (200, &json!("interview_ended"), &json!("Accepted"))
    );
    let event = bridge.api(&format!("events/{}", answer["event_id"].as_str().unwrap())).await;
    assert_eq!((&event["source"], &event["stage"]), (&json!("operator"), &json!("Interview")));
    assert_eq!(event["decision"]["because"], "By hand: admin: the message was lost");
    assert_eq!(bridge.post_api(&format!("{path}/events"), close).await.0, 409, "it is closed already");
    let open = json!({ "event_type": "interview_stage_started" });
    assert_eq!(bridge.post_api(&format!("{path}/events"), open).await.0, 200);
    let shown = bridge.api(path).await;
    assert_eq!((&shown["in_interview"], &shown["candidate_id"]), (&json!(true), &json!("C-A 1/x")));
    let types: Vec<_> = shown["path"].as_array().unwrap().iter().map(|event| event["event_type"].clone()).collect();
    assert_eq!(types, ["interview_started", "interview_ended", "interview_started"]);
    let listed = bridge.api("applications?orgid=acme&in_interview=true").await;
    assert_eq!(listed["applications"][0]["job_application_id"], "A 1/x");
    for (path, body, status) in [
        ("applications/acme/unknown/events", json!({ "event_type": "interview_ended" }), 404),
        ("applications/acme/unknown/events", json!({}), 400),
        ("applications/acme/unknown/events", json!({ "event_type": "state_changed" }), 400),
    ] {
        assert_eq!(bridge.post_api(path, body).await.0, status);
    }
    bridge.delivered().await;
    let sent: Vec<_> = relay.received().iter().map(|received| received.body["event_type"].clone()).collect();
    assert_eq!(sent, ["interview_started", "interview_ended", "interview_started"]);
}

#[tokio::test]
async fn a_candidate_is_erased_from_the_terminal() {
    let relay = Relay::start();
    let home = Home::new(&sections(&relay));
    let bridge = home.start();
    bridge.change("acme", "A1", "Interview").await;
    bridge.delivered().await;
    let erase = |force: &[&str]| {
        let mut command = command(&home.path(""));
        command.args(["erase", "--config", "bridge.toml", "--admin", &bridge.admin, "--org", "acme"]);
        command.args(["--candidate", "C-A1"]).args(force).output().unwrap()
    };
    let refused = erase(&[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("With `force` the interviews are ended"), "{refused:?}");
    relay.answer("503");
    let asked = erase(&["--force"]);
    let receipt: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!((asked.status.code(), &receipt["state"]), (Some(0), &json!("waiting")));
    // What is refused while the erasure waits: by the candidate, by an application, and of somebody else.
    let by_application = bare("A1", "").replace("C-A1", "");
    for message in [bare("A1", "").replace(">A1<", "><"), by_application, bare("B2", "")] {
        assert_eq!(bridge.post("acme", "application/xml", message).send().await.unwrap().status(), 400);
    }
    assert_eq!(bridge.api("refused").await["refused"].as_array().unwrap().len(), 3);
    relay.answer("200");
    let begun = Instant::now();
    let done = loop {
        let receipts = bridge.api("erasures").await;
        if receipts["erasures"][0]["state"] == "done" {
            break receipts["erasures"][0].clone();
        }
        assert!(begun.elapsed() < PATIENCE, "{receipts}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((&done["receipt"], &done["events"]), (&receipt["receipt"], &json!(2)));
    assert!(bridge.events("orgid=acme").await.is_empty());
    let left = bridge.api("refused").await["refused"].clone();
    let of = left[0]["id"].as_str().unwrap();
    let body = bridge.api(&format!("refused/{of}")).await["body"].as_str().unwrap().to_owned();
    assert!(left.as_array().unwrap().len() == 1 && body.contains("C-B2"), "{left}");
    assert_eq!(relay.received().last().unwrap().body["event_type"], "interview_ended", "the end was sent first");
    assert!(!home.log().contains("C-A1"), "whose it was is not logged");
}

#[tokio::test]
async fn silence_and_late_starts_are_reported() {
    let relay = Relay::start();
    relay.answer("503");
    let sections = sections(&relay)
        .replace("[org.other]\n", "[org.other]\nexpect_message_every_hours = 0.0001\n")
        .replace("[org.acme]\n", "[org.acme]\nexpect_message_every_hours = 1000\n")
        .replace("[delivery]\n", "[delivery]\nuseful_within_seconds = 0.05\nopen_interview_alert_days = 0.000001\n");
    let home = Home::new(&sections);
    let bridge = home.start();
    bridge.change("acme", "A1", "Interview").await;
    bridge.change("other", "B1", "Interview").await;
    let stats = bridge.until("acme", |stats| stats["late"] == 1 && stats["interviews_open_too_long"] == 1).await;
    assert_eq!(stats["silent"], false);
    bridge.until("other", |stats| stats["silent"] == true).await;
    let page = bridge.signed_in(TOKEN).await.get("/").await.1;
    for said in
        ["1 interview is open for longer", "1 start of an interview was not delivered", "no message came for longer"]
    {
        assert!(page.contains(said), "{said}: {page}");
    }
    let metrics = bridge.metrics().await;
    for line in ["imper_bridge_silent{orgid=\"other\"} 1", "imper_bridge_silent{orgid=\"acme\"} 0"] {
        assert!(metrics.contains(line), "{metrics}");
    }
    let waits = metrics
        .lines()
        .find_map(|line| line.strip_prefix("imper_bridge_oldest_undelivered_start_seconds{orgid=\"acme\"} "));
    assert!(waits.unwrap().parse::<f64>().unwrap() > 0.05, "{metrics}");
    let begun = Instant::now();
    while !bridge.metrics().await.contains("imper_bridge_late_starts{orgid=\"acme\"} 1") {
        assert!(begun.elapsed() < PATIENCE, "{}", bridge.metrics().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn events_are_listed_followed_and_replayed_from_the_terminal() {
    use std::io::{BufRead, BufReader};

    let relay = Relay::start();
    relay.answer("422");
    let home = Home::new(&sections(&relay));
    let bridge = home.start();
    let admin = bridge.admin.clone();
    let place = ["--config", "bridge.toml", "--admin", &admin];
    let run = |arguments: &[&str]| {
        let output = command(&home.path("")).args(arguments).args(place).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let mut tail = command(&home.path(""));
    let mut tail = tail.args(["events", "tail", "--json", "--since", "2020-01-01T00:00:00Z"]).args(place);
    tail = tail.stdout(std::process::Stdio::piped());
    let mut tail = tail.spawn().unwrap();
    let mut followed = BufReader::new(tail.stdout.take().unwrap()).lines();

    let id = id(&bridge.change("acme", "A1", "Interview").await);
    let line: Value = serde_json::from_str(&followed.next().unwrap().unwrap()).unwrap();
    assert_eq!(line["event_id"], id.as_str(), "an event is seen as it comes");
    bridge.until("acme", |stats| stats["dead"] == 1).await;
    bridge.change("other", "B1", "Screen").await;
    let line: Value = serde_json::from_str(&followed.next().unwrap().unwrap()).unwrap();
    assert_eq!(line["orgid"], "other", "and no event twice");
    tail.kill().unwrap();
    tail.wait().unwrap();

    let (code, listed, _) = run(&["events", "list", "--org", "acme"]);
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!((code, lines.len()), (Some(0), 2), "{listed}");
    assert!(lines[0].starts_with("RECEIVED") && lines[1].contains(&id) && lines[1].contains("dead"), "{listed}");
    let (_, shown, _) = run(&["events", "show", &id]);
    assert!(shown.contains("was unknown, is in") && shown.contains("the relay answered 422"), "{shown}");
    let (code, _, said) = run(&["events", "show", "nonsense"]);
    assert!(code == Some(2) && said.contains("is not an event id"), "{said}");
    for bad in [
        &["events", "list", "--state", "foo"][..],
        &["events", "list", "--since", "tomorrow"],
        &["events", "replay", "nope"],
    ] {
        assert_eq!(run(bad).0, Some(2), "{bad:?}");
    }
    let (code, ..) = run(&["events", "show", "01999999-9999-7999-8999-999999999999"]);
    assert_eq!(code, Some(1), "it might have been one");
    let (code, _, said) = run(&["events", "replay"]);
    assert!(code == Some(2) && said.contains("at least one filter"), "{said}");
    let (_, counted, _) = run(&["events", "replay", "--org", "acme", "--dry-run", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&counted).unwrap()["replayed"], 1);
    let (_, counted, _) = run(&["events", "replay", "--org", "acme", "--dry-run"]);
    assert_eq!(counted, "1 event would be delivered anew.\n");
    relay.answer("200");
    let (code, told, _) = run(&["events", "replay", "--org", "acme", "--candidate", "C-A1"]);
    assert_eq!((code, told.as_str()), (Some(0), "1 event will be delivered anew.\n"));
    let filter = "filter=\"orgid=acme candidate_id=(one)\" replayed=1";
    assert!(home.log().contains(filter), "{}", home.log());
    bridge.delivered().await;
    let (_, stats, _) = run(&["stats"]);
    let acme = stats.lines().find(|line| line.starts_with("acme")).unwrap_or_default().to_owned();
    assert_eq!(acme.split_whitespace().take(5).collect::<Vec<_>>(), ["acme", "1", "1", "0", "0"], "{stats}");
    let (_, stats, _) = run(&["stats", "--json"]);
    assert_eq!(stats.lines().count(), 2);
    bridge.kill();
    let (code, _, said) = run(&["stats"]);
    assert!(code == Some(1) && said.contains("does it run?"), "{said}");
}

/// Nobody is there to deliver what waits for an organisation that was removed: it can be deleted.
#[tokio::test]
async fn what_waits_for_a_removed_organisation_can_be_deleted() {
    let relay = Relay::start();
    relay.answer("503");
    let home = Home::new(&sections(&relay));
    let bridge = home.start();
    let first = id(&bridge.change("acme", "A1", "Interview").await);
    bridge.change("acme", "A2", "Interview").await;
    assert_eq!(bridge.act(Method::DELETE, &format!("events/{first}"), TOKEN, Value::Null).await.0, 409);
    home.configure(&format!("{TOKENS}[org.other]\nauth.none = true\nhandler = \"in_process\"\n"));
    bridge.signal("HUP");
    let begun = Instant::now();
    while !home.log().contains("was reloaded") {
        assert!(begun.elapsed() < PATIENCE, "{}", home.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(bridge.act(Method::DELETE, &format!("events/{first}"), TOKEN, Value::Null).await.0, 204);
    let (status, problem) = bridge.act(Method::DELETE, "candidates/acme/C-A2?force=true", TOKEN, Value::Null).await;
    assert!(status == 409 && problem["detail"].as_str().unwrap().contains("undelivered=true"), "{problem}");
    let (status, receipt) =
        bridge.act(Method::DELETE, "candidates/acme/C-A2?undelivered=true", TOKEN, Value::Null).await;
    assert_eq!((status, &receipt["state"], &receipt["events"]), (200, &json!("done"), &json!(1)));
    assert_eq!(bridge.stats_of("acme").await["pending"], 0);
    assert_eq!(bridge.act(Method::DELETE, "candidates/nobody/C-A2", TOKEN, Value::Null).await.0, 404);
    let other = bridge.act(Method::GET, "events?orgid=other", "acme-token", Value::Null).await;
    assert_eq!(other.0, 404, "others\' are 404 to a bound token, in lists as well");
    assert_eq!(
        bridge.stats_of("other").await["accepted"],
        0,
        "a configured organisation is there before its first message"
    );
}

/// Whoever looks at the log of attempts sees that a key is dead.
#[tokio::test]
async fn a_refused_key_is_told_although_the_other_one_is_taken() {
    let relay = Relay::start();
    relay.answer("401,200");
    let with_next = sections(&relay).replace("api_key = \"k\"", "api_key = \"old\"\napi_key_next = \"new\"");
    let home = Home::new(&with_next);
    let bridge = home.start();
    let event = id(&bridge.change("acme", "A1", "Interview").await);
    bridge.delivered().await;
    let log = bridge.api(&format!("events/{event}")).await["attempts_log"].clone();
    assert_eq!((&log[0]["outcome"], log.as_array().unwrap().len()), (&json!("delivered"), 1));
    assert_eq!(log[0]["error"], "api_key was refused, and the other key tried");
}
