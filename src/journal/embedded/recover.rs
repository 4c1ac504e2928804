//! What waits and what stands still, as the files left it.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;

use super::append::{self, Identity};
use super::lanes::{Entry, Lanes, Strikes};
use super::{amend, follow};
use crate::clock::Clock;
use crate::domain::EventType;
use crate::journal::LaneKind;

/// No retry is due later than this: a clock that was wrong when it was recorded must not strand it.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// The lanes as the index left them. What was in flight when the process ended, or was never tried,
/// is due at once; a retry waits what is left of its time. Both are measured from the latest recorded
/// time at least, so that a wall clock that was put back delays nothing beyond a retry's own wait.
pub(super) fn lanes(
    index: &Connection,
    journal: &Connection,
    identity: &Identity,
    latest: Timestamp,
    clock: &dyn Clock,
) -> rusqlite::Result<Lanes> {
    let (now, elapsed) = (clock.now().max(latest), clock.monotonic());
    let mut lanes = Lanes::default();
    let mut statement = index.prepare(
        "SELECT event, attempts, first_attempt_at, due_at, opened, opened_at, number
         FROM open WHERE dead = 0 ORDER BY opened",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (sequence, opened) = (row.get(0)?, row.get(4)?);
        let Some(stored) = append::read(journal, sequence, identity.tag)? else { continue };
        let millisecond = |at: i64| Timestamp::from_millisecond(at).ok();
        let due_at = millisecond(row.get(3)?).unwrap_or(now);
        let wait = Duration::try_from(due_at.duration_since(now)).unwrap_or_default().min(LONGEST_WAIT);
        let event = &stored.event;
        let lane = (identity.keys.application(&event.orgid, event.job_application_id.as_str()), LaneKind::Delivery);
        let is_replay = opened != sequence;
        let entry = Entry {
            sequence,
            opened,
            since: millisecond(row.get(5)?).unwrap_or(event.received_at),
            attempts: row.get(1)?,
            first_attempt: row.get::<_, Option<i64>>(2)?.and_then(millisecond),
            is_start: event.event_type == EventType::InterviewStarted && !is_replay,
            replay: if is_replay { Some(row.get(6)?) } else { None },
            strikes: Strikes::default(),
        };
        lanes.push(&event.orgid, lane, entry, elapsed + wait);
    }
    for gated in amend::gates(journal)? {
        let ago = Duration::try_from(now.duration_since(gated.at)).unwrap_or_default();
        lanes.gated(&gated.org, &gated.change, gated.reason.as_deref(), gated.at, elapsed, ago);
    }
    for (org, at) in follow::last_messages(index)? {
        lanes.heard(&org, at);
    }
    Ok(lanes)
}
