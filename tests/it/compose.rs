//! The configuration of `deploy/compose.postgres.yaml`, as two bridges take it.

use crate::bridge::{Bridge, Home, TOKEN, bare, element};
use crate::cluster;
use crate::relay::Relay;

const CONFIGURATION: &str = include_str!("../../deploy/compose/postgres/bridge.toml");
const DATABASE: &str = "postgres://bridge@postgres/bridge?sslmode=disable";
const SECRETS: &str = "/run/secrets/";

/// A folder with the configuration and its secrets, on ports and a database of the tests.
fn home(relay: &Relay, url: &str) -> Home {
    let mut home = Home::new("");
    let secrets = [
        ("admin-token", TOKEN),
        ("acme-soap-password", "the-soap-password"),
        ("acme-relay-api-key", "the-api-key"),
        ("postgres-password", "the-database's password"),
    ];
    for (name, secret) in secrets {
        std::fs::write(home.path(name), format!("{secret}\n")).unwrap();
    }
    assert!(CONFIGURATION.contains(DATABASE));
    let text = CONFIGURATION.replace(DATABASE, url).replace(SECRETS, home.path("").to_str().unwrap());
    std::fs::write(home.path("bridge.toml"), text).unwrap();
    home.set("IMPER_BRIDGE_LISTEN", "127.0.0.1:0");
    home.set("IMPER_BRIDGE_ADMIN__LISTEN", "127.0.0.1:0");
    home.set("IMPER_BRIDGE_ORG__ACME__RELAY__URL", format!("{}/acme", relay.url()));
    home
}

async fn change(bridge: &Bridge, stage: &str) -> String {
    let post = bridge.post("acme", "application/xml", bare("A1", stage));
    let answer = post.basic_auth("imper", Some("the-soap-password")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

#[tokio::test]
async fn two_bridges_work_with_the_configuration_of_the_compose_file() {
    let (relay, database) = (Relay::start(), cluster::shared().database(None));
    let homes = [home(&relay, &database.url()), home(&relay, &database.url())];
    let [one, other] = homes.each_ref().map(Home::start);
    assert_eq!(element(&change(&one, "Interview").await, "Event_Type"), "interview_started");
    assert_eq!(element(&change(&other, "Offer").await, "Event_Type"), "interview_ended");
    relay.wait_for(2).await;
    one.delivered().await;
    assert_eq!(other.events("state=delivered").await.len(), 2);
    for (bridge, home) in [one, other].into_iter().zip(&homes) {
        assert!(bridge.terminate().success());
        let log = home.log();
        assert!(!log.contains(" WARN ") && !log.contains(" ERROR "), "{log}");
    }
}
