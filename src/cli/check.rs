//! `imper-bridge check`: is the configuration right, and is what it names within reach?

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use secrecy::ExposeSecret;
use url::Url;

use super::{FAILED, send};
use crate::config::{Delivery, Environment, Handler, Loaded, OrganisationSettings, Relay, Settings, Store};
use crate::delivery::relay;

mod store;
mod workday;

/// What `check` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The configuration; without it the built-in one
    #[arg(long)]
    config: Option<PathBuf>,
}

/// Prints a line per thing checked: `ok`, `note` or `FAIL`, what, and what to do about a failure.
///
/// # Errors
/// When the output cannot be written.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let mut report = Report { output: io::stdout(), failures: 0 };
    let name = options.config.as_ref().map_or("the built-in configuration".into(), |path| path.display().to_string());
    match Settings::load(options.config.as_deref(), &Environment::of_process()) {
        Ok(loaded) => {
            let ids: Vec<&str> = loaded.settings.organisations.iter().map(|one| one.id.as_str()).collect();
            report.ok("configuration", &format!("{name} with organisations {}", ids.join(", ")))?;
            super::runtime()?.block_on(check(&mut report, &loaded, store::check))?;
        }
        Err(faults) => {
            for fault in &faults.0 {
                report.fail("configuration", &fault.to_string())?;
            }
        }
    }
    Ok(if report.failures == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

struct Report<W> {
    output: W,
    failures: usize,
}

impl<W: Write> Report<W> {
    fn ok(&mut self, what: &str, found: &str) -> io::Result<()> {
        writeln!(self.output, "ok    {what}: {found}")
    }

    fn note(&mut self, what: &str, found: &str) -> io::Result<()> {
        writeln!(self.output, "note  {what}: {found}")
    }

    fn fail(&mut self, what: &str, problem: &str) -> io::Result<()> {
        self.failures += 1;
        writeln!(self.output, "FAIL  {what}: {problem}")
    }

    fn result(&mut self, what: &str, result: anyhow::Result<String>) -> io::Result<()> {
        match result {
            Ok(found) => self.ok(what, &found),
            Err(problem) => self.fail(what, &format!("{problem:#}")),
        }
    }
}

async fn check<W: Write>(
    report: &mut Report<W>,
    loaded: &Loaded,
    store: fn(&Store) -> anyhow::Result<String>,
) -> io::Result<()> {
    let settings = &loaded.settings;
    for warning in &loaded.warnings {
        report.note("configuration", warning)?;
    }
    if let Some(tls) = &settings.tls {
        let asked = if tls.asks_for_certificates { "client certificates are asked for" } else { "clients show none" };
        report.ok("tls", &format!("{} with its key; {asked}", tls.certificate))?;
    }
    report.result("store", store(&settings.store))?;
    for OrganisationSettings { id, handler, workday, .. } in &settings.organisations {
        match handler {
            Handler::InProcess => report.ok(&format!("org.{id}"), "handled in-process; there is no relay to reach")?,
            Handler::Relay(relay) => {
                let reached = reach(relay, &settings.delivery).await;
                let advice = || format!("cannot reach {}", shown(&relay.url));
                report.result(&format!("org.{id}.relay"), reached.with_context(advice))?;
            }
        }
        if let Some(section) = workday {
            report.result(&format!("org.{id}.workday"), workday::reach(id, section, &settings.delivery).await)?;
        }
    }
    Ok(())
}

/// Asks the relay for the head of its page: that goes the whole way of a delivery and delivers
/// nothing, and shows no key to whoever answers.
async fn reach(relay: &Relay, delivery: &Delivery) -> anyhow::Result<String> {
    let client = relay::client(relay.ca.as_deref(), proxy(delivery)?.as_ref())?;
    let answer = client.head(relay.url.clone()).timeout(delivery.timeout).send().await;
    let answer = answer.map_err(|error| {
        let advice = if error.is_timeout() {
            "it took longer than delivery.timeout_seconds; check firewalls and delivery.proxy"
        } else {
            "check the host name, the network, delivery.proxy, and org.NAME.relay.ca for a certificate of your own"
        };
        anyhow::anyhow!("{}; {advice}", send::causes(&error.without_url()))
    })?;
    let way = if relay.url.scheme() == "https" { "TLS and HTTP work" } else { "HTTP works" };
    Ok(format!(
        "{} answered a HEAD request with {}: {way}; the API key was not tried",
        shown(&relay.url),
        answer.status()
    ))
}

fn proxy(delivery: &Delivery) -> anyhow::Result<Option<Url>> {
    Ok(delivery.proxy.as_ref().map(|proxy| proxy.expose_secret().parse::<Url>()).transpose()?)
}

/// A URL without its query, which may hold a key.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::super::{install_crypto, runtime, sandbox::Sandbox};
    use super::*;
    use std::path::Path;

    fn report(relay: &str) -> (usize, String) {
        install_crypto();
        let text = format!(
            "[org.acme]\nauth.bearer = 'a'\nrelay = {{ url = '{relay}?key=hunter2', api_key = 'hunter3' }}\n\
             [org.in]\nauth.none = true\nhandler = 'in_process'"
        );
        let loaded = Settings::from_toml("f.toml", &text, Path::new(""), &Environment::default()).unwrap();
        let mut report = Report { output: Vec::new(), failures: 0 };
        runtime().unwrap().block_on(check(&mut report, &loaded, |_| Ok("fine".into()))).unwrap();
        (report.failures, String::from_utf8(report.output).unwrap())
    }

    #[test]
    fn a_line_says_what_was_found() {
        let sandbox = Sandbox::start("405".parse().unwrap()).unwrap();
        let (failures, lines) = report(&format!("{}/hook", sandbox.url()));
        assert_eq!(failures, 0, "{lines}");
        assert!(lines.contains("ok    store: fine\n") && lines.contains("405 Method Not Allowed"), "{lines}");
        let received = sandbox.received();
        assert_eq!((received[0].method.as_str(), &received[0].authorization), ("HEAD", &None));
    }

    #[test]
    fn a_relay_out_of_reach_fails_with_advice_and_shows_no_key() {
        let sandbox = Sandbox::start("200".parse().unwrap()).unwrap();
        let url = sandbox.url();
        sandbox.stop();
        let (failures, lines) = report(&url);
        assert_eq!(failures, 1);
        assert!(lines.contains("FAIL  org.acme.relay: cannot reach") && lines.contains("delivery.proxy"), "{lines}");
        assert!(!lines.contains("hunter"), "{lines}");
    }
}
