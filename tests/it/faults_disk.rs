//! A journal whose disk is full: nothing is promised that is not kept, and it recovers by itself.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::bridge::{Bridge, Home, PATIENCE, bare, command, element};
use crate::relay::Relay;

fn relayed(relay: &Relay) -> String {
    format!(
        "[delivery]\nfirst_retry_seconds = 0.01\nmax_retry_seconds = 0.05\ntimeout_seconds = 2\n\
         [org.acme]\nauth.none = true\n\
         [org.acme.relay]\nurl = \"{}/webhooks/acme/workday\"\napi_key = \"relay-key\"\n",
        relay.url()
    )
}

/// A small file system of its own, which holds all that a bridge writes, its log as well.
struct Mount(PathBuf);

impl Mount {
    /// None where this process may not mount.
    fn at(folder: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        let done = mount.args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(folder).output().ok()?;
        done.status.success().then(|| Self(folder.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, so that a file that is still open somewhere leaves no mount behind.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn mounted(sections: &str) -> Option<Home> {
    let folder = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::at(folder.path()) else {
        eprintln!("skipped: this process may not mount a file system of its own");
        return None;
    };
    Some(Home::prepared(folder, Box::new(mount), sections))
}

/// Writes until not one byte more fits.
fn fill(path: &Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    for size in [65_536, 4_096, 1] {
        while file.write(&vec![b'x'; size]).is_ok_and(|written| written > 0) {}
    }
}

/// Pauses or resumes them.
async fn deliveries(bridge: &Bridge, what: &str) {
    let answer = bridge.post_to(&format!("organisations/acme/{what}")).await;
    assert!(answer.status().is_success(), "{what}: {}", answer.status());
}

/// Waits until each attempt is recorded. A commit that is cut off half-way by the disk getting full
/// leaves room in the log behind it, in which a shorter one may rightly succeed.
async fn nothing_is_under_way(bridge: &Bridge) {
    let begun = Instant::now();
    for event in bridge.events("state=pending").await {
        let path = format!("events/{}", event["event_id"].as_str().unwrap());
        while bridge.api(&path).await["attempts_log"]
            .as_array()
            .unwrap()
            .iter()
            .any(|each| each["outcome"] == "unknown")
        {
            assert!(begun.elapsed() < PATIENCE, "an attempt of {path} is not recorded");
        }
    }
}

/// Lets the bridge's process make no file longer than this, or as long as it likes.
fn limit_files(bridge: &Bridge, bytes: Option<u64>) {
    let soft = bytes.map_or_else(|| "unlimited".into(), |bytes| bytes.to_string());
    let mut prlimit = Command::new("prlimit");
    prlimit.arg(format!("--pid={}", bridge.process())).arg(format!("--fsize={soft}:unlimited"));
    assert!(prlimit.status().unwrap().success());
}

async fn ready_turns(bridge: &Bridge, status: u16) -> Duration {
    let begun = Instant::now();
    while bridge.get("/readyz").await.status() != status {
        assert!(begun.elapsed() < PATIENCE, "/readyz does not turn {status}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

/// The index follows the journal by itself, and tries again a little later where it could not be written.
async fn index_recovers(bridge: &Bridge) {
    let begun = Instant::now();
    while bridge.asker("stats")().send().await.unwrap().status() != 200 {
        assert!(begun.elapsed() < PATIENCE, "the index does not recover");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Posts that must all be turned away, in each of the three forms of a message.
async fn all_refused(bridge: &Bridge, messages: &[(String, &str)]) {
    let soap = |version: &str, body: String| {
        let namespace = ["http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"]
            [usize::from(version == "1.2")];
        format!("<e:Envelope xmlns:e=\"{namespace}\"><e:Body>{body}</e:Body></e:Envelope>")
    };
    for (n, (application, stage)) in messages.iter().enumerate() {
        let body = bare(application, stage);
        let (content_type, body, code) = match n % 3 {
            0 => ("text/xml", soap("1.1", body), "Server"),
            1 => ("application/soap+xml", soap("1.2", body), "Receiver"),
            _ => ("application/xml", body, "journal_unavailable"),
        };
        let answer = bridge.post("acme", content_type, body).send().await.unwrap();
        assert_eq!(answer.status(), 503, "{application}");
        let wait = answer.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        let text = answer.text().await.unwrap();
        assert!(n % 3 == 2 || text.contains(&format!(":{code}<")), "{code} is expected in {text}");
    }
}

/// What was acknowledged, as the client saw it.
#[derive(Default)]
struct Acknowledged(Vec<String>);

impl Acknowledged {
    async fn post(&mut self, bridge: &Bridge, application: &str, stage: &str) {
        let answer = bridge.change("acme", application, stage).await;
        assert_eq!(element(&answer, "Outcome"), "Accepted", "{application} {stage}: {answer}");
        self.0.push(element(&answer, "Event_ID").to_owned());
    }

    /// All of it is in the journal, delivered, and arrived; and nothing else is.
    async fn is_everything(&self, bridge: &Bridge, relay: &Relay) {
        bridge.delivered().await;
        let stored = bridge.events("").await;
        let ids: Vec<_> = stored.iter().map(|event| event["event_id"].as_str().unwrap()).collect();
        assert_eq!(ids, self.0, "the journal holds what was acknowledged, in its order");
        assert!(stored.iter().all(|event| event["delivery"]["state"] == "delivered"));
        let received = relay.received();
        for id in &self.0 {
            assert!(received.iter().any(|request| request.idempotency_key == *id), "{id} did not arrive");
        }
    }
}

/// Fills up and frees again, twice, with deliveries and messages under way.
async fn fills_up_and_recovers(
    home: &Home,
    bridge: Bridge,
    relay: &Relay,
    full: impl AsyncFn(&Bridge),
    free: impl AsyncFn(&Bridge),
) {
    let mut acknowledged = Acknowledged::default();
    for round in 0..2 {
        relay.answer("503");
        for n in 0..10 {
            acknowledged.post(&bridge, &format!("{round}-before{n}"), "Interview").await;
        }
        let refused: Vec<_> = (0..15)
            .map(|n| (format!("{round}-{}{}", ["before", "during"][n % 2], n / 2), ["Offer", "Interview"][n % 2]))
            .collect();
        full(&bridge).await;
        all_refused(&bridge, &refused).await;
        let took = ready_turns(&bridge, 503).await;
        assert!(took < Duration::from_secs(10), "/readyz took {took:?}");
        relay.answer("200");
        // What writes nothing may still be answered, but must not pass for a recovery.
        for _ in 0..20 {
            let dry = bridge.post("acme?dry_run=1", "application/xml", bare("dry", "Interview")).send().await.unwrap();
            assert!([200, 503].contains(&dry.status().as_u16()));
            assert_eq!(bridge.get("/readyz").await.status(), 503);
        }
        all_refused(&bridge, &refused).await;
        assert_eq!(bridge.get("/livez").await.status(), 200);
        free(&bridge).await;
        index_recovers(&bridge).await;
        for (application, stage) in &refused {
            acknowledged.post(&bridge, application, stage).await;
        }
        acknowledged.is_everything(&bridge, relay).await;
    }
    assert!(bridge.terminate().success());
    let bridge = home.start();
    acknowledged.is_everything(&bridge, relay).await;
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers_without_a_restart() {
    let relay = Relay::start();
    let Some(mut home) = mounted(&relayed(&relay)) else { return };
    // The log is on the same disk and wants to grow as well: that it cannot must not end anything.
    home.set("RUST_LOG", "debug");
    let filler = home.path("filler");
    let bridge = home.start();
    let full = async |bridge: &Bridge| {
        deliveries(bridge, "pause").await;
        nothing_is_under_way(bridge).await;
        fill(&filler);
    };
    let free = async |bridge: &Bridge| {
        std::fs::remove_file(&filler).unwrap();
        ready_turns(bridge, 200).await;
        deliveries(bridge, "resume").await;
    };
    fills_up_and_recovers(&home, bridge, &relay, full, free).await;
}

/// The same without a file system of one's own: the process may not make its files longer.
#[tokio::test]
async fn files_that_may_not_grow_refuse_and_recover_without_a_restart() {
    let relay = Relay::start();
    let home = Home::new(&relayed(&relay));
    // The signal that comes with the limit would end the process before the error reaches it.
    let mut shell = Command::new("sh");
    let binary = command(&home.path(""));
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(binary.get_program()).current_dir(home.path(""));
    shell.env_clear().env("PATH", "/usr/bin:/bin");
    let bridge = home.started_by(shell);
    let wal = home.path("journal.db-wal");
    let full = async |bridge: &Bridge| limit_files(bridge, Some(std::fs::metadata(&wal).unwrap().len()));
    let free = async |bridge: &Bridge| {
        limit_files(bridge, None);
        ready_turns(bridge, 200).await;
    };
    fills_up_and_recovers(&home, bridge, &relay, full, free).await;
}

/// Below `min_free_mb` nothing is accepted and nothing sent, since its result might not be recorded.
#[tokio::test]
async fn too_little_free_space_stops_accepts_and_deliveries() {
    let relay = Relay::start();
    let mut home = Home::new(&relayed(&relay));
    let mut acknowledged = Acknowledged::default();
    let away = relay.leave();
    let bridge = home.start();
    for n in 0..5 {
        acknowledged.post(&bridge, &format!("A{n}"), "Interview").await;
    }
    assert!(bridge.terminate().success());
    let relay = away.come_back();

    home.set("IMPER_BRIDGE_STORE__MIN_FREE_MB", "1000000000");
    let bridge = home.start();
    let refused: Vec<_> = (0..9).map(|n| (format!("A{n}"), "Offer")).collect();
    all_refused(&bridge, &refused).await;
    assert!(ready_turns(&bridge, 503).await < Duration::from_secs(10));
    let again = bridge.change("acme", "A0", "Interview").await;
    assert_eq!(element(&again, "Outcome"), "Duplicate", "what is held already is answered");
    assert!(relay.received().is_empty());
    assert_eq!(bridge.events("state=pending").await.len(), 5);
    assert!(bridge.terminate().success());
    assert!(relay.received().is_empty(), "nothing was sent");

    home.unset("IMPER_BRIDGE_STORE__MIN_FREE_MB");
    let bridge = home.start();
    for (application, stage) in &refused {
        let answer = bridge.change("acme", application, stage).await;
        assert_eq!(element(&answer, "Outcome"), "Accepted");
        acknowledged.0.push(element(&answer, "Event_ID").to_owned());
    }
    bridge.delivered().await;
    assert_eq!(bridge.events("").await.len(), acknowledged.0.len());
    assert_eq!(bridge.events("state=delivered").await.len(), 10, "an unknown application's offer ends nothing");
}

/// Space that runs low and comes back is noticed while the bridge runs.
#[tokio::test]
async fn space_that_comes_back_is_noticed() {
    let relay = Relay::start();
    let Some(mut home) = mounted(&relayed(&relay)) else { return };
    home.set("IMPER_BRIDGE_STORE__MIN_FREE_MB", "2");
    let bridge = home.start();
    let mut acknowledged = Acknowledged::default();
    acknowledged.post(&bridge, "A1", "Interview").await;
    acknowledged.is_everything(&bridge, &relay).await;
    let filler = home.path("filler");
    std::fs::write(&filler, vec![b'x'; 2_200_000]).unwrap();
    ready_turns(&bridge, 503).await;
    all_refused(&bridge, &[("A1".into(), "Offer")]).await;
    std::fs::remove_file(&filler).unwrap();
    ready_turns(&bridge, 200).await;
    acknowledged.post(&bridge, "A1", "Offer").await;
    acknowledged.is_everything(&bridge, &relay).await;
}
