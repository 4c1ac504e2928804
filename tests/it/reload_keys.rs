//! Every key that concerns the process as a whole, and what a reload says of it: that it is in force,
//! or that it waits for a start.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use crate::bridge::{Bridge, Home, PATIENCE};

const ACME: &str = "[org.acme]\nauth.none = true\nhandler = \"in_process\"\n";
const TOKEN: &str = "a-token-that-stays";
const SECTIONS: [&str; 6] = ["admin", "delivery", "limits", "org", "store", "tls"];

const AT_ONCE: [(&str, &str); 17] = [
    ("admin.token", "\"another-admin-token\""),
    ("delivery.concurrency", "7"),
    ("delivery.first_retry_seconds", "2"),
    ("delivery.give_up_after_hours", "7"),
    ("delivery.max_retry_seconds", "7"),
    ("delivery.open_interview_alert_days", "7"),
    ("delivery.probe_seconds", "7"),
    ("delivery.proxy", "\"http://127.0.0.1:1\""),
    ("delivery.timeout_seconds", "7"),
    ("delivery.useful_within_seconds", "7"),
    ("limits.answer_seconds", "7"),
    ("limits.body_bytes", "7000"),
    ("limits.pending_events", "7000"),
    ("limits.request_seconds", "7"),
    ("limits.requests_per_second", "7000"),
    ("limits.xml_depth", "7"),
    ("limits.xml_elements", "7000"),
];

const AT_A_START: [(&str, &str); 9] = [
    ("admin.listen", "\"127.0.0.1:1\""),
    ("behind_tls_proxy", "true"),
    ("listen", "\"127.0.0.1:1\""),
    ("public_url", "\"https://bridge.example.com\""),
    ("store.min_free_mb", "1"),
    ("store.refused_days", "1"),
    ("store.retention_days", "1"),
    ("store.url", "\"sqlite:other.db\""),
    ("trusted_proxies", "[\"127.0.0.1\"]"),
];

/// A bridge and the keys of its file.
struct Scene {
    home: Home,
    bridge: Bridge,
    keys: BTreeMap<&'static str, String>,
}

impl Scene {
    fn new() -> Self {
        let home = Home::new(ACME);
        let tokens = format!("[{{ name = \"stays\", token = \"{TOKEN}\", role = \"operator\" }}]");
        let keys = [
            ("listen", "\"127.0.0.1:0\"".to_owned()),
            ("admin.listen", "\"127.0.0.1:0\"".into()),
            ("admin.token", "\"an-admin-token\"".into()),
            ("admin.tokens", tokens),
            ("store.url", format!("\"sqlite:{}\"", home.path("journal.db").display())),
            ("store.min_free_mb", "0".into()),
        ];
        let keys = BTreeMap::from(keys);
        write(&home, &keys);
        Self { bridge: home.start(), home, keys }
    }

    /// What a reload with these in the place of the others answers.
    async fn reload(&self, changed: &[(&'static str, &str)]) -> Value {
        let mut keys = self.keys.clone();
        keys.extend(changed.iter().map(|(path, value)| (*path, (*value).to_owned())));
        write(&self.home, &keys);
        let client = imper_bridge::delivery::relay::client(None, None).unwrap();
        let url = format!("{}/api/v1/reload", self.bridge.admin);
        let answer = client.request(Method::POST, url).bearer_auth(TOKEN).timeout(PATIENCE).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// Has these changed, sees what is said to be in force and to wait, and takes them back.
    async fn says(&self, changed: &[(&'static str, &str)], in_force: &[&str], waits: &[&str]) {
        let answer = self.reload(changed).await;
        assert_eq!((&answer["keys"], &answer["at_next_start"]), (&json!(in_force), &json!(waits)), "{changed:?}");
        let back = self.reload(&[]).await;
        assert_eq!((&back["keys"], &back["at_next_start"]), (&json!(in_force), &json!([])), "{changed:?}, and back");
    }
}

fn write(home: &Home, keys: &BTreeMap<&'static str, String>) {
    let lines: String = keys.iter().map(|(path, value)| format!("{path} = {value}\n")).collect();
    std::fs::write(home.path("bridge.toml"), lines + ACME).unwrap();
}

#[tokio::test]
async fn of_each_key_a_reload_says_when_it_is_in_force() {
    let scene = Scene::new();
    for (path, value) in AT_ONCE {
        scene.says(&[(path, value)], &[path], &[]).await;
    }
    for (path, value) in AT_A_START {
        scene.says(&[(path, value)], &[], &[path]).await;
    }
    let database = [("store.url", "\"postgres://bridge@127.0.0.1:1/bridge\""), ("store.password", "\"s3cret\"")];
    scene.says(&database, &[], &["store.url", "store.password"]).await;
    certificate(&scene.home);
    let tls = [("tls.cert", "\"cert.pem\""), ("tls.key", "\"key.pem\""), ("tls.client_ca", "\"cert.pem\"")];
    scene.says(&tls, &[], &["tls"]).await;
    let new = scene.keys["admin.tokens"].replace("]", ", { name = \"new\", token = \"t\", role = \"viewer\" }]");
    let tokens = [("admin.tokens", new.as_str())];
    assert_eq!(scene.reload(&tokens).await["tokens"]["added"], json!(["new"]));
}

fn certificate(home: &Home) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(home.path("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(home.path("key.pem"), key.serialize_pem()).unwrap();
}

/// A section that is asked for a key that there is none of names all that it has.
#[tokio::test]
async fn the_keys_above_are_all_there_are() {
    let scene = Scene::new();
    let unknown = ["admin.zzz", "delivery.zzz", "limits.zzz", "store.zzz", "tls.zzz", "zzz"];
    let answer = scene.reload(&unknown.map(|path| (path, "1"))).await;
    let mut found = BTreeSet::new();
    for fault in answer["faults"].as_array().unwrap().iter().filter_map(Value::as_str) {
        let Some((place, keys)) = fault.split_once("zzz: found an unknown key; expected one of ") else { continue };
        let section = place.rsplit(' ').next().unwrap();
        let keys = keys.split('.').next().unwrap().split(", ").map(|key| format!("{section}{key}"));
        found.extend(keys.filter(|key| !SECTIONS.contains(&key.as_str())));
    }
    let tried = AT_ONCE.iter().chain(&AT_A_START).map(|(path, _)| (*path).to_owned());
    let others = ["admin.tokens", "store.password", "tls.cert", "tls.client_ca", "tls.key"].map(str::to_owned);
    assert_eq!(found, tried.chain(others).collect::<BTreeSet<_>>());
}
