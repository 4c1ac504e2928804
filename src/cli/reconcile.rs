//! `imper-bridge reconcile`: what a running bridge knows, held against what Workday reports now.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::Value;

use super::api::{Api, Place};
use super::columns::{self, cell};
use super::{FAILED, json_lines};

/// What `reconcile` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The organisation
    #[arg(long, value_name = "ORG")]
    org: String,
    /// Journal the events that are missing
    #[arg(long)]
    apply: bool,
    /// A line of JSON for each difference instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

const HEADINGS: [&str; 7] = ["APPLICATION", "CANDIDATE", "KNOWN", "WORKDAY", "STAGE", "STATUS", "DONE"];

/// How often the sign of life moves.
const TICK: Duration = Duration::from_millis(125);

/// Asks the bridge to compare, and prints the differences. It fails where some are left.
///
/// # Errors
/// When the bridge cannot be reached or refuses, or Workday does not tell.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let api = Api::of(&options.place)?;
    let (path, apply) = (["organisations", &options.org, "reconcile"], if options.apply { "true" } else { "false" });
    let waiting = waiting(&options.org)?;
    let answer = super::runtime()?.block_on(api.call(Method::POST, &path, &[("apply", apply)], None));
    waiting.finish_and_clear();
    let answer = answer?;
    let differences = answer["differences"].as_array().cloned().unwrap_or_default();
    if options.json {
        json_lines(&differences)?;
    } else if !differences.is_empty() {
        let rows: Vec<_> = differences.iter().map(row).collect();
        columns::write(&mut io::stdout().lock(), &HEADINGS, &rows)?;
    }
    if !options.json {
        eprintln!(
            "{} applications compared, {} not shown by Workday, {} differ",
            cell(&answer["compared"]),
            cell(&answer["not_shown"]),
            differences.len()
        );
    }
    let left = |difference: &Value| difference["event_id"].is_null() && difference["overtaken"] != true;
    Ok(if differences.iter().any(left) { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

/// Shows that the comparison is under way, on a terminal only. How far it is only the bridge knows.
fn waiting(org: &str) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{spinner} asking Workday for the applications of {msg}, {elapsed}")?;
    let bar = ProgressBar::new_spinner().with_style(style).with_message(org.to_owned());
    // At once: the thread that ticks may not have begun before the answer is there.
    bar.tick();
    bar.enable_steady_tick(TICK);
    Ok(bar)
}

fn row(difference: &Value) -> Vec<String> {
    let keys = ["job_application_id", "candidate_id", "known", "workday", "stage", "status"];
    let mut row: Vec<_> = keys.iter().map(|key| cell(&difference[key])).collect();
    if difference["workday"].is_null() {
        row[3] = "not shown".into();
    }
    row.push(match (&difference["event_type"], &difference["overtaken"]) {
        (Value::String(event_type), _) => format!("{event_type} journalled"),
        (_, Value::Bool(true)) => "nothing: what is known is later".into(),
        _ if difference["workday"].is_null() => "nothing: look it up in Workday".into(),
        _ => "nothing yet: --apply journals it".into(),
    });
    row
}
