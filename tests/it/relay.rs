//! The stand-in relay that `imper-bridge sandbox` is, as the tests look at it.

use std::net::SocketAddr;

use imper_bridge::cli::sandbox::{Answers, Sandbox};
use serde_json::Value;

use crate::bridge::PATIENCE;

pub(crate) struct Relay {
    sandbox: Sandbox,
    /// What an earlier one at the same address received.
    earlier: Vec<Received>,
}

/// A relay that is away.
pub(crate) struct Away {
    address: SocketAddr,
    received: Vec<Received>,
}

#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// When it had arrived.
    pub(crate) at: jiff::Timestamp,
    pub(crate) path: String,
    pub(crate) idempotency_key: String,
    pub(crate) body: Value,
    headers: [(&'static str, Option<String>); 4],
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        let (_, value) = self.headers.iter().find(|(each, _)| *each == name).expect("a header that is kept");
        value.as_deref().unwrap_or_default()
    }
}

impl Relay {
    pub(crate) fn start() -> Self {
        Self { sandbox: Sandbox::start("200".parse().unwrap()).unwrap(), earlier: Vec::new() }
    }

    pub(crate) fn url(&self) -> String {
        self.sandbox.url()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.sandbox.address()
    }

    /// Answers by this script from now on; see `imper-bridge sandbox --answer`.
    pub(crate) fn answer(&self, script: &str) {
        self.sandbox.set_answers(script.parse().unwrap());
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        let now = self.sandbox.received().into_iter().map(|received| Received {
            at: received.at,
            path: received.path,
            idempotency_key: received.idempotency_key.unwrap_or_default(),
            body: serde_json::from_str(&received.body).unwrap(),
            headers: [
                ("authorization", received.authorization),
                ("content-type", received.content_type),
                ("user-agent", received.user_agent),
                ("traceparent", received.traceparent),
            ],
        });
        self.earlier.iter().cloned().chain(now).collect()
    }

    /// Waits until that many requests came.
    pub(crate) async fn wait_for(&self, count: usize) {
        let begun = std::time::Instant::now();
        while self.received().len() < count {
            assert!(begun.elapsed() < PATIENCE, "{count} requests were expected, {} came", self.received().len());
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Blocks until that many requests came since it started or came back.
    pub(crate) fn wait_for_all(&self, count: usize) {
        let received = self.sandbox.wait_for(count, 3 * PATIENCE).len();
        assert!(received >= count, "{count} requests were expected, {received} came");
    }

    /// Goes away; its port is closed.
    pub(crate) fn leave(self) -> Away {
        let away = Away { address: self.sandbox.address(), received: self.received() };
        self.sandbox.stop();
        away
    }
}

impl Away {
    /// Comes back at the same address.
    pub(crate) fn come_back(self) -> Relay {
        let answers = Answers::from("200".parse::<imper_bridge::cli::sandbox::Script>().unwrap());
        let sandbox = Sandbox::watched(self.address, answers, usize::MAX, |_| {}).unwrap();
        Relay { sandbox, earlier: self.received }
    }
}
