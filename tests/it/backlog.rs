//! A backlog of 50,000 events, gathered while the relay is away and drained when it is back.

use std::time::Instant;

use crate::bridge::{Bridge, Home, element};
use crate::chance;
use crate::oracle::Acknowledged;
use crate::relay::Relay;

const APPLICATIONS: usize = 1_000;
const EACH: usize = 50;
const SENDERS: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_of_50_000_is_drained_in_order() {
    let relay = Relay::start();
    let home = Home::new(&format!(
        "[delivery]\nfirst_retry_seconds = 1\nmax_retry_seconds = 4\n[org.acme]\nauth.none = true\n\
         [org.acme.relay]\nurl = \"{}/webhooks/acme/workday\"\napi_key = \"k\"\n",
        relay.url()
    ));
    let away = relay.leave();
    let bridge = home.start();
    let begun = Instant::now();
    let acknowledged = gather(&bridge).await;
    let gathered = begun.elapsed();
    assert_eq!(acknowledged.len(), APPLICATIONS * EACH);
    let stats = bridge.api("stats").await;
    assert_eq!(stats["organisations"][0]["pending"], APPLICATIONS * EACH, "nothing was delivered yet");

    let relay = away.come_back();
    let begun = Instant::now();
    tokio::task::block_in_place(|| relay.wait_for_all(APPLICATIONS * EACH));
    let drained = begun.elapsed();
    let figures = acknowledged.prove(&bridge, &relay, "acme").await;
    let rate = |took: std::time::Duration| ((APPLICATIONS * EACH) as f64 / took.as_secs_f64()).round();
    chance::tell(format_args!(
        "a backlog of {}: taken at {}/s, drained at {}/s: {figures}",
        APPLICATIONS * EACH,
        rate(gathered),
        rate(drained)
    ));
    assert!(bridge.terminate().success());
}

/// Moves each application in and out of the interview, several applications at a time.
async fn gather(bridge: &Bridge) -> Acknowledged {
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let post = bridge.poster("acme");
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for n in 0..EACH {
                    for number in (sender..APPLICATIONS).step_by(SENDERS) {
                        let application = format!("A{number}");
                        let answer = post(&application, ["Interview", "Offer"][n % 2]).send().await.unwrap();
                        assert_eq!(answer.status(), 200);
                        let id = element(&answer.text().await.unwrap(), "Event_ID").to_owned();
                        acknowledged.push((application, id));
                    }
                }
                acknowledged
            })
        })
        .collect();
    let mut all = Acknowledged::default();
    for sender in senders {
        sender.await.unwrap().iter().for_each(|(application, id)| all.note(application, id));
    }
    all
}
