//! What may be removed: found by upkeep, checked once more and done by the writer.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::amend::Figures;
use super::amendment::RemovedEvent;
use super::append::{self, EVENT_COLUMNS, Identity, Stored, millisecond};
use super::fact::{self, RemovedFact};
use super::keys::halves;
use super::sweep::{DEAD, WAITS};
use super::upkeep::STEP;
use crate::domain::{CandidateId, EventType, OrgId, Outcome, Position};
use crate::journal::batch::Key;

/// Finds what may be removed.
pub(super) struct Remover<'c> {
    connection: &'c Connection,
    identity: &'c Identity,
}

/// An application, as far as removing depends on it.
struct Application {
    head: Option<u64>,
    in_interview: bool,
}

impl<'c> Remover<'c> {
    pub(super) fn new(connection: &'c Connection, identity: &'c Identity) -> Self {
        Self { connection, identity }
    }

    /// Everything of the candidate's applications, each one's latest event last. `None` while
    /// something of it waits for delivery or an interview is open, unless `undelivered`.
    pub(super) fn of_candidate(
        &self,
        org: &OrgId,
        candidate: &CandidateId,
        undelivered: bool,
    ) -> rusqlite::Result<Option<Vec<RemovedEvent>>> {
        let mut events = BTreeMap::new();
        for stored in self.own(org, candidate)? {
            let application = self.application(fact::application(&stored, self.identity))?;
            if application.in_interview && !undelivered {
                return Ok(None);
            }
            let mut place = application.head.unwrap_or(0);
            events.insert(stored.sequence, (stored, application.head));
            while let Some(stored) = append::read(self.connection, place, self.identity.tag)? {
                place = stored.previous;
                events.entry(stored.sequence).or_insert((stored, application.head));
            }
        }
        let mut removed = Vec::with_capacity(events.len());
        for (stored, head) in events.into_values() {
            if self.state(stored.sequence)? == Some(WAITS) && !undelivered {
                return Ok(None);
            }
            removed.push(self.removed(&stored, head, head == Some(stored.sequence))?);
        }
        Ok(Some(removed))
    }

    /// The ids by which messages and answers speak of the candidate.
    pub(super) fn names(&self, org: &OrgId, candidate: &CandidateId) -> rusqlite::Result<Vec<String>> {
        let mut names = BTreeSet::from([candidate.as_str().to_owned()]);
        for stored in self.own(org, candidate)? {
            names.insert(stored.event.job_application_id.as_str().to_owned());
        }
        Ok(names.into_iter().collect())
    }

