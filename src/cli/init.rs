//! `imper-bridge init`: a starter configuration.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};

/// The starter: what a first bridge needs, with the keys that are asked for most.
pub const STARTER: &str = include_str!("starter.toml");

/// What `init` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The file to write
    #[arg(default_value = "bridge.toml")]
    file: PathBuf,
}

/// Writes the starter; an existing file is left alone.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let shown = options.file.display();
    match OpenOptions::new().write(true).create_new(true).open(&options.file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{shown} exists and is left as it is; name another file")
        }
        opened => opened.with_context(|| format!("cannot write {shown}"))?.write_all(STARTER.as_bytes())?,
    }
    eprintln!("{shown} is written; it names the variables to set. Next: imper-bridge check --config {shown}");
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Settings};
    use std::path::Path;

    const SECRETS: [(&str, &str); 2] = [("ACME_SOAP_PASSWORD", "a"), ("ACME_RELAY_API_KEY", "b")];

    fn load(text: &str) -> Settings {
        let loaded = Settings::from_toml("bridge.toml", text, Path::new(""), &Environment::from_iter(SECRETS));
        let loaded = loaded.unwrap_or_else(|faults| panic!("{faults}"));
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        loaded.settings
    }

    #[test]
    fn the_starter_starts_as_written_once_its_secrets_are_set() {
        let settings = load(STARTER);
        assert!(settings.organisations.iter().all(|each| each.workday.is_none()));
        let missing = Settings::from_toml("bridge.toml", STARTER, Path::new(""), &Environment::default()).unwrap_err();
        assert_eq!(missing.0.len(), SECRETS.len(), "{missing}");
    }

    /// Every default that the starter shows is the default, so that taking out a `#` changes nothing.
    #[test]
    fn the_starter_shows_the_defaults() {
        let is_key = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let shown = STARTER.lines().map(|line| match line.strip_prefix("# ") {
            // These are no defaults: what they show takes the place of nothing.
            Some(_) if line.contains("default: ") || line.contains("public_url") || line.contains("_TOKEN") => "",
            Some(key) if key.starts_with("[org.") || key.split_once(" = ").is_some_and(|(key, _)| is_key(key)) => key,
            _ => line,
        });
        let uncommented: String = shown.map(|line| format!("{line}\n")).collect();
        assert!(uncommented.contains("\nxml_depth = 64") && uncommented.contains("\n[org.acme.id_types]"));
        let (plain, full) = (load(STARTER), load(&uncommented));
        assert_eq!((&plain.limits, &plain.store), (&full.limits, &full.store));
        assert_eq!(
            format!("{:?}{:?}", plain.delivery, plain.organisations),
            format!("{:?}{:?}", full.delivery, full.organisations)
        );
    }

    #[test]
    fn an_existing_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { file: folder.path().join("b.toml") };
        assert!(run(&options).is_ok());
        std::fs::write(&options.file, "mine").unwrap();
        assert!(run(&options).is_err());
        assert_eq!(std::fs::read_to_string(&options.file).unwrap(), "mine");
    }
}
