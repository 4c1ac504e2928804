//! Nonces that were taken: each is taken once.
//!
//! A nonce is remembered only after the token that holds it was found right, so that whoever has no
//! password can neither fill the memory nor spend somebody else's nonce. Each organisation has its
//! own room, so that one caller in a hurry is no other's trouble. A full room forgets the token that
//! was created first and from then on refuses, as too old, whatever was created no later: the time
//! that a token is good for gets shorter, but no nonce is ever taken twice.
//!
//! The memory is the process's own: after a restart a token may be taken a second time until it is
//! too old. A message that was stored is then still a duplicate. Where several processes take
//! messages for one journal, a [`Ledger`] is asked as well, which all of them share.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::Denied;
use super::token::{MOST_OLD, Spent};
use crate::domain::OrgId;

/// Tokens remembered per organisation, in about 6 MB: at 180 messages a second each is remembered
/// for as long as it would be taken.
const CAPACITY: usize = 65_536;

/// A digest of a nonce, which a sender may make of any length.
pub type Digest = [u8; 20];

/// What a ledger says in time: whether the nonce was not there yet.
pub type Entered = Pin<Box<dyn Future<Output = Result<bool, Unanswered>> + Send>>;

/// A ledger does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered {
    /// When it makes sense to ask again.
    pub retry_after: Duration,
}

/// Where all bridges that share a journal enter the nonces that they took.
pub trait Ledger: Send + Sync {
    /// Enters a nonce; `false` where it is there already.
    fn enter(&self, org: &OrgId, nonce: Digest) -> Entered;

    /// Strikes out what this process entered.
    fn strike(&self, org: &OrgId, nonce: Digest);
}

/// The nonces that were used, by organisation, each for as long as its token would be good.
pub struct Nonces {
    capacity: usize,
    rooms: Mutex<HashMap<OrgId, Room>>,
    ledger: Option<Arc<dyn Ledger>>,
}

impl Default for Nonces {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Nonces {
    /// Those that this process takes and that are not in this ledger.
    pub fn shared(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger: Some(ledger), ..Self::default() }
    }

    fn with_capacity(capacity: usize) -> Self {
        Self { capacity, rooms: Mutex::default(), ledger: None }
    }

    /// Takes the nonce of a token that was found right. Where the ledger does not answer it is not
    /// taken: the message could not be stored either.
    pub(super) async fn take(&self, org: &OrgId, spent: Spent, now: Timestamp) -> Result<(), Denied> {
        self.take_here(org, spent, now)?;
        let Some(ledger) = &self.ledger else { return Ok(()) };
        match ledger.enter(org, spent.nonce).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Denied::Repeated),
            Err(Unanswered { retry_after }) => {
                // It may have been entered all the same.
                self.give_back(org, spent);
                Err(Denied::Unanswered { retry_after })
            }
        }
    }

    fn take_here(&self, org: &OrgId, spent: Spent, now: Timestamp) -> Result<(), Denied> {
        self.rooms().entry(org.clone()).or_default().take(spent, now, self.capacity)
    }

    pub(super) fn give_back(&self, org: &OrgId, spent: Spent) {
        if let Some(ledger) = &self.ledger {
            ledger.strike(org, spent.nonce);
        }
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

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = if self.ledger.is_some() { "shared" } else { "its own" };
        write!(f, "Nonces({shared}, of {} organisations)", self.rooms().len())
    }
}

/// The nonces of one organisation.
#[derive(Debug, Default)]
struct Room {
    taken: HashSet<Digest>,
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
        assert_eq!(nonces.take_here(&org(), spent(1, 0), at(0)), Ok(()));
        assert_eq!(nonces.take_here(&org(), spent(1, 0), at(1)), Err(Denied::Repeated));
        assert_eq!(nonces.take_here(&org(), spent(1, 5), at(5)), Err(Denied::Repeated), "whatever its time");
        assert_eq!(nonces.take_here(&"other".parse().unwrap(), spent(1, 0), at(1)), Ok(()));
        nonces.give_back(&org(), spent(1, 5));
        assert_eq!(
            nonces.take_here(&org(), spent(1, 0), at(1)),
            Err(Denied::Repeated),
            "another token gives nothing back"
        );
        nonces.give_back(&org(), spent(1, 0));
        assert_eq!(nonces.take_here(&org(), spent(1, 0), at(1)), Ok(()));
    }

    #[test]
    fn what_is_too_old_to_be_taken_is_forgotten() {
        let nonces = Nonces::default();
        for second in 0..1000 {
            nonces.take_here(&org(), spent(second as u32, second), at(second)).unwrap();
        }
        let rooms = nonces.rooms();
        assert_eq!((rooms[&org()].taken.len(), rooms[&org()].by_age.len()), (301, 301));
    }

    #[test]
    fn a_flood_shortens_the_time_and_lets_nothing_in_twice() {
        let nonces = Nonces::with_capacity(10);
        for n in 0..1000 {
            nonces.take_here(&org(), spent(n, i64::from(n) / 10), at(100)).unwrap();
        }
        for n in 0..1000 {
            assert!(nonces.take_here(&org(), spent(n, i64::from(n) / 10), at(100)).is_err(), "{n}");
        }
        assert_eq!(nonces.take_here(&org(), spent(5000, 50), at(100)), Err(Denied::Old { seconds: 50 }));
        assert_eq!(nonces.take_here(&org(), spent(5001, 100), at(100)), Ok(()), "who is on time is let in");
        let rooms = nonces.rooms();
        assert_eq!((rooms[&org()].taken.len(), rooms[&org()].by_age.len()), (10, 10));
    }

    /// A ledger that answers as it is told, and notes what is struck out.
    struct Told(Result<bool, Unanswered>, Mutex<Vec<Digest>>);

    impl Ledger for Told {
        fn enter(&self, _: &OrgId, _: Digest) -> Entered {
            Box::pin(std::future::ready(self.0))
        }

        fn strike(&self, _: &OrgId, nonce: Digest) {
            self.1.lock().unwrap().push(nonce);
        }
    }

    #[tokio::test]
    async fn what_the_ledger_has_is_not_taken_and_what_it_does_not_say_is_given_back() {
        let unanswered = Unanswered { retry_after: Duration::from_secs(5) };
        for (says, taken, struck) in [
            (Ok(true), Ok(()), 0),
            (Ok(false), Err(Denied::Repeated), 0),
            (Err(unanswered), Err(Denied::Unanswered { retry_after: unanswered.retry_after }), 1),
        ] {
            let ledger = Arc::new(Told(says, Mutex::default()));
            let nonces = Nonces::shared(ledger.clone());
            assert_eq!(nonces.take(&org(), spent(1, 0), at(0)).await, taken);
            assert_eq!(ledger.1.lock().unwrap().len(), struck);
            let again = nonces.take_here(&org(), spent(1, 0), at(0));
            assert_eq!(again.is_ok(), struck == 1, "what is not known may be shown again");
        }
    }
}
