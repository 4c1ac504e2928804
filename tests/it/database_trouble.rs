//! What a bridge does while its database has no room, or somebody else holds a table.

use std::time::Instant;

use imper_bridge::journal::Upkeep;
use imper_bridge::journal::postgres::Postgres;

use crate::bridge::PATIENCE;
use crate::cluster;
use crate::fleet;
use crate::journal_contract::{accept, message};
use crate::relay::Relay;
use crate::shared_journal::{options, ready};

/// A server whose disk is full changes the rows that it has and takes no new ones.
const FULL: &str = "
    CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql
        AS $$BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END$$;
    CREATE TRIGGER is_full BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION no_room();
    CREATE TRIGGER is_full BEFORE INSERT ON process FOR EACH ROW WHEN (NEW.seen_at = 0) EXECUTE FUNCTION no_room()";

/// While there is no room a bridge is not ready, however often it looks, and says why; with room it is
/// ready by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_whose_database_has_no_room_is_not_ready_until_it_has() {
    let (relay, database) = (Relay::start(), cluster::shared().database(None));
    let home = fleet::home(&relay, &database.url());
    let bridge = home.start();
    bridge.change("acme", "A1", "Interview").await;
    relay.wait_for(1).await;
    bridge.delivered().await;
    for round in 1..=5 {
        database.run(FULL);
        let refused = bridge.poster("acme")("A1", "Review").send().await.unwrap();
        assert_eq!(refused.status(), 503, "round {round}");
        let seen = || database.run("SELECT seen_at FROM process");
        let (mut before, begun) = (seen(), Instant::now());
        for _ in 0..3 {
            while seen() == before {
                assert!(begun.elapsed() < PATIENCE, "it looks at the database");
                assert_eq!(bridge.get("/readyz").await.status(), 503);
            }
            before = seen();
        }
        database.run("DROP FUNCTION no_room CASCADE");
        ready(&bridge, 200).await;
    }
    let log = home.log();
    assert_eq!(log.matches("the journal takes no events").count(), 5, "{log}");
    assert!(log.contains("no space left on device") && !log.contains("25P02"), "{log}");
    bridge.change("acme", "A1", "Offer").await;
    bridge.delivered().await;
    assert_eq!(database.run("SELECT count(*) FROM process"), "1", "what was tried left nothing");
    assert!(bridge.terminate().success());
}

/// A bridge that brings the tables up to date waits for whoever holds one of them, and those that run
/// do not wait behind it.
#[test]
fn while_a_table_is_held_an_upgrade_waits_and_running_bridges_go_on() {
    let database = cluster::shared().database(None);
    let running = Postgres::open(options(&database)).unwrap();
    database.run("DROP INDEX work_starts_by_age, application_by_age; UPDATE schema_version SET version = 4");
    let held = database.hold("LOCK TABLE work IN ROW EXCLUSIVE MODE");
    let options = options(&database);
    let newer = std::thread::spawn(move || Postgres::open(options));
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let begun = Instant::now();
    while database.run(waits) == "0" {
        assert!(begun.elapsed() < PATIENCE, "the newer one waits");
    }
    for number in 1..=3 {
        accept(&running, message(&format!("A{number}"), "Interview"));
    }
    assert!(!newer.is_finished(), "the table is still held");
    drop(held);
    newer.join().unwrap().unwrap().close();
    assert_eq!(database.run("SELECT count(*) FROM pg_indexes WHERE indexname LIKE '%by_age'"), "2");
    running.close();
}
