//! Nonces that were taken: each is taken once.
//!
//! A nonce is remembered only after the token that holds it was found right, so that whoever has no
//! password can neither fill the memory nor spend somebody else's nonce. Each organisation has its
//! own room, so that one caller in a hurry is no other's trouble. A full room forgets the token that
//! was created first and from then on refuses, as too old, whatever was created no later: the time
//! that a token is good for gets shorter, but no nonce is ever taken twice.
//!
//! The memory is the process's own: after a restart a token may be taken a second time until it is
//! too old. A message that was stored is then still a duplicate.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::Denied;
use super::token::{MOST_OLD, Spent};
use crate::domain::OrgId;

/// Tokens remembered per organisation, in about 6 MB: at 180 messages a second each is remembered
/// for as long as it would be taken.
const CAPACITY: usize = 65_536;

/// The nonces of all organisations.
#[derive(Debug)]
pub struct Nonces {
    capacity: usize,
    rooms: Mutex<HashMap<OrgId, Room>>,
}

impl Default for Nonces {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Nonces {
    fn with_capacity(capacity: usize) -> Self {
        Self { capacity, rooms: Mutex::default() }
    }

    /// Takes the nonce of a token that was found right.
    pub(super) fn take(&self, org: &OrgId, spent: Spent, now: Timestamp) -> Result<(), Denied> {
        self.rooms().entry(org.clone()).or_default().take(spent, now, self.capacity)
    }

    pub(super) fn give_back(&self, org: &OrgId, spent: Spent) {
        if let Some(room) = self.rooms().get_mut(org) {
            room.forget(spent);
        }
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<OrgId, Room>> {
        // A room is whole between any two of its statements but for a set that is too small or
        // too large by one, which refuses and forgets nothing that it should not.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The nonces of one organisation.
#[derive(Debug, Default)]
struct Room {
    taken: HashSet<[u8; 20]>,
    by_age: BTreeSet<Spent>,
    /// When the youngest token that had to be forgotten too early was created.
    forgotten: Option<Timestamp>,
}

impl Room {
    fn take(&mut self, spent: Spent, now: Timestamp, capacity: usize) -> Result<(), Denied> {
        while let Some(&oldest) = self.by_age.first().filter(|oldest| now.duration_since(oldest.created) > MOST_OLD) {
            self.forget(oldest);
        }
        if self.forgotten.is_some_and(|forgotten| spent.created <= forgotten) {
            return Err(Denied::Old { seconds: now.duration_since(spent.created).as_secs() });
        }
        if !self.taken.insert(spent.nonce) {
            return Err(Denied::Repeated);
        }
        self.by_age.insert(spent);
        if self.taken.len() > capacity
            && let Some(&oldest) = self.by_age.first()
        {
            self.forget(oldest);
            self.forgotten = self.forgotten.max(Some(oldest.created));
        }
        Ok(())
    }

    fn forget(&mut self, spent: Spent) {
        if self.by_age.remove(&spent) {
            self.taken.remove(&spent.nonce);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org() -> OrgId {
        "acme".parse().unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn spent(nonce: u32, second: i64) -> Spent {
        let mut key = [0; 20];
        key[..4].copy_from_slice(&nonce.to_be_bytes());
        Spent { created: at(second), nonce: key }
    }

    #[test]
    fn a_nonce_is_taken_once_per_organisation() {
        let nonces = Nonces::default();
        assert_eq!(nonces.take(&org(), spent(1, 0), at(0)), Ok(()));
        assert_eq!(nonces.take(&org(), spent(1, 0), at(1)), Err(Denied::Repeated));
        assert_eq!(nonces.take(&org(), spent(1, 5), at(5)), Err(Denied::Repeated), "whatever its time");
        assert_eq!(nonces.take(&"other".parse().unwrap(), spent(1, 0), at(1)), Ok(()));
        nonces.give_back(&org(), spent(1, 5));
        assert_eq!(nonces.take(&org(), spent(1, 0), at(1)), Err(Denied::Repeated), "another token gives nothing back");
        nonces.give_back(&org(), spent(1, 0));
        assert_eq!(nonces.take(&org(), spent(1, 0), at(1)), Ok(()));
    }

    #[test]
    fn what_is_too_old_to_be_taken_is_forgotten() {
        let nonces = Nonces::default();
        for second in 0..1000 {
            nonces.take(&org(), spent(second as u32, second), at(second)).unwrap();
        }
        let rooms = nonces.rooms();
        assert_eq!((rooms[&org()].taken.len(), rooms[&org()].by_age.len()), (301, 301));
    }

    #[test]
    fn a_flood_shortens_the_time_and_lets_nothing_in_twice() {
        let nonces = Nonces::with_capacity(10);
        for n in 0..1000 {
            nonces.take(&org(), spent(n, i64::from(n) / 10), at(100)).unwrap();
        }
        for n in 0..1000 {
            assert!(nonces.take(&org(), spent(n, i64::from(n) / 10), at(100)).is_err(), "{n}");
        }
        assert_eq!(nonces.take(&org(), spent(5000, 50), at(100)), Err(Denied::Old { seconds: 50 }));
        assert_eq!(nonces.take(&org(), spent(5001, 100), at(100)), Ok(()), "who is on time is let in");
        let rooms = nonces.rooms();
        assert_eq!((rooms[&org()].taken.len(), rooms[&org()].by_age.len()), (10, 10));
    }
}
