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
    /// Erase at once, also what is not delivered; the relay is told nothing
    #[arg(long)]
    undelivered: bool,
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
    let given = [("force", options.force), ("undelivered", options.undelivered)];
    let query: Vec<_> = given.into_iter().filter(|(_, given)| *given).map(|(name, _)| (name, "true")).collect();
    let receipt = super::runtime()?.block_on(api.call(Method::DELETE, &path, &query, None))?;
    writeln!(io::stdout(), "{receipt}")?;
    if receipt["state"] == "done" && receipt["events"] == 0 {
        eprintln!("imper-bridge: there was no event of this candidate; is the id spelled as in the messages?");
    }
    if receipt["state"] != "done" {
        eprintln!(
            "imper-bridge: events of the candidate still wait for delivery; they are erased after that. \
             GET /api/v1/erasures shows the receipt."
        );
    }
    Ok(ExitCode::SUCCESS)
}
