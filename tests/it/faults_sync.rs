//! A disk that does not confirm a sync: the process ends rather than guess what is on it.

use std::time::Duration;

use crate::bridge::{Bridge, Home, PATIENCE};
use crate::clients::Clients;
use crate::preload::Syncs;
use crate::relay::Relay;

/// A bridge whose syncs can be made to fail, and its clients.
struct Scene {
    relay: Relay,
    home: Home,
    syncs: Syncs,
}

impl Scene {
    fn new() -> Self {
        let relay = Relay::start();
        let mut home = Home::new(&format!(
            "[delivery]\nfirst_retry_seconds = 0.01\nmax_retry_seconds = 0.05\n[org.acme]\nauth.none = true\n\
             [org.acme.relay]\nurl = \"{}/webhooks/acme/workday\"\napi_key = \"k\"\n",
            relay.url()
        ));
        let syncs = Syncs::of(&mut home);
        Self { relay, home, syncs }
    }

    /// The process has ended by itself and says why; on a disk that works, the next one goes on.
    async fn ended_and_goes_on(&self, bridge: Bridge, clients: &mut Clients) {
        let status = bridge.ended(PATIENCE);
        assert_eq!(status.code(), Some(1), "{}", self.home.log());
        assert!(self.home.log().contains("cannot be synced"), "{}", self.home.log());
        self.syncs.succeed();
        let bridge = self.home.start();
        clients.repeat(&bridge).await;
        let figures = clients.acknowledged().prove(&bridge, &self.relay, "acme").await;
        assert_eq!(figures.acknowledged, figures.stored, "what was not answered is stored once all the same");
        assert!(bridge.terminate().success());
    }

    fn log_bytes(&self, name: &str) -> u64 {
        std::fs::metadata(self.home.path(name)).map_or(0, |file| file.len())
    }
}

#[tokio::test]
async fn an_event_whose_sync_fails_is_not_acknowledged_and_the_process_ends() {
    let scene = Scene::new();
    let mut clients = Clients::new(1);
    for _ in 0..3 {
        let bridge = scene.home.start();
        clients.repeat(&bridge).await;
        let before = clients.acknowledged().len();
        scene.syncs.fail("/journal.db-wal");
        clients = clients.post_until_it_ends(&bridge).stopped().await;
        assert_eq!(clients.acknowledged().len(), before, "nobody may be answered");
        scene.ended_and_goes_on(bridge, &mut clients).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_fails_under_load_loses_nothing_acknowledged() {
    let scene = Scene::new();
    let mut clients = Clients::new(8);
    for round in 0..4 {
        let bridge = scene.home.start();
        let at_work = clients.post_until_it_ends(&bridge);
        tokio::time::sleep(Duration::from_millis(100 + 70 * round)).await;
        scene.syncs.fail("/journal.db-wal");
        clients = at_work.stopped().await;
        scene.ended_and_goes_on(bridge, &mut clients).await;
    }
    assert!(clients.acknowledged().len() > 100, "too little was sent to mean anything");
}

/// The log's sync succeeds and the journal's own file's does not: SQLite alone would keep that to
/// itself, and the log would grow for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_whose_own_file_cannot_be_synced_ends_the_process() {
    let scene = Scene::new();
    let mut clients = Clients::new(8);
    for _ in 0..2 {
        let bridge = scene.home.start();
        scene.syncs.fail("/journal.db");
        let at_work = clients.post_until_it_ends(&bridge);
        let stopped = tokio::time::timeout(PATIENCE, at_work.stopped()).await;
        clients =
            stopped.unwrap_or_else(|_| panic!("it goes on; its log has {} bytes", scene.log_bytes("journal.db-wal")));
        scene.ended_and_goes_on(bridge, &mut clients).await;
    }
}

/// The index is disposable, but not to be trusted once its sync has failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_cannot_be_synced_ends_the_process_and_is_made_anew() {
    let scene = Scene::new();
    let bridge = scene.home.start();
    scene.syncs.fail("/journal.db.index");
    // Whoever asks wants to be shown the latest event, and the index is written for that.
    let ask = bridge.asker("events?limit=1");
    tokio::spawn(async move { while ask().send().await.is_ok() {} });
    let at_work = Clients::new(8).post_until_it_ends(&bridge);
    let stopped = tokio::time::timeout(PATIENCE, at_work.stopped()).await;
    let mut clients =
        stopped.unwrap_or_else(|_| panic!("it goes on; its log has {} bytes", scene.log_bytes("journal.db.index-wal")));
    assert!(!scene.home.path("journal.db.index").exists());
    scene.ended_and_goes_on(bridge, &mut clients).await;
}
