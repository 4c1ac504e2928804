//! `imper-bridge sandbox`: a stand-in relay. It takes every request, shows what came, and answers
//! as told. `demo` and the tests use the same one, over the same HTTP.

mod answers;
mod server;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

pub use answers::{Answer, Answers, BadScript, Script};
pub use server::{Received, Sandbox};

/// What `sandbox` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// What to answer: statuses in turn, the last one for ever, such as 503x3,200; each may have a
    /// Retry-After and a delay in seconds, as in 429+2@0.5x3
    #[arg(long, value_name = "SCRIPT", default_value = "200", conflicts_with = "answer_file")]
    answer: Script,
    /// A file with such a script, read again for each request; a changed one starts anew
    #[arg(long, value_name = "FILE")]
    answer_file: Option<PathBuf>,
}

/// Runs the stand-in relay until it is interrupted.
///
/// # Errors
/// When it cannot listen.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let answers = match &options.answer_file {
        Some(file) => Answers::file(file),
        None => Answers::from(options.answer.clone()),
    };
    let sandbox = Sandbox::watched(options.listen, answers, 0, show)?;
    writeln!(io::stdout(), "listening {}", sandbox.url())?;
    super::runtime()?.block_on(super::until_told_to_stop())?;
    sandbox.stop();
    Ok(ExitCode::SUCCESS)
}

/// Prints a request as one line. Of the credentials only the scheme is shown.
fn show(received: &Received) {
    let header =
        |name: &str, value: &Option<String>| value.as_ref().map_or(String::new(), |value| format!(" {name}={value}"));
    let scheme = received.authorization.as_ref().map(|value| value.split(' ').next().unwrap_or_default().to_owned());
    let line = format!(
        "{:.3} {} {} {}{}{}{}{} {}",
        received.at,
        received.answered,
        received.method,
        received.path,
        header("authorization", &scheme),
        header("content-type", &received.content_type),
        header("idempotency-key", &received.idempotency_key),
        header("traceparent", &received.traceparent),
        received.body,
    );
    // A line is a line, whatever was sent: line breaks and terminal controls do not get through.
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // Nobody may be reading any more, which is no reason to stop answering.
    let _ = writeln!(io::stdout().lock(), "{line}");
}
