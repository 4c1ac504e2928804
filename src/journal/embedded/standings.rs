//! What the writer remembers of applications and messages, bounded: recent ones in memory, the
//! rest through the index. What the index does not hold yet is never forgotten.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::append::{self, Identity, Stored};
use super::follow::Progress;
use super::keys::halves;
use crate::domain::Outcome;
use crate::domain::lifecycle::Standing;
use crate::journal::batch::{EventRef, Key, KeyMap, Knowledge, Known, Learned};

/// How many applications are remembered before the older half may go. With the batch that exceeds it, it
/// is what a table of 2¹⁶ places takes before it grows.
const REMEMBERED: usize = 49_000;

/// Two generations of remembered entries; the older is dropped once the index holds it.
struct Generations<V> {
    young: KeyMap<V>,
    old: KeyMap<V>,
    /// The last record that `old` may speak of.
    old_upto: u64,
}

impl<V: Copy> Generations<V> {
    fn new() -> Self {
        Self { young: KeyMap::default(), old: KeyMap::default(), old_upto: 0 }
    }

    fn find(&self, key: Key) -> Option<V> {
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }

    fn learn(&mut self, key: Key, value: Option<V>) {
        match value {
            Some(value) => drop(self.young.insert(key, value)),
            // What the index says of it until it follows leads to no event any more.
            None => {
                self.young.remove(&key);
                self.old.remove(&key);
            }
        }
    }

    fn turn(&mut self, last: u64, applied: u64) {
        if self.young.len() >= REMEMBERED && applied >= self.old_upto {
            std::mem::swap(&mut self.old, &mut self.young);
            self.old_upto = last;
            // The table of those that go is used again: to let a new one grow costs more than to fill it.
            self.young.clear();
            self.young.shrink_to(REMEMBERED);
        }
    }
}

/// The writer's knowledge.
pub(super) struct Standings {
    applications: Generations<Known>,
    messages: Generations<EventRef>,
    seen: Bloom,
    journal: Connection,
    index: Connection,
    identity: Identity,
    progress: Arc<Progress>,
}

impl Standings {
    /// Knowledge of everything that the index holds, which must be up to date.
    pub(super) fn load(
        journal: Connection,
        index: Connection,
        identity: Identity,
        progress: Arc<Progress>,
    ) -> rusqlite::Result<Self> {
        let seen = Bloom::of(&index)?;
        let (applications, messages) = (Generations::new(), Generations::new());
        Ok(Self { applications, messages, seen, journal, index, identity, progress })
    }

    /// Takes over what a committed batch learned; `last` is the batch's last record.
    pub(super) fn merge(&mut self, learned: Learned, last: u64) {
        for (key, known) in learned.applications {
            self.seen.add(key);
            self.applications.learn(key, known);
        }
        for (key, event) in learned.messages {
            self.seen.add(key);
            self.messages.learn(key, event);
        }
        let applied = self.progress.applied();
        self.applications.turn(last, applied);
        self.messages.turn(last, applied);
    }

    fn indexed(&self, sql: &str, key: Key) -> rusqlite::Result<Option<Stored>> {
        let (k1, k2) = halves(key);
        let place: Option<u64> = self.index.prepare_cached(sql)?.query_row([k1, k2], |row| row.get(0)).optional()?;
        place.map_or(Ok(None), |place| append::read(&self.journal, place, self.identity.tag))
    }
}

impl Knowledge for Standings {
    type Error = rusqlite::Error;

