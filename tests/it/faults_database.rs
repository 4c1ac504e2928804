//! What happens to bridges that share a database, and to the database: kills, cut connections,
//! restarts, a primary that is lost.
//!
//! `FLEET_ROUNDS=n` runs more rounds than usual, `FLEET_SEED=n` those of a seed that was printed.

use std::os::unix::fs::{MetadataExt, chown};
use std::time::{Duration, Instant};

use imper_bridge::domain::Outcome;

use crate::authority::Authority;
use crate::bridge::{Home, PATIENCE, command, element};
use crate::chance::{self, Chance};
use crate::cluster::{self, Cluster, Database};
use crate::fleet::{self, Fleet};
use crate::relay::Relay;

const BRIDGES: usize = 3;
const CLIENTS: usize = 6;

fn rounds(usual: u64) -> u64 {
    std::env::var("FLEET_ROUNDS").map_or(usual, |rounds| rounds.parse().expect("FLEET_ROUNDS is a number"))
}

/// Nothing acknowledged is lost, the order per application is kept, an event comes twice only after
/// an attempt that failed or is unknown, and no two are under way for one application; and what the
/// last one to die had under way is taken over by those that stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_of_three_bridges_may_be_killed_at_any_moment() {
    let (seed, rounds) = (chance::seed("FLEET_SEED"), rounds(10));
    let mut chance = Chance::new(seed.1);
    let (relay, database) = (Relay::start(), cluster::shared().database(None));
    fleet::steady(&relay);
    let mut fleet = Fleet::start(&relay, &database.url(), BRIDGES);
    let clients = fleet.clients(CLIENTS);
    let mut died = 0;
    for round in 1..=rounds {
        relay.wait_for(round as usize * CLIENTS).await;
        tokio::time::sleep(Duration::from_millis(chance.below(300))).await;
        died = chance.below(BRIDGES as u64) as usize;
        fleet.kill(died);
        if round < rounds {
            fleet.restart(died);
        }
    }
    let acknowledged = clients.stopped().await;
    let (killed, bridge) = (Instant::now(), fleet.any());
    bridge.delivered().await;
    let taken_over = killed.elapsed().as_secs();
    let figures = acknowledged.prove(bridge, &relay, "acme").await;
    chance::tell(format_args!(
        "three bridges, {rounds} times SIGKILL to one of them (FLEET_SEED={}): {figures}; all was delivered {taken_over} s \
         after the last",
        seed.1
    ));
    assert_eq!(figures.stored, figures.acknowledged, "what was posted until it was answered is stored once");
    assert!(figures.unknown > 0, "too little happened to mean anything: {figures}");
    fleet::never_two_at_once(&relay);
    fleet.restart(died);
    fleet.terminate();
}

/// Single connections are cut at random, mostly in the middle of something, and now and then the
/// server falls and recovers. Results that fall with it are sent again, but never beside themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_and_servers_that_break_under_load_cost_nothing_that_was_acknowledged() {
    let (seed, rounds) = (chance::seed("FLEET_SEED"), rounds(30));
    let mut chance = Chance::new(seed.1);
    let (relay, mut cluster) = (Relay::start(), Cluster::start());
    fleet::steady(&relay);
    let database = cluster.database(None);
    let fleet = Fleet::start(&relay, &database.url(), 2);
    let clients = fleet.clients(CLIENTS);
    let (mut cut, mut fell) = (0, 0);
    for round in 1..=rounds {
        relay.wait_for(round as usize * CLIENTS).await;
        tokio::time::sleep(Duration::from_millis(chance.below(20))).await;
        if round % 10 == 0 {
            cluster = cluster.stop("QUIT").start();
            fell += 1;
        } else {
            cut += cut_one_at_work(&database);
        }
    }
    let figures = clients.stopped().await.prove(fleet.any(), &relay, "acme").await;
    chance::tell(format_args!(
        "{cut} connections cut at random and the database restarted {fell} times (FLEET_SEED={}): {figures}",
        seed.1
    ));
    assert_eq!(figures.stored, figures.acknowledged, "what was posted until it was answered is stored once");
    assert!(cut >= rounds / 2, "only {cut} connections were cut");
    fleet::never_two_at_once(&relay);
    fleet.terminate();
}

/// Ends one connection, if there is any one that is within a transaction.
fn cut_one_at_work(database: &Database) -> u64 {
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM (
                   SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                   ORDER BY xact_start IS NULL, random() LIMIT 1) one";
    database.run(sql).parse().unwrap()
}

