//! The messages of each organisation whose credentials were refused lately, so that an operator sees
//! that they come: whoever sends them is told, but need not be heard.
//!
//! There is one entry for each organisation that is configured, whoever calls, so that strangers fill
//! nothing; and nothing of what they have shown is kept but what was wrong with it.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::Denied;
use crate::clock::Clock;
use crate::domain::OrgId;

/// For how long after the last of them they are spoken of.
const SPOKEN_OF: SignedDuration = SignedDuration::from_hours(1);

/// How many messages of one organisation had credentials that were refused, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// How many came, those among them that were not looked at because too many had failed.
    pub count: u64,
    /// When the first one came.
    pub since: Timestamp,
    /// When the last one came.
    pub last: Timestamp,
    /// What was wrong with the last one that was looked at.
    pub because: Denied,
}

/// The refused messages of all organisations, each kept until an hour after its last one.
pub struct Misses {
    clock: Arc<dyn Clock>,
    organisations: Mutex<HashMap<OrgId, (Missed, IpAddr)>>,
    /// Whether there are any: where nobody fails, nobody takes the lock.
    any: AtomicBool,
}

impl Misses {
    /// Begins with no message refused; `clock` says when one comes, and when an hour has passed.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, organisations: Mutex::default(), any: AtomicBool::new(false) }
    }

    /// Notes a message for an organisation that is configured.
    pub fn note(&self, address: IpAddr, org: &OrgId, because: Denied) {
        let now = self.clock.now();
        let mut organisations = self.organisations();
        let before = organisations.get(org).filter(|(missed, _)| !is_over(missed, now));
        let (count, since) = before.map_or((0, now), |(missed, _)| (missed.count, missed.since));
        organisations.insert(org.clone(), (Missed { count: count + 1, since, last: now, because }, address));
        self.any.store(true, Ordering::Release);
    }

    /// Notes one more whose credentials were not looked at, because others had failed.
    pub fn turned_away(&self, org: &OrgId) {
        let now = self.clock.now();
        if let Some((missed, _)) = self.organisations().get_mut(org) {
            (missed.count, missed.last) = (missed.count + 1, now);
        }
    }

    /// Forgets those of an organisation once somebody gets in from where the last one came.
    pub fn succeeded(&self, address: IpAddr, org: &OrgId) {
        if self.any.load(Ordering::Acquire) {
            let mut organisations = self.organisations();
            if organisations.get(org).is_some_and(|(_, from)| *from == address) {
                organisations.remove(org);
            }
            self.any.store(!organisations.is_empty(), Ordering::Release);
        }
    }

    /// Those of an organisation, until nobody speaks of them any more.
    pub fn of(&self, org: &OrgId) -> Option<Missed> {
        let missed = self.organisations().get(org).map(|(missed, _)| *missed);
        missed.filter(|missed| !is_over(missed, self.clock.now()))
    }

    fn organisations(&self) -> MutexGuard<'_, HashMap<OrgId, (Missed, IpAddr)>> {
        self.organisations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Misses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Misses(of {} organisations)", self.organisations().len())
    }
}

fn is_over(missed: &Missed, now: Timestamp) -> bool {
    now.duration_since(missed.last) >= SPOKEN_OF
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn they_are_counted_until_an_hour_after_the_last_or_until_their_sender_gets_in() {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let misses = Misses::new(Arc::new(clock.clone()));
        let (acme, other): (OrgId, OrgId) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let (sender, stranger) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        misses.turned_away(&acme);
        assert_eq!(misses.of(&acme), None, "what was not looked at may have been right");
        misses.note(sender, &acme, Denied::Missing);
        clock.advance(Duration::from_secs(60));
        misses.turned_away(&acme);
        misses.note(sender, &acme, Denied::Malformed);
        let missed = misses.of(&acme).unwrap();
        assert_eq!((missed.count, missed.because), (3, Denied::Malformed));
        assert_eq!(missed.last.duration_since(missed.since), SignedDuration::from_secs(60));
        assert_eq!(misses.of(&other), None);
        misses.succeeded(stranger, &acme);
        misses.succeeded(sender, &other);
        clock.advance(Duration::from_secs(3_599));
        assert!(misses.of(&acme).is_some());
        clock.advance(Duration::from_secs(1));
        assert_eq!(misses.of(&acme), None);
        misses.note(sender, &acme, Denied::Missing);
        assert_eq!(misses.of(&acme).unwrap().count, 1, "those before are over");
        misses.succeeded(sender, &acme);
        assert_eq!(misses.of(&acme), None);
    }
}
