//! Writing a decided batch: a statement per table, its rows in arrays.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::link::Failure;
use super::row::{code, text, uuid};
use crate::domain::{EventType, Outcome, Position, Reason, Source, StateChange, Text};
use crate::journal::LaneKind;
use crate::journal::batch::{Key, Keyed, Known, NewEvent};

/// An event on its way into its row.
pub(super) struct NewRow<'m> {
    pub(super) message: &'m Keyed,
    pub(super) new: NewEvent,
    pub(super) number: u64,
}

/// The events themselves.
pub(super) async fn events(client: &Client, rows: &[NewRow<'_>], at: Timestamp) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    let incoming = || rows.iter().map(|row| &row.message.incoming);
    let texts = |of: fn(&StateChange) -> Option<&Text>| {
        incoming().map(|incoming| of(&incoming.change).map(|value| text(value.as_str()))).collect::<Vec<_>>()
    };
    let numbers: Vec<_> = rows.iter().map(|row| row.number as i64).collect();
    let applications: Vec<_> = rows.iter().map(|row| uuid(row.message.application)).collect();
    let orgs: Vec<_> = incoming().map(|incoming| incoming.org.as_str()).collect();
    let names: Vec<_> = incoming().map(|incoming| incoming.change.application.as_str()).collect();
    let candidates: Vec<_> = incoming().map(|incoming| incoming.change.candidate.as_str()).collect();
    let requisitions: Vec<_> = incoming().map(|incoming| incoming.change.requisition.as_str()).collect();
    let occurred: Vec<_> =
        incoming().map(|incoming| incoming.change.occurred.map(|occurred| occurred.at.as_microsecond())).collect();
    let types: Vec<_> = rows.iter().map(|row| code(&EventType::ALL, &row.new.event_type)).collect();
    let stale: Vec<_> = rows.iter().map(|row| row.new.outcome == Outcome::Stale).collect();
    let was: Vec<_> = rows.iter().map(|row| row.new.was.map(|was| was == Position::In)).collect();
    let now: Vec<_> = rows.iter().map(|row| row.new.now == Position::In).collect();
    let reasons: Vec<_> = incoming().map(|incoming| code(&Reason::ALL, &incoming.reason)).collect();
    let sources: Vec<_> = incoming().map(|incoming| code(&Source::ALL, &incoming.source)).collect();
    let deliver: Vec<_> = rows.iter().map(|row| row.new.deliver).collect();
    let traces: Vec<_> = incoming().map(|incoming| incoming.trace.as_deref().map(text)).collect();
    let notes: Vec<_> = incoming().map(|incoming| incoming.note.as_deref().map(text)).collect();
    client
        .execute_typed(
            "INSERT INTO event (sequence, application, orgid, job_application_id, candidate_id, job_requisition_id,
                                stage, step, status, occurred_at, event_type, stale, was, now, reason, source, deliver,
                                trace, note, received_at)
             SELECT u.*, $20 FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                                         $18, $19) AS u",
            &[
                (&numbers, Type::INT8_ARRAY),
                (&applications, Type::UUID_ARRAY),
                (&orgs, Type::TEXT_ARRAY),
                (&names, Type::TEXT_ARRAY),
                (&candidates, Type::TEXT_ARRAY),
                (&requisitions, Type::TEXT_ARRAY),
                (&texts(|change| change.stage.as_ref()), Type::TEXT_ARRAY),
                (&texts(|change| change.step.as_ref()), Type::TEXT_ARRAY),
                (&texts(|change| change.status.as_ref()), Type::TEXT_ARRAY),
                (&occurred, Type::INT8_ARRAY),
                (&types, Type::INT2_ARRAY),
                (&stale, Type::BOOL_ARRAY),
                (&was, Type::BOOL_ARRAY),
                (&now, Type::BOOL_ARRAY),
                (&reasons, Type::INT2_ARRAY),
                (&sources, Type::INT2_ARRAY),
                (&deliver, Type::BOOL_ARRAY),
                (&traces, Type::TEXT_ARRAY),
                (&notes, Type::TEXT_ARRAY),
                (&at.as_millisecond(), Type::INT8),
            ],
        )
        .await?;
    Ok(())
}

