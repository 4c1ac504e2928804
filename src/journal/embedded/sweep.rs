//! One step of the index: many facts, collected, sorted and applied in key order, in one
//! transaction. Sorting is what makes an index of random keys cheap.

mod open;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

pub(super) use self::open::{DEAD, WAITS};
use self::open::{OpenRow, Step};
use super::fact::{End, EventFact, Fact, RemovedFact, SettledFact, Since};
use super::keys::halves;
use crate::domain::protection::{Change, Span};
use crate::domain::{EventType, OrgId};
use crate::journal::batch::Key;

struct ProtectionStep {
    event: u64,
    org: OrgId,
    change: Change,
    at: Timestamp,
}

#[derive(Default)]
struct Totals {
    accepted: u64,
    delivered: i64,
    dead: i64,
    late: u64,
    last_message_at: Option<Timestamp>,
    last_started_at: Option<Timestamp>,
}

/// Facts, sorted by what they touch.
#[derive(Default)]
pub(super) struct Sweep {
    heads: Vec<(Key, u64, Since)>,
    messages: Vec<(Key, u64)>,
    candidates: Vec<(i64, u64)>,
    work: Vec<(u64, u64)>,
    open: BTreeMap<u64, Vec<Step>>,
    duplicates: BTreeMap<u64, (u64, Timestamp)>,
    protections: BTreeMap<Key, Vec<ProtectionStep>>,
    organisations: HashMap<OrgId, Totals>,
    stages: HashMap<(OrgId, String, bool), u64>,
    removed: Vec<RemovedFact>,
}

impl Sweep {
    /// Sorts the facts, which come in the order of their records.
    pub(super) fn of(facts: &[Fact]) -> Self {
        let mut sweep = Self::default();
        for fact in facts {
            match fact {
                Fact::Event(event) => sweep.event(event),
                Fact::Duplicate { event, at, org } => {
                    sweep.organisations.entry(org.clone()).or_default().last_message_at = Some(*at);
                    let entry = sweep.duplicates.entry(*event).or_insert((0, *at));
                    *entry = (entry.0 + 1, *at);
                }
                Fact::Attempt { sequence, event, at } => {
                    sweep.work.push((*event, *sequence));
                    sweep.open.entry(*event).or_default().push(Step::Attempted { at: *at });
                }
                Fact::Settled(settled) => sweep.settled(settled),
                Fact::Replayed { sequence, event, at, org, number, was_dead } => {
                    sweep.work.push((*event, *sequence));
                    let opened = Step::Opened { by: *sequence, at: *at, number: *number };
                    sweep.open.entry(*event).or_default().push(opened);
                    let totals = sweep.organisations.entry(org.clone()).or_default();
                    *(if *was_dead { &mut totals.dead } else { &mut totals.delivered }) -= 1;
                }
                Fact::Discarded { sequence, event, org, was_dead } => {
                    sweep.work.push((*event, *sequence));
                    sweep.open.entry(*event).or_default().push(Step::Discarded);
                    sweep.organisations.entry(org.clone()).or_default().dead -= i64::from(*was_dead);
                }
                Fact::Removed(removed) => {
                    sweep.open.entry(removed.event).or_default().push(Step::Removed);
                    sweep.organisations.entry(removed.org.clone()).or_default().dead -= i64::from(removed.was_dead);
                    sweep.removed.push((**removed).clone());
                }
            }
        }
        sweep.heads.sort_unstable_by_key(|(key, sequence, _)| (*key, *sequence));
        sweep.messages.sort_unstable();
        sweep.candidates.sort_unstable();
        sweep.work.sort_unstable();
        sweep
    }

