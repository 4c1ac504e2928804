//! `imper-bridge serve`: runs the bridge until it is told to stop.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::app::{self, Origin};
use crate::config::Environment;

/// Runs the bridge. Prints where it listens, a line per listener, once it does; SIGHUP reloads,
/// SIGTERM and SIGINT drain.
///
/// # Errors
/// When the configuration, a listener or the store is not usable.
pub fn run(config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    log();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(Origin { file: config, environment: Environment::of_process() }))
}

async fn serve(origin: Origin) -> anyhow::Result<ExitCode> {
    // Taken before anything is built, so that no signal finds the process unprepared.
    let (mut hangup, mut terminate) = (signal(SignalKind::hangup())?, signal(SignalKind::terminate())?);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let loaded = match origin.load() {
        Ok(loaded) => loaded,
        Err(faults) => {
            eprintln!("{faults}");
            return Ok(ExitCode::from(2));
        }
    };
    let running = app::start(loaded, origin).await?;
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

/// Logs to standard error: `info` and above of the bridge, warnings of what it is built on, unless
/// `RUST_LOG` says otherwise; coloured on a terminal only. A line that cannot be written, as on a
/// full disk, is lost: complaining of it on standard error would panic in whatever logged it.
fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,imper_bridge=info"));
    let terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(terminal)
        .with_env_filter(filter)
        .log_internal_errors(false)
        .init();
}
