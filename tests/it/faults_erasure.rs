//! An erasure that is interrupted: what was promised to be forgotten is forgotten all the same.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::bridge::{Bridge, Home, PATIENCE, TOKEN, bare};
use crate::chance::{self, Chance};
use crate::kill::relayed;
use crate::relay::Relay;

const ROUNDS: u64 = 4;
const APPLICATIONS: usize = 8;
const EVENTS: usize = 60;

/// The files of the journal that hold this text.
fn holding(home: &Home, text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(home.path("")).unwrap() {
        let path = entry.unwrap().path();
        let name = Path::file_name(&path).unwrap().to_string_lossy().into_owned();
        if name.starts_with("journal.db")
            && std::fs::read(&path).unwrap().windows(text.len()).any(|at| at == text.as_bytes())
        {
            names.push(name);
        }
    }
    names
}

/// Moves several applications of one candidate in and out of the interview, the end last.
async fn tell_of(bridge: &Bridge, candidate: &str) {
    let moves = (0..APPLICATIONS).map(|number| {
        let (post, candidate) = (bridge.poster("acme"), candidate.to_owned());
        tokio::spawn(async move {
            for n in 0..EVENTS {
                let application = format!("{candidate}-{number}");
                let body = bare(&application, ["Interview", "Offer"][n % 2]);
                let body = body.replace(&format!("C-{application}"), &candidate);
                assert_eq!(post("", "").body(body).send().await.unwrap().status(), 200);
            }
        })
    });
    for each in moves.collect::<Vec<_>>() {
        each.await.unwrap();
    }
    bridge.delivered().await;
}

fn erase(bridge: &Bridge, candidate: &str) -> reqwest::RequestBuilder {
    let client = imper_bridge::delivery::relay::client(None, None).unwrap();
    let url = format!("{}/api/v1/candidates/acme/{candidate}", bridge.admin);
    client.delete(url).bearer_auth(TOKEN).timeout(PATIENCE)
}

async fn all_erased(bridge: &Bridge) -> u64 {
    let begun = Instant::now();
    loop {
        let receipts = bridge.api("erasures").await["erasures"].take();
        let receipts = receipts.as_array().unwrap();
        if receipts.iter().all(|receipt| receipt["state"] == "done") {
            return receipts.iter().map(|receipt| receipt["events"].as_u64().unwrap()).sum();
        }
        assert!(begun.elapsed() < PATIENCE, "{receipts:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_is_killed_is_finished_by_the_next_process() {
    let seed = chance::seed("KILL_SEED");
    let mut chance = Chance::new(seed.1);
    let relay = Relay::start();
    let home = relayed(&relay);
    let mut finished_by_the_next = 0;
    for round in 0..ROUNDS {
        let candidate = format!("forget-me-{round}");
        let bridge = home.start();
        tell_of(&bridge, &candidate).await;
        bridge.change("acme", &format!("stays-{round}"), "Interview").await;
        bridge.delivered().await;
        let before = all_erased(&bridge).await;
        let asked = tokio::spawn(erase(&bridge, &candidate).send());
        tokio::time::sleep(Duration::from_millis(chance.below(60))).await;
        bridge.kill();
        let answered = asked.await.unwrap().is_ok();

        let bridge = home.start();
        let after = all_erased(&bridge).await;
        assert!(!answered || after == before + (APPLICATIONS * EVENTS) as u64, "what was confirmed is done");
        finished_by_the_next += u64::from(!answered && after > before);
        let again = erase(&bridge, &candidate).send().await.unwrap();
        assert_eq!(again.status(), 200, "{}", again.text().await.unwrap());
        assert_eq!(holding(&home, &candidate), Vec::<String>::new(), "round {round}, while it runs");
        let left = bridge.events("orgid=acme").await;
        let left: Vec<_> = left.iter().map(|event| event["job_application_id"].as_str().unwrap()).collect();
        assert_eq!(left, (0..=round).map(|n| format!("stays-{n}")).collect::<Vec<_>>(), "nobody else is touched");
        assert!(bridge.terminate().success());
        assert_eq!(holding(&home, "forget-me"), Vec::<String>::new(), "round {round}, after its end");
    }
    chance::tell(format_args!(
        "{ROUNDS} erasures of {} events killed (KILL_SEED={}): {finished_by_the_next} finished by the next process",
        APPLICATIONS * EVENTS,
        seed.1
    ));
}
