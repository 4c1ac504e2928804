//! `imper-bridge move`: carries a journal from a file into a database.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};

use super::{BAD_INPUT, FAILED};
use crate::config::Database;
use crate::journal::carried::{Sum, TABLES, Table};
use crate::journal::embedded::{self, Source};
use crate::journal::postgres::{OpenError, Target, TargetError};

/// How many rows a step carries.
const STEP: usize = 2_000;

/// What `move` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The journal's file, which no bridge has open
    #[arg(long, value_name = "sqlite:PATH", value_parser = file)]
    from: PathBuf,
    /// The empty database that takes it in
    #[arg(long, value_name = "postgres://USER@HOST/DATABASE")]
    to: SecretString,
    /// The variable that holds the database's password, where the URL holds none
    #[arg(long, value_name = "VARIABLE")]
    password_env: Option<String>,
}

fn file(url: &str) -> Result<PathBuf, String> {
    let path = url.strip_prefix("sqlite:").ok_or("a journal is moved out of a file, sqlite:PATH")?;
    Ok(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
}

/// Carries the journal over, compares both sides and prints their counts and checksums. After a kill
/// it goes on where it was.
///
/// # Errors
/// When the journal is in use, when the database does not answer, or holds something else.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let password = match &options.password_env {
        Some(name) => match std::env::var(name) {
            Ok(password) => Some(password.into()),
            Err(_) => return refused(format_args!("the variable {name} is not set")),
        },
        None => None,
    };
    let database = match Database::read(options.to.expose_secret()) {
        Ok(database) => database,
        Err(why) => return refused(format_args!("--to: {why}")),
    };
    let source = match Source::open(&options.from) {
        Err(error @ embedded::OpenError::Io { .. }) => return refused(format_args!("{error}")),
        source => source.context("the journal cannot be read")?,
    };
    let to = crate::journal::postgres::Options {
        url: database.url().clone(),
        password,
        keep_refused: Duration::ZERO,
        observer: Arc::new(()),
    };
    let target = match Target::open(&to, source.origin()) {
        Err(TargetError::Open(error @ OpenError::Url(_))) => return refused(format_args!("{error}")),
        target => target.context("the database cannot take the journal in")?,
    };
    carried(&source, target).context("it is not done; the same command goes on where this one stopped")
}

fn refused(why: std::fmt::Arguments<'_>) -> anyhow::Result<ExitCode> {
    eprintln!("imper-bridge: {why}");
    Ok(ExitCode::from(BAD_INPUT))
}

fn carried(source: &Source, mut target: Target) -> anyhow::Result<ExitCode> {
    let counts = TABLES.iter().map(|table| source.count(table)).collect::<Result<Vec<_>, _>>()?;
    let mut progress = Progress { done: 0, all: counts.iter().sum(), shown: io::stderr().is_terminal() };
    for (table, count) in TABLES.iter().zip(counts) {
        let (upto, before) = (target.upto(table)?, progress.done);
        source.rows::<anyhow::Error>(table, upto, STEP, &mut |rows| {
            target.put(table, &rows)?;
            progress.went_on(table.name, rows.len());
            Ok(())
        })?;
        progress.done = before + count;
    }
    target.gates(&source.gates()?)?;
    progress.over();
    let mut output = io::stdout().lock();
    writeln!(output, "{:<12} {:>12}  checksum", "table", "rows")?;
    let mut equal = true;
    for table in TABLES {
        let (there, here) = (source.sum(table)?, target.sum(table)?);
        print(&mut output, table, here)?;
        if there != here {
            equal = false;
            eprintln!(
                "imper-bridge: the file holds {} of {} and the checksum {:032x}",
                there.rows, table.name, there.checksum
            );
        }
    }
    if !equal {
        eprintln!("imper-bridge: the database is not what the file is; empty it and move again");
        return Ok(ExitCode::from(FAILED));
    }
    target.finish(source.origin())?;
    writeln!(output, "verified: the same in both")?;
    eprintln!(
        "imper-bridge: start the bridges with store.url = the database; the file stays, and no bridge may use it"
    );
    Ok(ExitCode::SUCCESS)
}

fn print(output: &mut impl Write, table: &Table, Sum { rows, checksum }: Sum) -> io::Result<()> {
    writeln!(output, "{:<12} {rows:>12}  {checksum:032x}", table.name)
}

/// A line on a terminal that says how far it is.
struct Progress {
    done: u64,
    all: u64,
    shown: bool,
}

impl Progress {
    fn went_on(&mut self, table: &str, rows: usize) {
        self.done += rows as u64;
        if self.shown {
            let percent = self.done.saturating_mul(100) / self.all.max(1);
            eprint!("\r{percent:>3} %  {} of {} rows, {table:<12}", self.done, self.all);
        }
    }

    fn over(&self) {
        if self.shown {
            eprintln!("\r100 %  {} rows are there; comparing        ", self.all);
        }
    }
}