    fn event(&mut self, event: &EventFact) {
        self.heads.push((event.application, event.sequence, event.interview_since));
        self.candidates.push((event.candidate, event.sequence));
        self.messages.extend(event.message.map(|key| (key, event.sequence)));
        if event.deliver {
            self.open.entry(event.sequence).or_default().push(Step::Opened {
                by: event.sequence,
                at: event.at,
                number: 0,
            });
        }
        let totals = self.organisations.entry(event.org.clone()).or_default();
        totals.last_message_at = Some(event.at);
        totals.accepted += u64::from(event.accepted);
        if event.accepted && event.event_type == EventType::InterviewStarted {
            totals.last_started_at = Some(event.at);
        }
        if let Some(stage) = &event.stage {
            let key = (event.org.clone(), stage.as_str().to_owned(), event.interview);
            *self.stages.entry(key).or_default() += 1;
        }
    }

    fn settled(&mut self, settled: &SettledFact) {
        self.work.push((settled.event, settled.sequence));
        self.open.entry(settled.event).or_default().push(Step::Ended(settled.end));
        let totals = self.organisations.entry(settled.org.clone()).or_default();
        totals.delivered += i64::from(settled.end == End::Delivered);
        totals.dead += i64::from(settled.end == End::Dead);
        totals.late += u64::from(settled.late);
        if let Some((application, change, at)) = settled.protection {
            let step = ProtectionStep { event: settled.event, org: settled.org.clone(), change, at };
            self.protections.entry(application).or_default().push(step);
        }
    }

    /// Applies everything and records that the index now holds the journal up to `upto`.
    pub(super) fn apply(&self, index: &mut Connection, upto: u64) -> rusqlite::Result<()> {
        let transaction = index.transaction()?;
        self.apply_keys(&transaction)?;
        self.apply_open(&transaction)?;
        self.apply_counts(&transaction)?;
        self.apply_protections(&transaction)?;
        self.apply_removed(&transaction)?;
        transaction.prepare_cached("UPDATE progress SET applied = ?1")?.execute([upto])?;
        transaction.commit()
    }

    fn apply_keys(&self, index: &Connection) -> rusqlite::Result<()> {
        let mut head = index.prepare_cached("INSERT OR REPLACE INTO application VALUES (?1, ?2, ?3, ?4)")?;
        let mut only_head = index.prepare_cached("UPDATE application SET head = ?3 WHERE k1 = ?1 AND k2 = ?2")?;
        // Sorted by key and then by sequence: only the last of equal keys counts.
        for events in self.heads.chunk_by(|one, next| one.0 == next.0) {
            let [.., (key, sequence, _)] = events else { continue };
            let (k1, k2) = halves(*key);
            let since = events.iter().rev().find(|(.., since)| *since != Since::Kept);
            let known = match since {
                Some((_, started, Since::Started)) => head.execute(params![k1, k2, sequence, Some(*started)])?,
                Some(_) => head.execute(params![k1, k2, sequence, None::<u64>])?,
                None => only_head.execute(params![k1, k2, sequence])?,
            };
            if known == 0 {
                head.execute(params![k1, k2, sequence, None::<u64>])?;
            }
        }
        let mut message = index.prepare_cached("INSERT OR REPLACE INTO message VALUES (?1, ?2, ?3)")?;
        for (key, sequence) in &self.messages {
            let (k1, k2) = halves(*key);
            message.execute(params![k1, k2, sequence])?;
        }
        let mut candidate = index.prepare_cached("INSERT OR IGNORE INTO candidate VALUES (?1, ?2)")?;
        for (key, sequence) in &self.candidates {
            candidate.execute(params![key, sequence])?;
        }
        let mut work = index.prepare_cached("INSERT OR IGNORE INTO work VALUES (?1, ?2)")?;
        for (event, record) in &self.work {
            work.execute(params![event, record])?;
        }
        Ok(())
    }

    fn apply_open(&self, index: &Connection) -> rusqlite::Result<()> {
        for (event, steps) in &self.open {
            let is_new = matches!(steps.first(), Some(Step::Opened { by, .. }) if by == event);
            let mut row = if is_new { None } else { OpenRow::read(index, *event)? };
            let known = row.is_some();
            for step in steps {
                row = OpenRow::after(row, step);
            }
            match row {
                Some(row) => row.write(index, *event)?,
                None if known => {
                    index.prepare_cached("DELETE FROM open WHERE event = ?1")?.execute([event])?;
                }
                None => {}
            }
        }
        Ok(())
    }

