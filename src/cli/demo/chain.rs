//! The end of the demo: a bridge whose relay is another bridge's JSON intake, which protects the
//! candidate by itself.

use anyhow::Context;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::PATIENCE;
use crate::app::Running;
use crate::cli::input;

/// A message, and whether the candidate is protected once it has gone through.
pub(super) struct Link {
    pub(super) about: &'static str,
    pub(super) fixture: &'static str,
    body: &'static [u8],
    active: bool,
}

/// What came of it.
pub(super) struct Linked {
    /// The protection, as the other bridge shows it.
    pub(super) protection: Option<Value>,
    /// Whether it is as it should be.
    pub(super) is_right: bool,
}

/// The organisation that forwards, at the first bridge.
pub(super) const ORG: &str = "chained";

pub(super) const CHAIN: &[Link] = &[
    Link {
        about: "Forwarded to another bridge, which turns the protection on",
        fixture: "seed.xml",
        body: include_bytes!("../../../fixtures/seed.xml"),
        active: true,
    },
    Link {
        about: "The interview is over: it turns the protection off",
        fixture: "seed-leaving.xml",
        body: include_bytes!("../../../fixtures/seed-leaving.xml"),
        active: false,
    },
];

/// Posts the message to one bridge and waits for the other.
pub(super) async fn take(link: &Link, client: &Client, one: &Running, other: &Running) -> anyhow::Result<Linked> {
    let url = one.public_url().join(&format!("soap/{ORG}"))?;
    let request = client.post(url).header(CONTENT_TYPE, input::content_type(link.body)).body(link.body);
    request.send().await.context("the bridge does not answer")?.error_for_status()?;
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let protection = protection(client, other).await?;
        let is_right = protection.as_ref().is_some_and(|protection| protection["active"] == link.active);
        if is_right || tokio::time::Instant::now() >= until {
            return Ok(Linked { protection, is_right });
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// The only protection that the bridge knows.
async fn protection(client: &Client, bridge: &Running) -> anyhow::Result<Option<Value>> {
    let url = bridge.admin_url().join("api/v1/protections")?;
    let answer = client.get(url).bearer_auth(bridge.admin_token().expose_secret()).send().await?;
    let page: Value = serde_json::from_slice(&answer.error_for_status()?.bytes().await?)?;
    Ok(page["protections"].get(0).cloned())
}
