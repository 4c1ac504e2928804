//! Protections that are completed by what Workday says, over real HTTP, with the real binary.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bridge::{Bridge, Home, PATIENCE, bare};
use crate::chance::{self, Chance};
use crate::relay::Relay;
use crate::workday::{CLIENT, Fails, PASSWORD, REFRESH_TOKEN, Workday};

const QUICK: &str = "[delivery]\nfirst_retry_seconds = 0.01\nmax_retry_seconds = 0.05\n";

fn in_process(workday: &str) -> String {
    format!("{QUICK}[org.acme]\nauth.none = true\nhandler = \"in_process\"\n{workday}")
}

/// The protection of one application.
async fn protection(bridge: &Bridge, application: &str) -> Value {
    let page = bridge.api("protections?limit=1000").await;
    let protections = page["protections"].as_array().unwrap();
    let found = protections.iter().find(|protection| protection["job_application_id"] == application);
    found.cloned().unwrap_or_default()
}

/// Waits until its details are so.
async fn until(bridge: &Bridge, application: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let protection = protection(bridge, application).await;
        if holds(&protection) {
            return protection;
        }
        assert!(begun.elapsed() < PATIENCE, "{protection:#}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn read(bridge: &Bridge, application: &str) -> Value {
    until(bridge, application, |protection| protection["read_back"]["state"] == "read").await
}

#[tokio::test]
async fn a_protection_is_completed_by_what_workday_says() {
    let workday = Workday::start();
    let home = Home::new(&in_process(&workday.section("acme")));
    let bridge = home.start();
    bridge.change("acme", "A1", "Interview").await;
    bridge.change("acme", "A2", "Screen").await;
    let mut protection = read(&bridge, "A1").await;
    assert!(protection["details"]["read_at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    protection["details"].as_object_mut().unwrap().remove("read_at");
    assert_eq!(
        protection["details"],
        json!({ "first_name": "Óscar", "last_name": "Ejemplo-C-A1 & Söhne", "email": "oscar@candidate.example",
                "job_profile": "Engineer, Fictitious", "requisition_title": "Stand-in Engineer" })
    );
    assert_eq!(protection["active"], true);
    bridge.change("acme", "A1", "Offer").await;
    bridge.delivered().await;
    let ended = self::protection(&bridge, "A1").await;
    assert_eq!((&ended["active"], ended["details"].is_null()), (&json!(false), false), "kept for a while");
    let operations: Vec<_> = workday.asked().into_iter().map(|asked| (asked.operation, asked.ids)).collect();
    let expected = [("Get_Candidates_Request", "C-A1"), ("Get_Job_Requisitions_Request", "REQ678")];
    assert_eq!(operations, expected.map(|(operation, id)| (operation.to_owned(), vec![id.to_owned()])));
    let log = home.log();
    for secret in ["Ejemplo", "oscar@", PASSWORD] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[tokio::test]
async fn names_of_an_earlier_version_are_read() {
    let workday = Workday::start();
    let section = workday.section("acme").replace("v43.0", "v26.1");
    let home = Home::new(&in_process(&section));
    let bridge = home.start();
    bridge.change("acme", "A1", "Interview").await;
    assert_eq!(read(&bridge, "A1").await["details"]["last_name"], "Mustermann-Fiktiv");
}

#[tokio::test]
async fn whatever_passes_is_tried_again_and_delays_nothing_but_the_details() {
    let workday = Workday::start();
    let sections = in_process(&workday.section("acme")).replace("[delivery]\n", "[delivery]\ntimeout_seconds = 0.7\n");
    let home = Home::new(&sections);
    let bridge = home.start();
    let all = [
        Fails::Processing,
        Fails::TooMany(1),
        Fails::Status(503),
        Fails::Slow,
        Fails::Drip,
        Fails::Garbage,
        Fails::Page,
        Fails::OtherXml,
        Fails::Nested,
        Fails::FaultWithin200,
        Fails::Endless,
    ];
    for (n, fails) in all.into_iter().enumerate() {
        workday.fail(Some(fails));
        let application = format!("A{n}");
        bridge.change("acme", &application, "Interview").await;
        bridge.delivered().await;
        let on = protection(&bridge, &application).await;
        assert_eq!((&on["active"], on["details"].is_null()), (&json!(true), true), "{fails:?}: {on}");
        let failed = until(&bridge, &application, |on| !on["read_back"]["last_error"].is_null()).await;
        assert_eq!(failed["read_back"]["state"], "waiting", "{fails:?}: {failed}");
        let error = failed["read_back"]["last_error"].as_str().unwrap();
        if let Some((_, seconds)) = error.split_once("no answer within ") {
            let decimals = seconds.trim_end_matches(" s").split_once('.').map_or("", |(_, decimals)| decimals);
            assert!(decimals.len() <= 1, "more exact than anybody configured: {error}");
        }
        workday.fail(None);
        let done = read(&bridge, &application).await;
        assert!(done["read_back"]["attempts"].as_u64().unwrap() > 1, "{fails:?}: {done}");
        assert!(done["read_back"]["last_error"].is_null(), "{fails:?}: {done}");
    }
}

#[tokio::test]
async fn what_workday_refuses_is_shown_and_not_asked_again() {
    let workday = Workday::start();
    let home = Home::new(&in_process(&workday.section("acme")));
    let bridge = home.start();
    workday.fail(Some(Fails::Validation));
    bridge.change("acme", "A1", "Interview").await;
    let failed = until(&bridge, "A1", |on| on["read_back"]["state"] == "failed").await;
    let error = failed["read_back"]["last_error"].as_str().unwrap();
    assert!(error.contains("Client.validationError") && error.contains("not a valid ID value"), "{error}");
    assert_eq!((&failed["active"], workday.asked().len()), (&json!(true), 1));
    let log = home.log();
    assert!(log.contains("Workday answered Client.validationError"), "{log}");
    assert!(!log.contains("not a valid ID value"), "its sentence may name somebody: {log}");
    workday.fail(Some(Fails::Validation12));
    bridge.change("acme", "A3", "Interview").await;
    let failed = until(&bridge, "A3", |on| on["read_back"]["state"] == "failed").await;
    let error = failed["read_back"]["last_error"].as_str().unwrap();
    assert!(error.contains("Client.validationError: Invalid ID value"), "{error}");
    workday.fail(None);
    workday.forget("C-A2");
    bridge.change("acme", "A2", "Interview").await;
    let failed = until(&bridge, "A2", |on| on["read_back"]["state"] == "failed").await;
    assert_eq!(failed["read_back"]["last_error"], "Workday knows no candidate with this id");
    assert_eq!(workday.asked().len(), 3);
}

#[tokio::test]
async fn a_replay_asks_again_for_what_was_given_up_or_never_asked_for() {
    let workday = Workday::start();
    let home = Home::new(&in_process(""));
    let bridge = home.start();
    bridge.change("acme", "A0", "Interview").await;
    bridge.delivered().await;
    assert!(protection(&bridge, "A0").await["read_back"].is_null());
    workday.fail(Some(Fails::Validation));
    home.configure(&in_process(&workday.section("acme")));
    bridge.signal("HUP");
    let begun = Instant::now();
    for n in 0.. {
        bridge.change("acme", &format!("other {n}"), "Interview").await;
        bridge.change("acme", &format!("other {n}"), "Offer").await;
        bridge.delivered().await;
        if !workday.asked().is_empty() {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the reload does not come");
    }
    bridge.change("acme", "A1", "Interview").await;
    until(&bridge, "A1", |on| on["read_back"]["state"] == "failed").await;
    workday.fail(None);
    for event in bridge.events("event_type=interview_started").await {
        if event["superseded"] == false {
            let path = format!("events/{}/replay", event["event_id"].as_str().unwrap());
            assert!(bridge.post_to(&path).await.status().is_success(), "{path}");
        }
    }
    for application in ["A0", "A1"] {
        assert_eq!(read(&bridge, application).await["details"]["job_profile"], "Engineer, Fictitious");
    }
}

/// Whoever is told of the end: what is on from before must not stay on for ever.
#[tokio::test]
async fn a_protection_ends_with_its_interview_when_another_handler_has_taken_over() {
    let relay = Relay::start();
    let workday = Workday::start();
    let home = Home::new(&in_process(&workday.section("acme")));
    let bridge = home.start();
    bridge.change("acme", "A1", "Interview").await;
    read(&bridge, "A1").await;
    home.configure(&format!(
        "{QUICK}[org.acme]\nauth.none = true\n[org.acme.relay]\nurl = \"{}/webhooks/acme/workday\"\napi_key = \"k\"\n",
        relay.url()
    ));
    bridge.signal("HUP");
    let begun = Instant::now();
    for n in 0.. {
        bridge.change("acme", &format!("other {n}"), "Interview").await;
        bridge.delivered().await;
        if !relay.received().is_empty() {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the reload does not come");
    }
    assert_eq!(protection(&bridge, "A1").await["active"], true);
    bridge.change("acme", "A1", "Offer").await;
    bridge.change("acme", "unknown", "Offer").await;
    bridge.delivered().await;
    assert_eq!(protection(&bridge, "A1").await["active"], false);
    assert!(protection(&bridge, "unknown").await.is_null(), "nothing was on");
}

#[tokio::test]
async fn a_denial_pauses_so_that_no_account_is_locked_until_somebody_mends_it() {
    for fails in [
        Fails::Authentication,
        Fails::AuthenticationAsPage,
        Fails::NotAuthorized,
        Fails::Status(404),
        Fails::Status(302),
    ] {
        let workday = Workday::start();
        let home = Home::new(&in_process(&workday.section("acme")));
        let bridge = home.start();
        workday.fail(Some(fails));
        bridge.change("acme", "A0", "Interview").await;
        until(&bridge, "A0", |on| !on["read_back"]["last_error"].is_null()).await;
        for n in 1..6 {
            bridge.change("acme", &format!("A{n}"), "Interview").await;
        }
        bridge.delivered().await;
        let waiting = until(&bridge, "A5", |on| on["read_back"]["state"] == "waiting").await;
        assert_eq!((&waiting["active"], &waiting["read_back"]["attempts"]), (&json!(true), &json!(0)), "{fails:?}");
        assert_eq!(workday.asked().len(), 1, "{fails:?}: one is enough to know");
        let details = bridge.api("stats").await["organisations"][0]["details"].clone();
        assert_eq!((&details["waiting"], &details["denied"]), (&json!(6), &json!(true)), "{fails:?}");
        workday.fail(None);
        bridge.signal("HUP");
        for n in 0..6 {
            read(&bridge, &format!("A{n}")).await;
        }
    }
}

/// Which credentials were used.
async fn used(bridge: &Bridge) -> Vec<String> {
    let answer = bridge.api("credentials?orgid=acme").await;
    let credentials = answer["credentials"].as_array().unwrap().iter();
    let used = credentials.filter(|credential| !credential["last_used_at"].is_null());
    used.map(|credential| credential["key"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_access_token_is_fetched_once_and_anew_when_it_is_not_taken() {
    let workday = Workday::start();
    let section = format!(
        "[org.acme.workday]\nsoap_url = \"{}\"\ntoken_url = \"{}\"\nclient_id = \"{}\"\nclient_secret = \"{}\"\n\
         refresh_token = \"{REFRESH_TOKEN}\"\n",
        workday.url("v43.0"),
        workday.token_url(),
        CLIENT.0,
        CLIENT.1
    );
    let home = Home::new(&in_process(&section));
    let bridge = home.start();
    for n in 0..8 {
        bridge.change("acme", &format!("A{n}"), "Interview").await;
    }
    for n in 0..8 {
        read(&bridge, &format!("A{n}")).await;
    }
    assert_eq!(workday.tokens(), 1);
    assert_eq!(used(&bridge).await, ["workday.client_secret", "workday.refresh_token"]);
    workday.expire_tokens();
    bridge.change("acme", "B", "Interview").await;
    let read_with_another = read(&bridge, "B").await;
    assert_eq!((workday.tokens(), &read_with_another["read_back"]["attempts"]), (2, &json!(1)));
    let log = home.log();
    assert!(!log.contains("token-") && !log.contains(REFRESH_TOKEN) && !log.contains(CLIENT.1), "{log}");
}

#[tokio::test]
async fn a_password_is_exchanged_without_a_gap() {
    let workday = Workday::start();
    let section = workday.section("acme").replace(PASSWORD, "the old one");
    let home = Home::new(&in_process(&format!("{section}password_next = \"{PASSWORD}\"\n")));
    let bridge = home.start();
    assert!(used(&bridge).await.is_empty());
    bridge.change("acme", "A1", "Interview").await;
    assert_eq!(read(&bridge, "A1").await["read_back"]["attempts"], 1);
    assert_eq!(used(&bridge).await, ["workday.password_next"], "what was refused was not used");
    let listed = bridge.api("credentials?orgid=acme").await;
    assert_eq!(listed["credentials"][0]["key"], "workday.password");
    let before = workday.asked().len();
    bridge.change("acme", "A2", "Interview").await;
    read(&bridge, "A2").await;
    assert_eq!(workday.asked().len(), before + 2, "the one that was taken is tried first");
}

/// The whole chain: Workday's message to one bridge, which forwards to another, which protects the
/// candidate and asks Workday who that is. Killed and started again, it ends up right.
#[tokio::test]
async fn a_chain_of_two_bridges_keeps_protections_right_through_kills() {
    let seed = chance::seed("CHAIN_SEED");
    let mut chance = Chance::new(seed.1);
    let workday = Workday::start();
    let intake = "[org.acme.intake]\nkey = \"an-intake-key\"\n";
    let sections = in_process(&format!("{intake}{}", workday.section("acme")));
    let receiving = Home::new(&sections);
    let mut second = receiving.start();
    receiving.listen_at(second.public.rsplit(':').next().unwrap(), &sections);
    let forwarding = Home::new(&format!(
        "{QUICK}[org.acme]\nauth.none = true\n[org.acme.relay]\nurl = \"{}/webhooks/acme/workday\"\n\
         api_key = \"an-intake-key\"\n",
        second.public
    ));
    let first = forwarding.start();
    let rounds = 6;
    for round in 0..rounds {
        // Workday is down to begin with.
        workday.fail((round < rounds / 2).then_some(Fails::Status(503)));
        for n in 0..4 {
            first.change("acme", &format!("{round}-{n}"), "Interview").await;
        }
        tokio::time::sleep(Duration::from_millis(chance.below(150))).await;
        second.kill();
        second = receiving.start();
        for n in [0, 2] {
            let soap = bare(&format!("{round}-{n}"), "Offer");
            assert_eq!(first.post("acme", "application/xml", soap).send().await.unwrap().status(), 200);
        }
        if chance.one_in(2) {
            second.kill();
            receiving.start_and_kill(Duration::from_millis(chance.below(100)));
            second = receiving.start();
        }
        first.delivered().await;
        second.delivered().await;
        for n in 0..4 {
            let protection = protection(&second, &format!("{round}-{n}")).await;
            assert_eq!(protection["active"], n % 2 == 1, "whatever Workday does: {protection}");
        }
    }
    for round in 0..rounds {
        for n in 0..4 {
            let protection = read(&second, &format!("{round}-{n}")).await;
            assert_eq!(protection["active"], n % 2 == 1, "{protection}");
            let details = &protection["details"];
            assert_eq!(details["last_name"], format!("Ejemplo-C-{round}-{n} & Söhne"));
            assert_eq!(details["job_profile"], "Engineer, Fictitious");
        }
    }
}
