//! How much the database reads and changes for what bridges ask: it does not grow with what waits or
//! is kept.

use std::time::{Duration, Instant};

use imper_bridge::journal::postgres::Postgres;
use imper_bridge::journal::{Ages, ApplicationFilter, Records, Upkeep};

use crate::bridge::PATIENCE;
use crate::cluster::{self, Database};
use crate::fleet;
use crate::journal_contract::{accept, message};
use crate::relay::Relay;
use crate::shared_journal::options;

const DAY: Duration = Duration::from_secs(86_400);

/// How many rows of these tables were read one after the other, and how many entries of their indexes.
fn read(database: &Database, tables: &[&str]) -> (u64, u64) {
    // What a session read is counted at its end at the latest.
    let begun = Instant::now();
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                  AND backend_type = 'client backend'";
    while database.run(others) != "0" {
        assert!(begun.elapsed() < PATIENCE, "sessions stay");
        std::thread::sleep(Duration::from_millis(20));
    }
    let names = tables.join("', '");
    let sum = |column, of| {
        database.run(&format!("SELECT sum({column}) FROM {of} WHERE relname IN ('{names}')")).parse().unwrap()
    };
    (sum("seq_tup_read", "pg_stat_user_tables"), sum("idx_tup_read", "pg_stat_user_indexes"))
}

/// Among many lanes that wait, those that are due are found by an index, and so is what waits for
/// longest: nothing ever reads all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_does_not_read_the_lanes_that_wait() {
    let (relay, database) = (Relay::start(), cluster::shared().database(None));
    let home = fleet::home(&relay, &database.url());
    let bridge = home.start();
    bridge.change("acme", "A0", "Interview").await;
    bridge.delivered().await;
    assert!(bridge.terminate().success());
    database.run(
        "INSERT INTO lane (application, kind, orgid, head, head_opened, due_at)
             SELECT md5(n::text)::uuid, 0, 'acme', n, n, journal_now() + 1000 * n FROM generate_series(100001, 150000) n;
         INSERT INTO work (event, application, orgid, opened, opened_at, is_start)
             SELECT n, md5(n::text)::uuid, 'acme', n, 0, false FROM generate_series(100001, 150000) n",
    );
    database.run("ANALYZE lane");
    database.run("ANALYZE work");
    let before = read(&database, &["lane", "work"]);
    let bridge = home.start();
    for number in 1..20 {
        bridge.change("acme", &format!("A{number}"), "Interview").await;
    }
    relay.wait_for(20).await;
    assert!(bridge.terminate().success());
    let more = read(&database, &["lane", "work"]).0 - before.0;
    assert!(more < 50_000, "{more} rows were read one after the other");
}

/// Of what waits or is open, figures read what is too old and no more.
#[test]
fn figures_read_only_what_is_overdue() {
    let database = cluster::shared().database(None);
    drop(Postgres::open(options(&database)).unwrap());
    database.run(
        "INSERT INTO work (event, application, orgid, opened, opened_at, is_start)
             SELECT n, md5(n::text)::uuid, 'acme', n, journal_now() - CASE WHEN n <= 7 THEN 86400000 ELSE 0 END, true
             FROM generate_series(1, 20000) n;
         INSERT INTO application (key, orgid, since, since_at)
             SELECT application, orgid, event, opened_at FROM work;
         INSERT INTO figure (orgid, process, desk, accepted, delivered, dead, late, pending, passed)
             VALUES ('acme', '00000000-0000-0000-0000-000000000000', 0, 20000, 0, 0, 0, 20000, 0);
         ANALYZE work, application",
    );
    let before = read(&database, &["work", "application"]);
    let journal = Postgres::open(options(&database)).unwrap();
    for _ in 0..10 {
        let ages = Ages { useful_within: DAY / 2, open_interview: DAY / 2 };
        let stats = journal.stats(ages).wait().unwrap().remove(0);
        assert_eq!((stats.late, stats.open_too_long), (7, 7));
    }
    journal.close();
    let after = read(&database, &["work", "application"]);
    let (rows, entries) = (after.0 - before.0, after.1 - before.1);
    assert!(rows < 20_000 && entries < 20_000, "{rows} rows were read one after the other, {entries} by an index");
}

