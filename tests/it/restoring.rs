//! A journal in PostgreSQL that is copied while bridges use it, and what a bridge makes of the copy.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::bridge::{Bridge, PATIENCE, element};
use crate::cluster::{self, Cluster, Database};
use crate::fleet;
use crate::relay::Relay;

const CLIENTS: usize = 4;

/// Ids of events by application, in order.
type Ids = BTreeMap<String, Vec<String>>;

/// Clients that move an application each, and what was acknowledged to them until now.
struct Posting {
    acknowledged: Arc<Mutex<Ids>>,
    stop: Arc<AtomicBool>,
    tasks: tokio::task::JoinSet<()>,
}

impl Posting {
    fn start(bridge: &Bridge) -> Self {
        let (acknowledged, stop) = (Arc::<Mutex<Ids>>::default(), Arc::new(AtomicBool::new(false)));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..CLIENTS {
            let (post, acknowledged, stop) = (bridge.poster("acme"), Arc::clone(&acknowledged), Arc::clone(&stop));
            tasks.spawn(async move {
                let application = format!("A{number}");
                for stage in ["Interview", "Offer"].into_iter().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let answer = post(&application, stage).send().await.unwrap();
                    assert_eq!(answer.status(), 200);
                    let id = element(&answer.text().await.unwrap(), "Event_ID").to_owned();
                    acknowledged.lock().unwrap().entry(application.clone()).or_default().push(id);
                }
            });
        }
        Self { acknowledged, stop, tasks }
    }

    fn acknowledged(&self) -> Ids {
        self.acknowledged.lock().unwrap().clone()
    }

    /// Waits until so many more are acknowledged.
    async fn more(&self, count: usize) {
        let (begun, all) = (Instant::now(), || self.acknowledged().values().map(Vec::len).sum::<usize>());
        let before = all();
        while all() < before + count {
            assert!(begun.elapsed() < PATIENCE, "the bridge takes no messages");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    async fn stopped(mut self) -> Ids {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.acknowledged()
    }
}

/// What the journal of a bridge holds.
async fn stored(bridge: &Bridge, query: &str) -> Ids {
    let mut stored = Ids::new();
    for event in bridge.events(query).await {
        let [application, id] = ["job_application_id", "event_id"].map(|key| event[key].as_str().unwrap().to_owned());
        stored.entry(application).or_default().push(id);
    }
    stored
}

/// Copies a database into a file, while whoever uses it goes on.
pub(crate) fn dump(database: &Database, file: &Path) {
    let mut pg_dump = Command::new("pg_dump");
    pg_dump.arg("--format=custom").arg("--file").arg(file).arg(database.url());
    assert!(pg_dump.status().unwrap().success());
}

fn restore(file: &Path, database: &Database) {
    let mut pg_restore = Command::new("pg_restore");
    pg_restore.args(["--exit-on-error", "--single-transaction", "--no-owner"]).arg("--dbname").arg(database.url());
    assert!(pg_restore.arg(file).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_made_while_bridges_accept_holds_what_was_acknowledged_and_goes_on() {
    let (relay, database) = (Relay::start(), cluster::shared().database(None));
    let (folder, home) = (tempfile::tempdir().unwrap(), fleet::home(&relay, &database.url()));
    let bridge = home.start();
    let clients = Posting::start(&bridge);
    let begun = Instant::now();
    while stored(&bridge, "state=delivered").await.len() < CLIENTS {
        assert!(begun.elapsed() < PATIENCE, "each application has something that was delivered");
    }
    // From here on something always waits.
    relay.answer("503");
    clients.more(10 * CLIENTS).await;
    let before = clients.acknowledged();
    dump(&database, &folder.path().join("dump"));
    clients.more(10 * CLIENTS).await;
    let all = clients.stopped().await;
    bridge.kill();

    let cluster = Cluster::start();
    let copy = cluster.database(None);
    restore(&folder.path().join("dump"), &copy);
    let arrived_before = relay.received().len();
    let home = fleet::home(&relay, &copy.url());
    let bridge = home.start();
    let (kept, waits) = (stored(&bridge, "").await, stored(&bridge, "state=pending").await);
    assert_eq!(kept.len(), CLIENTS);
    for (application, ids) in &kept {
        assert!(ids.starts_with(&before[application]), "{application}: what was acknowledged before is there");
        assert!(
            all[application].starts_with(ids) && ids.len() < all[application].len(),
            "{application}: as it was then"
        );
        let waits = waits.get(application).expect("something waits");
        assert!(ids.ends_with(waits) && waits.len() < ids.len(), "{application}: what was delivered stays so");
    }

    relay.answer("200");
    bridge.delivered().await;
    let mut sent = Ids::new();
    for received in relay.received().split_off(arrived_before) {
        let application = received.body["job_application_id"].as_str().unwrap().to_owned();
        let ids = sent.entry(application).or_default();
        if ids.last() != Some(&received.idempotency_key) {
            ids.push(received.idempotency_key);
        }
    }
    assert_eq!(sent, waits, "what waits is sent, in order, and nothing else");
    for (application, ids) in &kept {
        let (same, other) = if ids.len() % 2 == 1 { ("Interview", "Offer") } else { ("Offer", "Interview") };
        let again = bridge.change("acme", application, same).await;
        assert_eq!(
            (element(&again, "Outcome"), element(&again, "Event_ID")),
            ("Duplicate", ids.last().unwrap().as_str())
        );
        assert_eq!(element(&bridge.change("acme", application, other).await, "Outcome"), "Accepted");
    }
    bridge.delivered().await;
    assert!(bridge.terminate().success());
}
