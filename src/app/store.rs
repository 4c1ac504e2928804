//! Opening the store that a configuration names.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::ledger::InTime;
use crate::auth::Nonces;
use crate::clock::Clock;
use crate::config::{Database, Store, StoreUrl};
use crate::journal::embedded::{Embedded, Options, RefusedFile};
use crate::journal::postgres::{self, Postgres};
use crate::journal::{Journal, Observer, Refused};
use crate::net::Patience;

/// A journal that is open, and what is kept beside it.
pub(super) struct Opened {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) refused: Arc<dyn Refused>,
    /// Which tokens were used.
    pub(super) nonces: Nonces,
}

/// Opens the journal of these settings and what is kept beside it, which has to `answer` in time.
///
/// # Errors
/// When it is in use, its files cannot be used, or its database does not answer.
pub(super) fn open(
    store: &Store,
    answer: &Patience,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
) -> anyhow::Result<Opened> {
    match &store.url {
        StoreUrl::Sqlite(path) => {
            let options = Options { min_free_mb: store.min_free_bytes >> 20, observer };
            let journal = Embedded::open(path, options, Arc::clone(&clock)).context("the journal cannot be opened")?;
            let refused = open_refused(path, store, clock);
            Ok(Opened { journal: Arc::new(journal), refused, nonces: Nonces::default() })
        }
        StoreUrl::Postgres(database) => {
            let journal = Postgres::open(database_options(database, store.refused, observer))
                .with_context(|| format!("the journal in {} cannot be opened", database.shown()))?;
            let refused: Arc<dyn Refused> = match journal.refused() {
                Some(table) => Arc::new(table),
                None => Arc::new(()),
            };
            let nonces = Nonces::shared(Arc::new(InTime { table: journal.nonces(), within: answer.clone() }));
            Ok(Opened { journal: Arc::new(journal), refused, nonces })
        }
    }
}

/// What opening a database takes.
pub(crate) fn database_options(
    database: &Database,
    keep_refused: Duration,
    observer: Arc<dyn Observer>,
) -> postgres::Options {
    let (url, password) = (database.url().clone(), database.password().cloned());
    postgres::Options { url, password, keep_refused, observer }
}

/// Opens what keeps the refused messages. They are there to help: without them the bridge does all
/// that it promises, so that a file that cannot be used stops nothing.
fn open_refused(journal: &Path, store: &Store, clock: Arc<dyn Clock>) -> Arc<dyn Refused> {
    if store.refused.is_zero() {
        if let Err(error) = RefusedFile::remove(journal) {
            tracing::error!(%error, "the refused messages that were kept before cannot be removed");
        }
        return Arc::new(());
    }
    match RefusedFile::open(journal, store.refused, clock) {
        Ok(file) => Arc::new(file),
        Err(error) => {
            tracing::error!(%error, "refused messages are not kept");
            Arc::new(())
        }
    }
}
