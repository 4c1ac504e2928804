//! A line to the relay that breaks in every way: what was acknowledged arrives all the same, in
//! order, and twice only where the bridge could not know that it had arrived.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bridge::{Bridge, Home, PATIENCE, element};
use crate::chance::{self, Chance};
use crate::line::{Fault, Line};
use crate::oracle::{Acknowledged, arrivals};
use crate::relay::Relay;
use crate::tls::certified;

/// Two organisations, each with a relay of its own; that of `acme` is at the end of a line.
struct Scene {
    relay: Relay,
    line: Line,
    other_relay: Relay,
    home: Home,
}

impl Scene {
    async fn new(delivery: &str) -> Self {
        let relay = Relay::start();
        let line = Line::to(relay.address()).await;
        Self::with(relay, line, delivery, "")
    }

    fn with(relay: Relay, line: Line, delivery: &str, more: &str) -> Self {
        let other_relay = Relay::start();
        let organisation = |name: &str, url: &str| {
            format!(
                "[org.{name}]\nauth.none = true\n[org.{name}.relay]\n\
                 url = \"{url}/webhooks/{name}/workday\"\napi_key = \"k\"\n"
            )
        };
        let home = Home::new(&format!(
            "[delivery]\nfirst_retry_seconds = 0.01\nmax_retry_seconds = 0.05\n{delivery}\n{}{}{more}\n",
            organisation("globex", &other_relay.url()),
            organisation("acme", &line.url()),
        ));
        Self { relay, line, other_relay, home }
    }
}

/// What is seen of a fault while it lasts.
struct Seen {
    fault: Fault,
    /// Whether requests reach the relay.
    arrives: bool,
    /// What the attempt log says of it.
    error: &'static str,
}

/// Breaks the line under events of several applications until attempts have failed, looks whether
/// the other organisation is delivered meanwhile, and mends it.
async fn breaks_and_is_mended(scene: &Scene, bridge: &Bridge, seen: &[Seen]) {
    let (mut acme, mut globex) = (Acknowledged::default(), Acknowledged::default());
    for (round, Seen { fault, arrives, error }) in seen.iter().enumerate() {
        scene.line.set(*fault);
        let before = arrivals(&scene.relay, "acme").len();
        for n in 0..6 {
            for stage in ["Interview", "Offer"] {
                acme.change(bridge, "acme", &format!("{round}-A{n}"), stage).await;
                globex.change(bridge, "globex", &format!("{round}-G{n}"), stage).await;
            }
        }
        let head = &bridge.events(&format!("job_application_id={round}-A0")).await[0];
        let log = attempts(bridge, head, 2).await;
        for attempt in log.iter().filter(|attempt| attempt["outcome"] != "unknown") {
            assert_eq!((&attempt["outcome"], attempt["status"].is_null()), (&"retry".into(), true), "{fault:?}");
            let text = attempt["error"].as_str().unwrap().to_lowercase();
            assert!(text.contains(error), "{fault:?}: {error} is expected in {text}");
        }
        bridge.delivered_of("globex").await;
        assert_eq!(
            bridge.events("orgid=acme&state=pending").await.len(),
            12,
            "{fault:?}: nothing passes for delivered"
        );
        assert_eq!(arrivals(&scene.relay, "acme").len() > before, *arrives, "{fault:?}");
        scene.line.set(Fault::None);
        bridge.delivered().await;
    }
    acme.prove(bridge, &scene.relay, "acme").await;
    globex.prove(bridge, &scene.other_relay, "globex").await;
}