    fn application(&mut self, key: Key) -> rusqlite::Result<Option<Known>> {
        if let Some(known) = self.applications.find(key) {
            return Ok(Some(known));
        }
        if !self.seen.may_hold(key) {
            return Ok(None);
        }
        let head = self.indexed("SELECT head FROM application WHERE k1 = ?1 AND k2 = ?2", key)?;
        let Some(head) = head else { return Ok(None) };
        let sequence = head.sequence;
        let applied = match head.outcome {
            Outcome::Stale => append::read(&self.journal, head.applied, self.identity.tag)?,
            _ => Some(head),
        };
        Ok(applied.map(|applied| {
            let event = &applied.event;
            let (stage, step, status) = (event.stage.as_ref(), event.step.as_ref(), event.status.as_ref());
            let likeness = self.identity.keys.likeness(stage, step, status, applied.told);
            let standing = Standing { position: applied.now, likeness, ordered_at: applied.ordered_at };
            Known { standing, applied: applied.reference(), head: sequence }
        }))
    }

    fn message(&mut self, key: Key) -> rusqlite::Result<Option<EventRef>> {
        if let Some(event) = self.messages.find(key) {
            return Ok(Some(event));
        }
        if !self.seen.may_hold(key) {
            return Ok(None);
        }
        let stored = self.indexed("SELECT event FROM message WHERE k1 = ?1 AND k2 = ?2", key)?;
        Ok(stored.map(|stored| stored.reference()))
    }
}

/// A Bloom filter over the keys that were ever seen: most messages are of applications never heard
/// of, and for those the index need not be asked. All that is known of a key stands in one line of the
/// processor's cache: it is asked for keys in no order, and each line costs a wait for the memory.
struct Bloom {
    lines: Vec<Line>,
}

/// 512 bits.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Line([u64; 8]);

impl Bloom {
    /// 2¹⁷ lines, 8 MiB: about 1 in 100 false alarms at 6 million keys; beyond that it only costs lookups.
    const LINES: u64 = 1 << 17;

    fn of(index: &Connection) -> rusqlite::Result<Self> {
        let mut bloom = Self { lines: vec![Line::default(); Self::LINES as usize] };
        for sql in ["SELECT k1, k2 FROM application", "SELECT k1, k2 FROM message"] {
            let mut statement = index.prepare(sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (k1, k2): (i64, i64) = (row.get(0)?, row.get(1)?);
                bloom.add(Key::from(k1 as u64) << 64 | Key::from(k2 as u64));
            }
        }
        Ok(bloom)
    }

    /// The key's line.
    fn line(key: Key) -> usize {
        ((key >> 64) as u64 & (Self::LINES - 1)) as usize
    }

    /// The key's places in its line: five times nine bits of what the line did not take.
    fn places(key: Key) -> impl Iterator<Item = (usize, u64)> {
        (0..5).map(move |n| (key as u64 >> (n * 9) & 511) as usize).map(|place| (place / 64, 1 << (place % 64)))
    }

    fn add(&mut self, key: Key) {
        let Line(words) = &mut self.lines[Self::line(key)];
        Self::places(key).for_each(|(word, bit)| words[word] |= bit);
    }

    fn may_hold(&self, key: Key) -> bool {
        let Line(words) = &self.lines[Self::line(key)];
        Self::places(key).all(|(word, bit)| words[word] & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys as a hash would make them.
    fn keys(seed: u64) -> impl Iterator<Item = Key> {
        (0u64..).map(move |n| {
            let half = |n: u64| {
                let mixed = (n ^ n >> 31).wrapping_mul(0x7fb5_d329_728e_a185);
                (mixed ^ mixed >> 27).wrapping_mul(0x81da_def4_bc2d_d44d) ^ mixed >> 33
            };
            Key::from(half(n + seed)) << 64 | Key::from(half(!n ^ seed << 32))
        })
    }

    #[test]
    fn what_was_seen_is_known_and_hardly_anything_else() {
        let mut bloom = Bloom { lines: vec![Line::default(); Bloom::LINES as usize] };
        keys(1).take(6_000_000).for_each(|key| bloom.add(key));
        assert!(keys(1).take(6_000_000).step_by(997).all(|key| bloom.may_hold(key)));
        let alarms = keys(1 << 40).take(100_000).filter(|key| bloom.may_hold(*key)).count();
        assert!(alarms < 2_000, "{alarms} of 100,000 keys that were never seen");
    }
}
