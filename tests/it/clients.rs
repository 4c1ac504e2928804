//! Clients as Workday is one: they post what happens one after the other, and each message again
//! until it is acknowledged.

use reqwest::RequestBuilder;
use tokio::task::JoinHandle;

use crate::bridge::{Bridge, element};
use crate::oracle::Acknowledged;

/// How many applications each client moves.
const APPLICATIONS: usize = 4;

/// Several clients, which outlive the bridges that they talk to.
pub(crate) struct Clients(Vec<Client>);

/// Those that are at work.
pub(crate) struct AtWork(Vec<JoinHandle<Client>>);

struct Client {
    number: usize,
    /// The number of the next message.
    step: usize,
    /// Whether that message was posted before and not answered.
    repeats: bool,
    acknowledged: Vec<(String, String)>,
}

impl Clients {
    pub(crate) fn new(count: usize) -> Self {
        let client = |number| Client { number, step: 0, repeats: false, acknowledged: Vec::new() };
        Self((0..count).map(client).collect())
    }

    /// Lets all post until the bridge answers no more.
    pub(crate) fn post_until_it_ends(self, bridge: &Bridge) -> AtWork {
        AtWork(self.0.into_iter().map(|client| tokio::spawn(client.post_all(bridge.poster("acme")))).collect())
    }

    /// Posts what was not answered once more; it is then. How much of it had been stored before.
    pub(crate) async fn repeat(&mut self, bridge: &Bridge) -> usize {
        let mut stored = 0;
        for client in self.0.iter_mut().filter(|client| client.repeats) {
            let outcome = client.post(&bridge.poster("acme")).await.expect("the bridge answers");
            stored += usize::from(outcome == "Duplicate");
        }
        stored
    }

    pub(crate) fn acknowledged(&self) -> Acknowledged {
        let mut all = Acknowledged::default();
        for (application, id) in self.0.iter().flat_map(|client| &client.acknowledged) {
            all.note(application, id);
        }
        all
    }
}

impl AtWork {
    /// Waits until all have given up.
    pub(crate) async fn stopped(self) -> Clients {
        let mut clients = Vec::new();
        for client in self.0 {
            clients.push(client.await.unwrap());
        }
        Clients(clients)
    }
}

impl Client {
    async fn post_all(mut self, request: impl Fn(&str, &str) -> RequestBuilder) -> Self {
        while self.post(&request).await.is_some() {}
        self
    }

    /// Posts the next message; its outcome, if it was answered.
    async fn post(&mut self, request: &impl Fn(&str, &str) -> RequestBuilder) -> Option<String> {
        let application = format!("S{}-{}", self.number, self.step % APPLICATIONS);
        let turn = (self.step / APPLICATIONS) % 2;
        let repeats = std::mem::replace(&mut self.repeats, true);
        let answer = request(&application, ["Interview", "Offer"][turn]).send().await.ok()?;
        let status = answer.status();
        let text = answer.text().await.ok()?;
        assert_eq!(status, 200, "{text}");
        assert_eq!(element(&text, "Event_Type"), ["interview_started", "interview_ended"][turn], "{application}");
        let outcome = element(&text, "Outcome").to_owned();
        assert!(outcome == "Accepted" || (repeats && outcome == "Duplicate"), "{application}: {text}");
        self.acknowledged.push((application, element(&text, "Event_ID").to_owned()));
        self.step += 1;
        self.repeats = false;
        Some(outcome)
    }
}
