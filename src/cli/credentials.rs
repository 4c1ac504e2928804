//! `imper-bridge credentials`: which credentials a running bridge has seen in use.

use std::io;
use std::process::ExitCode;

use reqwest::Method;
use serde_json::Value;

use super::api::{Api, Place};
use super::columns::{self, cell};
use crate::domain::OrgId;

/// What `credentials` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Only this organisation's
    #[arg(long, value_name = "ORGANISATION")]
    org: Option<OrgId>,
    /// A line of JSON for each credential instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Asks the bridge and prints a line for each credential, named by its key.
///
/// # Errors
/// When the bridge cannot be reached or refuses.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let api = Api::of(&options.place)?;
    let query: Vec<_> = options.org.iter().map(|org| ("orgid", org.as_str())).collect();
    let answer = super::runtime()?.block_on(api.call(Method::GET, &["credentials"], &query, None))?;
    let credentials = answer["credentials"].as_array().cloned().unwrap_or_default();
    if options.json {
        super::json_lines(&credentials)?;
    } else {
        let rows: Vec<_> = credentials.iter().map(|credential| row(credential, &answer["since"])).collect();
        columns::write(&mut io::stdout().lock(), &["ORGANISATION", "KEY", "LAST USED"], &rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(credential: &Value, since: &Value) -> Vec<String> {
    let last = match &credential["last_used_at"] {
        Value::Null => format!("not since {}", cell(since)),
        at => cell(at),
    };
    vec![cell(&credential["orgid"]), cell(&credential["key"]), last]
}
