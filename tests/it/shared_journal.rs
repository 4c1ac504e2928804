//! Several real bridges on one database.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use imper_bridge::domain::OrgId;
use imper_bridge::journal::postgres::{Options, Postgres};
use imper_bridge::journal::refused::MOST_KEPT;
use imper_bridge::journal::{Refused, RefusedFilter, RefusedHead, Upkeep};
use reqwest::RequestBuilder;

use crate::bridge::{Bridge, Home, PATIENCE, command, element};
use crate::chance;
use crate::cluster::{self, Cluster, Database, Pooler};
use crate::kill::relayed;
use crate::oracle::{Acknowledged, arrivals};
use crate::relay::Relay;

/// How long the relay takes for each answer, in milliseconds.
const ANSWER: i64 = 20;

const CLIENTS: usize = 6;

/// A folder whose bridges keep their journal in this database.
fn home(relay: &Relay, database: &Database) -> Home {
    let mut home = relayed(relay);
    home.set("IMPER_BRIDGE_STORE__URL", database.url());
    home.set("IMPER_BRIDGE_DELIVERY__TIMEOUT_SECONDS", "3");
    home
}

type Post = Box<dyn Fn(&str, &str) -> RequestBuilder + Send>;

/// Moves one application, each message to another bridge, and each again until it is acknowledged.
async fn move_on(application: String, bridges: Vec<Post>, stop: Arc<AtomicBool>) -> Vec<(String, String)> {
    let (mut acknowledged, mut turn) = (Vec::new(), 0);
    for step in 0.. {
        // An interview that began is ended, so that everybody has as many of both.
        if stop.load(Ordering::Relaxed) && step % 2 == 0 {
            break;
        }
        let begun = Instant::now();
        loop {
            turn += 1;
            let stage = ["Interview", "Offer"][step % 2];
            if let Ok(answer) = bridges[turn % bridges.len()](&application, stage).send().await {
                let status = answer.status();
                let away = status == 503 && answer.headers().contains_key("Retry-After");
                if let Ok(text) = answer.text().await
                    && !away
                {
                    assert_eq!(status, 200, "{text}");
                    assert_eq!(element(&text, "Event_Type"), ["interview_started", "interview_ended"][step % 2]);
                    acknowledged.push((application.clone(), element(&text, "Event_ID").to_owned()));
                    break;
                }
            }
            assert!(begun.elapsed() < PATIENCE, "some bridge answers");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    acknowledged
}

type AtWork = Vec<tokio::task::JoinHandle<Vec<(String, String)>>>;

/// Clients that post to all of these bridges in turn, until they are told to stop.
fn clients(bridges: &[&Bridge], stop: &Arc<AtomicBool>) -> AtWork {
    let client = |number| {
        let posts = bridges.iter().map(|bridge| Box::new(bridge.poster("acme")) as Post).collect();
        tokio::spawn(move_on(format!("A{number}"), posts, Arc::clone(stop)))
    };
    (0..CLIENTS).map(client).collect()
}

async fn stopped(clients: AtWork) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    for client in clients {
        for (application, id) in client.await.unwrap() {
            acknowledged.note(&application, &id);
        }
    }
    acknowledged
}

/// No request of an application came before the one before was answered.
fn never_two_at_once(relay: &Relay) {
    let mut last: HashMap<String, jiff::Timestamp> = HashMap::new();
    for received in arrivals(relay, "acme") {
        let application = received.body["job_application_id"].as_str().unwrap().to_owned();
        if let Some(before) = last.insert(application.clone(), received.at) {
            let apart = received.at.duration_since(before).as_millis();
            assert!(apart >= i128::from(ANSWER) - 1, "{application}: two requests within {apart} ms");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bridges_share_a_journal_and_one_that_is_killed_is_taken_over() {
    let (relay, database) = (Relay::start(), cluster::shared().database(None));
    relay.answer(&format!("200@0.0{ANSWER}"));
    let homes = [home(&relay, &database), home(&relay, &database)];
    let (stays, dies) = tokio::join!(async { homes[0].start() }, async { homes[1].start() });
    let stop = Arc::new(AtomicBool::new(false));
    let clients = clients(&[&stays, &dies], &stop);
    relay.wait_for(10 * CLIENTS).await;
    dies.kill();
    relay.wait_for(20 * CLIENTS).await;
    stop.store(true, Ordering::Relaxed);
    let acknowledged = stopped(clients).await;
    let figures = acknowledged.prove(&stays, &relay, "acme").await;
    assert_eq!(figures.stored, figures.acknowledged, "what was posted until it was answered is stored once");
    never_two_at_once(&relay);
    chance::tell(format_args!("two bridges, one killed: {figures}"));
    assert!(stays.terminate().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_under_load_cost_nothing_that_was_acknowledged() {
    let (relay, database) = (Relay::start(), cluster::shared().database(None));
    let homes = [home(&relay, &database), home(&relay, &database)];
    let (one, other) = (homes[0].start(), homes[1].start());
    let stop = Arc::new(AtomicBool::new(false));
    let clients = clients(&[&one, &other], &stop);
    let mut cut = 0;
    for round in 1..=10 {
        relay.wait_for(round * CLIENTS).await;
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        cut += database.run(sql).parse::<usize>().unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let acknowledged = stopped(clients).await;
    let figures = acknowledged.prove(&one, &relay, "acme").await;
    assert_eq!(figures.stored, figures.acknowledged, "what was posted until it was answered is stored once");
    assert!(cut >= 20, "only {cut} connections were cut");
    chance::tell(format_args!("{cut} connections cut under load: {figures}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_works_by_transaction_may_stand_between() {
    let (relay, database) = (Relay::start(), cluster::shared().database(None));
    relay.answer(&format!("200@0.0{ANSWER}"));
    let pooler = Pooler::start(cluster::shared());
    let homes = [home(&relay, &database), home(&relay, &database)].map(|mut home| {
        home.set("IMPER_BRIDGE_STORE__URL", pooler.url(&database));
        home
    });
    let (one, other) = (homes[0].start(), homes[1].start());
    let stop = Arc::new(AtomicBool::new(false));
    let clients = clients(&[&one, &other], &stop);
    relay.wait_for(20 * CLIENTS).await;
    stop.store(true, Ordering::Relaxed);
    let figures = stopped(clients).await.prove(&other, &relay, "acme").await;
    assert_eq!(figures.stored, figures.acknowledged, "what was posted until it was answered is stored once");
    never_two_at_once(&relay);
    assert!(one.terminate().success() && other.terminate().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_nothing_is_acknowledged_and_then_it_goes_on() {
    let (relay, cluster) = (Relay::start(), Cluster::start());
    let database = cluster.database(None);
    let home = home(&relay, &database);
    let bridge = home.start();
    bridge.change("acme", "A1", "Interview").await;
    relay.wait_for(1).await;
    let stopped = cluster.stop("INT");
    let post = bridge.poster("acme");
    let refused = post("A1", "Offer").send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("Retry-After"));
    ready(&bridge, 503).await;
    let _cluster = stopped.start();
    ready(&bridge, 200).await;
    bridge.change("acme", "A1", "Offer").await;
    bridge.delivered().await;
    let types: Vec<_> = relay.received().iter().map(|received| received.body["event_type"].clone()).collect();
    assert_eq!(types, ["interview_started", "interview_ended"]);
    assert!(bridge.terminate().success());
}

async fn ready(bridge: &Bridge, status: u16) {
    let begun = Instant::now();
    while bridge.get("/readyz").await.status() != status {
        assert!(begun.elapsed() < PATIENCE, "/readyz becomes {status}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn options(database: &Database) -> Options {
    let url = database.url().into();
    Options { url, password: None, keep_refused: Duration::from_secs(60), observer: Arc::new(()) }
}

#[test]
fn check_reaches_the_database_and_makes_nothing() {
    let (relay, database) = (Relay::start(), cluster::shared().database(None));
    let home = home(&relay, &database);
    let check = |url: &str| {
        let mut check = command(&home.path(""));
        check.args(["check", "--config", "bridge.toml"]).env("IMPER_BRIDGE_STORE__URL", url);
        let output = check.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, report) = check(&database.url());
    assert!(code == Some(0) && report.contains("takes writes, and its tables are made at the start"), "{report}");
    assert_eq!(database.run("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    drop(Postgres::open(options(&database)).unwrap());
    assert!(check(&database.url()).1.contains("its tables are up to date"));
    let (code, report) = check("postgres://bridge:hunter2@127.0.0.1:1/bridge");
    assert!(code == Some(1) && report.contains("no database that takes writes answers"), "{report}");
    assert!(report.contains("postgres://127.0.0.1:1/bridge") && !report.contains("hunter2"), "{report}");
}

#[test]
fn refused_messages_are_kept_in_the_database() {
    let database = cluster::shared().database(None);
    let journal = Postgres::open(options(&database)).unwrap();
    let refused = journal.refused().unwrap();
    let org: OrgId = "acme".parse().unwrap();
    let head = |code: &str| RefusedHead {
        org: org.clone(),
        code: code.into(),
        message: "no".into(),
        place: None,
        content_type: Some("text/xml".into()),
        soap_action: None,
        tenant: None,
        query: String::new(),
        bytes: 3,
        whole: true,
    };
    assert!(refused.keep(head("first"), "<ID>W1\0</ID>".into()));
    assert!(refused.keep(head("second"), "<ID>W&#50;</ID>".into()));
    let page = refused.list(RefusedFilter::default(), None, 1).wait().unwrap();
    assert_eq!((page.items.len(), page.items[0].head.code.as_str()), (1, "second"), "newest first");
    let page = refused.list(RefusedFilter::default(), page.next, 1).wait().unwrap();
    let (found, text) = refused.find(page.items[0].id).wait().unwrap().unwrap();
    assert_eq!((&found, text.as_str()), (&page.items[0], "<ID>W1\u{fffd}</ID>"));
    assert_eq!(refused.erase(org.clone(), vec!["w2".into()]).wait(), Ok(1), "in any spelling");
    assert_eq!((refused.remove(found.id).wait(), refused.remove(found.id).wait()), (Ok(true), Ok(false)));
    for _ in 0..MOST_KEPT + 3 {
        while !refused.keep(head("many"), "x".into()) {
            std::thread::yield_now();
        }
    }
    let kept =
        refused.list(RefusedFilter { orgs: Some(vec![org.clone()]), code: Some("many".into()) }, None, 1000).wait();
    assert_eq!(kept.unwrap().items.len(), MOST_KEPT);
    journal.close();
    assert!(!refused.keep(head("late"), "x".into()), "a journal that is closed keeps nothing");
}

#[test]
fn many_bridges_may_make_the_tables_at_once() {
    let database = cluster::shared().database(None);
    let opening: Vec<_> = (0..8)
        .map(|_| {
            let options = options(&database);
            std::thread::spawn(move || Postgres::open(options).map(drop))
        })
        .collect();
    opening.into_iter().for_each(|opening| opening.join().unwrap().unwrap());
    assert_eq!(database.run("SELECT count(*) FROM journal"), "1", "one identity for all");
    database.run("UPDATE schema_version SET version = 99, works_with = 99");
    let refused = Postgres::open(options(&database)).err().expect("a newer journal is left alone").to_string();
    assert!(refused.contains("start the newer bridge"), "{refused}");
}
