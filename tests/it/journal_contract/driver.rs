//! The stores that the suite is tried on.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use imper_bridge::clock::ManualClock;
use imper_bridge::journal::Journal;
use imper_bridge::journal::embedded::{Embedded, OpenError, Options};
use imper_bridge::journal::postgres::Postgres;
use jiff::Timestamp;

use super::DAY;
use crate::cluster::{self, Database};

/// Opens one store again and again, with time under control.
pub(crate) trait Driver {
    /// A new, empty store.
    fn fresh() -> Self;
    /// Opens the store; whatever had it open must be dropped before.
    fn open(&self) -> Arc<dyn Journal>;
    /// Lets time pass.
    fn advance(&self, duration: Duration);
    /// What the journal's clock shows.
    fn now(&self) -> Timestamp;
}

pub(crate) struct EmbeddedDriver {
    pub(super) folder: tempfile::TempDir,
    clock: ManualClock,
}

impl EmbeddedDriver {
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("journal.db")
    }

    pub(super) fn try_open(&self) -> Result<Embedded, OpenError> {
        Embedded::open(&self.path(), Options::default(), Arc::new(self.clock.clone()))
    }
}

impl Driver for EmbeddedDriver {
    fn fresh() -> Self {
        let clock = ManualClock::at("2026-04-09T14:30:01.123Z".parse().unwrap());
        Self { folder: tempfile::tempdir().unwrap(), clock }
    }

    fn open(&self) -> Arc<dyn Journal> {
        Arc::new(self.try_open().unwrap())
    }

    fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    fn now(&self) -> Timestamp {
        imper_bridge::clock::Clock::now(&self.clock)
    }
}

/// A database of the cluster that all tests share, whose journal's clock is a row.
pub(crate) struct PostgresDriver {
    database: Database,
    now: Mutex<Timestamp>,
}

impl PostgresDriver {
    fn try_open(database: &Database) -> Result<Postgres, imper_bridge::journal::postgres::OpenError> {
        Postgres::open(imper_bridge::journal::postgres::Options {
            url: database.url().into(),
            password: None,
            keep_refused: DAY,
            observer: Arc::new(()),
        })
    }

    /// Made once, and copied by each test.
    fn template() -> &'static Database {
        static TEMPLATE: OnceLock<Database> = OnceLock::new();
        TEMPLATE.get_or_init(|| {
            let database = cluster::shared().database(None);
            drop(Self::try_open(&database).unwrap());
            database.run(
                "CREATE TABLE test_clock (now bigint);
                 INSERT INTO test_clock VALUES (0);
                 CREATE OR REPLACE FUNCTION journal_now() RETURNS bigint LANGUAGE sql VOLATILE
                     AS 'SELECT now FROM test_clock'",
            );
            database
        })
    }

    fn show(&self) {
        self.database.run(&format!("UPDATE test_clock SET now = {}", self.now().as_millisecond()));
    }
}

impl Driver for PostgresDriver {
    fn fresh() -> Self {
        let now = Mutex::new("2026-04-09T14:30:01.123Z".parse().unwrap());
        let driver = Self { database: cluster::shared().database(Some(Self::template())), now };
        driver.show();
        driver
    }

    fn open(&self) -> Arc<dyn Journal> {
        Arc::new(Self::try_open(&self.database).unwrap())
    }

    fn advance(&self, duration: Duration) {
        *self.now.lock().unwrap() += duration;
        self.show();
    }

    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }
}