/// Takes the answer from a commit that has been made: the client is told 503, the event is there,
/// and the repeat is a duplicate of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_a_503_and_the_repeat_a_duplicate() {
    let (relay, cluster) = (Relay::start(), Cluster::start());
    let database = cluster.database(None);
    let home = fleet::home(&relay, &database.url());
    let bridge = home.start();
    bridge.change("acme", "A0", "Interview").await;
    bridge.delivered().await;
    // A commit waits for a standby that never comes, after it has been made here.
    cluster.hold_commits();
    let post = bridge.poster("acme");
    let posted = tokio::spawn(post("A1", "Interview").send());
    let begun = Instant::now();
    let stored = "SELECT sequence FROM event WHERE job_application_id = 'A1'";
    while database.run(stored).is_empty() {
        // What waits in its commit is seen once the wait is broken off, which cuts the connection.
        cluster.own().run("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
        assert!(begun.elapsed() < PATIENCE, "no commit waits");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let lost = posted.await.unwrap().unwrap();
    assert_eq!(lost.status(), 503);
    assert!(lost.headers().contains_key("Retry-After"));
    assert_eq!(relay.received().len(), 1, "nothing is sent whose attempt cannot be recorded");
    cluster.set("synchronous_standby_names = ''");
    let begun = Instant::now();
    let text = loop {
        let answer = post("A1", "Interview").send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        if status == 200 {
            break text;
        }
        assert!(status == 503 && begun.elapsed() < PATIENCE, "{text}");
    };
    assert_eq!(element(&text, "Outcome"), Outcome::Duplicate.as_str());
    bridge.delivered().await;
    let events = bridge.events("job_application_id=A1").await;
    assert_eq!((events.len(), events[0]["event_id"].as_str()), (1, Some(element(&text, "Event_ID"))));
    assert!(bridge.terminate().success());
}

/// The primary is killed under load and its standby takes over: with synchronous replication that
/// costs no acknowledged event, and no bridge has to be told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_lost_costs_nothing_where_replication_is_synchronous() {
    let (relay, primary) = (Relay::start(), Cluster::start());
    let database = primary.database(None);
    let standby = primary.standby();
    let fleet = Fleet::start(&relay, &database.url_with(&standby), 2);
    let clients = fleet.clients(CLIENTS);
    relay.wait_for(20 * CLIENTS).await;
    let killed = Instant::now();
    let _lost = primary.stop("KILL");
    standby.own().run("SELECT pg_promote()");
    let promoted = killed.elapsed();
    let post = fleet.any().poster("acme");
    let back = loop {
        let status = post("B", "Interview").send().await.unwrap().status();
        if status == 200 {
            break killed.elapsed();
        }
        assert!(status == 503 && killed.elapsed() < PATIENCE, "{status}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    relay.wait_for(relay.received().len() + 10 * CLIENTS).await;
    let figures = clients.stopped().await.prove(fleet.any(), &relay, "acme").await;
    assert_eq!(figures.stored, figures.acknowledged + 1, "what was posted until it was answered is stored once");
    assert_eq!(database.on(&standby).run("SELECT pg_is_in_recovery()"), "f");
    chance::tell(format_args!(
        "a primary lost: promoted {:.1} s after it was killed, the first 200 at {:.1} s: {figures}",
        promoted.as_secs_f64(),
        back.as_secs_f64()
    ));
    fleet.terminate();
}

/// A server that takes connections and says nothing, as one whose disk hangs, keeps no bridge from the
/// other one: neither at its start nor while it runs, nor the commands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_nothing_keeps_nobody_from_the_other() {
    let (relay, primary) = (Relay::start(), Cluster::start());
    let database = primary.database(None);
    // The system takes connections in its place.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = database.url_behind(&mute.local_addr().unwrap().to_string());
    let home = fleet::home(&relay, &url);
    let check = command(&home.path(""))
        .args(["check", "--config", "bridge.toml"])
        .env("IMPER_BRIDGE_STORE__URL", &url)
        .output()
        .unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    let bridge = home.start();
    bridge.change("acme", "A1", "Interview").await;
    bridge.delivered().await;
    assert!(bridge.terminate().success());
    let standby = primary.standby();
    let home = fleet::home(&relay, &database.url_with(&standby));
    let bridge = home.start();
    bridge.change("acme", "A1", "Offer").await;
    primary.freeze();
    standby.own().run("SELECT pg_promote()");
    let (post, begun) = (bridge.poster("acme"), Instant::now());
    while post("A2", "Interview").send().await.unwrap().status() != 200 {
        assert!(begun.elapsed() < PATIENCE, "it goes on with the other one");
    }
    bridge.delivered().await;
    assert_eq!(database.on(&standby).run("SELECT count(*) FROM event"), "3");
    assert!(bridge.terminate().success());
    primary.thaw();
}

/// An old primary that comes back and takes writes draws nobody away from the one that was promoted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_primary_that_is_back_is_left_alone() {
    let (relay, primary) = (Relay::start(), Cluster::start());
    let database = primary.database(None);
    let standby = primary.standby();
    let home = fleet::home(&relay, &database.url_with(&standby));
    let bridge = home.start();
    bridge.change("acme", "A0", "Interview").await;
    let lost = primary.stop("KILL");
    standby.own().run("SELECT pg_promote()");
    let (post, begun) = (bridge.poster("acme"), Instant::now());
    while post("A1", "Interview").send().await.unwrap().status() != 200 {
        assert!(begun.elapsed() < PATIENCE, "it goes on with the other one");
    }
    let old = lost.start();
    old.set("synchronous_standby_names = ''");
    let (old, new) = (database.on(&old), database.on(&standby));
    let fresh = fleet::home(&relay, &database.url_with(&standby)).start();
    for round in 0..3 {
        new.run(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'imper-bridge'",
        );
        for (number, bridge) in [&bridge, &fresh].into_iter().enumerate() {
            let (post, begun) = (bridge.poster("acme"), Instant::now());
            while post(&format!("B{round}{number}"), "Interview").send().await.unwrap().status() != 200 {
                assert!(begun.elapsed() < PATIENCE, "it goes on with the same one");
            }
        }
    }
    assert_eq!(
        (old.run("SELECT count(*) FROM event"), new.run("SELECT count(*) FROM event")),
        ("1".into(), "8".into())
    );
    assert!(bridge.terminate().success() && fresh.terminate().success());
}