/// The attempts of an event, once this many have ended.
async fn attempts(bridge: &Bridge, event: &Value, ended: usize) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let page = bridge.api(&format!("events/{}", event["event_id"].as_str().unwrap())).await;
        let log = page["attempts_log"].as_array().unwrap();
        if log.iter().filter(|attempt| attempt["outcome"] != "unknown").count() >= ended {
            return log.clone();
        }
        assert!(begun.elapsed() < PATIENCE, "{ended} attempts were expected: {page}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn whatever_breaks_on_the_line_is_tried_again_in_order() {
    let scene = Scene::new("timeout_seconds = 0.5").await;
    let bridge = scene.home.start();
    let never = Fault::Drip(Duration::from_millis(100));
    let seen = [
        Seen { fault: Fault::Cut, arrives: false, error: "the request failed" },
        Seen { fault: Fault::CutInRequest, arrives: false, error: "the request failed" },
        Seen { fault: Fault::Stall, arrives: false, error: "no answer within 0.5 s" },
        Seen { fault: Fault::StallBeforeAnswer, arrives: true, error: "no answer within 0.5 s" },
        Seen { fault: Fault::HalfClose, arrives: true, error: "the request failed" },
        Seen { fault: Fault::Garbage, arrives: true, error: "the request failed" },
        Seen { fault: never, arrives: true, error: "no answer within 0.5 s" },
        Seen { fault: Fault::CutInHead, arrives: true, error: "the request failed" },
    ];
    breaks_and_is_mended(&scene, &bridge, &seen).await;
    assert!(bridge.terminate().success());
}

#[tokio::test]
async fn a_relay_whose_tls_fails_is_sent_nothing_until_it_is_mended() {
    let ((authority, good), (_, strangers)) = (certified("localhost"), certified("localhost"));
    let (other_authority, misnamed) = certified("relay.example");
    let relay = Relay::start();
    let line = Line::secured(relay.address(), [good, strangers, misnamed]).await;
    let scene = Scene::with(relay, line, "timeout_seconds = 0.5", "ca = \"ca.pem\"");
    std::fs::write(scene.home.path("ca.pem"), authority + &other_authority).unwrap();
    let bridge = scene.home.start();
    let seen = [
        Seen { fault: Fault::Certificate(1), arrives: false, error: "invalid peer certificate" },
        Seen { fault: Fault::Certificate(2), arrives: false, error: "not valid for name" },
        Seen { fault: Fault::CutInHandshake, arrives: false, error: "cannot connect" },
        Seen { fault: Fault::NotTls, arrives: false, error: "cannot connect" },
        Seen { fault: Fault::Stall, arrives: false, error: "no answer within 0.5 s" },
    ];
    breaks_and_is_mended(&scene, &bridge, &seen).await;
}

/// The status line decides, whatever becomes of the rest.
#[tokio::test]
async fn an_answer_whose_body_breaks_off_counts() {
    let scene = Scene::new("timeout_seconds = 0.5").await;
    let bridge = scene.home.start();
    let mut acknowledged = Acknowledged::default();
    for (round, fault) in [Fault::CutInBody, Fault::StallInBody].into_iter().enumerate() {
        scene.line.set(fault);
        scene.relay.answer("200");
        let application = format!("{round}-A1");
        acknowledged.change(&bridge, "acme", &application, "Interview").await;
        bridge.delivered().await;
        let event = &bridge.events(&format!("job_application_id={application}")).await[0];
        let log = attempts(&bridge, event, 1).await;
        let last = log.last().unwrap();
        assert_eq!((&last["status"], &last["outcome"]), (&200.into(), &"delivered".into()), "{fault:?}");

        scene.relay.answer("503");
        acknowledged.change(&bridge, "acme", &application, "Offer").await;
        let event = &bridge.events(&format!("job_application_id={application}")).await[1];
        let log = attempts(&bridge, event, 2).await;
        assert_eq!((&log[0]["outcome"], &log[0]["status"]), (&"retry".into(), &503.into()), "{fault:?}");
        scene.relay.answer("200");
        bridge.delivered().await;
    }
    scene.line.set(Fault::Drip(Duration::from_micros(500)));
    acknowledged.change(&bridge, "acme", "dripped", "Interview").await;
    acknowledged.prove(&bridge, &scene.relay, "acme").await;
}

