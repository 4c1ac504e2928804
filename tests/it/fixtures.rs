//! Every fixture, posted to the real server: the event that the API then shows, or the fault.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bridge::{Home, element};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "xml"));
    cases.sort();
    cases
}

/// What a sender of the document would say it is.
fn content_type(body: &[u8]) -> &'static str {
    // UTF-16 leaves a NUL beside each ASCII letter.
    let ascii: Vec<u8> = body.iter().copied().filter(|byte| *byte != 0).collect();
    let holds = |text: &str| ascii.windows(text.len()).any(|window| window == text.as_bytes());
    if holds("http://www.w3.org/2003/05/soap-envelope") {
        "application/soap+xml"
    } else if holds("Envelope") {
        "text/xml"
    } else {
        "application/xml"
    }
}

#[tokio::test]
async fn every_fixture_comes_out_as_it_says() {
    let cases = cases();
    assert!(cases.len() >= 30);
    // An organisation each, so that no fixture meets an application that another one moved.
    let sections: String = (0..cases.len())
        .map(|number| format!("[org.f{number}]\nauth.none = true\nhandler = \"in_process\"\n"))
        .collect();
    let home = Home::new(&sections);
    let bridge = home.start();
    for (number, path) in cases.iter().enumerate() {
        let (org, name) = (format!("f{number}"), path.display());
        let body = fs::read(path).unwrap();
        let answer = bridge.post(&org, content_type(&body), body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        let events = bridge.events(&format!("orgid={org}")).await;
        if let Ok(expected) = fs::read_to_string(path.with_extension("json")) {
            assert_eq!(status, 200, "{name}: {text}");
            assert_eq!(events.len(), 1, "{name}");
            assert_eq!(element(&text, "Event_ID"), events[0]["event_id"], "{name}");
            compare(&expected, &events[0], &org, &name.to_string());
        } else {
            let expected = fs::read_to_string(path.with_extension("fault")).unwrap();
            let mut lines = expected.lines().filter(|line| !line.trim().is_empty());
            assert!(matches!(status.as_u16(), 400 | 415 | 500), "{name}: {status} {text}");
            assert_eq!(element(&text, "Code"), lines.next().unwrap(), "{name}: {text}");
            let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
            lines.for_each(|line| assert!(plain.contains(line), "{name}: no {line:?} in {text}"));
            assert!(events.is_empty(), "{name}: a refused message left an event");
        }
    }
}

fn compare(expected: &str, event: &Value, org: &str, name: &str) {
    let expected: Value = serde_json::from_str(expected).unwrap();
    for (key, value) in expected.as_object().unwrap() {
        let value = if key == "orgid" { &Value::from(org) } else { value };
        assert_eq!(&event[key], value, "{name}: {key}");
    }
}
