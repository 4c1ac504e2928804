//! `imper-bridge serve`: runs the bridge until it is told to stop.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::BAD_INPUT;
use crate::app::{self, Origin};
use crate::config::Environment;
use crate::log;
use crate::net::{InheritError, Inherited};

/// What `serve` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How lines of the log are written: for people, or as an object of JSON each
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum LogFormat {
    #[default]
    Human,
    Json,
}

/// Runs the bridge. Prints where it listens, a line per listener, once it does; SIGHUP reloads,
/// SIGTERM and SIGINT drain. Listeners that systemd hands over are taken in place of the configured ones.
///
/// # Errors
/// When the configuration, a listener or the store is not usable.
pub fn run(options: Options) -> anyhow::Result<ExitCode> {
    let inherited = Inherited::take();
    log::start(match options.log_format {
        LogFormat::Human => log::Format::Human,
        LogFormat::Json => log::Format::Json,
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(Origin { file: options.config, environment: Environment::of_process() }, inherited))
}

async fn serve(origin: Origin, inherited: Result<Inherited, InheritError>) -> anyhow::Result<ExitCode> {
    // Taken before anything is built, so that no signal finds the process unprepared.
    let (mut hangup, mut terminate) = (signal(SignalKind::hangup())?, signal(SignalKind::terminate())?);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let loaded = match origin.load() {
        Ok(loaded) => loaded,
        Err(faults) => {
            eprintln!("{faults}");
            return Ok(ExitCode::from(BAD_INPUT));
        }
    };
    let inherited = match inherited.and_then(|inherited| inherited.beside(&loaded.settings)) {
        Ok(inherited) => inherited,
        Err(error) => {
            eprintln!("imper-bridge: {error}");
            return Ok(ExitCode::from(BAD_INPUT));
        }
    };
    let running = app::start(loaded, origin, inherited).await?;
    let mut output = std::io::stdout();
    writeln!(output, "public {}\nadmin {}", running.public_url(), running.admin_url())?;
    output.flush()?;
    loop {
        tokio::select! {
            _ = hangup.recv() => running.reload(),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    running.drain().await;
    Ok(ExitCode::SUCCESS)
}
