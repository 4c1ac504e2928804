//! The URL of a PostgreSQL database: checked for what can be seen without connecting, and never
//! shown with its password.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use super::section::{Reader, Wrong};
use super::tree::Item;

/// Where the journal's database is, and the password where the URL holds none.
#[derive(Clone)]
pub struct Database {
    url: SecretString,
    password: Option<SecretString>,
}

impl Database {
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned().into(), password: None }
    }

    pub(super) fn with_password(self, password: Option<SecretString>) -> Self {
        Self { password, ..self }
    }

    /// The URL, which may hold a password.
    pub fn url(&self) -> &SecretString {
        &self.url
    }

    /// The password that is configured beside the URL.
    pub fn password(&self) -> Option<&SecretString> {
        self.password.as_ref()
    }

    /// The hosts and the name of the database, for people.
    pub fn shown(&self) -> String {
        let url = self.url.expose_secret();
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
        format!("postgres://{}", rest.rsplit_once('@').map_or(rest, |(_, place)| place))
    }
}

impl PartialEq for Database {
    fn eq(&self, other: &Self) -> bool {
        let password = |of: &Self| of.password.as_ref().map(|password| password.expose_secret().to_owned());
        self.url.expose_secret() == other.url.expose_secret() && password(self) == password(other)
    }
}

impl Eq for Database {}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({})", self.shown())
    }
}

/// Takes a URL that names hosts and a database.
pub(super) fn database(item: &Item, _: &Reader<'_>) -> Result<Database, Wrong> {
    let expected = || {
        Wrong::new("\"postgres://USER@HOST/DATABASE\"")
            .found("a PostgreSQL URL (not shown: it may hold a password)")
            .advice("For example \"postgres://bridge@db1,db2/bridge\", with the password in store.password.")
    };
    let url = item.text().ok_or_else(expected)?;
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")).ok_or_else(expected)?;
    let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    match place.split_once('/') {
        Some((hosts, name)) if !hosts.is_empty() && !name.is_empty() => Ok(Database::new(url)),
        _ => Err(expected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for url in ["postgres://u:hunter2@a,b:5433/db?sslmode=require&password=hunter2", "postgres://u:hun@ter2@a/db"] {
            let database = Database::new(url).with_password(Some("hunter2".to_owned().into()));
            let shown = format!("{database:?} {}", database.shown());
            assert!(!shown.contains("hun") && !shown.contains("ter2"), "{shown}");
        }
        assert_eq!(Database::new("postgres://u@a,b:5433/db?x=y").shown(), "postgres://a,b:5433/db");
    }
}
