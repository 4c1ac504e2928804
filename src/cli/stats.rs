//! `imper-bridge stats`: the figures of a running bridge.

use std::io;
use std::process::ExitCode;

use reqwest::Method;
use serde_json::Value;

use super::api::{Api, Place};
use super::columns::{self, cell};

/// What `stats` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// A line of JSON for each organisation instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

const HEADINGS: [&str; 9] =
    ["ORGANISATION", "ACCEPTED", "DELIVERED", "WAITING", "DEAD", "LATE", "DELIVERED THROUGH", "LAST MESSAGE", "STATE"];

/// Asks the bridge and prints a line for each organisation.
///
/// # Errors
/// When the bridge cannot be reached or refuses.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let api = Api::of(&options.place)?;
    let stats = super::runtime()?.block_on(api.call(Method::GET, &["stats"], &[], None))?;
    let organisations = stats["organisations"].as_array().cloned().unwrap_or_default();
    if options.json {
        super::json_lines(&organisations)?;
    } else {
        let rows: Vec<_> = organisations.iter().map(row).collect();
        columns::write(&mut io::stdout().lock(), &HEADINGS, &rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(of: &Value) -> Vec<String> {
    let keys = ["orgid", "accepted", "delivered", "pending", "dead", "late", "delivered_through", "last_message_at"];
    let mut row: Vec<_> = keys.iter().map(|key| cell(&of[key])).collect();
    row.push(match (&of["paused"], &of["silent"], &of["details"]["denied"]) {
        (Value::Bool(true), ..) => {
            format!("paused ({}) since {}", cell(&of["paused_because"]), cell(&of["paused_since"]))
        }
        _ if of["held_until"].is_string() => format!("the relay asked to wait until {}", cell(&of["held_until"])),
        _ if of["failing_because"].is_string() => {
            format!("{} since {}", cell(&of["failing_because"]), cell(&of["failing_since"]))
        }
        (_, Value::Bool(true), _) => "silent".into(),
        (.., Value::Bool(true)) => {
            format!("Workday denies the details of {} protections", cell(&of["details"]["waiting"]))
        }
        _ => "ok".into(),
    });
    row
}
