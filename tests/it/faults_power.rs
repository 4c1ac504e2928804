//! Power cuts: what was not synced may be lost, in part or as a whole, and nothing that was
//! acknowledged was not synced.
//!
//! `POWER_SEED=n` runs the cuts of a seed that was printed.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::bridge::Home;
use crate::chance::{self, Chance};
use crate::clients::Clients;
use crate::kill::relayed;
use crate::preload::sync_library;
use crate::relay::Relay;

const ROUNDS: u64 = 12;
const BLOCK: usize = 4096;

/// A disk that keeps no more than it must.
struct Disk {
    /// Where each file is kept as it was at its last sync.
    synced: PathBuf,
}

impl Disk {
    fn of(home: &mut Home) -> Self {
        sync_library(home);
        let synced = home.path("synced");
        fs::create_dir(&synced).unwrap();
        home.set("SYNC_KEEPS", &synced);
        Self { synced }
    }

    /// Leaves of each file what a power cut may leave: what was synced, and of what was written
    /// since either nothing or some blocks.
    fn cut_power(&self, home: &Home, chance: &mut Chance) {
        let all_lost = chance.one_in(2);
        for name in ["journal.db", "journal.db-wal", "journal.db.index", "journal.db.index-wal"] {
            let written = fs::read(home.path(name)).unwrap_or_default();
            let synced = fs::read(self.synced.join(name)).unwrap_or_default();
            let left = if all_lost { synced } else { blend(&synced, &written, chance) };
            fs::write(home.path(name), &left).unwrap();
            fs::write(self.synced.join(name), &left).unwrap();
        }
        for name in ["journal.db-shm", "journal.db.index-shm"] {
            let _ = fs::remove_file(home.path(name));
        }
    }
}

/// Each block as it was synced or as it was written since; where only one has it, there or not.
fn blend(synced: &[u8], written: &[u8], chance: &mut Chance) -> Vec<u8> {
    let ends = [synced.len(), written.len()];
    let end = chance.pick(&ends);
    let mut left = Vec::with_capacity(end);
    while left.len() < end {
        let (from, to) = (left.len(), end.min(left.len() + BLOCK));
        let source = [synced, written][usize::from(chance.one_in(2))];
        left.extend_from_slice(source.get(from..to.min(source.len())).unwrap_or_default());
        // What a file has beyond its written end reads as zeros.
        left.resize(to, 0);
    }
    left
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let seed = chance::seed("POWER_SEED");
    let mut chance = Chance::new(seed.1);
    let relay = Relay::start();
    let mut home = relayed(&relay);
    let disk = Disk::of(&mut home);
    let mut clients = Clients::new(4);
    for _ in 0..ROUNDS {
        relay.answer("200x40,503,200@0.005");
        let bridge = home.start();
        let at_work = clients.post_until_it_ends(&bridge);
        tokio::time::sleep(Duration::from_millis(50 + chance.below(600))).await;
        bridge.kill();
        clients = at_work.stopped().await;
        disk.cut_power(&home, &mut chance);
    }
    let bridge = home.start();
    clients.repeat(&bridge).await;
    let figures = clients.acknowledged().prove_after_power_cuts(&bridge, &relay, "acme").await;
    chance::tell(format_args!("{ROUNDS} power cuts (POWER_SEED={}): {figures}", seed.1));
    assert_eq!(figures.stored, figures.acknowledged, "what was posted until it was answered is stored once");
    assert!(figures.acknowledged > 100, "too little was sent to mean anything");
}