    fn apply_counts(&self, index: &Connection) -> rusqlite::Result<()> {
        let mut duplicates = index.prepare_cached(
            "INSERT INTO duplicates VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET count = count + ?2, last_at = ?3",
        )?;
        for (event, (count, last_at)) in &self.duplicates {
            duplicates.execute(params![event, count, last_at.as_millisecond()])?;
        }
        let mut organisation = index.prepare_cached(
            "INSERT INTO organisation VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET
                accepted = accepted + ?2, delivered = delivered + ?3, dead = dead + ?4, late = late + ?5,
                last_message_at = ifnull(?6, last_message_at), last_started_at = ifnull(?7, last_started_at)",
        )?;
        for (org, totals) in &self.organisations {
            let milliseconds = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
            let (message, started) = (milliseconds(totals.last_message_at), milliseconds(totals.last_started_at));
            let Totals { accepted, delivered, dead, late, .. } = totals;
            organisation.execute(params![org.as_str(), accepted, delivered, dead, late, message, started])?;
        }
        let mut stage = index
            .prepare_cached("INSERT INTO stage VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET count = count + ?4")?;
        for ((org, name, interview), count) in &self.stages {
            stage.execute(params![org.as_str(), name, interview, count])?;
        }
        Ok(())
    }

    /// What was removed went last in its batch: nothing that follows speaks of it.
    fn apply_removed(&self, index: &Connection) -> rusqlite::Result<()> {
        let mut message = index.prepare_cached("DELETE FROM message WHERE k1 = ?1 AND k2 = ?2 AND event = ?3")?;
        let mut candidate = index.prepare_cached("DELETE FROM candidate WHERE k = ?1 AND event = ?2")?;
        let mut work = index.prepare_cached("DELETE FROM work WHERE event = ?1")?;
        let mut duplicates = index.prepare_cached("DELETE FROM duplicates WHERE event = ?1")?;
        let mut protection = index.prepare_cached("DELETE FROM protection WHERE k1 = ?1 AND k2 = ?2 AND event = ?3")?;
        let mut application =
            index.prepare_cached("DELETE FROM application WHERE k1 = ?1 AND k2 = ?2 AND head = ?3")?;
        for removed in &self.removed {
            let event = removed.event;
            if let Some((k1, k2)) = removed.message.map(halves) {
                message.execute(params![k1, k2, event])?;
            }
            candidate.execute(params![removed.candidate, event])?;
            work.execute([event])?;
            duplicates.execute([event])?;
            let (k1, k2) = halves(removed.application);
            protection.execute(params![k1, k2, event])?;
            if removed.forget {
                application.execute(params![k1, k2, event])?;
            }
        }
        Ok(())
    }

    fn apply_protections(&self, index: &Connection) -> rusqlite::Result<()> {
        let mut load = index.prepare_cached("SELECT started_at, ended_at FROM protection WHERE k1 = ?1 AND k2 = ?2")?;
        let mut store = index.prepare_cached("INSERT OR REPLACE INTO protection VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for (key, steps) in &self.protections {
            let (k1, k2) = halves(*key);
            let before = load.query_row([k1, k2], |row| {
                Ok(Span { started_at: microsecond(row.get(0)?), ended_at: microsecond(row.get(1)?) })
            });
            let before = before.optional()?.unwrap_or_default();
            let span = steps.iter().fold(before, |span, step| span.after(step.change, step.at));
            let Some(last) = steps.last().filter(|_| span != before) else { continue };
            let (started, ended) = (span.started_at, span.ended_at);
            let [started, ended] = [started, ended].map(|at| at.map(Timestamp::as_microsecond));
            store.execute(params![k1, k2, last.event, last.org.as_str(), started, ended])?;
        }
        Ok(())
    }
}

/// Reads microseconds since 1970; what no timestamp can hold is none.
pub(super) fn microsecond(at: Option<i64>) -> Option<Timestamp> {
    at.and_then(|at| Timestamp::from_microsecond(at).ok())
}
