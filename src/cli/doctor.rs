//! `imper-bridge doctor`: a bundle for whoever is asked for help, without secrets and without anything
//! of candidates. It is one archive of small texts, so that it can be looked through before it is sent.

mod bundle;
mod machine;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use self::bundle::Bundle;
use super::api::{Api, Place};
use crate::config::{Environment, Settings};

/// What `doctor` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Where to write the bundle; `-` is standard output [default: imper-bridge-doctor-TIME.tar.gz here]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

const ABOUT: &str = "\
What imper-bridge doctor found, for whoever is asked for help.

versions.json       the program and the machine
configuration.json  the configuration; texts that are not known to be harmless are ***
files.json          the journal's files and the room beside them
bridge.json         whether the running bridge answers, and whether it takes events
queue.json          figures per organisation: what waits, since when, what is paused and why
metrics.txt         all figures
log.json            the latest warnings and errors of the running bridge

It holds no secrets, no messages, and no id of a candidate or of a job application. Where the bridge
does not run, the last three are missing.
";

/// Gathers what there is and writes the bundle.
///
/// # Errors
/// When the bundle cannot be written. That something cannot be found out stands in it.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let now = Timestamp::now();
    let mut bundle = Bundle::new(now);
    let (file, environment) = (options.place.config(), Environment::of_process());
    let loaded = Settings::load(file, &environment);
    bundle.add("README.txt", ABOUT.into())?;
    bundle.add_json("versions.json", &machine::versions())?;
    let faults =
        loaded.as_ref().err().map(|faults| faults.0.iter().map(|fault| fault.key.as_str()).collect::<Vec<_>>());
    let shown = Settings::without_secrets(file, &environment);
    bundle.add_json("configuration.json", &json!({ "configuration": shown, "faulty": faults }))?;
    if let Ok(loaded) = &loaded {
        bundle.add_json("files.json", &machine::files(&loaded.settings.store))?;
    }
    if let Err(reason) = super::runtime()?.block_on(ask(&options.place, &mut bundle)) {
        eprintln!("imper-bridge: the bridge was not asked ({reason:#}); the bundle holds what can be known without it");
        // The reason may quote the configuration, which is for whoever runs this.
        bundle.add_json("bridge.json", &json!({ "runs": false }))?;
    }
    let written = bundle.finish()?;
    match &options.output {
        Some(output) if output.as_os_str() == "-" => io::stdout().write_all(&written)?,
        output => {
            let file = output.clone().unwrap_or_else(|| bundle::name(now).into());
            bundle::write(&file, &written).with_context(|| format!("cannot write {}", file.display()))?;
            writeln!(io::stdout(), "{}", file.display())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Adds what the running bridge tells.
async fn ask(place: &Place, bundle: &mut Bundle) -> anyhow::Result<()> {
    let api = Api::of(place)?;
    let (status, said) = api.open("readyz").await?;
    bundle.add_json("bridge.json", &json!({ "runs": true, "ready": status == 200, "says": said.trim() }))?;
    bundle.add("metrics.txt", api.open("metrics").await?.1)?;
    let mut stats = api.call(Method::GET, &["stats"], &[], None).await?;
    for organisation in stats["organisations"].as_array_mut().into_iter().flatten() {
        // Stages are what senders wrote; how many there are is enough.
        let seen = organisation["stages_seen"].as_array().map_or(0, Vec::len);
        organisation["stages_seen"] = Value::from(seen);
        if organisation["paused_by"] == "operator" {
            // The name of a token, which may be somebody's.
            organisation["paused_because"] = Value::Null;
        }
    }
    bundle.add_json("queue.json", &stats)?;
    bundle.add_json("log.json", &api.call(Method::GET, &["log"], &[], None).await?)
}
