//! SIGKILL at random moments, many times over, of the real binary; and SIGTERM under load.
//!
//! `KILL_ROUNDS=n` runs more rounds than usual, `KILL_SEED=n` those of a seed that was printed.

use std::time::Duration;

use crate::bridge::Home;
use crate::chance::{self, Chance};
use crate::clients::Clients;
use crate::relay::Relay;

const ROUNDS: u64 = 25;
const CLIENTS: usize = 8;

pub(crate) fn relayed(relay: &Relay) -> Home {
    Home::new(&format!(
        "[delivery]\nfirst_retry_seconds = 0.01\nmax_retry_seconds = 0.05\ntimeout_seconds = 20\n\
         [org.acme]\nauth.none = true\n\
         [org.acme.relay]\nurl = \"{}/webhooks/acme/workday\"\napi_key = \"relay-key\"\n",
        relay.url()
    ))
}

/// Whatever was acknowledged is stored, whatever is stored arrives, per application in order, and
/// twice only where an attempt failed or its outcome is unknown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_bridge_loses_nothing_that_it_acknowledged() {
    let rounds = std::env::var("KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("KILL_ROUNDS is a number"));
    let seed = chance::seed("KILL_SEED");
    let mut chance = Chance::new(seed.1);
    let relay = Relay::start();
    let home = relayed(&relay);
    let mut clients = Clients::new(CLIENTS);
    for _ in 0..rounds {
        // An answer that takes a while makes it likely that attempts are under way at the kill.
        let slow = chance.below(30);
        relay.answer(&format!("200x40,503,200@0.0{slow:02}x60,429,200@0.00{}", chance.below(10)));
        if chance.one_in(4) {
            home.start_and_kill(Duration::from_millis(chance.below(60)));
        }
        let bridge = home.start();
        let at_work = clients.post_until_it_ends(&bridge);
        tokio::time::sleep(Duration::from_millis(chance.below(800))).await;
        bridge.kill();
        clients = at_work.stopped().await;
    }
    relay.answer("200");
    let bridge = home.start();
    clients.repeat(&bridge).await;
    let figures = clients.acknowledged().prove(&bridge, &relay, "acme").await;
    chance::tell(format_args!("{rounds} rounds of SIGKILL (KILL_SEED={}): {figures}", seed.1));
    assert_eq!(figures.stored, figures.acknowledged, "what was posted until it was answered is stored once");
    assert!(figures.unknown > 0 && figures.resent > 0, "too little happened to mean anything: {figures}");
    assert!(bridge.terminate().success());
}

#[tokio::test]
async fn an_attempt_under_way_at_a_kill_is_unknown_and_sent_again_with_its_key() {
    let relay = Relay::start();
    let home = relayed(&relay);
    relay.answer("200@60,200");
    let bridge = home.start();
    bridge.change("acme", "A1", "Interview").await;
    bridge.change("acme", "A1", "Offer").await;
    relay.wait_for(1).await;
    bridge.kill();
    let bridge = home.start();
    bridge.delivered().await;
    let received = relay.received();
    let [first, again, next] = &received[..] else { panic!("{received:?}") };
    assert_eq!((&again.idempotency_key, &again.body), (&first.idempotency_key, &first.body));
    assert_eq!(next.body["event_type"], "interview_ended");
    let page = bridge.api(&format!("events/{}", first.idempotency_key)).await;
    let log = page["attempts_log"].as_array().unwrap();
    let outcomes: Vec<_> = log.iter().map(|attempt| attempt["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["unknown", "delivered"], "{page}");
}

/// What was asked is answered, what was begun is finished: nobody has to repeat what was stored, and
/// the relay sees nothing twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_is_told_to_stop_under_load_leaves_nothing_open() {
    let relay = Relay::start();
    let home = relayed(&relay);
    let mut clients = Clients::new(CLIENTS);
    for round in 0..4 {
        relay.answer("200@0.1x100,200");
        let bridge = home.start();
        assert_eq!(clients.repeat(&bridge).await, 0, "what was stored was answered");
        let at_work = clients.post_until_it_ends(&bridge);
        tokio::time::sleep(Duration::from_millis(200 + 100 * round)).await;
        assert!(bridge.terminate().success(), "{}", home.log());
        clients = at_work.stopped().await;
    }
    let bridge = home.start();
    assert_eq!(clients.repeat(&bridge).await, 0, "what was stored was answered");
    let figures = clients.acknowledged().prove(&bridge, &relay, "acme").await;
    assert_eq!((figures.stored, figures.resent, figures.unknown), (figures.acknowledged, 0, 0));
    assert!(figures.acknowledged > 100, "too little was sent to mean anything");
}
