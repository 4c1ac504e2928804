//! A journal is carried from a file into a database: what the API says of it is the same before and
//! after, also where the move was killed half-way.

use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use imper_bridge::clock::SystemClock;
use imper_bridge::domain::protection::Change;
use imper_bridge::journal::postgres::Postgres;
use imper_bridge::journal::{LaneKind, Quota, ReadBack, Settled, Settlement, Verdict, Work, embedded};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bridge::{Bridge, Home, PATIENCE, TOKEN, bare, command};
use crate::cluster::{self, Cluster, Database};
use crate::journal_contract::{LEASE, accept, claim, message, quota, settlement};
use crate::relay::Relay;
use crate::shared_journal::options;

/// An organisation with a relay, one whose protections are the bridge's own, and what lets nothing be
/// sent again while both sides are compared.
fn sections(relay: &Relay) -> String {
    format!(
        "[org.acme]\nauth.none = true\n[org.acme.relay]\nurl = \"{}/acme\"\napi_key = \"k\"\n\
         [org.own]\nauth.none = true\nhandler = \"in_process\"\n\
         [delivery]\nfirst_retry_seconds = 3000\nmax_retry_seconds = 3000\n",
        relay.url()
    )
}

async fn act(bridge: &Bridge, method: Method, path: &str, body: Value) -> Value {
    let client = imper_bridge::delivery::relay::client(None, None).unwrap();
    let request = client.request(method, format!("{}/api/v1/{path}", bridge.admin)).bearer_auth(TOKEN);
    let request = if body.is_null() {
        request
    } else {
        request.body(body.to_string()).header("Content-Type", "application/json")
    };
    let answer = request.timeout(PATIENCE).send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{path}: {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

async fn settled(bridge: &Bridge, relay: &Relay, requests: usize) -> Vec<Value> {
    relay.wait_for(requests).await;
    let begun = Instant::now();
    loop {
        let events = bridge.events("").await;
        // What ends an interview here waits for what began it.
        let tried = |event: &Value| {
            let delivery = &event["delivery"];
            delivery["state"] != "pending" || !delivery["last_error"].is_null() || event["stage"] == "Offer"
        };
        if events.iter().all(tried) {
            return events;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", Value::from(events));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Fills a journal with one of everything.
async fn fill(bridge: &Bridge, relay: &Relay) {
    let post = async |org: &str, application: &str, stage: &str| bridge.change(org, application, stage).await;
    for number in 0..40 {
        post("own", &format!("P{number}"), "Interview").await;
        if number % 2 == 0 {
            post("own", &format!("P{number}"), "Offer").await;
        }
    }
    bridge.delivered_of("own").await;
    relay.answer("200");
    post("acme", "delivered", "Interview").await;
    post("acme", "replayed", "Interview").await;
    settled(bridge, relay, 2).await;
    relay.answer("400");
    post("acme", "dead", "Interview").await;
    post("acme", "deleted", "Interview").await;
    let events = settled(bridge, relay, 4).await;
    let of = |application: &str| {
        let event = events.iter().find(|event| event["job_application_id"] == application).unwrap();
        event["event_id"].as_str().unwrap().to_owned()
    };
    act(bridge, Method::DELETE, &format!("events/{}", of("deleted")), Value::Null).await;
    relay.answer("503");
    post("acme", "waits", "Interview").await;
    act(bridge, Method::POST, &format!("events/{}/replay", of("replayed")), Value::Null).await;
    settled(bridge, relay, 6).await;
    // A second one waits behind it; a repeat, a message without effect, one that is refused.
    post("acme", "waits", "Offer").await;
    post("acme", "waits", "Offer").await;
    post("acme", "nothing", "Review").await;
    let timed =
        bare("stale", "Interview").replace("<Stage>", "<Event_Timestamp>2026-04-09T14:30:00Z</Event_Timestamp><Stage>");
    for message in [timed.clone(), timed.replace("09T", "08T").replace("Interview", "Offer")] {
        assert_eq!(bridge.post("acme", "application/xml", message).send().await.unwrap().status(), 200);
    }
    let wrong = bare("wrong", "Interview").replace("<Stage>Interview</Stage>", "");
    assert_eq!(bridge.post("acme", "application/xml", wrong).send().await.unwrap().status(), 400);
    post("own", "gone", "Interview").await;
    post("own", "gone", "Offer").await;
    bridge.delivered_of("own").await;
    act(bridge, Method::DELETE, "candidates/own/C-gone", Value::Null).await;
    act(bridge, Method::POST, "organisations/acme/pause", json!({})).await;
    settled(bridge, relay, 7).await;
}

/// Everything that the API says of a journal, but for ages.
async fn told(bridge: &Bridge) -> Vec<(String, Value)> {
    let mut paths: Vec<String> =
        ["protections?limit=1000", "applications?in_interview=true", "refused", "erasures", "stats"]
            .map(Into::into)
            .into();
    let events = bridge.events("").await;
    for event in &events {
        paths.push(format!("events/{}", event["event_id"].as_str().unwrap()));
        let (org, application) = (event["orgid"].as_str().unwrap(), event["job_application_id"].as_str().unwrap());
        paths.push(format!("applications/{org}/{application}"));
    }
    let refused = bridge.api("refused").await["refused"].as_array().unwrap().clone();
    paths.extend(refused.iter().map(|each| format!("refused/{}", each["id"].as_str().unwrap())));
    let mut all = vec![("events".to_owned(), Value::from(events))];
    for path in paths {
        let mut said = bridge.api(&path).await;
        for organisation in said["organisations"].as_array_mut().into_iter().flatten() {
            let nothing_waits = organisation["pending"] == 0;
            let figures = organisation.as_object_mut().unwrap();
            figures.remove("oldest_pending_seconds");
            // Where nothing waits, that is now.
            figures.remove(if nothing_waits { "delivered_through" } else { "" });
        }
        all.push((path, said));
    }
    all
}

/// The command, to be run on a home's journal.
fn moving(home: &Home, url: &str) -> Command {
    let mut moving = command(&home.path(""));
    moving.args(["move", "--from", &format!("sqlite:{}", home.path("journal.db").display()), "--to", url]);
    moving.stdout(Stdio::piped()).stderr(Stdio::piped());
    moving
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// Lets a command carry over what comes before this table, and kills it there.
fn kill_at(table: &str, mut moving: Command, database: &Database) {
    // The tables are made by the command itself.
    database.run(&format!(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); RETURN NULL; END $$;
         CREATE FUNCTION ambush() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
             IF to_regclass('moving') IS NOT NULL THEN
                 CREATE TRIGGER ambush BEFORE INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION wait();
             END IF;
         END $$;
         CREATE EVENT TRIGGER ambush ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION ambush()"
    ));
    let (mut child, begun) = (moving.spawn().unwrap(), Instant::now());
    while database.run("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "0" {
        assert!(child.try_wait().unwrap().is_none(), "it ended before {table}");
        assert!(begun.elapsed() < PATIENCE, "it does not get to {table}");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    database.run("SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    database.run(&format!("DROP EVENT TRIGGER ambush; DROP TRIGGER ambush ON {table}; DROP FUNCTION ambush, wait"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_is_carried_over_whole_also_by_a_move_that_is_killed_half_way() {
    let (relay, cluster) = (Relay::start(), Cluster::start());
    let database = cluster.database(None);
    let mut home = Home::new(&sections(&relay));
    let bridge = home.start();
    fill(&bridge, &relay).await;
    let (code, text) = said(&moving(&home, &database.url()).output().unwrap());
    assert!(code == Some(1) && text.contains("in use by another process"), "{text}");
    let before = told(&bridge).await;
    assert!(bridge.terminate().success());

    kill_at("figure", moving(&home, &database.url()), &database);
    assert_ne!(database.run("SELECT count(*) FROM attempt"), "0", "something was there");
    assert_eq!(database.run("SELECT count(*) FROM figure"), "0", "and not all");
    home.set("IMPER_BRIDGE_STORE__URL", database.url());
    assert!(home.start_fails().contains("a journal is being moved into this database"));
    let (code, text) = said(&moving(&home, &database.url()).output().unwrap());
    assert!(code == Some(0) && text.contains("verified: the same in both"), "{text}");
    assert!(!text.contains('\r'), "no progress where nobody looks: {text}");

    let bridge = home.start();
    let after = told(&bridge).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());
    // It goes on where it was: the same is a duplicate, numbers rise, what waited is delivered in order.
    let again = bridge.change("acme", "waits", "Offer").await;
    assert!(again.contains("Duplicate"), "{again}");
    relay.answer("200");
    let received = relay.received().len();
    act(&bridge, Method::POST, "organisations/acme/resume", json!({})).await;
    database.run("UPDATE lane SET due_at = 0 WHERE due_at IS NOT NULL");
    bridge.delivered().await;
    let sent = &relay.received()[received..];
    let types: Vec<_> = sent.iter().filter(|sent| sent.body["job_application_id"] == "waits").collect();
    let types: Vec<_> = types.iter().map(|sent| sent.body["event_type"].as_str().unwrap()).collect();
    assert_eq!(types, ["interview_started", "interview_ended"]);
    assert!(sent.iter().any(|sent| sent.idempotency_key.ends_with(".1")), "the replay keeps its number");
    let newest = bridge.change("acme", "new", "Interview").await;
    let last = bridge.events("").await.pop().unwrap();
    assert!(newest.contains(last["event_id"].as_str().unwrap()), "what is new is the newest");
    assert!(bridge.terminate().success());
}

#[test]
fn a_move_into_what_is_not_empty_or_from_what_is_not_there_is_refused() {
    let relay = Relay::start();
    let home = Home::new(&sections(&relay));
    let database = cluster::shared().database(None);
    let (code, text) = said(&moving(&home, &database.url()).output().unwrap());
    assert!(code == Some(2) && text.contains("journal.db: No such file"), "{text}");
    assert!(home.start().terminate().success());
    let (code, text) = said(&moving(&home, "mysql://db/bridge").output().unwrap());
    assert!(code == Some(2) && text.contains("postgres://USER@HOST/DATABASE"), "{text}");
    database.run("CREATE TABLE somebody (x int)");
    let (code, text) = said(&moving(&home, &database.url()).output().unwrap());
    assert!(code == Some(1) && text.contains("1 tables of something else"), "{text}");
    database.run("DROP TABLE somebody");
    let (code, text) = said(&moving(&home, &database.url()).output().unwrap());
    assert_eq!(code, Some(0), "an empty journal is moved as well: {text}");
    let (code, text) = said(&moving(&home, &database.url()).output().unwrap());
    assert!(code == Some(1) && text.contains("holds a journal already"), "{text}");
}

/// Who must not be asked before the move must not be asked after it either.
#[test]
fn a_pause_of_reading_back_is_carried_over() {
    let (home, database) = (Home::new(&sections(&Relay::start())), cluster::shared().database(None));
    let hour = Duration::from_secs(3_600);
    let details = || Quota { kind: LaneKind::Details, ..quota() };
    let path = home.path("journal.db");
    let journal = embedded::Embedded::open(&path, embedded::Options::default(), Arc::new(SystemClock::new())).unwrap();
    accept(&journal, message("A1", "Interview"));
    let started = claim(&journal).remove(0);
    let (protection, read_back) = (Some(Change::Activated), ReadBack::Wanted);
    let handled = Settlement { protection, read_back, ..settlement(&started, Verdict::Delivered) };
    assert_eq!(journal.settle(handled).wait().unwrap(), Settled::Applied);
    let refused = journal.claim(details(), LEASE).wait().unwrap().claimed.remove(0);
    let wrong = settlement(&refused, Verdict::Paused { probe_after: hour });
    assert_eq!(journal.settle(wrong).wait().unwrap(), Settled::Applied);
    drop(journal);
    let (code, text) = said(&moving(&home, &database.url()).output().unwrap());
    assert_eq!(code, Some(0), "{text}");
    let journal = Postgres::open(options(&database)).unwrap();
    let claims = journal.claim(details(), LEASE).wait().unwrap();
    assert!(claims.claimed.is_empty() && claims.next_due.is_some_and(|due| due > hour / 2), "{claims:?}");
}
