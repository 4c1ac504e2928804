//! `imper-bridge erase`: removes what identifies one candidate from a running bridge.

use std::io::{self, Write};
use std::process::ExitCode;

use reqwest::Method;

use super::api::{Api, Place};

/// What `erase` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The organisation
    #[arg(long, value_name = "ORG")]
    org: String,
    /// The candidate's id, as the messages give it
    #[arg(long, value_name = "ID")]
    candidate: String,
    /// End open interviews first, and erase once everything is delivered
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    place: Place,
}

/// Asks for the erasure and prints its receipt.
///
/// # Errors
/// When the bridge cannot be reached or refuses.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let api = Api::of(&options.place)?;
    let path = ["candidates", &options.org, &options.candidate];
    let force: &[_] = if options.force { &[("force", "true")] } else { &[] };
    let receipt = super::runtime()?.block_on(api.call(Method::DELETE, &path, force, None))?;
    writeln!(io::stdout(), "{receipt}")?;
    if receipt["state"] != "done" {
        eprintln!(
            "imper-bridge: events of the candidate still wait for delivery; they are erased after that. \
             GET /api/v1/erasures shows the receipt."
        );
    }
    Ok(ExitCode::SUCCESS)
}
