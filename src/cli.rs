//! The command line: a file a command, each of them thin.
//!
//! Data goes to standard output, diagnostics to standard error. Exit codes: 0 done, 1 failed,
//! 2 bad usage or bad input.

mod api;
pub mod check;
mod columns;
pub mod convert;
pub mod credentials;
pub mod demo;
pub mod doctor;
pub mod erase;
pub mod events;
pub mod init;
mod input;
pub mod reconcile;
pub mod reload;
pub mod relocate;
pub mod sandbox;
pub mod send;
pub mod serve;
pub mod stats;
pub mod wsdl;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

/// The exit code of a command that failed.
const FAILED: u8 = 1;

/// The exit code of bad usage and bad input.
const BAD_INPUT: u8 = 2;

/// A SOAP bridge between Workday Recruiting and imper.ai.
#[derive(Debug, Parser)]
#[command(name = "imper-bridge", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the bridge; without a configuration: organisation `demo`, in-process, loopback only
    Serve(serve::Options),
    /// Show the whole journey on loopback: messages in, decisions, JSON at a stand-in relay
    Demo(demo::Options),
    /// Write a commented starter configuration
    Init(init::Options),
    /// Validate a configuration and reach its store, relays and Workday, a line per check
    Check(check::Options),
    /// Turn messages into candidate events, a line of JSON each, without a server
    Convert(convert::Options),
    /// Print the WSDL of an endpoint
    Wsdl(wsdl::Options),
    /// Post messages to a running bridge and print what became of them
    Send(send::Options),
    /// Look at the events of a running bridge, follow them, and deliver them anew
    Events(events::Options),
    /// Print the figures of a running bridge, a line for each organisation
    Stats(stats::Options),
    /// Print which credentials a running bridge has seen in use, and when last
    Credentials(credentials::Options),
    /// Tell a running bridge to read its configuration again, and print what changed
    Reload(reload::Options),
    /// Compare what a running bridge knows with what Workday reports now
    Reconcile(reconcile::Options),
    /// Remove what identifies one candidate from a running bridge
    Erase(erase::Options),
    /// Write a bundle for support: versions, configuration, queue figures and recent errors, without secrets
    Doctor(doctor::Options),
    /// Carry a journal from a file into an empty PostgreSQL database, and compare both
    Move(relocate::Options),
    /// Run a stand-in relay that prints what it receives and answers as told
    Sandbox(sandbox::Options),
}

impl Command {
    fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Serve(options) => serve::run(options),
            Self::Demo(options) => demo::run(&options),
            Self::Init(options) => init::run(&options),
            Self::Check(options) => check::run(&options),
            Self::Convert(options) => convert::run(&options),
            Self::Wsdl(options) => wsdl::run(&options),
            Self::Send(options) => send::run(&options),
            Self::Events(options) => events::run(&options),
            Self::Stats(options) => stats::run(&options),
            Self::Credentials(options) => credentials::run(&options),
            Self::Reload(options) => reload::run(&options),
            Self::Erase(options) => erase::run(&options),
            Self::Reconcile(options) => reconcile::run(&options),
            Self::Doctor(options) => doctor::run(&options),
            Self::Move(options) => relocate::run(&options),
            Self::Sandbox(options) => sandbox::run(&options),
        }
    }
}

/// The command line as it is parsed, without doing anything.
pub fn command_line() -> clap::Command {
    Cli::command()
}

/// Does what the process's arguments ask for.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    install_crypto();
    cli.command.run().unwrap_or_else(|error| {
        // Whoever reads our output may stop early, as `head` does.
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        eprintln!("imper-bridge: {error:#}");
        let is_bad_input = error.downcast_ref::<api::Declined>().is_some_and(|declined| declined.is_bad_input);
        ExitCode::from(if is_bad_input { BAD_INPUT } else { FAILED })
    })
}

/// Chooses the process's provider of cryptography, which TLS takes from here. Calling it again
/// changes nothing.
pub fn install_crypto() {
    // An error only says that one is chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A runtime for commands that wait for the network.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Prints each value on a line of its own.
fn json_lines(values: &[serde_json::Value]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    values.iter().try_for_each(|value| writeln!(output, "{value}"))
}

/// Waits for SIGTERM or SIGINT.
async fn until_told_to_stop() -> io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command_line().debug_assert();
    }
}
