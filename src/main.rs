//! The command line; everything is in the library.

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    imper_bridge::cli::serve::run(std::env::args_os().nth(3).map(Into::into))
}
