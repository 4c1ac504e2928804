//! What stops or lets go the deliveries of an organisation: a row that all processes share.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::link::Failure;
use super::row::{millisecond, text};
use crate::domain::OrgId;
pub(super) use crate::journal::gate::Change;
use crate::journal::{PauseCause, Paused};

/// A gate. Times are milliseconds of the database's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Gate {
    by_operator: bool,
    paused_since: Option<i64>,
    probe_every: Option<i64>,
    probe_next: i64,
    held_until: i64,
    reason: Option<String>,
}

/// How much of an organisation's work may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// All of it.
    Open,
    /// A single event.
    Probe,
    /// None before this; none at all where nobody knows.
    Closed(Option<i64>),
}

impl Gate {
    /// Takes a change over; the pause that it ends, if it ends one.
    pub(super) fn apply(&mut self, change: &Change, reason: Option<&str>, now: i64) -> Option<(i64, i64)> {
        match change {
            Change::Held { wait } => {
                self.held_until = self.held_until.max(now.saturating_add(milliseconds(*wait)));
                return None;
            }
            Change::Paused => self.by_operator = true,
            Change::SetUpWrong { probe_every } => {
                let every = milliseconds(*probe_every);
                (self.probe_every, self.probe_next) = (Some(every), now.saturating_add(every));
            }
            Change::SetUpMended => self.probe_every = None,
            Change::Resumed => (self.probe_every, self.by_operator, self.held_until) = (None, false, 0),
        }
        if self.by_operator || self.is_probing() {
            self.paused_since.get_or_insert(now);
            self.reason = reason.map(|reason| text(reason).into_owned()).or(self.reason.take());
            return None;
        }
        self.reason = None;
        self.paused_since.take().map(|since| (since, now))
    }

    /// A probe is under way for at most this long.
    pub(super) fn probe_started(&mut self, lease: Duration, now: i64) {
        self.probe_next = now.saturating_add(milliseconds(lease));
    }

    /// A probe failed, whatever way.
    pub(super) fn probe_failed(&mut self, now: i64) {
        self.probe_next = now.saturating_add(self.probe_every.unwrap_or(0));
    }

    /// Whether the set-up counts as wrong.
    pub(super) fn is_probing(&self) -> bool {
        self.probe_every.is_some()
    }

    /// Whether an attempt was begun before the set-up was found wrong, and ends only now. While the
    /// deliveries stand still nothing but probes is begun.
    pub(super) fn is_stale(&self, claimed_at: i64) -> bool {
        self.is_probing() && self.paused_since.is_some_and(|since| claimed_at <= since)
    }

    pub(super) fn opening(&self, now: i64) -> Opening {
        match self.probe_every {
            _ if self.by_operator => Opening::Closed(None),
            _ if self.held_until > now => Opening::Closed(Some(self.held_until)),
            Some(_) if self.probe_next > now => Opening::Closed(Some(self.probe_next)),
            Some(_) => Opening::Probe,
            None => Opening::Open,
        }
    }

    /// Until when the relay has asked for quiet; it may be over.
    pub(super) fn held(&self) -> Result<Option<Timestamp>, Failure> {
        (self.held_until > 0).then(|| millisecond(self.held_until)).transpose()
    }

    /// What is told of a pause.
    pub(super) fn paused(&self) -> Result<Option<Paused>, Failure> {
        let Some(since) = self.paused_since else { return Ok(None) };
        let cause = if self.by_operator { PauseCause::Operator } else { PauseCause::SetUp };
        Ok(Some(Paused { since: millisecond(since)?, cause, reason: self.reason.clone() }))
    }
}

/// The columns that [`read`] reads, in its order.
pub(super) const COLUMNS: &str =
    "gate.orgid, gate.by_operator, gate.paused_since, gate.probe_every, gate.probe_next, gate.held_until, gate.reason";

/// Reads a gate; none where an outer join found none.
pub(super) fn read(row: &Row, first: usize) -> Result<Option<(String, Gate)>, Failure> {
    let Some(org) = row.try_get::<_, Option<String>>(first)? else { return Ok(None) };
    let gate = Gate {
        by_operator: row.try_get(first + 1)?,
        paused_since: row.try_get(first + 2)?,
        probe_every: row.try_get(first + 3)?,
        probe_next: row.try_get::<_, Option<i64>>(first + 4)?.unwrap_or(0),
        held_until: row.try_get::<_, Option<i64>>(first + 5)?.unwrap_or(0),
        reason: row.try_get(first + 6)?,
    };
    Ok(Some((org, gate)))
}

