//! `imper-bridge demo`: the whole journey on loopback. A real bridge with a throw-away journal, a
//! stand-in relay and a second bridge, and the fixtures posted by HTTP; each message with what became
//! of it.

mod chain;
mod journey;
mod table;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use secrecy::ExposeSecret;

use self::chain::CHAIN;
use self::journey::{JOURNEY, Step};
use self::table::Table;
use super::sandbox::{Received, Sandbox};
use super::{FAILED, input, send};
use crate::app::{self, Origin, Running};
use crate::config::{Environment, Settings};
use crate::net::Inherited;

/// What `demo` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// End after the journey: with 0 only if all came out as expected
    #[arg(long)]
    exit: bool,
}

/// Long enough for any machine; only something that is broken takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the relay answers: its first answer is a failure, so that a retry is seen.
const ANSWERS: &str = "503,200";

/// What came of one step.
struct Came {
    /// The answer's HTTP status.
    status: u16,
    /// Its outcome, or the code of its fault.
    outcome: String,
    /// What a fault says.
    message: Option<String>,
    /// The decided event type.
    event_type: Option<String>,
    /// The event's id.
    event_id: Option<String>,
    /// Every request of the relay's that was about this event.
    relayed: Vec<Received>,
}

/// Goes through the journey and prints it.
///
/// # Errors
/// When the bridge or the stand-in relay cannot be started on loopback.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(journey(options))
}

async fn journey(options: &Options) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("no folder for a throw-away journal")?;
    let sandbox = Sandbox::start(ANSWERS.parse()?)?;
    let other = start(folder.path(), "other", PROTECTS).await?;
    let running = start(folder.path(), "demo", &forwards(&sandbox, &other)).await?;
    let steps = JOURNEY.len() + CHAIN.len();
    let mut table = Table::new(io::stdout(), io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    table.heading(steps)?;
    let client = Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let mut wrong = 0;
    for (number, step) in JOURNEY.iter().enumerate() {
        let came = take(step, &client, &running, &sandbox).await?;
        let faults = step.judge(&came);
        wrong += usize::from(!faults.is_empty());
        table.step(number + 1, step, &came, &faults)?;
    }
    for (number, link) in CHAIN.iter().enumerate() {
        let came = chain::take(link, &client, &running, &other).await?;
        wrong += usize::from(!came.is_right);
        table.link(JOURNEY.len() + number + 1, link, &came)?;
    }
    table.verdict(steps, wrong)?;
    if !options.exit {
        let (admin, token) = (running.admin_url(), running.admin_token().expose_secret());
        writeln!(
            io::stdout(),
            "The bridge stays up; press Ctrl-C to end it.\n  endpoint  {}soap/demo\n  console   {admin}  (token: {token})\n  events    curl -H 'Authorization: Bearer {token}' {admin}api/v1/events",
            running.public_url()
        )?;
        super::until_told_to_stop().await?;
    }
    running.drain().await;
    other.drain().await;
    Ok(ExitCode::from(if wrong == 0 { 0 } else { FAILED }))
}

/// What the second bridge is for.
const PROTECTS: &str = "[org.demo]\nhandler = \"in_process\"\nauth.none = true\n[org.demo.intake]\nkey = \"demo\"\n";

/// What the first bridge is for: two relays that are stand-ins, and one that is the other bridge.
fn forwards(sandbox: &Sandbox, other: &Running) -> String {
    let org = |name: &str, relay: &str, more: &str| {
        format!("[org.{name}]\nauth.none = true\n[org.{name}.relay]\nurl = \"{relay}\"\napi_key = \"demo\"\n{more}")
    };
    let (relay, other) = (sandbox.url(), other.public_url());
    [
        org("demo", &format!("{relay}/webhooks/demo/workday"), ""),
        org("studio", &format!("{relay}/webhooks/studio/workday"), "payload = \"state_change\"\n"),
        org(chain::ORG, &format!("{other}webhooks/demo/workday"), ""),
    ]
    .concat()
}

async fn start(folder: &Path, name: &str, organisations: &str) -> anyhow::Result<Running> {
    let text = format!(
        "listen = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [store]\nurl = 'sqlite:{}'\nmin_free_mb = 0\n[delivery]\nfirst_retry_seconds = 0.2\n{organisations}",
        folder.join(format!("{name}.db")).display(),
    );
    // Nothing of the caller's environment changes what a newcomer sees.
    let environment = Environment::default();
    let loaded = Settings::from_toml("the demo's configuration", &text, folder, &environment)?;
    app::start(loaded, Origin { file: None, environment }, Inherited::default()).await
}

async fn take(step: &Step, client: &Client, running: &Running, sandbox: &Sandbox) -> anyhow::Result<Came> {
    let url = running.public_url().join(&format!("soap/{}", step.org))?;
    let request = client.post(url).header(CONTENT_TYPE, input::content_type(step.body)).body(step.body);
    let answer = request.send().await.context("the bridge does not answer")?;
    let status = answer.status().as_u16();
    let leaves = send::leaves(&answer.bytes().await?).context("the bridge's answer is no XML")?;
    let leaf = |name: &str| leaves.get(name).cloned();
    let event_id = leaf("Event_ID");
    let outcome = leaf("Outcome").or_else(|| leaf("Code")).unwrap_or_default();
    let relayed = match &event_id {
        Some(id) if step.is_relayed() => wait_for(sandbox, id).await,
        _ => Vec::new(),
    };
    Ok(Came { status, outcome, message: leaf("Message"), event_type: leaf("Event_Type"), event_id, relayed })
}

/// What the relay received of an event, once it took it.
async fn wait_for(sandbox: &Sandbox, event_id: &str) -> Vec<Received> {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mut received = sandbox.received();
        received.retain(|one| one.idempotency_key.as_deref() == Some(event_id));
        let taken = received.iter().any(|one| one.answered == 200);
        if taken || tokio::time::Instant::now() >= until {
            return received;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
