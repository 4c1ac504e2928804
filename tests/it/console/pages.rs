//! What single pages say: of a file that is tried, of a place that is wrong, of what was not said, of
//! what is not there, and of how Workday is set up.

use std::time::{Duration, Instant};

use imper_bridge::delivery::relay;

use super::SECTIONS;
use crate::bridge::{Home, PATIENCE, TOKEN, bare};

/// The bytes of a file in the form's spelling.
fn in_base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

#[tokio::test]
async fn a_file_is_tried_and_sent_in_the_encoding_that_it_declares() {
    let home = Home::new(SECTIONS);
    let bridge = home.start();
    let operator = bridge.signed_in(TOKEN).await;
    let text = bare("L1", "Interview").replace("</Stage>", "</Stage><Step>Prüfung</Step>");
    let declared = format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>{text}");
    let latin: Vec<u8> = declared.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [&latin, &utf16] {
        let form = format!("orgid=acme&do=look&message=another&bytes={}", in_base64(bytes));
        let (status, page) = operator.post("/try", &form).await;
        assert_eq!(status, 200, "{page}");
        assert!(page.contains("<dt>Step</dt><dd>Prüfung</dd>") && !page.contains('\u{fffd}'), "{page}");
    }
    let form = format!("orgid=acme&do=send&bytes={}", in_base64(&latin));
    assert_eq!(operator.post("/try", &form).await.0, 303);
    assert_eq!(bridge.api("events?orgid=acme").await["events"][0]["step"], "Prüfung");
    let koi = b"<?xml version='1.0' encoding='koi8-r'?><a/>";
    let (status, page) = operator.post("/try", &format!("orgid=acme&bytes={}", in_base64(koi))).await;
    assert!(status == 422 && page.contains("unsupported_media_type"), "{page}");
    assert_eq!(operator.post("/try", "orgid=acme&bytes=*").await.0, 400);
}

#[tokio::test]
async fn the_place_that_a_refusal_names_is_marked_and_not_its_whole_line() {
    let home = Home::new(SECTIONS);
    let bridge = home.start();
    let operator = bridge.signed_in(TOKEN).await;
    let one_line = bare("M1", "Interview").replace("</Stage>", "</Stages>").replace('\n', "");
    let posted = bridge.post("acme", "application/xml", one_line.clone());
    assert_eq!(posted.send().await.unwrap().status().as_u16(), 400);
    let begun = Instant::now();
    while bridge.api("refused").await["refused"].as_array().unwrap().is_empty() {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let id = bridge.api("refused").await["refused"][0]["id"].to_string().replace('"', "");
    let kept = operator.get(&format!("/refused/{id}")).await.1;
    let form: String = url::form_urlencoded::byte_serialize(one_line.as_bytes()).collect();
    let tried = operator.post("/try", &format!("orgid=acme&do=look&message={form}")).await.1;
    for page in [kept, tried] {
        assert!(page.contains("<mark id=\"here\">&#60;/Stages&#62;<span"), "{page}");
        assert!(page.contains("href=\"#here\""), "{page}");
    }
}

#[tokio::test]
async fn a_page_says_no_more_than_is_known() {
    let home = Home::new(SECTIONS);
    let bridge = home.start();
    let operator = bridge.signed_in(TOKEN).await;
    bridge.change("acme", "U1", "Interview").await;
    let event = bridge.api("events?orgid=acme").await["events"][0]["event_id"].as_str().unwrap().to_owned();
    let page = operator.get(&format!("/events/{event}")).await.1;
    assert!(page.contains("by soap; the message does not say when the change occurred."), "{page}");
    assert!(page.contains("The candidate was unknown, is in an interview."), "{page}");
    assert!(page.contains("was unknown, is in: the stage is an interview stage"), "{page}");
    assert!(page.contains("occurred      not said"), "{page}");
    let timed =
        bare("U2", "Interview").replace("</Stage>", "</Stage><Event_Timestamp>2026-04-09T14:30:00Z</Event_Timestamp>");
    assert_eq!(bridge.post("acme", "application/xml", timed).send().await.unwrap().status().as_u16(), 200);
    let event = bridge.api("events?orgid=acme&limit=1").await["events"][0]["event_id"].as_str().unwrap().to_owned();
    let page = operator.get(&format!("/events/{event}")).await.1;
    assert!(page.contains("by soap; the message says that the change occurred 9 Apr"), "{page}");
    let again = bare("U1", "Interview").replace("</Stage>", "</Stage><Step>Onsite</Step>");
    let again: String = url::form_urlencoded::byte_serialize(again.as_bytes()).collect();
    let page = operator.post("/try", &format!("orgid=acme&do=look&message={again}")).await.1;
    assert!(page.contains("It would be taken: State changed"), "{page}");
    assert!(page.contains("The candidate was in an interview, is in an interview."), "{page}");
}

#[tokio::test]
async fn what_is_not_there_is_a_page_for_a_browser_and_a_problem_for_a_program() {
    let home = Home::new(SECTIONS);
    let bridge = home.start();
    let client = relay::client(None, None).unwrap();
    let get = async |path: &str, accept: &str| {
        let asked = client.get(format!("{}{path}", bridge.admin)).header("Accept", accept).timeout(PATIENCE);
        let answer = asked.send().await.unwrap();
        let media = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), media, answer.text().await.unwrap())
    };
    for (path, status, title) in [("/nowhere", 404, "Not found"), ("/sign-out", 405, "Method not allowed")] {
        let (answered, media, page) = get(path, "text/html,*/*;q=0.8").await;
        assert_eq!((answered, media.as_str()), (status, "text/html; charset=utf-8"), "{page}");
        assert!(page.contains("<html lang=\"en\">") && page.contains(&format!("<title>{title} · ")), "{page}");
        let (answered, media, _) = get(path, "*/*").await;
        assert_eq!((answered, media.as_str()), (status, "application/problem+json"));
    }
    let (status, _, page) = get("/sign-in", "text/html").await;
    assert!(status == 200 && page.contains("Admin token"), "{page}");
}

