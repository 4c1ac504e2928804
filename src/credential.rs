//! Secrets that let somebody in, each with the time at which it was last used: while one is exchanged
//! for another both are taken, and the old one may go once nobody uses it.
//!
//! The times are those of this process and begin with it.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::clock::Clock;
use crate::domain::OrgId;

/// A secret whose uses are noted. Its clones share the note.
#[derive(Clone)]
pub struct Credential {
    secret: SecretString,
    clock: Option<Arc<dyn Clock>>,
    /// Microseconds since 1970; 0: never.
    last_use: Arc<AtomicI64>,
}

impl Credential {
    /// The secret itself, to be compared with what a caller shows or shown to a relay.
    pub fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// Notes a use at this time; where no clock was given, nothing.
    pub fn note_use(&self) {
        if let Some(clock) = &self.clock {
            self.last_use.store(clock.now().as_microsecond(), Relaxed);
        }
    }

    /// When it was last used, to the microsecond; `None`: not since the process began.
    pub fn last_used_at(&self) -> Option<Timestamp> {
        let last = self.last_use.load(Relaxed);
        (last != 0).then(|| Timestamp::from_microsecond(last).ok()).flatten()
    }
}

/// One whose uses nobody asks for.
impl From<String> for Credential {
    fn from(secret: String) -> Self {
        Self { secret: secret.into(), clock: None, last_use: Arc::default() }
    }
}

/// Shows nothing of the secret.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential(last used: {:?})", self.last_used_at())
    }
}

/// The notes of all credentials. One that moves to another key, as from `api_key_next` to `api_key`,
/// takes its note along.
pub struct Credentials {
    clock: Arc<dyn Clock>,
    seed: RandomState,
    notes: Mutex<HashMap<Place, Arc<AtomicI64>>>,
}

/// Whose it is, what it opens, and what its text comes to.
type Place = (OrgId, &'static str, u64);

impl Credentials {
    /// Begins with no use noted; `clock` gives the times of the uses to come.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, seed: RandomState::new(), notes: Mutex::default() }
    }

    /// The credential of an organisation that opens `what` by this secret.
    pub fn of(&self, org: &OrgId, what: &'static str, secret: &SecretString) -> Credential {
        let place = (org.clone(), what, self.seed.hash_one(secret.expose_secret()));
        let last_use = Arc::clone(self.notes().entry(place).or_default());
        Credential { secret: secret.clone(), clock: Some(Arc::clone(&self.clock)), last_use }
    }

    /// Forgets those that nobody holds any more and that were never used. A use is remembered for the life of
    /// the process: what is taken out and put back was used all the same.
    pub fn forget_unused(&self) {
        self.notes().retain(|_, note| Arc::strong_count(note) > 1 || note.load(Relaxed) != 0);
    }

    fn notes(&self) -> MutexGuard<'_, HashMap<Place, Arc<AtomicI64>>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.notes().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_use_is_noted_wherever_the_secret_stands() {
        let clock = ManualClock::at("2026-04-09T14:30:00Z".parse().unwrap());
        let credentials = Credentials::new(Arc::new(clock.clone()));
        let (acme, other): (OrgId, OrgId) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let [old, new] = ["hunter1", "hunter2"].map(|text| SecretString::from(text.to_owned()));
        let used = credentials.of(&acme, "relay", &new);
        used.clone().note_use();
        assert_eq!(used.last_used_at(), Some(clock.now()));
        assert_eq!(credentials.of(&acme, "relay", &new).last_used_at(), Some(clock.now()));
        for unused in [
            credentials.of(&acme, "relay", &old),
            credentials.of(&acme, "intake", &new),
            credentials.of(&other, "relay", &new),
        ] {
            assert_eq!(unused.last_used_at(), None);
        }
        assert!(!format!("{used:?}{credentials:?}").contains("hunter"));
    }

    #[test]
    fn what_is_held_or_was_used_is_remembered() {
        let credentials =
            Credentials::new(Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH + jiff::Span::new().hours(1))));
        let (acme, secret) = ("acme".parse().unwrap(), SecretString::from("s".to_owned()));
        let held = credentials.of(&acme, "basic", &secret);
        credentials.forget_unused();
        held.note_use();
        assert!(credentials.of(&acme, "basic", &secret).last_used_at().is_some(), "it was held, and is the same");
        drop(held);
        credentials.forget_unused();
        assert!(credentials.of(&acme, "basic", &secret).last_used_at().is_some(), "it was used");
        drop(credentials.of(&acme, "bearer", &secret));
        credentials.forget_unused();
        assert_eq!(credentials.notes().len(), 1);
    }
}
