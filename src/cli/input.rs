//! Messages as files, and what goes with them.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::clock::SystemClock;
use crate::config::{Environment, Settings};
use crate::credential::Credentials;
use crate::domain::OrgId;
use crate::organisation::{Directory, Organisation};
pub(super) use crate::soap::likely_type as content_type;

/// Reads a file, or standard input for `-`.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    fs::read(path)
}

/// One organisation of a configuration; without a file, `demo` of the built-in one, whatever the
/// environment says, so that the same message gives the same event everywhere.
pub(super) fn organisation(config: Option<&PathBuf>, org: Option<&OrgId>) -> anyhow::Result<(Organisation, Settings)> {
    let environment = if config.is_some() { Environment::of_process() } else { Environment::default() };
    let settings = Settings::load(config.map(PathBuf::as_path), &environment)?.settings;
    let directory = Directory::of(&settings, &Credentials::new(Arc::new(SystemClock::new())));
    let found = match org {
        Some(id) => directory.get(id.as_str()),
        None => directory.iter().next().filter(|_| directory.iter().len() == 1).cloned(),
    };
    let known: Vec<&str> = directory.iter().map(|one| one.id.as_str()).collect();
    let organisation =
        found.with_context(|| format!("name one of these organisations by --org: {}", known.join(", ")))?;
    Ok((Organisation::clone(&organisation), settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_follows_the_envelope() {
        let soap12 = r#"<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"/>"#;
        let utf16: Vec<u8> = soap12.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(content_type(soap12.as_bytes()), "application/soap+xml");
        assert_eq!(content_type(&utf16), "application/soap+xml");
        assert_eq!(content_type(br#"<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"/>"#), "text/xml");
        assert_eq!(content_type(b"<TriggerCandidateStateChange_Request/>"), "application/xml");
    }
}
