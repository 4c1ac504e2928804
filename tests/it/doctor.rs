//! The bundle for support: opened, and looked through for what must not be in it.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::bridge::{Bridge, Home, TOKEN, bare, command};
use crate::relay::Relay;

fn sections(relay: &Relay) -> String {
    format!(
        "[org.acme]\nauth.basic = {{ username = \"studio-user\", password = \"the-pass-word\" }}\n\
         interview_stages = [\"Interview\"]\n\
         [org.acme.relay]\nurl = \"{}/hook-s3cret?key=query-s3cret\"\napi_key = \"relay-s3cret\"\n\
         [org.other]\nauth.none = true\nhandler = \"in_process\"\n\
         [delivery]\nfirst_retry_seconds = 0.01\nmax_retry_seconds = 0.01\n\
         [[admin.tokens]]\nname = \"ada-lovelace\"\ntoken = \"viewer-s3cret\"\nrole = \"viewer\"\norgs = [\"other\"]\n",
        relay.url()
    )
}

fn doctor(home: &Home, arguments: &[&str]) -> Output {
    let mut command = command(&home.path(""));
    command.args(["doctor", "--config", "bridge.toml"]).args(arguments).output().unwrap()
}

/// The texts of a bundle by their names.
fn opened(home: &Home, bundle: &str) -> BTreeMap<String, String> {
    let into = tempfile::tempdir().unwrap();
    let tar = Command::new("tar").arg("-xzf").arg(home.path(bundle)).arg("-C").arg(into.path()).status().unwrap();
    assert!(tar.success());
    let folders: Vec<_> = std::fs::read_dir(into.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [folder] = folders.as_slice() else { panic!("one folder, not {folders:?}") };
    let texts = std::fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap())
    });
    texts.collect()
}

fn written(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

async fn post(bridge: &Bridge, application: &str) {
    let request = bridge.post("acme", "application/xml", bare(application, "Interview"));
    assert_eq!(request.basic_auth("studio-user", Some("the-pass-word")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_bundle_has_what_helps_and_nothing_of_anybody() {
    let relay = Relay::start();
    relay.answer("422");
    let home = Home::new(&sections(&relay));
    let bridge = home.start();
    post(&bridge, "WAPP-1").await;
    while bridge.events("state=dead").await.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let output = doctor(&home, &["--admin", &bridge.admin]);
    let bundle = written(&output);
    assert!(bundle.starts_with("imper-bridge-doctor-") && output.stderr.is_empty(), "{bundle}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(home.path(&bundle)).unwrap().permissions());
    assert_eq!(mode & 0o077, 0);
    let texts = opened(&home, &bundle);
    let names: Vec<_> = texts.keys().map(String::as_str).collect();
    let all =
        ["README.txt", "bridge.json", "configuration.json", "files.json", "log.json", "metrics.txt", "queue.json"];
    assert_eq!(names, [&all[..], &["versions.json"]].concat());
    let json = |name: &str| serde_json::from_str::<Value>(&texts[name]).unwrap();
    assert_eq!(json("bridge.json")["ready"], true);
    assert_eq!(json("versions.json")["imper_bridge"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json("configuration.json")["configuration"]["org"]["acme"]["interview_stages"], json!(["Interview"]));
    assert!(json("files.json")["bytes"]["journal.db"].as_u64().unwrap() > 0);
    assert_eq!(json("queue.json")["organisations"][0]["dead"], 1);
    assert_eq!(json("queue.json")["organisations"][0]["stages_seen"], 1);
    assert!(texts["metrics.txt"].contains("imper_bridge_dead_events{orgid=\"acme\"}"));
    let log = json("log.json");
    assert_eq!(log["lines"][0]["message"], "an event was given up and stays as a dead letter");
    for (name, text) in &texts {
        for never in ["s3cret", "the-pass-word", "studio-user", TOKEN, "ada-lovelace", "WAPP-1", "C-WAPP", "REQ678"] {
            assert!(!text.contains(never), "{never} is in {name}:\n{text}");
        }
    }
}

#[tokio::test]
async fn without_a_bridge_it_holds_what_is_known_all_the_same() {
    let relay = Relay::start();
    let home = Home::new(&sections(&relay));
    assert!(home.start().terminate().success());
    let output = doctor(&home, &["--output", "bundle.tar.gz"]);
    assert_eq!(written(&output), "bundle.tar.gz");
    assert!(String::from_utf8_lossy(&output.stderr).contains("the bridge was not asked"));
    let texts = opened(&home, "bundle.tar.gz");
    assert_eq!(serde_json::from_str::<Value>(&texts["bridge.json"]).unwrap(), json!({ "runs": false }));
    assert!(texts["files.json"].contains("journal.db") && !texts.contains_key("log.json"));
    let again = doctor(&home, &["--output", "bundle.tar.gz"]);
    assert_eq!(again.status.code(), Some(1), "what is there is not overwritten");

    home.configure("[org.acme]\nauth.none = true\nhandler = \"relay\"\npasword = \"the-pass-word\"\n");
    let output = doctor(&home, &["--output", "-"]);
    assert!(output.status.success());
    std::fs::write(home.path("piped.tar.gz"), &output.stdout).unwrap();
    let texts = opened(&home, "piped.tar.gz");
    assert!(texts["configuration.json"].contains("org.acme"), "{}", texts["configuration.json"]);
    assert!(!texts["configuration.json"].contains("the-pass-word"));
}

/// Whoever sees some organisations sees the lines about these.
#[tokio::test]
async fn a_bound_token_sees_the_lines_of_its_organisations() {
    let relay = Relay::start();
    relay.answer("422");
    let home = Home::new(&sections(&relay));
    let bridge = home.start();
    post(&bridge, "WAPP-1").await;
    while bridge.api("log").await["lines"].as_array().unwrap().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let bound = bridge.admin_get("/api/v1/log", "viewer-s3cret").await.text().await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&bound).unwrap(), json!({ "lines": [] }));
    assert_eq!(bridge.admin_get("/api/v1/log", "nobody").await.status(), 401);
}
