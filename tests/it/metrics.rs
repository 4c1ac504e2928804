//! What a scrape of the real binary shows after a sequence of messages that is known.

use std::time::Instant;

use crate::bridge::{Bridge, Home, PATIENCE, TOKEN, bare};
use crate::cluster;
use crate::relay::Relay;

fn sections(relay: &Relay) -> String {
    format!(
        "[org.acme]\nauth.basic = {{ username = \"imper\", password = \"right\" }}\n\
         [org.acme.relay]\nurl = \"{}/acme\"\napi_key = \"k\"\n\
         [delivery]\nfirst_retry_seconds = 0.01\nmax_retry_seconds = 0.01\n",
        relay.url()
    )
}

async fn scrape(bridge: &Bridge) -> String {
    bridge.admin_get("/metrics", "").await.text().await.unwrap()
}

/// Waits until a scrape shows all of these lines.
async fn shows(bridge: &Bridge, lines: &[&str]) -> String {
    let begun = Instant::now();
    loop {
        let page = scrape(bridge).await;
        let missing = lines.iter().find(|line| !page.lines().any(|each| each == format!("imper_bridge_{line}")));
        let Some(missing) = missing else { return page };
        assert!(begun.elapsed() < PATIENCE, "{missing} is not shown:\n{page}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn post(bridge: &Bridge, endpoint: &str, password: &str, body: String) -> u16 {
    let request = bridge.post(endpoint, "application/xml", body).basic_auth("imper", Some(password));
    request.send().await.unwrap().status().as_u16()
}

/// A1 is retried and given up, A2 is delivered, A3 waits.
async fn a_known_sequence(home: &Home, relay: &Relay) {
    let bridge = home.start();
    shows(&bridge, &["ready 1", "messages_total{orgid=\"acme\",source=\"soap\",outcome=\"Accepted\"} 0"]).await;
    relay.answer("503,422,200");
    assert_eq!(post(&bridge, "acme", "right", bare("A1", "Interview")).await, 200);
    shows(&bridge, &["deliveries_total{orgid=\"acme\",result=\"dead\"} 1"]).await;
    assert_eq!(post(&bridge, "acme", "right", bare("A2", "Interview")).await, 200);
    shows(&bridge, &["deliveries_total{orgid=\"acme\",result=\"delivered\"} 1", "pending_events{orgid=\"acme\"} 0"])
        .await;
    assert_eq!(post(&bridge, "acme", "right", bare("A2", "Interview")).await, 200, "a duplicate");
    assert_eq!(post(&bridge, "acme?dry_run=1", "right", bare("A3", "Interview")).await, 200);
    assert_eq!(post(&bridge, "acme", "right", "<Candidate-W1/>".into()).await, 400);
    assert_eq!(post(&bridge, "acme", "wrong", bare("A3", "Interview")).await, 401);
    assert_eq!(post(&bridge, "nobody-has-this", "right", bare("A3", "Interview")).await, 404);
    assert_eq!(post(&bridge, "acme", "right", bare("A2", "Offer")).await, 200);
    relay.answer("401");
    assert_eq!(post(&bridge, "acme", "right", bare("A3", "Interview")).await, 200);
    let page = shows(
        &bridge,
        &[
            "messages_total{orgid=\"acme\",source=\"soap\",outcome=\"Accepted\"} 4",
            "messages_total{orgid=\"acme\",source=\"soap\",outcome=\"Duplicate\"} 1",
            "messages_total{orgid=\"acme\",source=\"soap\",outcome=\"DryRun\"} 1",
            "messages_total{orgid=\"acme\",source=\"soap\",outcome=\"Refused\"} 1",
            "events_total{orgid=\"acme\",event_type=\"interview_started\"} 3",
            "events_total{orgid=\"acme\",event_type=\"interview_ended\"} 1",
            "faults_total{source=\"soap\",code=\"unauthorized\"} 1",
            "faults_total{source=\"soap\",code=\"not_found\"} 1",
            "faults_total{source=\"soap\",code=\"unknown_operation\"} 1",
            "delivery_failures_total{orgid=\"acme\",reason=\"server_error\"} 1",
            "delivery_failures_total{orgid=\"acme\",reason=\"refused\"} 1",
            "delivery_failures_total{orgid=\"acme\",reason=\"timeout\"} 0",
            "dead_events{orgid=\"acme\"} 1",
            "late_starts{orgid=\"acme\"} 1",
            "interviews_open_too_long{orgid=\"acme\"} 0",
            "paused{orgid=\"acme\"} 1",
        ],
    )
    .await;
    assert!(page.contains(concat!("imper_bridge_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"")), "{page}");
    for histogram in ["journal_commit_seconds", "journal_batch_size", "attempt_seconds"] {
        let count = page.lines().find(|line| line.starts_with(&format!("imper_bridge_{histogram}_count")));
        let count = count.and_then(|line| line.split(' ').next_back()?.parse::<u64>().ok());
        assert!(count.is_some_and(|count| count >= 4), "{histogram}: {count:?}");
    }
    for private in ["A1", "A2", "A3", "C-A", "REQ678", "Candidate-W1", "nobody-has-this", "wrong"] {
        assert!(!page.contains(private), "{private} is in\n{page}");
    }
}

#[tokio::test]
async fn a_scrape_shows_what_happened() {
    let relay = Relay::start();
    let home = Home::new(&sections(&relay));
    a_known_sequence(&home, &relay).await;
}

#[tokio::test]
async fn a_scrape_shows_what_happened_to_a_shared_journal() {
    let (relay, database) = (Relay::start(), cluster::shared().database(None));
    let mut home = Home::new(&sections(&relay));
    home.set("IMPER_BRIDGE_STORE__URL", database.url());
    a_known_sequence(&home, &relay).await;
}

/// What is due and nobody sends shows, what an operator holds back does not.
#[tokio::test]
async fn what_is_due_and_is_not_sent_shows_as_lag() {
    let relay = Relay::start();
    let home = Home::new(&sections(&relay));
    let bridge = home.start();
    let client = imper_bridge::delivery::relay::client(None, None).unwrap();
    let turn = async |how: &str| {
        let url = format!("{}/api/v1/organisations/acme/{how}", bridge.admin);
        assert!(client.post(url).bearer_auth(TOKEN).send().await.unwrap().status().is_success());
    };
    turn("pause").await;
    assert_eq!(post(&bridge, "acme", "right", bare("A1", "Interview")).await, 200);
    let lines = ["pending_events{orgid=\"acme\"} 1", "ready_lag_seconds{orgid=\"acme\"} 0.0"];
    shows(&bridge, &lines).await;
    // Without its organisation nobody may claim the event, whose turn it is all the same.
    home.configure("[org.other]\nauth.none = true\nhandler = \"in_process\"\n");
    bridge.signal("HUP");
    let begun = Instant::now();
    while !home.log().contains("was reloaded") {
        assert!(begun.elapsed() < PATIENCE, "{}", home.log());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    turn("resume").await;
    let lag = |page: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix("imper_bridge_ready_lag_seconds{orgid=\"acme\"} "));
        line.and_then(|lag| lag.parse::<f64>().ok())
    };
    while lag(&scrape(&bridge).await).is_none_or(|lag| lag == 0.0) {
        assert!(begun.elapsed() < PATIENCE, "{}", scrape(&bridge).await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