    /// The events of the candidate.
    fn own(&self, org: &OrgId, candidate: &CandidateId) -> rusqlite::Result<Vec<Stored>> {
        let key = self.identity.keys.candidate(org, candidate.as_str());
        let mut statement = self.connection.prepare_cached("SELECT event FROM idx.candidate WHERE k = ?1")?;
        let places = statement.query_map([key], |row| row.get::<_, u64>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        let mut own = Vec::with_capacity(places.len());
        for place in places {
            let stored = append::read(self.connection, place, self.identity.tag)?;
            // Two candidates may have one key.
            own.extend(stored.filter(|Stored { event, .. }| event.orgid == *org && event.candidate_id == *candidate));
        }
        Ok(own)
    }

    /// The settlements of the organisation whose answers speak of one of these. A relay may have named
    /// a candidate when it was told of another, so all are looked through.
    pub(super) fn answers(&self, org: &OrgId, names: &[String]) -> rusqlite::Result<Vec<u64>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT s.sequence FROM settlement s JOIN event e ON e.sequence = s.event
             WHERE instr(s.answer, ?1) AND e.orgid = ?2",
        )?;
        let mut found = BTreeSet::new();
        for name in names {
            for settlement in statement.query_map([name, org.as_str()], |row| row.get(0))? {
                found.insert(settlement?);
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Of the next events after this place that were received before that time, those that may go;
    /// with the place of the last one looked at. `kept` holds the places of those that stay: what
    /// follows them in their application stays as well, so that no history has a gap.
    pub(super) fn old(
        &self,
        after: u64,
        before: Timestamp,
        kept: &mut HashSet<u64>,
    ) -> rusqlite::Result<Option<(u64, Vec<RemovedEvent>)>> {
        let sql = format!("SELECT {EVENT_COLUMNS} FROM event WHERE sequence > ?1 ORDER BY sequence LIMIT {STEP}");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([after], |row| append::stored(row, self.identity.tag))?;
        let mut looked_at = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        // Times and places grow together.
        looked_at.truncate(looked_at.partition_point(|stored| stored.event.received_at < before));
        let Some(last) = looked_at.last().map(|stored| stored.sequence) else { return Ok(None) };
        let mut removed = Vec::new();
        for stored in looked_at {
            match self.unless_needed(&stored, before, kept)? {
                Some(event) => removed.push(event),
                None => drop(kept.insert(stored.sequence)),
            }
        }
        Ok(Some((last, removed)))
    }

    fn unless_needed(
        &self,
        stored: &Stored,
        before: Timestamp,
        kept: &HashSet<u64>,
    ) -> rusqlite::Result<Option<RemovedEvent>> {
        if kept.contains(&stored.previous) || matches!(self.state(stored.sequence)?, Some(WAITS | DEAD)) {
            return Ok(None);
        }
        let application = self.application(fact::application(stored, self.identity))?;
        if application.in_interview {
            return Ok(None);
        }
        let Some(head) = application.head else { return self.removed(stored, None, false).map(Some) };
        let Some(latest) = append::read(self.connection, head, self.identity.tag)? else {
            return self.removed(stored, Some(head), false).map(Some);
        };
        let is_state = stored.sequence == head || stored.sequence == latest.applied;
        if is_state && (self.last_heard(&latest)? >= before || latest.now == Position::In) {
            return Ok(None);
        }
        self.removed(stored, Some(head), stored.sequence == head).map(Some)
    }

    /// When the application was last heard of, duplicates included.
    fn last_heard(&self, latest: &Stored) -> rusqlite::Result<Timestamp> {
        let sql = "SELECT max(last_at) FROM idx.duplicates WHERE event IN (?1, ?2)";
        let mut statement = self.connection.prepare_cached(sql)?;
        let repeated: Option<i64> = statement.query_row([latest.sequence, latest.applied], |row| row.get(0))?;
        let repeated = repeated.and_then(|at| Timestamp::from_millisecond(at).ok());
        Ok(latest.event.received_at.max(repeated.unwrap_or(Timestamp::MIN)))
    }

    fn application(&self, key: Key) -> rusqlite::Result<Application> {
        let (k1, k2) = halves(key);
        let sql = "SELECT head, since FROM idx.application WHERE k1 = ?1 AND k2 = ?2";
        let found = self.connection.prepare_cached(sql)?.query_row([k1, k2], |row| {
            Ok(Application { head: row.get(0)?, in_interview: row.get::<_, Option<u64>>(1)?.is_some() })
        });
        Ok(found.optional()?.unwrap_or(Application { head: None, in_interview: false }))
    }

    /// What `idx.open` says of an event.
    fn state(&self, event: u64) -> rusqlite::Result<Option<u8>> {
        let mut statement = self.connection.prepare_cached("SELECT dead FROM idx.open WHERE event = ?1")?;
        statement.query_row([event], |row| row.get(0)).optional()
    }

    fn removed(&self, stored: &Stored, head: Option<u64>, forget: bool) -> rusqlite::Result<RemovedEvent> {
        let event = &stored.event;
        let mut work = self.connection.prepare_cached("SELECT record FROM idx.work WHERE event = ?1")?;
        let records = work.query_map([stored.sequence], |row| row.get(0))?.collect::<rusqlite::Result<Vec<u64>>>()?;
        let late = "SELECT count(*) FROM idx.work w JOIN settlement s ON s.sequence = w.record AND s.late = 1
                    WHERE w.event = ?1";
        let late = self.connection.prepare_cached(late)?.query_row([stored.sequence], |row| row.get(0))?;
        let (state, accepted) = (self.state(stored.sequence)?, stored.outcome == Outcome::Accepted);
        let application = fact::application(stored, self.identity);
        let (stage, step, status) = (event.stage.as_ref(), event.step.as_ref(), event.status.as_ref());
        let likeness = self.identity.keys.likeness(stage, step, status, stored.told);
        let is_start = accepted && event.event_type == EventType::InterviewStarted;
        Ok(RemovedEvent {
            fact: RemovedFact {
                event: stored.sequence,
                org: event.orgid.clone(),
                application,
                candidate: self.identity.keys.candidate(&event.orgid, event.candidate_id.as_str()),
                message: stored.message_id.as_deref().map(|id| self.identity.keys.message(application, id, likeness)),
                was_dead: state == Some(DEAD),
                waits: state == Some(WAITS),
                forget,
            },
            head,
            records,
            figures: Figures {
                accepted: u64::from(accepted),
                delivered: u64::from(stored.deliver && state.is_none()),
                late,
                last_message_at: Some(event.received_at),
                last_started_at: is_start.then_some(event.received_at),
            },
        })
    }

    /// Of the next duplicates after this place that were received before that time, those whose
    /// event is gone; with the place of the last one looked at.
    pub(super) fn stray_duplicates(&self, after: u64, before: Timestamp) -> rusqlite::Result<Option<(u64, Vec<u64>)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT d.sequence, d.at, e.sequence IS NULL FROM duplicate d LEFT JOIN event e ON e.sequence = d.event
             WHERE d.sequence > ?1 ORDER BY d.sequence LIMIT ?2",
        )?;
        let rows = statement.query_map([after, STEP as u64], |row| {
            Ok((row.get::<_, u64>(0)?, millisecond(row, 1)?, row.get::<_, bool>(2)?))
        })?;
        let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let old: Vec<_> = rows.into_iter().take_while(|(_, at, _)| *at < before).collect();
        let Some((last, ..)) = old.last() else { return Ok(None) };
        Ok(Some((*last, old.iter().filter(|(.., stray)| *stray).map(|(record, ..)| *record).collect())))
    }
}
