//! Refused messages as a tester and an operator meet them.

use serde_json::{Value, json};

use crate::bridge::{Bridge, Home, PATIENCE, TOKEN, bare, element};

const ORGS: &str = "
[[admin.tokens]]
name = \"looker\"
token = \"a-viewer\"
role = \"viewer\"
orgs = [\"acme\"]
[[admin.tokens]]
name = \"stranger\"
token = \"another-operator\"
role = \"operator\"
orgs = [\"other\"]
[org.acme]
auth.basic = { username = \"imper\", password = \"s3cret\" }
auth.wsse = { username = \"imper\", password = \"s3cret\" }
handler = \"in_process\"
[org.other]
auth.none = true
handler = \"in_process\"
";

fn bridge() -> (Home, Bridge) {
    let home = Home::new(ORGS);
    let bridge = home.start();
    (home, bridge)
}

/// Posts as the organisation's own sender, and gives the status and the fault's code.
async fn post(bridge: &Bridge, endpoint: &str, content_type: &str, body: impl Into<reqwest::Body>) -> (u16, String) {
    let request = bridge.post(endpoint, content_type, body).basic_auth("imper", Some("s3cret"));
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, element(&answer.text().await.unwrap(), "Code").to_owned())
}

async fn retry(bridge: &Bridge, id: &str, token: &str) -> (u16, Value) {
    let client = imper_bridge::delivery::relay::client(None, None).unwrap();
    let url = format!("{}/api/v1/refused/{id}/retry", bridge.admin);
    let answer = client.post(url).bearer_auth(token).timeout(PATIENCE).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

/// The newest refused message.
async fn newest(bridge: &Bridge) -> Value {
    bridge.api("refused").await["refused"][0].clone()
}

#[tokio::test]
async fn a_refused_message_is_shown_and_read_again_once_the_mapping_is_mended() {
    let (home, bridge) = bridge();
    let message = bare("A1", "Interview")
        .replace("Candidate_ID", "Person_ID")
        .replace("</Candidate_Reference>", "<ID type=\"Other_ID\">X</ID></Candidate_Reference>");
    let refused = post(&bridge, "acme?event=interview_started", "application/xml", message.clone()).await;
    assert_eq!(refused, (400, "no_usable_id".to_owned()));
    let shown = newest(&bridge).await;
    let expected = json!({
        "id": shown["id"], "orgid": "acme", "at": shown["at"], "code": "no_usable_id", "message": shown["message"],
        "where": "/TriggerCandidateStateChange_Request/Job_Application/Candidate_Reference",
        "content_type": "application/xml", "query": "event=interview_started", "bytes": message.len(), "complete": true,
        "note": null,
    });
    assert_eq!(shown, expected);
    let id = shown["id"].as_str().unwrap();
    assert_eq!(bridge.api(&format!("refused/{id}")).await["body"], message);
    let (status, problem) = retry(&bridge, id, TOKEN).await;
    assert_eq!((status, &problem["code"]), (422, &json!("no_usable_id")), "{problem}");
    assert_eq!(problem["detail"], shown["message"]);

    home.configure(&ORGS.replace("[org.other]", "id_types.candidate = [\"Person_ID\"]\n[org.other]"));
    bridge.signal("HUP");
    let begun = std::time::Instant::now();
    let answer = loop {
        let (status, answer) = retry(&bridge, id, TOKEN).await;
        if status == 200 {
            break answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{answer}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let event = &bridge.events("").await[0];
    let expected = json!({ "outcome": "Accepted", "event_id": event["event_id"], "event_type": "interview_started" });
    assert_eq!(answer, expected);
    assert_eq!(event["candidate_id"], "C-A1");
    assert_eq!(bridge.api("refused").await["refused"], json!([]));
    assert_eq!(retry(&bridge, id, TOKEN).await.0, 404, "it is taken once");
}

#[tokio::test]
async fn only_known_senders_messages_are_kept_and_only_who_may_see_them_does() {
    let (_home, bridge) = bridge();
    let broken = bare("", "Interview");
    let unknown = bridge.post("acme", "application/xml", broken.clone()).send().await.unwrap();
    assert_eq!(unknown.status(), 401);
    let unread = bridge.post("acme", "text/xml", "<a").send().await.unwrap();
    assert_eq!(element(&unread.text().await.unwrap(), "Code"), "not_well_formed");
    assert_eq!(bridge.api("refused").await["refused"], json!([]), "not those of who might be anybody");
    post(&bridge, "acme", "application/xml", broken).await;
    post(&bridge, "other", "text/xml", "<a>\n<b").await;
    post(&bridge, "acme", "text/plain", "any").await;
    let codes = |page: Value| -> Vec<String> {
        page["refused"].as_array().unwrap().iter().map(|item| item["code"].as_str().unwrap().to_owned()).collect()
    };
    let all = ["unsupported_media_type", "not_well_formed", "missing_element"];
    assert_eq!(codes(bridge.api("refused").await), all);
    assert_eq!(codes(bridge.api("refused?code=not_well_formed&orgid=other").await), all[1..2]);
    let first = bridge.api("refused?limit=2").await;
    assert_eq!(codes(bridge.api(&format!("refused?cursor={}", first["next"].as_str().unwrap())).await), all[2..]);
    let viewed = bridge.admin_get("/api/v1/refused", "a-viewer").await.text().await.unwrap();
    assert_eq!(codes(serde_json::from_str(&viewed).unwrap()), ["unsupported_media_type", "missing_element"]);
    let id = bridge.api("refused?code=missing_element").await["refused"][0]["id"].as_str().unwrap().to_owned();
    let one = format!("/api/v1/refused/{id}");
    for (token, read, act) in [("a-viewer", 200, 403), ("another-operator", 404, 404), ("nobody", 401, 401)] {
        assert_eq!(bridge.admin_get(&one, token).await.status(), read, "{token}");
        assert_eq!(retry(&bridge, &id, token).await.0, act, "{token}");
    }
    for (path, status) in [
        ("refused/x", 400),
        ("refused/99", 404),
        ("refused?limit=0", 400),
        ("refused?code=%00", 400),
        ("refused/1?x=y", 400),
    ] {
        assert_eq!(bridge.admin_get(&format!("/api/v1/{path}"), TOKEN).await.status(), status, "{path}");
    }
}

#[tokio::test]
async fn no_password_is_kept_and_another_encoding_is_read_again_as_it_was() {
    let (home, bridge) = bridge();
    let secext = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
    let message = |tenant: &str| {
        format!(
            "<?xml version='1.0' encoding='UTF-16'?><e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'><e:Header>\
             <w:Security xmlns:w='{secext}' e:mustUnderstand='true'><w:UsernameToken><w:Username>imper</w:Username>\
             <w:Password>s3cret</w:Password></w:UsernameToken></w:Security></e:Header><e:Body>{}</e:Body></e:Envelope>",
            bare("Ä1", tenant)
        )
    };
    let utf16: Vec<u8> = message(&"x".repeat(300)).encode_utf16().flat_map(u16::to_be_bytes).collect();
    let content_type = "application/soap+xml; charset=utf-16be; action=\"urn:other\"";
    let answer = bridge.post("acme?dry_run=no", content_type, utf16.clone()).send().await.unwrap();
    assert_eq!(element(&answer.text().await.unwrap(), "Code"), "invalid_value");
    let id = newest(&bridge).await["id"].as_str().unwrap().to_owned();
    let whole = bridge.api(&format!("refused/{id}")).await;
    assert!(whole["body"].as_str().unwrap().contains("<w:Password>***</w:Password>"), "{whole}");
    assert!(whole["body"].as_str().unwrap().contains("Ä1"), "{whole}");
    assert_eq!(retry(&bridge, &id, TOKEN).await.1["code"], "invalid_value");
    bridge.terminate();
    let file = std::fs::read(home.path("journal.db.refused")).unwrap();
    assert!(!String::from_utf8_lossy(&file).contains("s3cret"));

    let sections = ORGS.replace("[org.other]", "expect_tenant = \"acme_prod\"\n[org.other]");
    home.configure(&sections);
    let bridge = home.start();
    let short: Vec<u8> = message("Interview").encode_utf16().flat_map(u16::to_be_bytes).collect();
    let request = bridge.post("acme", content_type, short).header("X-Workday-Tenant", "acme_new");
    assert_eq!(element(&request.send().await.unwrap().text().await.unwrap(), "Code"), "wrong_tenant");
    let id = newest(&bridge).await["id"].as_str().unwrap().to_owned();
    bridge.terminate();
    home.configure(&sections.replace("acme_prod", "acme_new"));
    let bridge = home.start();
    let (status, answer) = retry(&bridge, &id, TOKEN).await;
    assert_eq!((status, &answer["outcome"]), (200, &json!("Accepted")), "{answer}");
    assert_eq!(bridge.events("").await[0]["job_application_id"], "Ä1");
}

#[tokio::test]
async fn what_was_not_kept_whole_is_not_read_again() {
    let (_home, bridge) = bridge();
    let long = bare("", "Interview") + &" ".repeat(20_000);
    post(&bridge, "acme", "application/xml", long.clone()).await;
    let shown = newest(&bridge).await;
    assert_eq!((&shown["bytes"], &shown["complete"]), (&json!(long.len()), &json!(false)));
    let id = shown["id"].as_str().unwrap();
    assert_eq!(bridge.api(&format!("refused/{id}")).await["body"].as_str().unwrap().len(), 16 * 1024);
    assert_eq!(retry(&bridge, id, TOKEN).await.0, 409);
}

#[tokio::test]
async fn a_body_that_was_not_read_is_said_to_be_none() {
    use std::io::Write;
    let (_home, bridge) = bridge();
    let message = bare("A1", "Interview");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(message.replace("<Stage>", "<Password>s3cret</Password><Stage>").as_bytes()).unwrap();
    let mut junk = encoder.finish().unwrap();
    junk.extend_from_slice(b"junk");
    let not_read = "The body was not read, or not to its end, and nothing of it was kept.";
    let damaged = "The body is not what its Content-Encoding says; this is what could be read of it.";
    for (media, encoding, body, status, note) in [
        ("text/plain", "identity", message.clone().into_bytes(), 415, Some(not_read)),
        ("text/xml", "br", message.clone().into_bytes(), 415, Some(not_read)),
        ("text/xml", "identity", vec![b' '; 300_000], 413, Some(not_read)),
        ("text/xml", "gzip", b"junk".to_vec(), 400, Some(not_read)),
        ("text/xml", "gzip", junk, 400, Some(damaged)),
        ("text/xml", "gzip", message.clone().into_bytes(), 400, Some(damaged)),
        ("text/xml; charset=koi8-r", "identity", message.clone().into_bytes(), 415, None),
    ] {
        let request = bridge.post("acme", media, body).basic_auth("imper", Some("s3cret"));
        let answer = request.header("Content-Encoding", encoding).send().await.unwrap();
        assert_eq!(answer.status(), status, "{media}, {encoding}");
        let shown = newest(&bridge).await;
        assert_eq!((&shown["note"], &shown["complete"]), (&json!(note), &json!(false)), "{media}, {encoding}: {shown}");
        let id = shown["id"].as_str().unwrap();
        let kept = bridge.api(&format!("refused/{id}")).await["body"].as_str().unwrap().to_owned();
        assert_eq!(kept.is_empty(), note == Some(not_read), "{kept}");
        assert!(!kept.contains("s3cret"), "{kept}");
        assert_eq!(retry(&bridge, id, TOKEN).await.0, 409, "{media}, {encoding}");
    }
    assert!(bridge.events("").await.is_empty());
}

#[tokio::test]
async fn what_a_token_shows_the_sender_of_is_kept_whatever_comes_behind_it() {
    let home = Home::new(
        "[org.acme]\nauth.wsse = { username = \"imper\", password = \"s3cret\" }\nhandler = \"in_process\"\n",
    );
    let bridge = home.start();
    let secext = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
    let message = |password: &str, more: &str, body: &str| {
        format!(
            "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Header><w:Security xmlns:w='{secext}'>\
             <w:UsernameToken><w:Username>imper</w:Username><w:Password>{password}</w:Password></w:UsernameToken>\
             </w:Security>{more}</e:Header><e:Body>{body}</e:Body></e:Envelope>"
        )
    };
    let must = "<x:y xmlns:x='urn:x' e:mustUnderstand='1'/>";
    let whole = bare("A1", "Interview");
    for (kept, xml, code) in [
        (true, message("s3cret", must, &whole), "not_understood"),
        (true, message("s3cret", "", "<a>"), "not_well_formed"),
        (true, message("s3cret", "", &"<a>".repeat(1000)), "too_deep"),
        (true, message("s3cret", "", &bare("", "Interview")), "missing_element"),
        (false, message("wrong", must, &whole), "not_understood"),
        (false, message("wrong", "", "<a>"), "not_well_formed"),
        (false, message("s3cret", "<a>", &whole), "not_well_formed"),
        (false, format!("<!DOCTYPE a>{}", message("s3cret", "", &whole)), "dtd_refused"),
    ] {
        let before = bridge.api("refused").await["refused"].as_array().unwrap().len();
        let answer = bridge.post("acme", "text/xml", xml.clone()).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), element(&answer.text().await.unwrap(), "Code")), (500, code), "{xml}");
        let after = bridge.api("refused").await["refused"].as_array().unwrap().len();
        assert_eq!(after - before, usize::from(kept), "{xml}");
        if kept {
            let id = newest(&bridge).await["id"].as_str().unwrap().to_owned();
            let body = bridge.api(&format!("refused/{id}")).await["body"].as_str().unwrap().to_owned();
            assert!(body.contains("imper") && !body.contains("s3cret"), "{body}");
        }
    }
    assert!(bridge.events("").await.is_empty());
}

#[tokio::test]
async fn turned_off_nothing_is_kept_and_what_was_is_gone() {
    let (home, bridge) = bridge();
    post(&bridge, "acme", "application/xml", bare("", "Interview")).await;
    assert!(home.path("journal.db.refused").exists());
    bridge.terminate();
    let config = std::fs::read_to_string(home.path("bridge.toml")).unwrap();
    std::fs::write(home.path("bridge.toml"), config.replace("[store]\n", "[store]\nrefused_days = 0\n")).unwrap();
    let bridge = home.start();
    post(&bridge, "acme", "application/xml", bare("", "Interview")).await;
    assert_eq!(bridge.api("refused").await["refused"], json!([]));
    assert!(!home.path("journal.db.refused").exists());
}

#[tokio::test]
async fn the_erasure_of_a_candidate_takes_the_refused_messages_along() {
    let (_home, bridge) = bridge();
    bridge.change("other", "A1", "Offer").await;
    for candidate in ["C-gone", "C-&#103;one", "C-stays"] {
        let message = bare("A1", "Interview").replace("C-A1", candidate).replace("REQ678", "");
        assert_eq!(post(&bridge, "acme", "application/xml", message).await.1, "missing_element");
    }
    let client = imper_bridge::delivery::relay::client(None, None).unwrap();
    let url = format!("{}/api/v1/candidates/acme/C-gone", bridge.admin);
    let answer = client.delete(url).bearer_auth(TOKEN).timeout(PATIENCE).send().await.unwrap();
    let status = answer.status();
    assert!(status.is_success(), "{status} {}", answer.text().await.unwrap());
    let left = bridge.api("refused").await["refused"].as_array().unwrap().clone();
    assert_eq!(left.len(), 1, "{left:?}");
    let id = left[0]["id"].as_str().unwrap();
    assert!(bridge.api(&format!("refused/{id}")).await["body"].as_str().unwrap().contains("C-stays"));
}

#[tokio::test]
async fn a_flood_of_passwords_is_masked_and_survived() {
    let (_home, bridge) = bridge();
    for flood in ["<Password/>", "<Password>", "<Password ", "<Password>x</Password>", "</Password>", "&"] {
        let body = format!("<a>{}", flood.repeat(260_000 / flood.len()));
        let (_, code) = post(&bridge, "acme", "application/xml", body).await;
        assert!(["not_well_formed", "too_deep", "too_many_elements"].contains(&code.as_str()), "{code}");
    }
    assert_eq!(bridge.api("refused").await["refused"].as_array().unwrap().len(), 6);
}
