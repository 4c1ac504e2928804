//! The admin token: the configured one, or one that is made beside the journal.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;

use super::{Admin, StoreUrl};

/// The token that opens the admin listener.
#[derive(Debug, Clone)]
pub struct AdminToken {
    /// The token.
    pub token: SecretString,
    /// The file that holds it, for the log; `None` where it is configured.
    pub made_at: Option<PathBuf>,
}

impl AdminToken {
    /// The configured token. Without one, that of an earlier start; without that, a new one of 256
    /// random bits, in a file that only the bridge's own user can read.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is empty.
    pub fn load_or_create(admin: &Admin, store: &StoreUrl) -> io::Result<Self> {
        Self::of(admin, store, |place| match read(place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(place),
            other => other,
        })
    }

    /// The configured token, or that of an earlier start.
    ///
    /// # Errors
    /// When neither is there.
    pub fn load(admin: &Admin, store: &StoreUrl) -> io::Result<Self> {
        Self::of(admin, store, read)
    }

    fn of(admin: &Admin, store: &StoreUrl, make: impl Fn(&Path) -> io::Result<SecretString>) -> io::Result<Self> {
        if let Some(token) = &admin.token {
            return Ok(Self { token: token.clone(), made_at: None });
        }
        let Some(place) = Self::place(store) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "with a PostgreSQL journal it must be configured"));
        };
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", place.display()));
        Ok(Self { token: make(&place).map_err(named)?, made_at: Some(place) })
    }

    /// Where a token that is not configured is kept: beside the journal, where that is a file.
    fn place(store: &StoreUrl) -> Option<PathBuf> {
        let StoreUrl::Sqlite(journal) = store else { return None };
        let mut name = journal.clone().into_os_string();
        name.push(".admin-token");
        Some(PathBuf::from(name))
    }
}

fn read(place: &Path) -> io::Result<SecretString> {
    let text = fs::read_to_string(place)?;
    match text.trim() {
        "" => Err(io::Error::new(io::ErrorKind::InvalidData, "is empty; remove it to have a new token made")),
        token => Ok(token.to_owned().into()),
    }
}

fn create(place: &Path) -> io::Result<SecretString> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    // `create_new` follows no link that someone else put there.
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(place)?;
    file.write_all(format!("{token}\n").as_bytes())?;
    file.sync_all()?;
    Ok(token.into())
}

#[cfg(test)]
mod tests {
    use super::super::{Environment, Settings};
    use super::*;
    use secrecy::ExposeSecret;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_token_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::load(None, &Environment::default()).unwrap().settings;
        settings.store.url = StoreUrl::Sqlite(folder.path().join("j.db"));
        let first = AdminToken::load_or_create(&settings.admin, &settings.store.url).unwrap();
        let again = AdminToken::load_or_create(&settings.admin, &settings.store.url).unwrap();
        assert_eq!(first.token.expose_secret(), again.token.expose_secret());
        assert_eq!(first.token.expose_secret().len(), 43);
        let place = first.made_at.unwrap();
        assert_eq!(place, folder.path().join("j.db.admin-token"));
        assert_eq!(fs::metadata(place).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_configured_token_needs_no_file() {
        let environment = Environment::from_iter([("IMPER_BRIDGE_ADMIN__TOKEN", "configured")]);
        let settings = Settings::load(None, &environment).unwrap().settings;
        let token = AdminToken::load_or_create(&settings.admin, &settings.store.url).unwrap();
        assert_eq!((token.token.expose_secret(), token.made_at), ("configured", None));
    }
}