/// The gates of these organisations, as they are just now.
pub(super) async fn look(client: &Client, orgs: &[&str]) -> Result<BTreeMap<String, Gate>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM gate WHERE orgid = ANY ($1)");
    let rows = client.query_typed(&sql, &[(&orgs, Type::TEXT_ARRAY)]).await?;
    rows.iter().filter_map(|row| read(row, 0).transpose()).collect()
}

/// The gate of an organisation, locked until the transaction ends.
pub(super) async fn lock(client: &Client, org: &OrgId) -> Result<Gate, Failure> {
    let org = org.as_str();
    let made = "INSERT INTO gate (orgid) VALUES ($1) ON CONFLICT DO NOTHING";
    client.execute_typed(made, &[(&org, Type::TEXT)]).await?;
    let sql = format!("SELECT {COLUMNS} FROM gate WHERE orgid = $1 FOR UPDATE");
    let row = client.query_typed_one(&sql, &[(&org, Type::TEXT)]).await?;
    Ok(read(&row, 0)?.map(|(_, gate)| gate).unwrap_or_default())
}

/// Stores a gate that is locked, and the pause that ended.
pub(super) async fn store(client: &Client, org: &OrgId, gate: &Gate, over: Option<(i64, i64)>) -> Result<(), Failure> {
    let org = org.as_str();
    client
        .execute_typed(
            "UPDATE gate SET by_operator = $2, paused_since = $3, probe_every = $4, probe_next = $5, held_until = $6,
                    reason = $7 WHERE orgid = $1",
            &[
                (&org, Type::TEXT),
                (&gate.by_operator, Type::BOOL),
                (&gate.paused_since, Type::INT8),
                (&gate.probe_every, Type::INT8),
                (&gate.probe_next, Type::INT8),
                (&gate.held_until, Type::INT8),
                (&gate.reason, Type::TEXT),
            ],
        )
        .await?;
    if let Some((since, until)) = over {
        let sql = "INSERT INTO pause (orgid, since, until) VALUES ($1, $2, $3)";
        client.execute_typed(sql, &[(&org, Type::TEXT), (&since, Type::INT8), (&until, Type::INT8)]).await?;
    }
    Ok(())
}

/// A duration as the rows hold it.
pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_wrong_set_up_is_probed_one_at_a_time_until_it_is_mended() {
        let mut gate = Gate::default();
        assert_eq!(gate.apply(&Change::SetUpWrong { probe_every: 30 * SECOND }, Some("401"), 1_000), None);
        assert_eq!(gate.opening(1_000), Opening::Closed(Some(31_000)));
        assert_eq!(gate.opening(31_000), Opening::Probe);
        gate.probe_started(60 * SECOND, 31_000);
        assert_eq!(gate.opening(31_000), Opening::Closed(Some(91_000)));
        gate.probe_failed(33_000);
        assert_eq!(gate.opening(63_000), Opening::Probe);
        assert_eq!(gate.paused().unwrap().unwrap().reason.as_deref(), Some("401"));
        assert_eq!(gate.apply(&Change::SetUpMended, None, 160_000), Some((1_000, 160_000)));
        assert_eq!((gate.opening(160_000), gate.paused().unwrap()), (Opening::Open, None));
    }

    #[test]
    fn an_operators_pause_outlasts_a_mended_set_up_and_a_resume_ends_both() {
        let mut gate = Gate::default();
        gate.apply(&Change::SetUpWrong { probe_every: SECOND }, None, 1);
        gate.apply(&Change::Paused, Some("anna"), 2);
        assert_eq!(gate.apply(&Change::SetUpMended, None, 3), None);
        assert_eq!(gate.opening(9), Opening::Closed(None));
        assert_eq!(gate.paused().unwrap().unwrap().cause, PauseCause::Operator);
        assert_eq!(gate.apply(&Change::Resumed, None, 5), Some((1, 5)), "one pause from the first cause to the last");
        gate.apply(&Change::Held { wait: SECOND }, None, 6);
        assert_eq!(gate.opening(6), Opening::Closed(Some(1_006)));
    }
}
