//! Exchanging a key for another: both are taken, and the operator sees when the old one is out of use.

use serde_json::Value;

use crate::bridge::{Bridge, Home, PATIENCE, TOKEN, bare, command};
use crate::relay::Relay;

fn sections(relay: &Relay, keys: &str) -> String {
    format!(
        "[org.acme]\n\
         auth.basic = {{ username = \"imper\", password = \"s3cret-b1\", password_next = \"s3cret-b2\" }}\n\
         auth.bearer = \"s3cret-t1\"\nauth.bearer_next = \"s3cret-t2\"\n\
         auth.wsse = {{ username = \"imper\", password = \"s3cret-w1\", password_next = \"s3cret-w2\" }}\n\
         [org.acme.intake]\nkey = \"s3cret-i1\"\nkey_next = \"s3cret-i2\"\n\
         [org.acme.relay]\nurl = \"{}/acme\"\n{keys}\n\
         [org.other]\nauth.bearer = \"s3cret-o\"\nhandler = \"in_process\"\n\
         [[admin.tokens]]\nname = \"bound\"\nrole = \"viewer\"\ntoken = \"bound-token\"\norgs = [\"other\"]\n",
        relay.url()
    )
}

const TWO: &str = "api_key = \"s3cret-r1\"\napi_key_next = \"s3cret-r2\"";

/// The times of last use, by key.
async fn uses(bridge: &Bridge) -> Vec<(String, Option<jiff::Timestamp>)> {
    let answer = bridge.api("credentials?orgid=acme").await;
    assert!(!answer.to_string().contains("s3cret"), "{answer}");
    let since: jiff::Timestamp = answer["since"].as_str().unwrap().parse().unwrap();
    let of = |credential: &Value| {
        let at = credential["last_used_at"].as_str().map(|at| at.parse::<jiff::Timestamp>().unwrap());
        assert!(at.is_none_or(|at| at >= since), "{answer}");
        (credential["key"].as_str().unwrap().to_owned(), at)
    };
    answer["credentials"].as_array().unwrap().iter().map(of).collect()
}

async fn used(bridge: &Bridge) -> Vec<String> {
    uses(bridge).await.into_iter().filter_map(|(key, at)| at.map(|_| key)).collect()
}

fn token(password: &str) -> String {
    let wsse = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss";
    format!(
        "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Header><w:Security \
         xmlns:w='{wsse}-wssecurity-secext-1.0.xsd'><w:UsernameToken><w:Username>imper</w:Username>\
         <w:Password>{password}</w:Password></w:UsernameToken></w:Security></e:Header><e:Body>{}</e:Body></e:Envelope>",
        bare("A1", "Screen")
    )
}

#[tokio::test]
async fn each_credential_tells_when_it_was_last_used() {
    let relay = Relay::start();
    let home = Home::new(&sections(&relay, TWO));
    let bridge = home.start();
    let all: Vec<_> = uses(&bridge).await.into_iter().map(|(key, _)| key).collect();
    let keys = [
        "auth.basic.password",
        "auth.basic.password_next",
        "auth.bearer",
        "auth.bearer_next",
        "auth.wsse.password",
        "auth.wsse.password_next",
        "intake.key",
        "intake.key_next",
        "relay.api_key",
        "relay.api_key_next",
    ];
    assert_eq!(all, keys);
    assert!(used(&bridge).await.is_empty());

    let soap = || bridge.post("acme", "application/xml", bare("A1", "Screen"));
    let intake = |key: &str| {
        let body = "{\"event_type\":\"interview_ended\",\"candidate_id\":\"C\",\"job_application_id\":\"I1\",\
                    \"job_requisition_id\":\"R\",\"timestamp\":\"2026-04-09T14:30:00Z\"}";
        let client = imper_bridge::delivery::relay::client(None, None).unwrap();
        let post = client.post(format!("{}/webhooks/acme", bridge.public)).bearer_auth(key).timeout(PATIENCE);
        post.header("Content-Type", "application/json").body(body)
    };
    let wrong = soap().basic_auth("imper", Some("s3cret-t1")).send().await.unwrap();
    assert_eq!((wrong.status().as_u16(), used(&bridge).await), (401, Vec::new()), "a wrong one is no use of another");
    let shown = [
        soap().basic_auth("imper", Some("s3cret-b1")),
        soap().basic_auth("imper", Some("s3cret-b2")),
        soap().bearer_auth("s3cret-t1"),
        soap().bearer_auth("s3cret-t2"),
        bridge.post("acme", "text/xml", token("s3cret-w1")),
        bridge.post("acme", "text/xml", token("s3cret-w2")),
        intake("s3cret-i1"),
        intake("s3cret-i2"),
    ];
    for (place, request) in shown.into_iter().enumerate() {
        assert_eq!(request.send().await.unwrap().status(), 200, "{}", keys[place]);
        let begins: Vec<_> = used(&bridge).await.into_iter().filter(|key| !key.starts_with("relay.")).collect();
        assert_eq!(begins, keys[..=place], "each is told apart from the other of its kind");
    }
}