/// The MessageIDs under which events are found again.
pub(super) async fn messages(client: &Client, rows: &[NewRow<'_>], at: Timestamp) -> Result<(), Failure> {
    let mut first: BTreeMap<Key, &NewRow<'_>> = BTreeMap::new();
    for row in rows {
        if let Some(key) = row.message.message {
            first.entry(key).or_insert(row);
        }
    }
    if first.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = first.keys().copied().map(uuid).collect();
    let events: Vec<_> = first.values().map(|row| row.number as i64).collect();
    let types: Vec<_> = first.values().map(|row| code(&EventType::ALL, &row.new.event_type)).collect();
    client
        .execute_typed(
            "INSERT INTO message (key, event, event_type, received_at)
             SELECT u.*, $4 FROM unnest($1, $2, $3) AS u ON CONFLICT DO NOTHING",
            &[
                (&keys, Type::UUID_ARRAY),
                (&events, Type::INT8_ARRAY),
                (&types, Type::INT2_ARRAY),
                (&at.as_millisecond(), Type::INT8),
            ],
        )
        .await?;
    Ok(())
}

/// An application as the batch leaves it, and the event that started the interview it is in.
pub(super) type Left = (Key, Known, Option<(u64, Timestamp)>);

/// What is known of the applications from now on.
pub(super) async fn standings(client: &Client, left: &[Left], at: Timestamp) -> Result<(), Failure> {
    if left.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&Left) -> i64| left.iter().map(of).collect::<Vec<_>>();
    let optional = |of: fn(&Left) -> Option<i64>| left.iter().map(of).collect::<Vec<_>>();
    let keys: Vec<_> = left.iter().map(|(key, ..)| uuid(*key)).collect();
    let positions: Vec<_> =
        left.iter().map(|(_, known, _)| i16::from(known.standing.position == Position::In)).collect();
    let likenesses: Vec<Uuid> = left.iter().map(|(_, known, _)| uuid(known.standing.likeness.0)).collect();
    let types: Vec<_> = left.iter().map(|(_, known, _)| code(&EventType::ALL, &known.applied.event_type)).collect();
    client
        .execute_typed(
            "UPDATE application a SET position = u.position, likeness = u.likeness, ordered_at = u.ordered_at,
                    applied = u.applied, applied_at = u.applied_at, applied_as = u.applied_as, head = u.head,
                    since = u.since, since_at = u.since_at, heard_at = $11
             FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                  AS u (key, position, likeness, ordered_at, applied, applied_at, applied_as, head, since, since_at)
             WHERE a.key = u.key",
            &[
                (&keys, Type::UUID_ARRAY),
                (&positions, Type::INT2_ARRAY),
                (&likenesses, Type::UUID_ARRAY),
                (&optional(|(_, known, _)| known.standing.ordered_at.map(Timestamp::as_microsecond)), Type::INT8_ARRAY),
                (&column(|(_, known, _)| known.applied.sequence as i64), Type::INT8_ARRAY),
                (&column(|(_, known, _)| known.applied.received_at.as_millisecond()), Type::INT8_ARRAY),
                (&types, Type::INT2_ARRAY),
                (&column(|(_, known, _)| known.head as i64), Type::INT8_ARRAY),
                (&optional(|(.., since)| since.map(|(event, _)| event as i64)), Type::INT8_ARRAY),
                (&optional(|(.., since)| since.map(|(_, at)| at.as_millisecond())), Type::INT8_ARRAY),
                (&at.as_millisecond(), Type::INT8),
            ],
        )
        .await?;
    Ok(())
}