/// A page of the interviews that are open is chosen before anything else is looked up.
#[test]
fn a_page_of_open_interviews_reads_no_more_than_it_shows() {
    let database = cluster::shared().database(None);
    drop(Postgres::open(options(&database)).unwrap());
    database.run(
        "INSERT INTO event (sequence, received_at, application, orgid, job_application_id, candidate_id,
                job_requisition_id, event_type, stale, now, reason, source, deliver)
             SELECT n, journal_now(), md5(n::text)::uuid, 'acme', 'A' || n, 'W' || n, 'R1', 0, false, true, 2, 0, false
             FROM generate_series(1, 20000) n;
         INSERT INTO application (key, orgid, position, likeness, applied, applied_at, applied_as, head, since, since_at,
                heard_at)
             SELECT application, orgid, 1, application, sequence, received_at, 0, sequence, sequence, received_at,
                received_at FROM event;
         ANALYZE event, application",
    );
    let tables = ["event", "application", "lane", "work", "duplicate", "attempt"];
    let before = read(&database, &tables);
    let journal = Postgres::open(options(&database)).unwrap();
    for orgs in [None, Some(vec!["acme".parse().unwrap()])] {
        let page = journal.in_interview(ApplicationFilter { orgs }, None, 10).wait().unwrap();
        assert_eq!((page.items.len(), page.next.is_some()), (10, true));
    }
    journal.close();
    let after = read(&database, &tables);
    let (rows, entries) = (after.0 - before.0, after.1 - before.1);
    assert!(rows < 1_000 && entries < 1_000, "{rows} rows were read one after the other, {entries} by an index");
}

/// Many old events go in small steps, found by indexes, while a bridge takes messages of the same
/// applications.
#[test]
fn retention_goes_in_small_steps_and_reads_no_table_as_a_whole() {
    let database = cluster::shared().database(None);
    let (keeper, taker) = (Postgres::open(options(&database)).unwrap(), Postgres::open(options(&database)).unwrap());
    accept(&taker, message("A1", "Interview"));
    accept(&taker, message("A1", "Offer"));
    database.run(AGED);
    let tables = ["event", "attempt", "message", "application", "lane", "protection", "details", "action"];
    drop((keeper, taker));
    // A table as small as this one is read as a whole for the sake of some hundred rows; now it is so
    // only where no index would do.
    let name = database.run("SELECT current_database()");
    database.run(&format!("ALTER DATABASE {name} SET enable_seqscan = off"));
    let before = read(&database, &tables);
    let (keeper, taker) = (Postgres::open(options(&database)).unwrap(), Postgres::open(options(&database)).unwrap());
    let taken = std::thread::scope(|scope| {
        let purging = scope.spawn(|| keeper.purge(30 * DAY).wait().unwrap());
        let mut taken = 0;
        while !purging.is_finished() || taken == 0 {
            accept(&taker, message("A1", if taken % 2 == 0 { "Interview" } else { "Offer" }));
            taken += 1;
        }
        assert_eq!(purging.join().unwrap(), 20_000);
        taken
    });
    [keeper, taker].iter().for_each(Postgres::close);
    assert_eq!(database.run("SELECT count(*) FROM event"), (taken + 2).to_string(), "all that is young is there");
    for table in ["attempt", "message"] {
        assert_eq!(database.run(&format!("SELECT count(*) FROM {table}")), "0", "{table}");
    }
    assert_eq!(database.run("SELECT count(*) FROM application"), "1");
    let steps = database.run("SELECT max(events) <= 500, count(*) >= 40 FROM step");
    assert_eq!(steps, "t|t", "steps of at most so many: {}", database.run("SELECT max(events), count(*) FROM step"));
    let (rows, _) = read(&database, &tables);
    let rows = rows - before.0;
    assert!(rows < 5_000, "{rows} rows were read one after the other");
}

/// Twenty thousand old events of five thousand applications and one, with what is kept beside them,
/// and a table that counts what each transaction deletes.
const AGED: &str = "
    INSERT INTO event (sequence, received_at, application, orgid, job_application_id, candidate_id, job_requisition_id,
            event_type, stale, now, reason, source, deliver)
        SELECT 1000000 + n, journal_now() - 8640000000 + n, md5((n % 5000 + 1)::text)::uuid, 'acme', 'B' || n % 5000,
               'W1', 'R1', 2, false, false, 2, 0, true FROM generate_series(1, 20000) n;
    INSERT INTO application (key, orgid, position, likeness, applied, applied_at, applied_as, head, heard_at)
        SELECT application, orgid, 0, application, max(sequence), max(received_at), 2, max(sequence), max(received_at)
        FROM event WHERE sequence > 1000000 GROUP BY application, orgid;
    INSERT INTO attempt (sequence, event, at, verdict)
        SELECT sequence + 1000000, sequence, received_at, 0 FROM event WHERE sequence > 1000000;
    INSERT INTO message SELECT md5(sequence::text)::uuid, sequence, received_at, 2 FROM event WHERE sequence > 1000000;
    INSERT INTO lane (application, kind, orgid) SELECT key, 0, orgid FROM application WHERE position = 0
        ON CONFLICT DO NOTHING;
    CREATE TABLE step (events bigint);
    CREATE FUNCTION note_step() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN INSERT INTO step SELECT count(*) FROM gone; RETURN NULL; END';
    CREATE TRIGGER noted AFTER DELETE ON event REFERENCING OLD TABLE AS gone
        FOR EACH STATEMENT EXECUTE FUNCTION note_step();
    ANALYZE";
