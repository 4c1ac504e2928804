//! Every file of `fixtures/`: `NAME.xml` beside the event that it is to become, `NAME.json`, or the
//! refusal that it is to meet, `NAME.fault`. A new case needs no Rust; see `fixtures/README.md`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::vocabulary::{SOAP11_URI, SOAP12_URI};
use super::{FaultStatus, Head, Profile, Rejected, Request, fault, read};
use crate::domain::lifecycle::{Likeness, Seen, decide};
use crate::domain::{Decision, OrgId, Source, StagePolicy};
use crate::xml::{self, Limits};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The Content-Type that goes with the envelope's namespace, which is looked for in whatever
/// encoding the file is in.
fn content_type(body: &[u8]) -> &'static str {
    let ascii: String = body.iter().filter(|byte| **byte != 0).map(|&byte| char::from(byte)).collect();
    if ascii.contains(SOAP12_URI) {
        "application/soap+xml"
    } else if ascii.contains(SOAP11_URI) || ascii.contains("Envelope") {
        "text/xml"
    } else {
        "application/xml"
    }
}

fn read_fixture(body: &[u8]) -> Result<Request, Rejected> {
    let head = Head { content_type: Some(content_type(body)), ..Head::default() };
    read(body, &head, &Profile::default(), Limits::default())
}

/// The candidate event of a message of an unknown application, without what the journal adds.
fn event(request: &Request) -> Value {
    let change = &request.change;
    let (position, reason) = StagePolicy::default().position(change);
    let likeness = Likeness(0);
    let seen = Seen { position, reason, likeness, ordered_at: None, repeats_message_id: false };
    let Decision::Accepted { event_type, .. } = decide(None, &seen) else {
        panic!("the first message of an application is applied");
    };
    let mut event = json!({
        "orgid": "demo".parse::<OrgId>().unwrap(),
        "event_type": event_type,
        "candidate_id": change.candidate,
        "job_application_id": change.application,
        "job_requisition_id": change.requisition,
        "stage": change.stage,
        "step": change.step,
        "status": change.status,
        "source": Source::Soap,
    });
    if let Some(occurred) = change.occurred {
        event["timestamp"] = occurred.at.to_string().into();
    }
    event
}

/// What is wrong with one fixture, if anything is.
fn problem(path: &Path) -> Result<(), String> {
    let body = fs::read(path).map_err(|error| error.to_string())?;
    let beside = |extension| fs::read_to_string(path.with_extension(extension)).ok();
    let came = read_fixture(&body);
    match (beside("json"), beside("fault"), came) {
        (Some(expected), None, Ok(request)) => {
            let expected: Value = serde_json::from_str(&expected).map_err(|error| error.to_string())?;
            let event = event(&request);
            if event == expected { Ok(()) } else { Err(format!("expected {expected}\n   found {event}")) }
        }
        (None, Some(expected), Err(rejected)) => {
            let mut lines = expected.lines();
            let (code, message) = (rejected.refusal.code.as_str(), &rejected.refusal.message);
            let as_expected = lines.next() == Some(code) && lines.all(|fragment| message.contains(fragment));
            let answer = fault(
                rejected.version,
                rejected.addressing.as_ref(),
                &rejected.refusal,
                FaultStatus::Standard,
                "urn:x",
            );
            xml::check(answer.body.as_bytes()).map_err(|error| format!("its fault: {error}"))?;
            if as_expected { Ok(()) } else { Err(format!("expected {expected}\n   found {code}: {message}")) }
        }
        (Some(_), Some(_), _) | (None, None, _) => Err("needs either a .json or a .fault beside it".to_owned()),
        (_, _, Ok(_)) => Err("was expected to be refused".to_owned()),
        (_, _, Err(rejected)) => Err(format!("refused: {}", rejected.refusal)),
    }
}

#[test]
fn all_fixtures_come_out_as_expected() {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let (xml, beside): (Vec<_>, Vec<_>) = entries.partition(|path| path.extension().is_some_and(|e| e == "xml"));
    assert!(xml.len() >= 40, "{} fixtures", xml.len());
    let orphan = |path: &&PathBuf| path.extension().is_some_and(|e| e != "md") && !path.with_extension("xml").exists();
    assert_eq!(beside.iter().find(orphan), None, "has no .xml");
    let problems: Vec<String> =
        xml.iter().filter_map(|path| problem(path).err().map(|what| format!("{}: {what}", path.display()))).collect();
    assert!(problems.is_empty(), "{} of {}:\n{}", problems.len(), xml.len(), problems.join("\n"));
}
