//! The W3C's SOAP 1.2 test collection, replayed against the real server: see
//! `tests/soap12-w3c/README.md`.

use std::fs;
use std::path::Path;

use crate::bridge::{Bridge, Home, bare, element};

const ORG: &str = "[org.demo]\nauth.none = true\nhandler = \"in_process\"\n";

/// The same message with our request as its Body's content.
fn with_our_operation(message: &str, application: &str) -> String {
    let begin = message.find("<env:Body").expect("a Body");
    let content = begin + message[begin..].find('>').unwrap() + 1;
    let end = message.rfind("</env:Body>").expect("a Body's end");
    format!("{}{}{}", &message[..content], bare(application, "Interview"), &message[end..])
}

/// The status and, of a fault, its SOAP code and the code of its detail.
async fn verdict(bridge: &Bridge, message: &str) -> (String, String) {
    let answer = bridge.post("demo", "application/soap+xml", message.to_owned()).send().await.unwrap();
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    let place = ["env:Value", "faultcode"].into_iter().find(|place| text.contains(&format!("<{place}>")));
    let verdict = match place {
        Some(place) => {
            let code = element(&text, place).trim_start_matches("env:");
            format!("{status} {code} {}", element(&text, "Code"))
        }
        None => status.to_string(),
    };
    (verdict, text)
}

/// What SOAP 1.2 asks of an answer beside its code: its own version, and the header blocks that go
/// with two of the faults (part 1, sections 5.4.7 and 5.4.8).
fn check_shape(case: &str, message: &str, answer: &str) {
    let soap11 = "<env:Envelope xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\"";
    let soap12 = "<env:Envelope xmlns:env=\"http://www.w3.org/2003/05/soap-envelope\"";
    let envelope = if message.contains(soap11) { soap11 } else { soap12 };
    assert!(answer.contains(envelope), "{case}: {answer}");
    if answer.contains(">env:VersionMismatch<") {
        assert!(answer.contains("Upgrade") && answer.contains("SupportedEnvelope"), "{case}: {answer}");
    }
    if answer.contains(">env:MustUnderstand<") {
        assert!(answer.contains("<env:NotUnderstood qname=\"n:"), "{case}: {answer}");
        assert!(answer.contains("xmlns:n=\"http://example.org/ts-tests\""), "{case}: {answer}");
    }
}

#[tokio::test]
async fn the_w3c_test_collection_is_answered_as_it_should_be() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/soap12-w3c");
    let expected = fs::read_to_string(folder.join("expected.tsv")).unwrap();
    let home = Home::new(ORG);
    let bridge = home.start();
    let (mut replayed, mut wrong, mut taken) = (0, Vec::new(), Vec::new());
    for row in expected.lines().skip(1) {
        let [case, as_it_is, with_ours] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let message = fs::read_to_string(folder.join(format!("{case}.xml"))).unwrap();
        let mut messages = vec![(message.clone(), as_it_is)];
        if with_ours != "-" {
            messages.push((with_our_operation(&message, case), with_ours));
        }
        for (message, expected) in messages {
            let (found, answer) = verdict(&bridge, &message).await;
            check_shape(case, &message, &answer);
            replayed += 1;
            if found != expected {
                wrong.push(format!("{case}: expected {expected}, found {found}: {answer}"));
            }
            if expected == "200" {
                taken.push(case.to_owned());
            }
        }
    }
    println!("SOAP 1.2 test collection: {} of {replayed} messages answered as expected", replayed - wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(replayed, 145, "73 messages, and 72 of them with our operation");
    let stored = bridge.events("").await;
    let stored: Vec<_> = stored.iter().map(|event| event["job_application_id"].as_str().unwrap()).collect();
    assert_eq!(stored, taken, "what was refused left no event");
}
