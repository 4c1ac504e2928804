//! Several real bridges on one database, and clients whose messages reach whichever is there, as
//! behind a load balancer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use tokio::task::JoinHandle;

use crate::bridge::{Bridge, Home, PATIENCE, element};
use crate::kill::relayed;
use crate::oracle::{Acknowledged, arrivals};
use crate::relay::Relay;

/// How long the relay takes for each answer, in milliseconds.
const ANSWER: i64 = 40;

type Post = Arc<dyn Fn(&str, &str) -> RequestBuilder + Send + Sync>;

/// A folder whose bridges keep their journal in the database at this URL.
pub(crate) fn home(relay: &Relay, url: &str) -> Home {
    let mut home = relayed(relay);
    home.set("IMPER_BRIDGE_STORE__URL", url);
    home.set("IMPER_BRIDGE_DELIVERY__TIMEOUT_SECONDS", "3");
    // What one application has waiting while its turn is with a dead bridge is sent one by one.
    home.set("IMPER_BRIDGE_LIMITS__PENDING_EVENTS", "300");
    home
}

/// Answers that take long enough for two at once to be told apart.
pub(crate) fn steady(relay: &Relay) {
    relay.answer(&format!("200@0.0{ANSWER}"));
}

/// Bridges that share a journal.
pub(crate) struct Fleet {
    homes: Vec<Home>,
    bridges: Vec<Option<Bridge>>,
    door: Arc<Door>,
}

/// Where messages come in.
#[derive(Default)]
struct Door {
    bridges: RwLock<Vec<Option<Post>>>,
    turn: AtomicUsize,
}

impl Door {
    /// What posts to the next bridge in turn; none where that one is away.
    fn next(&self) -> Option<Post> {
        let bridges = self.bridges.read().unwrap();
        bridges[self.turn.fetch_add(1, Ordering::Relaxed) % bridges.len()].clone()
    }
}

impl Fleet {
    /// Starts as many.
    pub(crate) fn start(relay: &Relay, url: &str, count: usize) -> Self {
        let homes: Vec<_> = (0..count).map(|_| home(relay, url)).collect();
        let mut fleet = Self { homes, bridges: (0..count).map(|_| None).collect(), door: Arc::default() };
        fleet.door.bridges.write().unwrap().resize(count, None);
        (0..count).for_each(|number| fleet.restart(number));
        fleet
    }

    /// Starts one that is away.
    pub(crate) fn restart(&mut self, number: usize) {
        let bridge = self.homes[number].start();
        self.door.bridges.write().unwrap()[number] = Some(Arc::new(bridge.poster("acme")));
        self.bridges[number] = Some(bridge);
    }

    /// SIGKILL; what is under way at it breaks off.
    pub(crate) fn kill(&mut self, number: usize) {
        self.bridges[number].take().expect("a bridge that runs").kill();
        self.door.bridges.write().unwrap()[number] = None;
    }

    /// One that runs.
    pub(crate) fn any(&self) -> &Bridge {
        self.bridges.iter().flatten().next().expect("a bridge that runs")
    }

    /// Ends all, which must succeed.
    pub(crate) fn terminate(self) {
        for bridge in self.bridges.into_iter().flatten() {
            assert!(bridge.terminate().success());
        }
    }

    /// Lets so many clients post, each about an application of its own.
    pub(crate) fn clients(&self, count: usize) -> Posting {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |number| tokio::spawn(move_on(format!("A{number}"), Arc::clone(&self.door), Arc::clone(&stop)));
        Posting { clients: (0..count).map(client).collect(), stop }
    }
}

/// Clients at work.
pub(crate) struct Posting {
    clients: Vec<JoinHandle<Vec<String>>>,
    stop: Arc<AtomicBool>,
}

impl Posting {
    /// Lets all come to an end; what was acknowledged to them.
    pub(crate) async fn stopped(self) -> Acknowledged {
        self.stop.store(true, Ordering::Relaxed);
        let mut acknowledged = Acknowledged::default();
        for (number, client) in self.clients.into_iter().enumerate() {
            for id in client.await.unwrap() {
                acknowledged.note(&format!("A{number}"), &id);
            }
        }
        acknowledged
    }
}

/// Moves one application, each message to another bridge, and each again until it is acknowledged.
async fn move_on(application: String, door: Arc<Door>, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for step in 0.. {
        // An interview that began is ended, so that everybody has as many of both.
        if stop.load(Ordering::Relaxed) && step % 2 == 0 {
            break;
        }
        acknowledged.push(until_acknowledged(&application, step, &door).await);
    }
    acknowledged
}

/// Posts one message until it is acknowledged, and gives the event's id.
async fn until_acknowledged(application: &str, step: usize, door: &Door) -> String {
    let begun = Instant::now();
    loop {
        if let Some(post) = door.next()
            && let Ok(answer) = post(application, ["Interview", "Offer"][step % 2]).send().await
        {
            let status = answer.status();
            let away = status == 503 && answer.headers().contains_key("Retry-After");
            if let Ok(text) = answer.text().await
                && !away
            {
                assert_eq!(status, 200, "{text}");
                assert_eq!(element(&text, "Event_Type"), ["interview_started", "interview_ended"][step % 2]);
                return element(&text, "Event_ID").to_owned();
            }
        }
        assert!(begun.elapsed() < PATIENCE, "some bridge answers");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// No request of an application came before the one before was answered.
pub(crate) fn never_two_at_once(relay: &Relay) {
    let mut last: HashMap<String, jiff::Timestamp> = HashMap::new();
    for received in arrivals(relay, "acme") {
        let application = received.body["job_application_id"].as_str().unwrap().to_owned();
        if let Some(before) = last.insert(application.clone(), received.at) {
            let apart = received.at.duration_since(before).as_millis();
            assert!(apart >= i128::from(ANSWER) - 1, "{application}: two requests within {apart} ms");
        }
    }
}
