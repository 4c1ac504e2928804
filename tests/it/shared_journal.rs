//! Several real bridges on one database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use imper_bridge::domain::OrgId;
use imper_bridge::journal::postgres::{Options, Postgres};
use imper_bridge::journal::refused::MOST_KEPT;
use imper_bridge::journal::{Refused, RefusedFilter, RefusedHead, Upkeep};

use crate::bridge::{Bridge, PATIENCE, command};
use crate::chance;
use crate::cluster::{self, Cluster, Database, Pooler};
use crate::fleet::{self, Fleet};
use crate::journal_contract;
use crate::relay::Relay;

const CLIENTS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_works_by_transaction_may_stand_between() {
    let (relay, database) = (Relay::start(), cluster::shared().database(None));
    fleet::steady(&relay);
    let pooler = Pooler::start(cluster::shared());
    let fleet = Fleet::start(&relay, &pooler.url(&database), 2);
    let clients = fleet.clients(CLIENTS);
    relay.wait_for(20 * CLIENTS).await;
    let figures = clients.stopped().await.prove(fleet.any(), &relay, "acme").await;
    assert_eq!(figures.stored, figures.acknowledged, "what was posted until it was answered is stored once");
    fleet::never_two_at_once(&relay);
    chance::tell(format_args!("two bridges behind a pooler: {figures}"));
    fleet.terminate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_nothing_is_acknowledged_and_then_it_goes_on() {
    let (relay, cluster) = (Relay::start(), Cluster::start());
    let database = cluster.database(None);
    let home = fleet::home(&relay, &database.url());
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

/// A server that is set to tell of a commit before it is on the disk, and falls right after the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_is_on_the_disk_whatever_the_server_is_set_to() {
    let (relay, mut cluster) = (Relay::start(), Cluster::start());
    let database = cluster.database(None);
    let home = fleet::home(&relay, &database.url());
    let bridge = home.start();
    cluster.set("synchronous_commit = off");
    cluster.set("wal_writer_delay = '10s'");
    for number in 1..=3 {
        while database.run("SHOW synchronous_commit") != "off" || database.run("SHOW wal_writer_delay") != "10s" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Of no interview, so that nothing is delivered and no later commit takes it to the disk.
        bridge.change("acme", &format!("A{number}"), "Review").await;
        cluster = cluster.stop("QUIT").start();
        ready(&bridge, 200).await;
        assert_eq!(bridge.events("").await.len(), number, "what was acknowledged is there");
    }
    assert!(bridge.terminate().success());
}

async fn ready(bridge: &Bridge, status: u16) {
    let begun = Instant::now();
    while bridge.get("/readyz").await.status() != status {
        assert!(begun.elapsed() < PATIENCE, "/readyz becomes {status}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn options(database: &Database) -> Options {
    let url = database.url().into();
    Options { url, password: None, keep_refused: Duration::from_secs(60), observer: Arc::new(()) }
}

#[test]
fn check_reaches_the_database_and_makes_nothing() {
    let (relay, database) = (Relay::start(), cluster::shared().database(None));
    let home = fleet::home(&relay, &database.url());
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
fn what_one_bridge_entered_another_does_not_strike_out() {
    let database = cluster::shared().database(None);
    let (one, other) = (Postgres::open(options(&database)).unwrap(), Postgres::open(options(&database)).unwrap());
    let (org, nonces, others): (OrgId, _, _) = ("acme".parse().unwrap(), one.nonces(), other.nonces());
    let asked: Vec<_> = (0..100).map(|number| nonces.enter(org.clone(), [number; 20])).collect();
    assert!(asked.into_iter().all(|entered| entered.wait() == Ok(true)));
    assert_eq!(others.enter(org.clone(), [7; 20]).wait(), Ok(false));
    assert_eq!(others.enter("other".parse().unwrap(), [7; 20]).wait(), Ok(true), "each organisation has its own");
    others.strike(org.clone(), [7; 20]);
    assert_eq!(others.enter(org.clone(), [7; 20]).wait(), Ok(false), "it was not this bridge that entered it");
    nonces.strike(org.clone(), [7; 20]);
    assert_eq!(nonces.enter(org.clone(), [7; 20]).wait(), Ok(true), "what is asked for is done in its order");
    one.close();
    assert!(nonces.enter(org, [8; 20]).wait().is_err(), "a journal that is closed takes nothing");
}

/// Two bridges find the same erasure to be done at the same time: the receipt says what was erased, whoever
/// came first.
#[test]
fn a_receipt_of_an_erasure_is_written_once() {
    let database = cluster::shared().database(None);
    let open = || Postgres::open(options(&database)).unwrap();
    let (one, other) = (open(), open());
    let message = journal_contract::message("A1", "Interview");
    let (org, candidate) = (message.org.clone(), message.change.candidate.clone());
    journal_contract::accept(&one, message);
    let number = one.erase(org, candidate, "operator".into()).wait().unwrap();
    let busy = database.hold("SELECT FROM application FOR UPDATE");
    let (first, second) = (one.finish_erasure(number, true), other.finish_erasure(number, true));
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let begun = Instant::now();
    while database.run(waits) != "2" {
        assert!(begun.elapsed() < PATIENCE, "both wait");
    }
    drop(busy);
    let receipts = [first.wait().unwrap().unwrap(), second.wait().unwrap().unwrap()];
    assert_eq!(receipts.map(|receipt| receipt.events), [1, 1]);
}

/// A database that has no room for every character would turn a message away for ever.
#[test]
fn a_database_of_another_encoding_is_not_used() {
    let database = cluster::shared().database_with("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    let error = Postgres::open(options(&database)).err().unwrap().to_string();
    assert!(error.contains("LATIN1") && error.contains("UTF8"), "{error}");
    let home = fleet::home(&Relay::start(), &database.url());
    let mut check = command(&home.path(""));
    check.args(["check", "--config", "bridge.toml"]).env("IMPER_BRIDGE_STORE__URL", database.url());
    let output = check.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("LATIN1"));
}

/// A user without the right to make tables is told so by `check`, and what to do.
#[test]
fn a_user_who_may_not_make_tables_is_told_by_check() {
    let database = cluster::shared().database(None);
    database.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    database.run(&format!("CREATE ROLE reader_{} LOGIN", database.name()));
    let url = database.url().replace("postgres@", &format!("reader_{}@", database.name()));
    let home = fleet::home(&Relay::start(), &url);
    let mut check = command(&home.path(""));
    check.args(["check", "--config", "bridge.toml"]).env("IMPER_BRIDGE_STORE__URL", &url);
    let output = check.output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(1) && report.contains("may not make tables"), "{report}");
}

/// The first version's tables with a message in them become those of now, while a bridge that made
/// them may go on.
#[test]
fn tables_of_an_earlier_version_are_brought_up_to_date() {
    let database = cluster::shared().database(None);
    database.run(include_str!("../../src/journal/postgres/migrations/0001.sql"));
    database.run(
        "CREATE TABLE schema_version (version integer NOT NULL, works_with integer NOT NULL);
         INSERT INTO schema_version VALUES (1, 1);
         INSERT INTO journal VALUES (7, '\\x000102030405060708090a0b0c0d0e0f')",
    );
    drop(Postgres::open(options(&database)).unwrap());
    assert_eq!(database.run("SELECT version > 1, works_with FROM schema_version"), "t|1");
    assert_eq!(database.run("SELECT tag FROM journal"), "7", "it is the same journal");
    assert_eq!(database.run("SELECT count(*) FROM nonce"), "0");
}

#[test]
fn many_bridges_may_make_the_tables_at_once() {
    let database = cluster::shared().database(None);
    let opening: Vec<_> = (0..10)
        .map(|_| {
            let options = options(&database);
            std::thread::spawn(move || Postgres::open(options).map(drop))
        })
        .collect();
    opening.into_iter().for_each(|opening| opening.join().unwrap().unwrap());
    assert_eq!(database.run("SELECT count(*) FROM journal"), "1", "one identity for all");
    // A newer bridge may add to the tables while this one goes on; it says itself with whom it can.
    database.run("UPDATE schema_version SET version = 99, works_with = 2");
    drop(Postgres::open(options(&database)).unwrap());
    assert_eq!(database.run("SELECT version FROM schema_version"), "99", "it stays what it is");
    database.run("UPDATE schema_version SET version = 99, works_with = 99");
    let refused = Postgres::open(options(&database)).err().expect("a newer journal is left alone").to_string();
    assert!(refused.contains("start the newer bridge"), "{refused}");
}

/// While a newer bridge adds to the tables, the running one goes on and says what it sees; where the
/// newer one has changed what this one relies on, this one stops by itself, and a repeat to the newer
/// one is all that its clients need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_bridge_goes_on_beside_a_newer_one_until_it_is_outgrown() {
    let (relay, database) = (Relay::start(), cluster::shared().database(None));
    let home = fleet::home(&relay, &database.url());
    let (bridge, second) = (home.start(), fleet::home(&relay, &database.url()));
    bridge.change("acme", "A1", "Interview").await;
    relay.wait_for(1).await;
    database.run(
        "BEGIN;
         ALTER TABLE event ADD COLUMN later text;
         ALTER TABLE work ADD COLUMN later integer NOT NULL DEFAULT 0;
         CREATE TABLE later (event bigint PRIMARY KEY);
         CREATE INDEX event_later ON event (later) WHERE later IS NOT NULL;
         UPDATE schema_version SET version = version + 1;
         COMMIT",
    );
    bridge.change("acme", "A1", "Offer").await;
    relay.wait_for(2).await;
    bridge.delivered().await;
    let late = second.start();
    late.change("acme", "A2", "Interview").await;
    relay.wait_for(3).await;
    assert!(late.terminate().success(), "one of the same version may still start");
    let mut check = command(&home.path(""));
    let output =
        check.args(["check", "--config", "bridge.toml"]).env("IMPER_BRIDGE_STORE__URL", database.url()).output();
    let report = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(report.contains("a newer bridge has made its tables version"), "{report}");

    database.run("UPDATE schema_version SET works_with = version");
    ready(&bridge, 503).await;
    let refused = bridge.poster("acme")("A1", "Interview").send().await.unwrap();
    assert!(refused.status() == 503 && refused.headers().contains_key("Retry-After"));
    assert_eq!(database.run("SELECT count(*) FROM event"), "3", "nothing is written any more");
    assert!(second.start_fails().contains("start the newer bridge"));
    database.run("UPDATE schema_version SET works_with = 1");
    ready(&bridge, 200).await;
    bridge.change("acme", "A1", "Interview").await;
    assert!(bridge.terminate().success());
}
