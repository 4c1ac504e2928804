//! `imper-bridge events`: the events of a running bridge, from the terminal.

mod replay;
mod tail;

use std::io::{self, Write};
use std::process::ExitCode;

use reqwest::Method;
use serde_json::Value;

use self::replay::How;

use super::api::{Api, Place};
use super::columns::{self, cell};
use super::{BAD_INPUT, json_lines};

/// What `events` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// The latest events, newest first
    List {
        #[command(flatten)]
        filter: Filter,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        #[command(flatten)]
        view: View,
    },
    /// One event, with every attempt to deliver it
    Show {
        /// Its id
        event_id: String,
        #[command(flatten)]
        view: View,
    },
    /// Events as they come, until interrupted
    Tail {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        view: View,
    },
    /// Deliver events anew: these, or all dead letters that pass the filter
    Replay {
        /// Their ids
        #[arg(value_name = "EVENT_ID", conflicts_with_all = ["org", "event_type", "state", "application", "candidate", "since", "until", "dry_run"])]
        event_ids: Vec<String>,
        #[command(flatten)]
        filter: Filter,
        /// Only count
        #[arg(long)]
        dry_run: bool,
        /// Also those that a later boundary of their application has superseded
        #[arg(long)]
        force: bool,
        /// The counts as JSON instead of a sentence
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// How events are shown, and of which bridge.
#[derive(Debug, clap::Args)]
struct View {
    /// A line of JSON for each instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Which events.
#[derive(Debug, clap::Args)]
struct Filter {
    /// Only this organisation's
    #[arg(long, value_name = "ORG")]
    org: Option<String>,
    /// Only this type: interview_started, interview_ended or state_changed
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Only this state: none, pending, delivered or dead
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Only this job application's
    #[arg(long, value_name = "ID")]
    application: Option<String>,
    /// Only this candidate's
    #[arg(long, value_name = "ID")]
    candidate: Option<String>,
    /// Received at or after this RFC 3339 time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Received before this RFC 3339 time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl Filter {
    /// The keys of the API that are given.
    fn keys(&self) -> Vec<(&'static str, &str)> {
        let keys = [
            ("orgid", &self.org),
            ("event_type", &self.event_type),
            ("state", &self.state),
            ("job_application_id", &self.application),
            ("candidate_id", &self.candidate),
            ("since", &self.since),
            ("until", &self.until),
        ];
        keys.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?))).collect()
    }
}

const HEADINGS: [&str; 8] =
    ["RECEIVED", "EVENT", "ORGANISATION", "TYPE", "APPLICATION", "STAGE", "DELIVERY", "LAST ERROR"];

/// Does what is asked for.
///
/// # Errors
/// When the bridge cannot be reached or refuses.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let runtime = super::runtime()?;
    match &options.action {
        Action::List { filter, limit, view } => runtime.block_on(list(filter, *limit, view))?,
        Action::Show { event_id, view } => runtime.block_on(show(event_id, view))?,
        Action::Tail { filter, view } => runtime.block_on(tail::tail(filter, view))?,
        Action::Replay { event_ids, filter, dry_run, force, json, place } => {
            if event_ids.is_empty() && filter.keys().is_empty() {
                eprintln!("imper-bridge: name the events, or give at least one filter such as --org or --since");
                return Ok(ExitCode::from(BAD_INPUT));
            }
            let how = How { dry_run: *dry_run, force: *force, json: *json };
            if event_ids.is_empty() {
                runtime.block_on(replay::all(filter, &how, place))?;
            } else {
                runtime.block_on(replay::each(event_ids, &how, place))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(filter: &Filter, limit: u16, view: &View) -> anyhow::Result<()> {
    let limit = limit.to_string();
    let mut query = filter.keys();
    query.push(("limit", &limit));
    let page = Api::of(&view.place)?.call(Method::GET, &["events"], &query, None).await?;
    let events = page["events"].as_array().cloned().unwrap_or_default();
    if view.json {
        return Ok(json_lines(&events)?);
    }
    let rows: Vec<_> = events.iter().map(row).collect();
    Ok(columns::write(&mut io::stdout().lock(), &HEADINGS, &rows)?)
}

fn row(event: &Value) -> Vec<String> {
    let delivery = &event["delivery"];
    let keys = ["received_at", "event_id", "orgid", "event_type", "job_application_id", "stage"];
    let mut row: Vec<_> = keys.iter().map(|key| cell(&event[key])).collect();
    row.push(match delivery["attempts"].as_u64() {
        Some(attempts) if attempts > 1 => format!("{} ({attempts} attempts)", cell(&delivery["state"])),
        _ => cell(&delivery["state"]),
    });
    row.push(cell(&delivery["last_error"]));
    row
}

async fn show(id: &str, view: &View) -> anyhow::Result<()> {
    let event = Api::of(&view.place)?.call(Method::GET, &["events", id], &[], None).await?;
    if view.json {
        return Ok(json_lines(&[event])?);
    }
    let mut output = io::stdout().lock();
    for key in
        ["event_id", "orgid", "event_type", "outcome", "candidate_id", "job_application_id", "job_requisition_id"]
    {
        writeln!(output, "{key:<20}{}", cell(&event[key]))?;
    }
    for key in ["stage", "step", "status", "timestamp", "received_at", "source", "duplicates", "superseded"] {
        writeln!(output, "{key:<20}{}", cell(&event[key]))?;
    }
    let decision = &event["decision"];
    let moved = format!("was {}, is {}", cell(&decision["was"]), cell(&decision["is"]));
    writeln!(output, "{:<20}{moved}: {}", "decision", cell(&decision["because"]))?;
    writeln!(output, "{:<20}{}", "delivery", cell(&event["delivery"]["state"]))?;
    let attempts = event["attempts_log"].as_array().cloned().unwrap_or_default();
    if !attempts.is_empty() {
        writeln!(output)?;
        let keys = ["at", "outcome", "status", "latency_ms", "error", "answer"];
        let rows: Vec<Vec<_>> =
            attempts.iter().map(|attempt| keys.iter().map(|key| cell(&attempt[key])).collect()).collect();
        columns::write(&mut output, &["ATTEMPT", "OUTCOME", "STATUS", "MS", "ERROR", "ANSWER"], &rows)?;
    }
    Ok(())
}
