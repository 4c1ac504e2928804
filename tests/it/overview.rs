//! What the overview, the API and the terminal say of deliveries that do not go as they should, and of
//! messages that are not what they should be.

use std::time::{Duration, Instant};

use imper_bridge::delivery::relay::client;
use serde_json::Value;

use crate::bridge::{Bridge, Home, PATIENCE, TOKEN, bare, command};
use crate::console::Visitor;
use crate::relay::Relay;

/// An organisation with this relay's URL, and how often it is tried.
fn sections(url: &str, delivery: &str) -> String {
    format!(
        "[org.acme]\nauth.none = true\nrelay = {{ url = \"{url}/acme\", api_key = \"k\" }}\n[delivery]\n{delivery}\n"
    )
}

const AT_ONCE: &str = "first_retry_seconds = 0.01\nmax_retry_seconds = 0.01\nprobe_seconds = 0.02";

/// The overview once it says this.
async fn until(visitor: &Visitor, says: &str) -> String {
    let begun = Instant::now();
    loop {
        let page = visitor.get("/").await.1;
        if page.contains(says) {
            return page;
        }
        assert!(begun.elapsed() < PATIENCE, "{says}: {page}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn verdict(page: &str) -> &str {
    page.split("id=\"verdict\"").nth(1).unwrap().split("</section>").next().unwrap()
}

async fn acme(bridge: &Bridge) -> Value {
    bridge.api("stats").await["organisations"][0].clone()
}

#[tokio::test]
async fn a_relay_that_fails_is_spoken_of_whatever_waits_and_everywhere() {
    let relay = Relay::start();
    relay.answer("200,503");
    let home = Home::new(&sections(&relay.url(), AT_ONCE));
    let bridge = home.start();
    let operator = bridge.signed_in(TOKEN).await;
    bridge.change("acme", "A1", "Interview").await;
    bridge.delivered().await;
    assert!(verdict(&operator.get("/").await.1).contains("Good: "));
    // An end alone waits: nobody is late, and yet it does not go.
    let before = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(1);
    bridge.change("acme", "A1", "Offer").await;
    let page = until(&operator, "acme: the relay cannot take events (the relay answered 503) since ").await;
    assert!(verdict(&page).contains("Look: </span>acme: the relay cannot take events"), "{page}");
    assert!(page.contains("1 event waits") && page.contains("/events?orgid=acme&#38;state=pending"), "{page}");
    assert!(page.contains("The relay cannot take events (the relay answered 503) since "), "the card: {page}");
    assert!(!page.contains("The deliveries go on"), "{page}");
    let stats = acme(&bridge).await;
    assert_eq!(stats["failing_because"], "the relay cannot take events (the relay answered 503)");
    assert!(stats["failed_attempts"].as_u64().unwrap() >= 2, "{stats}");
    let since: jiff::Timestamp = stats["failing_since"].as_str().unwrap().parse().unwrap();
    assert!((before..=relay.received()[1].at).contains(&since), "since its first attempt: {since}");
    let listed =
        command(&home.path("")).args(["stats", "--config", "bridge.toml", "--admin", &bridge.admin]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("the relay cannot take events (the relay answered 503) since"), "{listed}");
    relay.answer("200");
    bridge.delivered().await;
    let page = until(&operator, "The deliveries go on").await;
    assert!(verdict(&page).contains("Good: ") && acme(&bridge).await["failing_since"].is_null(), "{page}");
}

#[tokio::test]
async fn a_start_that_is_overdue_breaks_and_says_why() {
    // Nobody listens there.
    let home = Home::new(&sections("http://127.0.0.1:9", &format!("{AT_ONCE}\nuseful_within_seconds = 0.05")));
    let bridge = home.start();
    let operator = bridge.signed_in(TOKEN).await;
    bridge.change("acme", "A1", "Interview").await;
    let page = until(&operator, "Problem: </span>acme: the relay does not answer (cannot connect").await;
    assert!(page.contains("acme: 1 start of an interview was not delivered while that was of use"), "{page}");
    assert!(page.contains("Some wait still: the relay does not answer (cannot connect"), "{page}");
    assert!(page.contains("event_type=interview_started&#38;state=pending"), "{page}");
}

#[tokio::test]
async fn a_relay_that_asks_for_quiet_is_heard_of() {
    let relay = Relay::start();
    relay.answer("429+600");
    let home = Home::new(&sections(&relay.url(), AT_ONCE));
    let bridge = home.start();
    let operator = bridge.signed_in(TOKEN).await;
    bridge.change("acme", "A1", "Interview").await;
    let page = until(&operator, "acme: the relay asked to wait until ").await;
    assert!(verdict(&page).contains("Look: ") && page.contains("(the relay answered 429), 1 event waits"), "{page}");
}

#[tokio::test]
async fn a_pause_began_when_the_set_up_was_first_found_wrong() {
    let relay = Relay::start();
    relay.answer("401");
    let home = Home::new(&sections(&relay.url(), AT_ONCE));
    let bridge = home.start();
    bridge.change("acme", "A1", "Interview").await;
    let paused = async || {
        let begun = Instant::now();
        loop {
            let stats = acme(&bridge).await;
            if stats["paused"] == true {
                return stats["paused_since"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
            }
            assert!(begun.elapsed() < PATIENCE, "{stats}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let first = paused().await;
    let resume = format!("{}/api/v1/organisations/acme/resume", bridge.admin);
    for _ in 0..2 {
        let resumed = client(None, None).unwrap().post(&resume).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(resumed.status().as_u16(), 200);
        let came = relay.received().len();
        relay.wait_for(came + 1).await;
        assert_eq!(paused().await, first, "it is the same pause still");
    }
}

#[tokio::test]
async fn an_organisation_that_is_gone_delivers_nothing_and_is_not_paused() {
    let gone = sections("http://127.0.0.1:9", AT_ONCE);
    let other = "[org.other]\nauth.none = true\nhandler = \"in_process\"\n";
    let home = Home::new(&format!("{other}{gone}"));
    let bridge = home.start();
    bridge.change("acme", "A1", "Interview").await;
    home.configure(other);
    bridge.signal("HUP");
    let operator = bridge.signed_in(TOKEN).await;
    let page = until(&operator, "Not configured; 1 event waits.").await;
    assert!(!page.contains("/organisations/acme/pause") && page.contains("/organisations/other/pause"), "{page}");
}

#[tokio::test]
async fn refusals_that_differ_only_in_their_place_are_one_cause() {
    let home = Home::new("[org.acme]\nauth.none = true\nhandler = \"in_process\"\n");
    let bridge = home.start();
    let operator = bridge.signed_in(TOKEN).await;
    for number in 1..=12 {
        let broken = format!("{}<Half", "\n".repeat(number));
        let posted = bridge.post("acme", "application/xml", broken).send().await.unwrap();
        assert_eq!(posted.status().as_u16(), 400);
    }
    let page = until(&operator, "acme: 12 messages were refused: not_well_formed").await;
    assert_eq!(page.matches("were refused: ").count() + page.matches("was refused: ").count(), 1, "{page}");
    let posted = operator.post("/refused/retry", "orgid=acme&code=not_well_formed").await;
    assert_eq!(posted.0, 303);
    until(&operator, "12 messages stayed as before").await;
}

#[tokio::test]
async fn the_dead_of_one_organisation_do_not_hide_those_of_another() {
    let relay = Relay::start();
    relay.answer("422");
    let other =
        format!("[org.other]\nauth.none = true\nrelay = {{ url = \"{}/other\", api_key = \"k\" }}\n", relay.url());
    let home = Home::new(&format!("{other}{}", sections(&relay.url(), AT_ONCE)));
    let bridge = home.start();
    let operator = bridge.signed_in(TOKEN).await;
    bridge.change("other", "B1", "Interview").await;
    until(&operator, "other: 1 event was given up").await;
    for number in 0..502 {
        bridge.change("acme", &format!("A{number}"), "Interview").await;
    }
    let page = until(&operator, "acme: 500 events were given up, of the newest 500 of 502: ").await;
    assert!(page.contains("other: 1 event was given up: "), "{page}");
}

#[tokio::test]
async fn stages_that_are_no_interviews_are_not_called_interviews() {
    let home = Home::new(
        "[org.acme]\nauth.none = true\nhandler = \"in_process\"\ninterview_stages = [\"Gespräch\"]\n\
         [org.other]\nauth.none = true\nhandler = \"in_process\"\n",
    );
    let bridge = home.start();
    let operator = bridge.signed_in(TOKEN).await;
    let post = async |org: &str, from: usize, count: usize, stage: &str| {
        for number in from..from + count {
            bridge.change(org, &format!("A{number}"), stage).await;
        }
    };
    post("acme", 0, 5, "Review").await;
    let page = until(&operator, "acme: 5 messages, none in an interview stage; seen: &#39;Review&#39; (5)").await;
    assert!(verdict(&page).contains("Good: "), "five tell little: {page}");
    assert!(!page.contains("<code id=\"line-"), "everybody in Review would be protected: {page}");
    post("acme", 5, 15, "Phone Interview").await;
    let page = until(&operator, "acme: 20 messages, none in an interview stage").await;
    assert!(verdict(&page).contains("Problem: "), "{page}");
    assert!(page.contains("interview_stages = [&#34;Gespräch&#34;, &#34;Phone Interview&#34;]"), "{page}");
    post("acme", 20, 1, "Gespräch").await;
    let begun = Instant::now();
    while operator.get("/").await.1.contains("none in an interview stage") {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A stage gets another name after interviews have begun.
    post("other", 0, 1, "Interview").await;
    post("other", 1, 30, "Second INTERVIEW").await;
    let page = until(&operator, "other: the last 30 messages, none in an interview stage").await;
    assert!(page.contains("[&#34;Interview&#34;, &#34;Second INTERVIEW&#34;]"), "{page}");
}

#[tokio::test]
async fn messages_whose_credentials_are_refused_are_heard_of() {
    let home = Home::new(
        "[org.acme]\nauth.basic = { username = \"imper-studio\", password = \"the-right-one\" }\nhandler = \"in_process\"\n",
    );
    let bridge = home.start();
    let operator = bridge.signed_in(TOKEN).await;
    let post = async |user: &str, password: &str| {
        let post = bridge.post("acme", "application/xml", bare("A1", "Interview")).basic_auth(user, Some(password));
        post.send().await.unwrap().status().as_u16()
    };
    assert!(operator.get("/set-up/acme").await.1.contains("Waiting for your first message"));
    assert!(!operator.get("/").await.1.contains("acme: 1 message"));
    assert_eq!(post("somebody", "guessed").await, 401);
    let page = operator.get("/").await.1;
    assert!(page.contains("acme: 1 message came with an unknown user name at "), "{page}");
    for _ in 0..6 {
        assert!([401, 429].contains(&post("imper-studio", "an-old-one").await));
    }
    let page = operator.get("/").await.1;
    assert!(page.contains("acme: 7 messages came with the right user name and a wrong password since "), "{page}");
    assert!(!verdict(&page).contains("Problem"), "a stranger could do that: {page}");
    assert!(
        !page.contains("imper-studio") && !page.contains("an-old-one") && !page.contains("the-right-one"),
        "{page}"
    );
    let page = operator.get("/set-up/acme").await.1;
    assert!(page.contains("Messages come, but their credentials are refused"), "{page}");
    assert!(page.contains("7 messages came with the right user name and a wrong password, the last at "), "{page}");
    assert!(!page.contains("Waiting for your first message"), "{page}");
    let figures = bridge.admin_get("/metrics", "").await.text().await.unwrap();
    assert!(figures.contains("imper_bridge_failed_sign_ins_total{orgid=\"acme\"} 7"), "{figures}");
    // The configuration is read again, which lets the same address try at once.
    let begun = Instant::now();
    bridge.signal("HUP");
    while !home.log().contains("was reloaded") {
        assert!(begun.elapsed() < PATIENCE, "{}", home.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(post("imper-studio", "the-right-one").await, 200);
    let page = operator.get("/").await.1;
    assert!(!page.contains("a wrong password since"), "whoever failed gets in: {page}");
    assert!(operator.get("/set-up/acme").await.1.contains("A message has come"));
}
