//! `imper-bridge reload` and what it puts in force: each limit and each setting of the delivery.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::bridge::{Bridge, Home, PATIENCE, TOKEN, bare, command, element};
use crate::raw::Raw;
use crate::relay::Relay;

const ACME: &str = "[org.acme]\nauth.none = true\nhandler = \"in_process\"\n";

impl Bridge {
    /// Has the configuration read again, with this token.
    async fn reload_with(&self, token: &str) -> (u16, Value) {
        let client = imper_bridge::delivery::relay::client(None, None).unwrap();
        let url = format!("{}/api/v1/reload", self.admin);
        let answer = client.request(Method::POST, url).bearer_auth(token).timeout(PATIENCE).send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    /// Puts these sections in force.
    async fn take(&self, home: &Home, sections: &str) -> Value {
        home.configure(sections);
        let (status, answer) = self.reload_with(TOKEN).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// What becomes of a message: its status, and its fault's code.
    async fn status_of(&self, application: &str) -> (u16, String) {
        let answer = self.post("acme", "application/xml", bare(application, "Interview")).send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        (status, if status == 200 { String::new() } else { element(&text, "Code").to_owned() })
    }

    /// Waits until the first event of an application is as it should be.
    async fn until_event(&self, application: &str, holds: impl Fn(&Value) -> bool) {
        let begun = Instant::now();
        loop {
            let events = self.events(&format!("job_application_id={application}")).await;
            if events.first().is_some_and(&holds) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{events:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// What `imper-bridge reload` says: its exit code, and both streams.
fn reload(home: &Home, bridge: &Bridge) -> (i32, String, String) {
    let mut reload = command(&home.path(""));
    let output = reload.args(["reload", "--config", "bridge.toml", "--admin", &bridge.admin]).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Another journal waits for the next start, and so does the token that is kept beside it.
#[tokio::test]
async fn a_journal_for_the_next_start_takes_no_token_away() {
    let home = Home::new("");
    let configure = |journal: &str| {
        let text = format!(
            "listen = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite:{}\"\nmin_free_mb = 0\n{ACME}",
            home.path(journal).display()
        );
        std::fs::write(home.path("bridge.toml"), text).unwrap();
    };
    configure("one.db");
    let bridge = home.start();
    let token = std::fs::read_to_string(home.path("one.db.admin-token")).unwrap();
    configure("other.db");
    for _ in 0..2 {
        let (status, answer) = bridge.reload_with(token.trim()).await;
        assert_eq!(status, 200, "{answer}");
        assert!(answer.to_string().contains("store.url"), "{answer}");
    }
    assert!(!home.path("other.db.admin-token").exists());
}

#[tokio::test]
async fn reload_says_what_changed_and_shows_no_secret() {
    let mut home = Home::new("");
    home.set("ONLY_THE_BRIDGE_HAS_IT", "s3cret-of-the-process");
    let org = |name: &str, more: &str| {
        format!("[org.{name}]\nauth.bearer = {{ file = \"{name}.key\" }}\nhandler = \"in_process\"\n{more}")
    };
    let process = "[org.process]\nauth.bearer = { env = \"ONLY_THE_BRIDGE_HAS_IT\" }\nhandler = \"in_process\"\n";
    for name in ["kept", "gone", "new"] {
        std::fs::write(home.path(&format!("{name}.key")), format!("s3cret-of-{name}")).unwrap();
    }
    home.configure(&format!("{process}{}{}", org("kept", ""), org("gone", "")));
    let bridge = home.start();
    assert_eq!(reload(&home, &bridge), (0, "nothing changed\n".into(), String::new()));

    std::fs::write(home.path("kept.key"), "s3cret-another").unwrap();
    let second = format!(
        "[limits]\nxml_depth = 32\n[delivery]\nprobe_seconds = 7\n{process}{}{}\
         [[admin.tokens]]\nname = \"ci\"\nrole = \"viewer\"\ntoken = \"s3cret-of-ci\"\n",
        org("kept", "interview_stages = [\"Interview\", \"Offer\"]\n"),
        org("new", ""),
    );
    home.configure(&format!("retention_days = 9\n{second}"));
    let (code, said, warned) = reload(&home, &bridge);
    let expected = "added: organisation new\nremoved: organisation gone\nadded: token ci\n\
                    changed: organisation kept: auth.bearer, interview_stages\n\
                    changed: delivery.probe_seconds\nchanged: limits.xml_depth\n\
                    at the next start: store.retention_days\n";
    assert_eq!((code, said.as_str(), warned.as_str()), (0, expected, ""));
    let posted = bridge.post("kept", "application/xml", bare("A1", "Offer")).bearer_auth("s3cret-another");
    assert_eq!(element(&posted.send().await.unwrap().text().await.unwrap(), "Event_Type"), "interview_started");
    assert!(!home.log().contains("s3cret"), "{}", home.log());
    let (_, said, _) = reload(&home, &bridge);
    assert_eq!(said, "nothing changed\nat the next start: store.retention_days\n", "it still waits for that");
    home.configure(&second);
    assert_eq!(reload(&home, &bridge).1, "nothing changed\n", "what runs is what the file says again");
}

#[tokio::test]
async fn a_reload_of_what_is_wrong_names_all_of_it_and_changes_nothing() {
    let home = Home::new(ACME);
    let bridge = home.start();
    home.configure(
        "[org.new]\nauth.none = true\nhandler = \"in_process\"\ncolour = \"red\"\n[limits]\nxml_depth = \"deep\"\n",
    );
    let (code, said, told) = reload(&home, &bridge);
    assert_eq!((code, said.as_str()), (1, ""));
    for part in ["the old one stays in force", "org.new.colour", "limits.xml_depth", "a whole number"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(bridge.status_of("A1").await.0, 200);
    assert!(home.log().contains("org.new.colour"), "{}", home.log());
    home.configure("[org.new\n");
    let (code, _, told) = reload(&home, &bridge);
    assert!(code == 1 && told.contains("TOML"), "{told}");
    // The environment that the bridge alone has is not asked for, but one that it lacks is missed.
    home.configure("[org.acme]\nauth.bearer = { env = \"NOBODY_HAS_IT\" }\nhandler = \"in_process\"\n");
    let (code, _, told) = reload(&home, &bridge);
    assert!(code == 1 && told.contains("NOBODY_HAS_IT is not set"), "{told}");
    assert_eq!(bridge.status_of("A2").await.0, 200);
}

/// Where the bridge listens, a reload does not change; what depends on it must not change alone.
#[tokio::test]
async fn what_is_allowed_on_loopback_alone_waits_for_a_start_there() {
    let home = Home::new("");
    let bearer = "[org.acme]\nauth.bearer = \"s3cret\"\nhandler = \"in_process\"\n";
    let others =
        "public_url = \"https://bridge.example.com\"\nbehind_tls_proxy = true\ntrusted_proxies = [\"127.0.0.1\"]\n";
    home.configure(bearer);
    let loopback = std::fs::read_to_string(home.path("bridge.toml")).unwrap();
    let open = loopback.replacen("listen = \"127.0.0.1:0\"", &format!("{others}listen = \"0.0.0.0:0\""), 1);
    std::fs::write(home.path("bridge.toml"), open).unwrap();
    let bridge = home.start();
    assert_eq!(bridge.status_of("A1").await.0, 401);
    home.configure(ACME);
    let (code, said, told) = reload(&home, &bridge);
    assert_eq!((code, said.as_str()), (1, ""));
    for part in ["org.acme.auth.none lets everyone in", "listens at http://0.0.0.0:", "restart it"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(bridge.status_of("A1").await.0, 401, "nobody is let in by it");
    home.configure(bearer);
    assert!(reload(&home, &bridge).1.contains("at the next start: listen"));
}

#[tokio::test]
async fn only_an_operator_of_everything_reloads() {
    let home = Home::new(&format!(
        "{ACME}[[admin.tokens]]\nname = \"v\"\nrole = \"viewer\"\ntoken = \"viewer-token\"\n\
         [[admin.tokens]]\nname = \"b\"\nrole = \"operator\"\ntoken = \"bound-token\"\norgs = [\"acme\"]\n\
         [[admin.tokens]]\nname = \"o\"\nrole = \"operator\"\ntoken = \"operator-token\"\n"
    ));
    let bridge = home.start();
    for (token, expected) in [("none-such", 401), ("viewer-token", 403), ("bound-token", 403), ("operator-token", 200)]
    {
        assert_eq!(bridge.reload_with(token).await.0, expected, "{token}");
    }
    assert_eq!(home.log().matches("was reloaded").count(), 1);
}

#[tokio::test]
async fn each_limit_takes_effect_at_a_reload() {
    let home = Home::new(ACME);
    let bridge = home.start();
    assert_eq!(bridge.status_of("A0").await.0, 200);
    for (limit, status, code) in [
        ("body_bytes = 100", 413, "too_large"),
        ("xml_depth = 2", 400, "too_deep"),
        ("xml_elements = 3", 400, "too_many_elements"),
    ] {
        let answer = bridge.take(&home, &format!("[limits]\n{limit}\n{ACME}")).await;
        let key = format!("limits.{}", limit.split(' ').next().unwrap());
        assert!(answer["keys"].as_array().unwrap().contains(&key.into()), "{answer}");
        assert_eq!(bridge.status_of("A0").await, (status, code.into()), "{limit}");
    }

    // On a connection that was there before.
    let mut raw = Raw::to(&bridge);
    assert_eq!(raw.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").answer().0, 200);
    bridge.take(&home, &format!("[limits]\nrequest_seconds = 0.3\n{ACME}")).await;
    raw.send("POST /soap/acme HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 9\r\n\r\n<a>");
    assert_eq!(raw.answer().0, 408);

    bridge.take(&home, &format!("[limits]\nanswer_seconds = 0.3\n{ACME}")).await;
    let other = rusqlite::Connection::open(home.path("journal.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(bridge.status_of("A1").await, (503, "unavailable".into()));
    other.execute_batch("ROLLBACK").unwrap();

    bridge.take(&home, &format!("[limits]\nrequests_per_second = 1\n{ACME}")).await;
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..30 {
        posts.spawn(bridge.poster("acme")("A0", "Interview").send());
    }
    let statuses = posts.join_all().await;
    assert!(statuses.iter().any(|answer| answer.as_ref().unwrap().status() == 429));
    bridge.take(&home, ACME).await;
    for _ in 0..5 {
        assert_eq!(bridge.status_of("A0").await.0, 200, "and the limit is gone again");
    }
}

fn to(relay: &Relay, settings: &str) -> String {
    let url = relay.url();
    format!("{settings}\n[org.acme]\nauth.none = true\n[org.acme.relay]\nurl = \"{url}/acme\"\napi_key = \"k\"\n")
}

#[tokio::test]
async fn the_limit_of_pending_events_takes_effect_at_a_reload() {
    let relay = Relay::start();
    relay.answer("503");
    let home = Home::new(&to(&relay, ""));
    let bridge = home.start();
    bridge.change("acme", "A1", "Interview").await;
    bridge.change("acme", "A2", "Interview").await;
    bridge.take(&home, &to(&relay, "[limits]\npending_events = 1")).await;
    assert_eq!(bridge.status_of("A3").await, (503, "unavailable".into()));
}

/// Each of these is at first so long that what is waited for would never come.
#[tokio::test]
async fn each_time_of_the_delivery_takes_effect_at_a_reload() {
    let relay = Relay::start();
    let slow = "[delivery]\nfirst_retry_seconds = 86400\nmax_retry_seconds = 86400\nprobe_seconds = 86400\n\
                timeout_seconds = 600\nuseful_within_seconds = 86400";
    let home = Home::new(&to(&relay, slow));
    let bridge = home.start();
    relay.answer("503");
    bridge.change("acme", "A1", "Interview").await;
    relay.wait_for(1).await;
    bridge.until_event("A1", |event| event["delivery"]["attempts"] == 1).await;

    let brisk = "[delivery]\nfirst_retry_seconds = 0.01\nmax_retry_seconds = 0.01\nprobe_seconds = 0.01\n";
    bridge.take(&home, &to(&relay, brisk)).await;
    bridge.change("acme", "A2", "Interview").await;
    bridge.until_event("A2", |event| event["delivery"]["attempts"].as_u64() > Some(3)).await;
    relay.answer("200");
    bridge.until_event("A2", |event| event["delivery"]["state"] == "delivered").await;

    relay.answer("200@600");
    bridge.take(&home, &to(&relay, &format!("{brisk}timeout_seconds = 0.2"))).await;
    bridge.change("acme", "A3", "Interview").await;
    let timed_out =
        |event: &Value| event["delivery"]["last_error"].as_str().is_some_and(|error| error.contains("0.2 s"));
    bridge.until_event("A3", timed_out).await;

    relay.answer("401");
    bridge.take(&home, &to(&relay, &brisk.replace("probe_seconds = 0.01", "probe_seconds = 86400"))).await;
    bridge.change("acme", "A4", "Interview").await;
    let paused = async || bridge.api("stats").await["organisations"][0]["paused"] == true;
    let begun = Instant::now();
    while !paused().await {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let before = relay.received().len();
    bridge.take(&home, &to(&relay, brisk)).await;
    // The reload tries once by itself.
    relay.wait_for(before + 5).await;

    relay.answer("503");
    bridge.take(&home, &to(&relay, &format!("{brisk}give_up_after_hours = 0"))).await;
    bridge.until_event("A4", |event| event["delivery"]["state"] == "dead").await;
}

#[tokio::test]
async fn what_counts_as_late_takes_effect_at_a_reload() {
    let relay = Relay::start();
    let home = Home::new(&to(&relay, "[delivery]\nuseful_within_seconds = 86400"));
    let bridge = home.start();
    let stats = async || bridge.api("stats").await["organisations"][0].clone();
    bridge.change("acme", "A1", "Interview").await;
    bridge.delivered().await;
    let before = stats().await;
    assert_eq!((&before["late"], &before["interviews_open_too_long"]), (&json!(0), &json!(0)));
    let alert = "[delivery]\nuseful_within_seconds = 0\nopen_interview_alert_days = 0.00000001";
    bridge.take(&home, &to(&relay, alert)).await;
    bridge.change("acme", "A2", "Interview").await;
    bridge.delivered().await;
    let after = stats().await;
    assert_eq!((&after["late"], &after["interviews_open_too_long"]), (&json!(1), &json!(2)), "{after}");
}

#[tokio::test]
async fn concurrency_and_proxy_take_effect_at_a_reload() {
    let (relay, proxy) = (Relay::start(), Relay::start());
    relay.answer("200@600x1,200");
    let home = Home::new(&to(&relay, "[delivery]\ntimeout_seconds = 600\nconcurrency = 1"));
    let bridge = home.start();
    bridge.change("acme", "A1", "Interview").await;
    relay.wait_for(1).await;
    bridge.change("acme", "A2", "Interview").await;
    bridge.take(&home, &to(&relay, "[delivery]\ntimeout_seconds = 600\nconcurrency = 8")).await;
    bridge.until_event("A2", |event| event["delivery"]["state"] == "delivered").await;
    assert_eq!(relay.received().len(), 2, "the first one still waits for its answer");

    let through = format!("[delivery]\ntimeout_seconds = 600\nproxy = \"{}\"", proxy.url());
    bridge.take(&home, &to(&relay, &through)).await;
    bridge.change("acme", "A3", "Interview").await;
    proxy.wait_for(1).await;
    bridge.until_event("A3", |event| event["delivery"]["state"] == "delivered").await;
    assert_eq!(relay.received().len(), 2);
}