#[tokio::test]
async fn an_event_is_found_by_its_id_and_what_senders_wrote_turns_nothing_around() {
    let home = Home::new(SECTIONS);
    let bridge = home.start();
    bridge.change("acme", "E1\u{202e}", "Interview").await;
    bridge.change("other", "E2", "Interview").await;
    let events = bridge.events("").await;
    let id = |org: &str| events.iter().find(|event| event["orgid"] == org).unwrap()["event_id"].as_str().unwrap();
    let viewer = bridge.signed_in("viewer-token").await;
    let page = viewer.get(&format!("/events?q={}", id("acme").to_uppercase())).await.1;
    assert!(page.contains(&format!("/events/{}", id("acme"))), "{page}");
    assert!(page.contains("<bdi>E1\u{202e}</bdi>"), "{page}");
    let page = viewer.get(&format!("/events?q={}", id("other"))).await.1;
    assert!(
        page.contains("Nothing is known of an event") && !page.contains(&format!("/events/{}", id("other"))),
        "{page}"
    );
    let page = viewer.get(&format!("/events?q={}&state=dead", id("acme"))).await.1;
    assert!(page.contains("Nothing is known of an event"), "the filter counts: {page}");
}

#[tokio::test]
async fn what_the_set_up_gives_to_copy_is_taken_as_it_stands() {
    let home = Home::new(
        "[org.acme]\nauth.basic = { username = \"the-user\", password = \"p\" }\nhandler = \"in_process\"\n\
         namespace = \"urn:own?a&b\"\ninterview_stages = [\"Onsite & more\"]\n\
         [org.acme.id_types]\ncandidate = [\"Employee_ID\"]\n",
    );
    let bridge = home.start();
    let page = bridge.signed_in(TOKEN).await.get("/set-up/acme").await.1;
    let copied = |id: &str| {
        let inside = page.split(&format!("id=\"{id}\"")).nth(1).unwrap_or_else(|| panic!("no {id} in {page}"));
        let text = inside.split_once('>').unwrap().1.split('<').next().unwrap();
        ["&#60;<", "&#62;>", "&#34;\"", "&#39;'", "&#38;&"].iter().fold(text.to_owned(), |text, pair| {
            let (from, to) = pair.split_at(pair.len() - 1);
            text.replace(from, to)
        })
    };
    assert_eq!(copied("user-1"), "the-user");
    let envelope = copied("envelope");
    assert!(envelope.contains("urn:own?a&amp;b") && envelope.contains("type=\"Employee_ID\""), "{envelope}");
    let posted = bridge.post("acme", "text/xml", envelope).basic_auth("the-user", Some("p")).send().await.unwrap();
    let answer = posted.text().await.unwrap();
    assert!(answer.contains("interview_started"), "its stage is one of the interview stages: {answer}");
    assert_eq!(copied("begins"), format!("{}/soap/acme?event=interview_started", bridge.public));
    let guide = include_str!("../../../docs/workday-setup.md").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(page.contains("<code>retries</code> 10 and <code>retryDelay</code> 15000"), "{page}");
    assert!(guide.contains("`retries` 10 and `retryDelay` 15000"), "both say the same");
}
