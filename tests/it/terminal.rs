//! The terminal's own ways: following without a gap or a repetition, and a bar where work is long.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bridge::{Bridge, Home, PATIENCE, command};

const ONE: &str = "[org.one]\nauth.none = true\nhandler = \"in_process\"\n";

/// More than a few steps of a replay.
const MANY: usize = 450;

async fn delivered(home: &Home) -> Bridge {
    let bridge = home.start();
    for n in 0..MANY {
        bridge.change("one", &format!("A{n}"), "Interview").await;
    }
    bridge.delivered().await;
    bridge
}

fn replay(admin: &str) -> [&str; 10] {
    ["events", "replay", "--config", "bridge.toml", "--admin", admin, "--state", "delivered", "--force", "--json"]
}

async fn replayed_once(bridge: &Bridge) {
    bridge.delivered().await;
    let events = bridge.events("").await;
    assert_eq!(events.len(), MANY);
    assert!(events.iter().all(|event| event["delivery"]["attempts"] == 2), "each was replayed once");
}

#[tokio::test]
async fn a_replay_of_many_shows_how_far_it_is_on_a_terminal() {
    let home = Home::new(ONE);
    let bridge = delivered(&home).await;
    let typed = [&[env!("CARGO_BIN_EXE_imper-bridge")][..], &replay(&bridge.admin)].concat().join(" ");
    // Runs it on a terminal of its own.
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &typed, "/dev/null"]).current_dir(home.path(""));
    let output = script.env("TERM", "xterm").stdin(Stdio::null()).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains("replaying") && shown.contains(&format!("{MANY}/{MANY}")), "{shown}");
    replayed_once(&bridge).await;
}

#[tokio::test]
async fn a_replay_of_many_prints_only_its_result_elsewhere() {
    let home = Home::new(ONE);
    let bridge = delivered(&home).await;
    let output = command(&home.path("")).args(replay(&bridge.admin)).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let counts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&counts["replayed"], &counts["superseded"]), (&MANY.into(), &0.into()));
    replayed_once(&bridge).await;
}

#[tokio::test]
async fn tail_begins_with_what_comes_and_shows_each_event_once() {
    let home = Home::new(ONE);
    let bridge = home.start();
    bridge.change("one", "A0", "Interview").await;
    let mut tail = command(&home.path(""));
    tail.args(["events", "tail", "--json", "--config", "bridge.toml", "--admin", &bridge.admin]);
    let mut tail = tail.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let (line, lines_read) = mpsc::channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|text| line.send(text)));
    let number = |text: String| {
        let event: Value = serde_json::from_str(&text).unwrap();
        event["job_application_id"].as_str().unwrap()[1..].parse::<usize>().unwrap()
    };
    let (begun, mut posted) = (Instant::now(), 0);
    let first = loop {
        posted += 1;
        bridge.change("one", &format!("A{posted}"), "Interview").await;
        match lines_read.try_recv() {
            Ok(text) => break number(text),
            Err(_) => assert!(begun.elapsed() < PATIENCE, "nothing is followed"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(first > 0, "what was there before is not shown");
    for next in first + 1..=posted {
        assert_eq!(number(lines_read.recv_timeout(PATIENCE).unwrap()), next, "no gap and no repetition");
    }
    // The looks that come now see the same events again, and then one more.
    posted += 1;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    bridge.change("one", &format!("A{posted}"), "Interview").await;
    assert_eq!(number(lines_read.recv_timeout(PATIENCE).unwrap()), posted);
    tail.kill().unwrap();
    tail.wait().unwrap();
}