/// How often events were sent again.
pub(super) async fn duplicates(client: &Client, counts: &HashMap<u64, i64>, at: Timestamp) -> Result<(), Failure> {
    if counts.is_empty() {
        return Ok(());
    }
    let (events, counts): (Vec<_>, Vec<_>) = counts.iter().map(|(event, count)| (*event as i64, *count)).unzip();
    client
        .execute_typed(
            "INSERT INTO duplicate (event, count, last_at) SELECT u.*, $3 FROM unnest($1, $2) AS u ORDER BY 1
             ON CONFLICT (event) DO UPDATE SET count = duplicate.count + excluded.count, last_at = excluded.last_at",
            &[(&events, Type::INT8_ARRAY), (&counts, Type::INT8_ARRAY), (&at.as_millisecond(), Type::INT8)],
        )
        .await?;
    Ok(())
}

/// What waits for its delivery now.
pub(super) async fn work(client: &Client, rows: &[NewRow<'_>], at: Timestamp) -> Result<(), Failure> {
    let rows: Vec<_> = rows.iter().filter(|row| row.new.deliver).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let events: Vec<_> = rows.iter().map(|row| row.number as i64).collect();
    let applications: Vec<_> = rows.iter().map(|row| uuid(row.message.application)).collect();
    let orgs: Vec<_> = rows.iter().map(|row| row.message.incoming.org.as_str()).collect();
    let starts: Vec<_> = rows.iter().map(|row| row.new.event_type == EventType::InterviewStarted).collect();
    client
        .execute_typed(
            "INSERT INTO work (event, application, orgid, is_start, opened, opened_at)
             SELECT u.*, u.event, $5 FROM unnest($1, $2, $3, $4) AS u (event, application, orgid, is_start)",
            &[
                (&events, Type::INT8_ARRAY),
                (&applications, Type::UUID_ARRAY),
                (&orgs, Type::TEXT_ARRAY),
                (&starts, Type::BOOL_ARRAY),
                (&at.as_millisecond(), Type::INT8),
            ],
        )
        .await?;
    Ok(())
}

/// Lanes in which nothing waited get their new head; the others stay as they are.
pub(super) async fn lanes(client: &Client, rows: &[NewRow<'_>], at: Timestamp) -> Result<(), Failure> {
    let mut heads: BTreeMap<Key, &NewRow<'_>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.new.deliver) {
        heads.entry(row.message.application).or_insert(row);
    }
    if heads.is_empty() {
        return Ok(());
    }
    let applications: Vec<_> = heads.keys().copied().map(uuid).collect();
    let orgs: Vec<_> = heads.values().map(|row| row.message.incoming.org.as_str()).collect();
    let events: Vec<_> = heads.values().map(|row| row.number as i64).collect();
    let events_opened = events.clone();
    push(client, &applications, &orgs, &events, &events_opened, at.as_millisecond()).await
}

/// Puts these events at the heads of their lanes where there is none.
pub(super) async fn push(
    client: &Client,
    applications: &[Uuid],
    orgs: &[&str],
    events: &[i64],
    opened: &[i64],
    due_at: i64,
) -> Result<(), Failure> {
    client
        .execute_typed(
            "INSERT INTO lane (application, orgid, head, head_opened, kind, due_at)
             SELECT u.*, $5, $6 FROM unnest($1, $2, $3, $4) AS u (application, orgid, head, opened) ORDER BY application
             ON CONFLICT (application, kind) DO UPDATE
                 SET head = excluded.head, head_opened = excluded.head_opened, due_at = excluded.due_at, attempt = NULL
                 WHERE lane.head IS NULL",
            &[
                (&applications, Type::UUID_ARRAY),
                (&orgs, Type::TEXT_ARRAY),
                (&events, Type::INT8_ARRAY),
                (&opened, Type::INT8_ARRAY),
                (&i16::from(LaneKind::Delivery.code()), Type::INT2),
                (&due_at, Type::INT8),
            ],
        )
        .await?;
    Ok(())
}

/// Removes the rows of applications of which nothing was kept after all.
pub(super) async fn forget_blank(client: &Client, keys: &[&Key]) -> Result<(), Failure> {
    if keys.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = keys.iter().map(|key| uuid(**key)).collect();
    let sql = "DELETE FROM application WHERE key = ANY ($1) AND position IS NULL";
    client.execute_typed(sql, &[(&keys, Type::UUID_ARRAY)]).await?;
    Ok(())
}
