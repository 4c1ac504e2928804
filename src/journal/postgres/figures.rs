//! What a batch adds to the figures of organisations.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::link::{Failure, Values, together};
use crate::domain::OrgId;

/// What a row adds to one that is there.
const ADDED: &str = "ON CONFLICT (orgid, process, desk) DO UPDATE SET
    accepted = figure.accepted + excluded.accepted, delivered = figure.delivered + excluded.delivered,
    dead = figure.dead + excluded.dead, late = figure.late + excluded.late,
    pending = figure.pending + excluded.pending, passed = figure.passed + excluded.passed,
    last_message_at = greatest(figure.last_message_at, excluded.last_message_at),
    last_started_at = greatest(figure.last_started_at, excluded.last_started_at)";

/// The same of stages.
const ADDED_STAGES: &str =
    "ON CONFLICT (orgid, process, stage, interview) DO UPDATE SET count = stage.count + excluded.count";

/// Who writes figures: each desk of each process has rows of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Desk {
    pub(super) process: Uuid,
    pub(super) number: i16,
}

/// What changed for one organisation.
#[derive(Debug, Clone, Default)]
pub(super) struct Change {
    pub(super) accepted: i64,
    pub(super) delivered: i64,
    pub(super) dead: i64,
    pub(super) late: i64,
    pub(super) pending: i64,
    pub(super) passed: i64,
    pub(super) last_message_at: Option<Timestamp>,
    pub(super) last_started_at: Option<Timestamp>,
    /// The stages seen, whether each counted as an interview, and how often.
    pub(super) stages: BTreeMap<(String, bool), i64>,
}

/// What changed, by organisation; in order, so that rows are always locked in the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally(pub(super) BTreeMap<OrgId, Change>);

impl Tally {
    pub(super) fn of(&mut self, org: &OrgId) -> &mut Change {
        self.0.entry(org.clone()).or_default()
    }

    /// Adds everything to the desk's rows.
    pub(super) async fn add(&self, client: &Client, desk: Desk) -> Result<(), Failure> {
        together!(self.add_figures(client, desk), self.add_stages(client, desk))?;
        Ok(())
    }

    async fn add_figures(&self, client: &Client, desk: Desk) -> Result<(), Failure> {
        if self.0.is_empty() {
            return Ok(());
        }
        let orgs: Vec<_> = self.0.keys().map(OrgId::as_str).collect();
        let column = |of: fn(&Change) -> i64| self.0.values().map(of).collect::<Vec<_>>();
        let time = |of: fn(&Change) -> Option<Timestamp>| {
            self.0.values().map(|change| of(change).map(Timestamp::as_millisecond)).collect::<Vec<_>>()
        };
        client
            .execute_typed(
                &format!(
                    "INSERT INTO figure (orgid, process, desk, accepted, delivered, dead, late, pending, passed,
                                     last_message_at, last_started_at)
                 SELECT u.orgid, $2, $3, u.accepted, u.delivered, u.dead, u.late, u.pending, u.passed, u.message, u.started
                 FROM unnest($1, $4, $5, $6, $7, $8, $9, $10, $11)
                      AS u (orgid, accepted, delivered, dead, late, pending, passed, message, started)
                 {ADDED}"
                ),
                &[
                    (&orgs, Type::TEXT_ARRAY),
                    (&desk.process, Type::UUID),
                    (&desk.number, Type::INT2),
                    (&column(|change| change.accepted), Type::INT8_ARRAY),
                    (&column(|change| change.delivered), Type::INT8_ARRAY),
                    (&column(|change| change.dead), Type::INT8_ARRAY),
                    (&column(|change| change.late), Type::INT8_ARRAY),
                    (&column(|change| change.pending), Type::INT8_ARRAY),
                    (&column(|change| change.passed), Type::INT8_ARRAY),
                    (&time(|change| change.last_message_at), Type::INT8_ARRAY),
                    (&time(|change| change.last_started_at), Type::INT8_ARRAY),
                ],
            )
            .await?;
        Ok(())
    }

    async fn add_stages(&self, client: &Client, desk: Desk) -> Result<(), Failure> {
        let (mut orgs, mut stages, mut interviews, mut counts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (org, change) in &self.0 {
            for ((stage, interview), count) in &change.stages {
                orgs.push(org.as_str());
                stages.push(stage.as_str());
                interviews.push(*interview);
                counts.push(*count);
            }
        }
        if orgs.is_empty() {
            return Ok(());
        }
        client
            .execute_typed(
                &format!(
                    "INSERT INTO stage (orgid, process, stage, interview, count)
                 SELECT u.orgid, $2, u.stage, u.interview, u.count
                 FROM unnest($1, $3, $4, $5) AS u (orgid, stage, interview, count)
                 {ADDED_STAGES}"
                ),
                &[
                    (&orgs, Type::TEXT_ARRAY),
                    (&desk.process, Type::UUID),
                    (&stages, Type::TEXT_ARRAY),
                    (&interviews, Type::BOOL_ARRAY),
                    (&counts, Type::INT8_ARRAY),
                ],
            )
            .await?;
        Ok(())
    }
}

/// Adds the rows of processes that were last seen before this time to those of no process, so that
/// their number does not grow with every start.
pub(super) async fn fold(client: &Client, before: i64) -> Result<(), Failure> {
    let before: Values<'_> = &[(&before, Type::INT8)];
    client
        .execute_typed(
            &format!(
                "WITH gone AS (
                DELETE FROM figure WHERE process <> '00000000-0000-0000-0000-000000000000'
                    AND NOT EXISTS (SELECT FROM process WHERE id = process AND seen_at >= $1) RETURNING *)
             INSERT INTO figure
             SELECT orgid, '00000000-0000-0000-0000-000000000000', 0, sum(accepted), sum(delivered), sum(dead),
                    sum(late), sum(pending), sum(passed), max(last_message_at), max(last_started_at)
             FROM gone GROUP BY orgid ORDER BY orgid
             {ADDED}"
            ),
            before,
        )
        .await?;
    client
        .execute_typed(
            &format!(
                "WITH gone AS (
                DELETE FROM stage WHERE process <> '00000000-0000-0000-0000-000000000000'
                    AND NOT EXISTS (SELECT FROM process WHERE id = process AND seen_at >= $1) RETURNING *)
             INSERT INTO stage
             SELECT orgid, '00000000-0000-0000-0000-000000000000', stage, interview, sum(count)
             FROM gone GROUP BY orgid, stage, interview ORDER BY orgid, stage, interview
             {ADDED_STAGES}"
            ),
            before,
        )
        .await?;
    client.execute_typed("DELETE FROM process WHERE seen_at < $1", before).await?;
    Ok(())
}
