//! `imper-bridge reload`: tells a running bridge to read its configuration again.

use std::io::{self, Write};
use std::process::ExitCode;

use reqwest::Method;
use serde_json::Value;

use super::api::{Api, Place};

/// What `reload` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// What changed as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Asks the bridge and prints a line for each thing that changed. Where something is wrong with the
/// configuration, all of it is said, and the old one stays in force.
///
/// # Errors
/// When the bridge cannot be reached, refuses, or cannot use the configuration.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let api = Api::of(&options.place)?;
    let reloaded = super::runtime()?.block_on(api.call(Method::POST, &["reload"], &[], None))?;
    if options.json {
        super::json_lines(&[reloaded])?;
    } else {
        write(&reloaded, &mut io::stdout().lock())?;
        texts(&reloaded["warnings"]).for_each(|warning| eprintln!("imper-bridge: {warning}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn write(reloaded: &Value, to: &mut impl Write) -> io::Result<()> {
    let organisations = &reloaded["organisations"];
    let mut lines = Vec::new();
    for (kind, of) in [("organisation", organisations), ("token", &reloaded["tokens"])] {
        for what in ["added", "removed"] {
            lines.extend(texts(&of[what]).map(|name| format!("{what}: {kind} {name}")));
        }
    }
    for organisation in organisations["changed"].as_array().into_iter().flatten() {
        let keys: Vec<_> = texts(&organisation["keys"]).collect();
        let id = organisation["orgid"].as_str().unwrap_or_default();
        lines.push(format!("changed: organisation {id}: {}", keys.join(", ")));
    }
    lines.extend(texts(&reloaded["tokens"]["changed"]).map(|name| format!("changed: token {name}")));
    lines.extend(texts(&reloaded["keys"]).map(|key| format!("changed: {key}")));
    if lines.is_empty() {
        lines.push("nothing changed".into());
    }
    lines.extend(texts(&reloaded["at_next_start"]).map(|key| format!("at the next start: {key}")));
    lines.iter().try_for_each(|line| writeln!(to, "{line}"))
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}
