//! Starting, reloading and stopping the real process.

use std::time::{Duration, Instant};

use crate::bridge::{Home, PATIENCE, bare, element};
use crate::relay::Relay;

const ONE: &str = "[org.one]\nauth.none = true\nhandler = \"in_process\"\n";
const TWO: &str = "[org.two]\nauth.bearer = \"second\"\nhandler = \"in_process\"\n";

#[tokio::test]
async fn sighup_swaps_organisations_and_a_bad_file_changes_nothing() {
    let home = Home::new(ONE);
    let bridge = home.start();
    bridge.change("one", "A1", "Interview").await;
    home.configure(TWO);
    bridge.signal("HUP");
    let begun = Instant::now();
    loop {
        let answer = bridge.post("two", "application/xml", bare("A1", "Interview")).bearer_auth("second");
        if answer.send().await.unwrap().status() == 200 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", home.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let gone = bridge.post("one", "application/xml", bare("A2", "Interview")).send().await.unwrap();
    assert_eq!(gone.status(), 404);

    home.configure("[org.three]\nauth.none = true\ncolour = \"red\"\n");
    bridge.signal("HUP");
    while !home.log().contains("the old one stays in force") {
        assert!(begun.elapsed() < PATIENCE, "{}", home.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(home.log().contains("colour"), "{}", home.log());
    let still = bridge.post("two", "application/xml", bare("A2", "Interview")).bearer_auth("second");
    assert_eq!(still.send().await.unwrap().status(), 200);
    assert_eq!(bridge.events("orgid=one").await.len(), 1, "the records of a removed organisation stay");
}

/// An organisation that was removed comes back: its events are delivered then, and not some time later.
#[tokio::test]
async fn a_reload_wakes_what_waited_and_takes_new_tokens() {
    let relay = Relay::start();
    let two = format!(
        "[org.two]\nauth.none = true\n[org.two.relay]\nurl = \"{}/x\"\napi_key = \"k\"\n\
         [delivery]\nfirst_retry_seconds = 0.01\nmax_retry_seconds = 0.01\n",
        relay.url()
    );
    let home = Home::new(&two);
    relay.answer("503");
    let bridge = home.start();
    bridge.change("two", "A1", "Interview").await;
    relay.wait_for(1).await;
    home.configure(ONE);
    let begun = Instant::now();
    let reloaded = async |times: usize| {
        bridge.signal("HUP");
        while home.log().matches("was reloaded").count() < times {
            assert!(begun.elapsed() < PATIENCE, "{}", home.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    reloaded(1).await;
    relay.answer("200");
    assert_eq!(bridge.events("state=pending").await.len(), 1, "it waits until its organisation returns");
    home.configure(&two);
    let text = std::fs::read_to_string(home.path("bridge.toml")).unwrap();
    std::fs::write(home.path("bridge.toml"), text.replace(crate::bridge::TOKEN, "another-token-for-the-admin"))
        .unwrap();
    reloaded(2).await;
    let path = "/api/v1/events?state=delivered";
    while !bridge.admin_get(path, "another-token-for-the-admin").await.text().await.unwrap().contains("A1") {
        // Far below the pump's longest sleep, which only a wake-up ends.
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", home.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(bridge.admin_get(path, crate::bridge::TOKEN).await.status(), 401, "the old token is void");
}

#[tokio::test]
async fn sigterm_ends_with_success_and_everything_kept() {
    let home = Home::new(ONE);
    let bridge = home.start();
    let answer = bridge.change("one", "A1", "Interview").await;
    assert!(bridge.terminate().success());
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(home.path("journal.db")).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "the journal is its owner's only");
    std::fs::copy(home.path("journal.db"), home.path("copy.db")).unwrap();
    let copy = rusqlite::Connection::open(home.path("copy.db")).unwrap();
    let kept: u32 = copy.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 1, "the file alone is the whole journal");
    let bridge = home.start();
    let again = bridge.change("one", "A1", "Interview").await;
    assert_eq!((element(&again, "Outcome"), element(&again, "Event_ID")), ("Duplicate", element(&answer, "Event_ID")));
}

#[tokio::test]
async fn a_bad_configuration_stops_the_start_with_all_its_faults() {
    let home = Home::new(
        "[org.a]\nhandler = \"in_process\"\n[org.b]\nauth.none = true\nhandler = \"relay\"\n[limits]\nxml_depth = \"deep\"\n",
    );
    let said = home.start_fails();
    for fault in ["org.a", "org.b", "limits.xml_depth"] {
        assert!(said.contains(fault), "{fault} is not named in {said}");
    }
}

#[tokio::test]
async fn secrets_never_reach_the_log() {
    let home =
        Home::new(&format!("{TWO}\n[org.two.relay]\nurl = \"http://127.0.0.1:9/x\"\napi_key = \"relay-s3cret\"\n"));
    let bridge = home.start();
    let told =
        bridge.post("two", "application/xml", bare("A1", "Interview")).bearer_auth("wr0ng").send().await.unwrap();
    assert_eq!(told.status(), 401);
    assert!(bridge.terminate().success());
    let log = home.log();
    for secret in ["second", "relay-s3cret", "wr0ng", crate::bridge::TOKEN, "C-A1"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

#[test]
fn the_demo_comes_out_as_expected_in_80_columns() {
    let folder = tempfile::tempdir().unwrap();
    let output = crate::bridge::command(folder.path()).args(["demo", "--exit"]).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains("\"event_type\":\"interview_started\"") && shown.contains("\"requisition_id\":\"REQ678\""));
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert!(!shown.contains('\x1b'), "colours are for terminals");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[tokio::test]
async fn a_disk_that_is_too_slow_is_a_503_and_the_repeat_a_duplicate() {
    let home = Home::new(&format!("[limits]\nanswer_seconds = 0.3\n{ONE}"));
    let bridge = home.start();
    bridge.change("one", "A0", "Interview").await;
    // Somebody else holds the journal's write lock: a commit waits for it.
    let other = rusqlite::Connection::open(home.path("journal.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = bridge.post("one", "application/xml", bare("A1", "Interview")).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(element(&answer.text().await.unwrap(), "Code"), "unavailable");
    other.execute_batch("ROLLBACK").unwrap();
    let repeat = bridge.change("one", "A1", "Interview").await;
    assert_eq!(element(&repeat, "Outcome"), "Duplicate", "the commit followed");
    assert_eq!(bridge.events("job_application_id=A1").await.len(), 1);
}
