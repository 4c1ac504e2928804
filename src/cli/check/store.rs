//! Whether the journal can be used, without making a file where there is none.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::app;
use crate::clock::SystemClock;
use crate::config::{Store, StoreUrl};
use crate::journal::embedded::{Embedded, OpenError, Options};
use crate::journal::postgres::{self, Tables};
use crate::journal::{Health, Intake};
use crate::metrics::Metrics;

/// Opens the journal as `serve` would; where it is a file that is not there yet, looks at its folder.
pub(super) fn check(store: &Store) -> anyhow::Result<String> {
    match &store.url {
        StoreUrl::Sqlite(path) => file(path, store),
        StoreUrl::Postgres(database) => {
            let shown = database.shown();
            let options = app::database_options(database, store.refused, Arc::new(Metrics::new()));
            let tables = postgres::reach(&options).with_context(|| format!("{shown} cannot be used"))?;
            let tables = match tables {
                Tables::Missing => "its tables are made at the start".to_owned(),
                Tables::Behind => "its tables are brought up to date at the start".to_owned(),
                Tables::Current => "its tables are up to date".to_owned(),
                Tables::Ahead(version) => {
                    format!("a newer bridge has made its tables version {version}, which this one can use")
                }
            };
            Ok(format!("{shown} takes writes, and {tables}"))
        }
    }
}

fn file(path: &Path, store: &Store) -> anyhow::Result<String> {
    let shown = path.display();
    if !path.try_exists().with_context(|| format!("{shown}; the bridge's user must be able to read its folder"))? {
        folder(path)?;
        return Ok(format!("{shown} is made at the first start"));
    }
    let options = Options { min_free_mb: store.min_free_bytes >> 20, observer: Arc::new(Metrics::new()) };
    match Embedded::open(path, options, Arc::new(SystemClock::new())) {
        Ok(journal) => match journal.health() {
            Health::Ready => Ok(format!("{shown} can be opened")),
            other => bail!("{shown} takes no events now: {other:?}"),
        },
        Err(OpenError::InUse { .. }) => Ok(format!("{shown} is in use by a bridge that runs")),
        Err(error) => Err(error).with_context(|| format!("{shown} cannot be used")),
    }
}

/// Whether files can be made where the journal is to be.
fn folder(journal: &Path) -> anyhow::Result<()> {
    let folder = journal.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let probe = folder.join(format!(".imper-bridge-check-{}", std::process::id()));
    let advice =
        || format!("no file can be made in {}; make the folder, for the bridge's user to write to", folder.display());
    fs::write(&probe, b"").with_context(advice)?;
    fs::remove_file(&probe).with_context(advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Settings};

    #[test]
    fn a_journal_is_looked_at_but_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Settings::load(None, &Environment::default()).unwrap().settings.store;
        let path = folder.path().join("j.db");
        store.url = StoreUrl::Sqlite(path.clone());
        assert!(check(&store).unwrap().contains("first start"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(&path, "this is no journal, and longer than a header of SQLite, which has a hundred bytes ........")
            .unwrap();
        assert!(check(&store).is_err());
        store.url = StoreUrl::Sqlite(folder.path().join("missing/j.db"));
        assert!(check(&store).unwrap_err().to_string().contains("make the folder"));
    }
}
