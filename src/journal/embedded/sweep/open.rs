//! The table `open`: what is not delivered yet, or given up.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::journal::embedded::fact::End;

/// What becomes of an open event.
pub(super) enum Step {
    Opened { by: u64, at: Timestamp, number: u32 },
    Attempted { at: Timestamp },
    Ended(End),
    Discarded,
    Removed,
}

/// A row of the table `open`.
pub(super) struct OpenRow {
    dead: u8,
    attempts: u32,
    first_attempt_at: Option<i64>,
    due_at: i64,
    opened: u64,
    opened_at: i64,
    number: u32,
}

impl OpenRow {
    pub(super) fn read(index: &Connection, event: u64) -> rusqlite::Result<Option<Self>> {
        let mut statement = index.prepare_cached(
            "SELECT dead, attempts, first_attempt_at, due_at, opened, opened_at, number FROM open WHERE event = ?1",
        )?;
        let row = statement.query_row([event], |row| {
            Ok(Self {
                dead: row.get(0)?,
                attempts: row.get(1)?,
                first_attempt_at: row.get(2)?,
                due_at: row.get(3)?,
                opened: row.get(4)?,
                opened_at: row.get(5)?,
                number: row.get(6)?,
            })
        });
        row.optional()
    }

    pub(super) fn write(&self, index: &Connection, event: u64) -> rusqlite::Result<()> {
        let mut statement =
            index.prepare_cached("INSERT OR REPLACE INTO open VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
        let Self { dead, attempts, first_attempt_at, due_at, opened, opened_at, number } = self;
        let values = params![event, dead, attempts, first_attempt_at, due_at, opened, opened_at, number];
        statement.execute(values).map(drop)
    }

    pub(super) fn after(row: Option<Self>, step: &Step) -> Option<Self> {
        match (row, step) {
            (_, Step::Opened { by, at, number }) => Some(Self {
                dead: WAITS,
                attempts: 0,
                first_attempt_at: None,
                due_at: at.as_millisecond(),
                opened: *by,
                opened_at: at.as_millisecond(),
                number: *number,
            }),
            (Some(row), Step::Attempted { at }) => {
                let first_attempt_at = row.first_attempt_at.or(Some(at.as_millisecond()));
                // Should this attempt never be settled, the next one is due at once.
                Some(Self { attempts: row.attempts + 1, first_attempt_at, due_at: at.as_millisecond(), ..row })
            }
            (Some(row), Step::Ended(End::Retry { due_at })) => Some(Self { due_at: due_at.as_millisecond(), ..row }),
            (Some(row), Step::Ended(End::Dead)) => Some(Self { dead: DEAD, ..row }),
            (Some(row), Step::Discarded) => Some(Self { dead: DISCARDED, ..row }),
            (_, Step::Ended(End::Delivered) | Step::Removed) | (None, _) => None,
        }
    }
}

/// What the column `dead` of `open` says.
pub(in crate::journal::embedded) const WAITS: u8 = 0;
pub(in crate::journal::embedded) const DEAD: u8 = 1;
pub(in crate::journal::embedded) const DISCARDED: u8 = 2;