/// Whoever breaks off the wait for a standby gets the commit on the primary alone: the sender is not told
/// that all is well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_for_a_standby_that_is_broken_off_acknowledges_nothing() {
    let (relay, cluster) = (Relay::start(), Cluster::start());
    let database = cluster.database(None);
    let home = fleet::home(&relay, &database.url());
    let bridge = home.start();
    bridge.change("acme", "A0", "Review").await;
    cluster.hold_commits();
    let post = bridge.poster("acme");
    let posted = tokio::spawn(post("A1", "Review").send());
    let begun = Instant::now();
    while database.run("SELECT count(*) FROM event") != "2" {
        let cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        cluster.own().run(cancel);
        assert!(begun.elapsed() < PATIENCE, "no commit waits");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(posted.await.unwrap().unwrap().status(), 503);
    cluster.set("synchronous_standby_names = ''");
    let begun = Instant::now();
    loop {
        let answer = post("A1", "Review").send().await.unwrap();
        if answer.status() == 200 {
            assert_eq!(element(&answer.text().await.unwrap(), "Outcome"), Outcome::Duplicate.as_str());
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it goes on");
    }
    assert!(bridge.terminate().success());
}

/// A database in whose place another one stands, as after a restore under way, is not worked with by bridges
/// that know the journal before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_in_the_place_of_another_is_not_worked_with() {
    let (relay, cluster) = (Relay::start(), Cluster::start());
    let (database, other) = (cluster.database(None), cluster.database(None));
    let bridge = fleet::home(&relay, &database.url()).start();
    bridge.change("acme", "A1", "Review").await;
    assert!(fleet::home(&relay, &other.url()).start().terminate().success());
    database.exchange(&other);
    let (post, begun) = (bridge.poster("acme"), Instant::now());
    loop {
        let answer = post("A2", "Review").send().await.unwrap();
        assert_eq!(answer.status(), 503);
        if answer.text().await.unwrap().contains("another journal") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it says why");
    }
    database.exchange(&other);
    let begun = Instant::now();
    while post("A2", "Review").send().await.unwrap().status() != 200 {
        assert!(begun.elapsed() < PATIENCE, "it goes on with its own");
    }
    assert!(bridge.terminate().success());
}

/// The line to a server over TCP is encrypted, to one whose certificate is trusted and to no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_reached_by_tls_if_its_certificate_is_trusted() {
    let (relay, cluster, authority) = (Relay::start(), Cluster::start(), Authority::new("The tests' own"));
    // An address of this process's own, so that the usual port is free there.
    let [.., high, low] = std::process::id().to_be_bytes();
    let address = format!("127.{high}.{low}.77");
    let database = cluster.database(None);
    let cluster = encrypted(cluster, &address, &authority);
    let trusting = |ca: &Authority, mode: &str| {
        let mut home = fleet::home(&relay, &format!("{}?sslmode={mode}", database.url_at(&address)));
        std::fs::write(home.path("ca.pem"), &ca.pem).unwrap();
        home.set("SSL_CERT_FILE", home.path("ca.pem"));
        home
    };
    let refused = |home: &Home| home.start_fails().to_lowercase();
    let said = refused(&trusting(&Authority::new("Another"), "require"));
    assert!(said.contains("certificate"), "{said}");
    let said = refused(&trusting(&authority, "disable"));
    assert!(said.contains("no encryption"), "the server insists on it: {said}");
    let bridge = trusting(&authority, "require").start();
    bridge.change("acme", "A1", "Interview").await;
    bridge.delivered().await;
    let clear = cluster.own().run(
        "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                                   WHERE application_name = 'imper-bridge' AND NOT ssl",
    );
    assert_eq!(clear, "0");
    assert!(bridge.terminate().success());
}

/// Lets a server be reached at this address, by TLS alone.
fn encrypted(cluster: Cluster, address: &str, authority: &Authority) -> Cluster {
    let (data, issued) = (cluster.data(), authority.server_at(&[address]));
    let (certificate, key) = (data.join("server.crt"), data.join("server.key"));
    issued.write(&certificate, &key);
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let owner = data.metadata().unwrap().uid();
    [&certificate, &key].into_iter().for_each(|file| chown(file, Some(owner), None).unwrap());
    std::fs::write(data.join("pg_hba.conf"), "local all all trust\nhostssl all all 127.0.0.0/8 trust\n").unwrap();
    cluster.set(&format!("listen_addresses = '{address}'"));
    cluster.set("ssl = on");
    cluster.stop("INT").start()
}