/// More events than the process may have under way hang in one organisation; another's pass by.
#[tokio::test]
async fn a_line_that_stalls_does_not_slow_another_organisation() {
    let scene = Scene::new("timeout_seconds = 60\nconcurrency = 8").await;
    let bridge = scene.home.start();
    scene.line.set(Fault::Stall);
    let (mut acme, mut globex) = (Acknowledged::default(), Acknowledged::default());
    for n in 0..40 {
        acme.change(&bridge, "acme", &format!("A{n}"), "Interview").await;
    }
    for n in 0..40 {
        for stage in ["Interview", "Offer"] {
            globex.change(&bridge, "globex", &format!("G{n}"), stage).await;
        }
    }
    globex.prove(&bridge, &scene.other_relay, "globex").await;
    let stuck = bridge.events("orgid=acme&state=pending").await;
    assert_eq!(stuck.len(), 40);
    let under_way: u64 = stuck.iter().map(|event| event["delivery"]["attempts"].as_u64().unwrap()).sum();
    assert!((1..8).contains(&under_way), "{under_way} attempts hang: none has ended, none was begun anew");
    scene.line.set(Fault::None);
    acme.prove(&bridge, &scene.relay, "acme").await;
}

/// The line breaks in one way after the other while messages keep coming.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_breaks_at_random_loses_nothing() {
    const SENDERS: usize = 4;
    const BREAKS: usize = 40;
    let seed = chance::seed("CHAOS_SEED");
    let mut chance = Chance::new(seed.1);
    let scene = Scene::new("timeout_seconds = 0.3").await;
    scene.relay.answer("200x20,503,200x5,429,200@0.01");
    let bridge = scene.home.start();
    let stop = tokio::sync::watch::Sender::new(false);
    let senders: Vec<_> =
        (0..SENDERS).map(|sender| tokio::spawn(send(bridge.poster("acme"), sender, stop.subscribe()))).collect();
    for _ in 0..BREAKS {
        let fault = chance.pick(&[
            Fault::None,
            Fault::None,
            Fault::Cut,
            Fault::CutInRequest,
            Fault::Stall,
            Fault::StallBeforeAnswer,
            Fault::HalfClose,
            Fault::Garbage,
            Fault::Drip(Duration::from_micros(300)),
            Fault::CutInHead,
            Fault::CutInBody,
            Fault::StallInBody,
        ]);
        scene.line.set(fault);
        tokio::time::sleep(Duration::from_millis(20 + chance.below(180))).await;
    }
    stop.send_replace(true);
    scene.line.set(Fault::None);
    let mut acknowledged = Acknowledged::default();
    for sender in senders {
        for (application, id) in sender.await.unwrap() {
            acknowledged.note(&application, &id);
        }
    }
    let figures = acknowledged.prove(&bridge, &scene.relay, "acme").await;
    chance::tell(format_args!("a line that broke {BREAKS} times (CHAOS_SEED={}): {figures}", seed.1));
    assert!(figures.resent > 0 && figures.delivered > 100, "too little happened to mean anything: {figures}");
}

/// Moves applications in and out of the interview until told to stop; what was acknowledged.
async fn send(
    post: impl Fn(&str, &str) -> reqwest::RequestBuilder,
    sender: usize,
    stop: tokio::sync::watch::Receiver<bool>,
) -> Vec<(String, String)> {
    let mut acknowledged = Vec::new();
    for step in 0.. {
        if *stop.borrow() {
            break;
        }
        let application = format!("S{sender}-{}", step % 10);
        let answer = post(&application, ["Interview", "Offer"][(step / 10) % 2]).send().await.unwrap();
        assert_eq!(answer.status(), 200, "the relay's troubles are not Workday's");
        acknowledged.push((application, element(&answer.text().await.unwrap(), "Event_ID").to_owned()));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    acknowledged
}