#[tokio::test]
async fn a_key_may_go_once_the_next_one_is_taken() {
    let relay = Relay::start();
    relay.answer("401,200");
    let home = Home::new(&sections(&relay, TWO));
    let bridge = home.start();
    let change = bridge.post("acme", "application/xml", bare("A1", "Interview")).bearer_auth("s3cret-t1");
    assert_eq!(change.send().await.unwrap().status(), 200);
    bridge.delivered().await;
    assert_eq!(used(&bridge).await, ["auth.bearer", "relay.api_key_next"], "what was refused was not used");
    let print = |arguments: &[&str]| {
        let mut credentials = command(&home.path(""));
        let place = ["credentials", "--config", "bridge.toml", "--admin", &bridge.admin];
        let output = credentials.args(place).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let (table, of_acme) = (print(&[]), print(&["--org", "acme", "--json"]));
    let line = |key: &str| table.lines().find(|line| line.split_whitespace().nth(1) == Some(key)).unwrap().to_owned();
    assert!(line("relay.api_key").contains("not since 20") && !line("relay.api_key_next").contains("not since"));
    assert_eq!((table.lines().count(), of_acme.lines().count()), (12, 10), "{table}");
    assert!(!table.contains("s3cret"), "{table}");

    let before = uses(&bridge).await.into_iter().find(|(key, _)| key == "relay.api_key_next").unwrap().1;
    home.configure(&sections(&relay, "api_key = \"s3cret-r2\""));
    let mut reload = command(&home.path(""));
    let output = reload.args(["reload", "--config", "bridge.toml", "--admin", &bridge.admin]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, "changed: organisation acme: relay.api_key, relay.api_key_next\n");
    let after = uses(&bridge).await.into_iter().find(|(key, _)| key == "relay.api_key").unwrap().1;
    assert_eq!(after, before, "the key has taken its note along");
    for more in ["api_key = \"s3cret-r1\"", "api_key = \"s3cret-r2\""] {
        home.configure(&sections(&relay, more));
        let mut reload = command(&home.path(""));
        let output = reload.args(["reload", "--config", "bridge.toml", "--admin", &bridge.admin]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let back = uses(&bridge).await.into_iter().find(|(key, _)| key == "relay.api_key").unwrap().1;
    assert_eq!(back, before, "it was used, though it was away meanwhile");
    assert_eq!(bridge.admin_get("/api/v1/credentials?orgid=nobody", TOKEN).await.status(), 404);
    assert_eq!(bridge.admin_get("/api/v1/credentials?orgid=acme", "bound-token").await.status(), 404);
    let own = bridge.admin_get("/api/v1/credentials", "bound-token").await.text().await.unwrap();
    assert!(own.contains("\"other\"") && !own.contains("acme"), "{own}");
    assert_eq!(bridge.admin_get("/api/v1/credentials", TOKEN).await.status(), 200);
}
