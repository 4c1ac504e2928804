//! Failed sign-ins, slowed per address and organisation.
//!
//! After [`FREE`] failures whoever comes from there waits before the next try, longer each time. The
//! wait is looked at before the credentials are, so that a try during it tells nothing, and once more
//! when it is known what came of them: of tries at the same time no more are answered than there would
//! be one after the other. Other addresses and other organisations do not notice. A sign-in that succeeds forgets the failures,
//! and so does time.
//!
//! A flood of addresses takes bounded memory: there are two tables, and when the younger one is full
//! it takes the place of the older one, whose failures are forgotten early.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::OrgId;

/// Failures that cost no waiting: people mistype.
const FREE: u32 = 5;

/// The wait after the last of them; it doubles with each further failure.
const FIRST_WAIT: Duration = Duration::from_secs(5);

/// The longest wait: somebody who has put their password right should not wait for long.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long after the last failure all of them are forgotten.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);

/// Most entries of each of the two tables.
const MOST: usize = 8_192;

/// The sign-ins that failed lately.
pub struct SignIns {
    clock: Arc<dyn Clock>,
    tables: Mutex<Tables>,
    /// Whether there is anything in them: where nobody fails, nobody takes the lock.
    any: AtomicBool,
}

#[derive(Default)]
struct Tables {
    young: HashMap<Caller, Failures>,
    old: HashMap<Caller, Failures>,
}

/// Who failed, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Caller {
    network: IpAddr,
    org: OrgId,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Duration,
}

impl Failures {
    fn wait(self, now: Duration) -> Option<Duration> {
        let doublings = self.count.checked_sub(FREE)?;
        let wait = FIRST_WAIT.saturating_mul(2u32.saturating_pow(doublings)).min(LONGEST_WAIT);
        (self.last + wait).checked_sub(now).filter(|left| !left.is_zero())
    }

    fn is_forgotten(self, now: Duration) -> bool {
        now.saturating_sub(self.last) >= REMEMBERED
    }
}

impl SignIns {
    /// Begins with no failure; `clock` says how long ago one was.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, tables: Mutex::default(), any: AtomicBool::new(false) }
    }

    /// Whether a try is to be looked at.
    ///
    /// # Errors
    /// How long to wait until then.
    pub fn check(&self, address: IpAddr, org: &OrgId) -> Result<(), Duration> {
        if !self.any.load(Ordering::Acquire) {
            return Ok(());
        }
        self.tables().check(&Caller::new(address, org), self.clock.monotonic())
    }

    /// Notes a try that failed, and says whether from this one on the next ones wait.
    ///
    /// # Errors
    /// How long to wait, where others have failed since it was looked at. It is not to be told that
    /// it failed.
    pub fn failed(&self, address: IpAddr, org: &OrgId) -> Result<bool, Duration> {
        let (caller, now) = (Caller::new(address, org), self.clock.monotonic());
        let mut tables = self.tables();
        tables.check(&caller, now)?;
        let before = tables.take(&caller).filter(|failures| !failures.is_forgotten(now));
        let count = before.map_or(0, |failures| failures.count).saturating_add(1);
        if tables.young.len() >= MOST {
            tables.old = std::mem::take(&mut tables.young);
        }
        tables.young.insert(caller, Failures { count, last: now });
        self.any.store(true, Ordering::Release);
        Ok(count == FREE)
    }

    /// Forgets the failures of somebody who has signed in.
    ///
    /// # Errors
    /// How long to wait, where others have failed since it was looked at.
    pub fn succeeded(&self, address: IpAddr, org: &OrgId) -> Result<(), Duration> {
        if self.any.load(Ordering::Acquire) {
            let caller = Caller::new(address, org);
            let mut tables = self.tables();
            tables.check(&caller, self.clock.monotonic())?;
            tables.take(&caller);
        }
        Ok(())
    }

    /// Forgets all failures, as when the credentials themselves may have been put right.
    pub fn forget(&self) {
        let mut tables = self.tables();
        *tables = Tables::default();
        self.any.store(false, Ordering::Release);
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SignIns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.tables();
        write!(f, "SignIns({} that failed)", tables.young.len() + tables.old.len())
    }
}

impl Tables {
    fn check(&self, caller: &Caller, now: Duration) -> Result<(), Duration> {
        let failures = self.young.get(caller).or_else(|| self.old.get(caller));
        failures.and_then(|failures| failures.wait(now)).map_or(Ok(()), Err)
    }

    fn take(&mut self, caller: &Caller) -> Option<Failures> {
        let young = self.young.remove(caller);
        let old = self.old.remove(caller);
        young.or(old)
    }
}

impl Caller {
    /// A host of IPv6 has a whole /64 to call from, so that it counts as one.
    fn new(address: IpAddr, org: &OrgId) -> Self {
        let network = match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            v4 => v4,
        };
        Self { network, org: org.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn sign_ins() -> (SignIns, ManualClock, OrgId) {
        let clock = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
        (SignIns::new(Arc::new(clock.clone())), clock, "acme".parse().unwrap())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Fails so often in a row, waiting where it must.
    fn fail(sign_ins: &SignIns, clock: &ManualClock, address: &str, org: &OrgId, times: u32) {
        for _ in 0..times {
            if let Err(wait) = sign_ins.check(ip(address), org) {
                clock.advance(wait);
            }
            assert_eq!(sign_ins.check(ip(address), org), Ok(()));
            sign_ins.failed(ip(address), org).unwrap();
        }
    }

    #[test]
    fn waits_begin_after_five_failures_and_grow_to_a_minute() {
        let (sign_ins, clock, acme) = sign_ins();
        fail(&sign_ins, &clock, "192.0.2.1", &acme, 4);
        assert_eq!(sign_ins.check(ip("192.0.2.1"), &acme), Ok(()));
        let mut waits = Vec::new();
        for number in 0..9 {
            sign_ins.check(ip("192.0.2.1"), &acme).unwrap_or_else(|wait| clock.advance(wait));
            assert_eq!(sign_ins.failed(ip("192.0.2.1"), &acme), Ok(number == 0), "it is said once");
            waits.push(sign_ins.check(ip("192.0.2.1"), &acme).unwrap_err().as_secs());
        }
        assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60, 60, 60]);
        clock.advance(Duration::from_millis(59_999));
        assert_eq!(sign_ins.check(ip("192.0.2.1"), &acme), Err(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        assert_eq!(sign_ins.check(ip("192.0.2.1"), &acme), Ok(()));
    }

    #[test]
    fn other_addresses_and_organisations_do_not_notice() {
        let (sign_ins, clock, acme) = sign_ins();
        fail(&sign_ins, &clock, "192.0.2.1", &acme, 20);
        assert!(sign_ins.check(ip("192.0.2.1"), &acme).is_err());
        assert!(sign_ins.check(ip("::ffff:192.0.2.1"), &acme).is_err(), "the same address");
        assert_eq!(sign_ins.check(ip("192.0.2.2"), &acme), Ok(()));
        assert_eq!(sign_ins.check(ip("192.0.2.1"), &"globex".parse().unwrap()), Ok(()));
    }

    #[test]
    fn a_64_of_ipv6_is_one_address() {
        let (sign_ins, clock, acme) = sign_ins();
        fail(&sign_ins, &clock, "2001:db8:0:1::1", &acme, 5);
        assert!(sign_ins.check(ip("2001:db8:0:1:ffff::2"), &acme).is_err());
        assert_eq!(sign_ins.check(ip("2001:db8:0:2::1"), &acme), Ok(()));
    }

    #[test]
    fn success_time_and_a_reload_forget() {
        let (sign_ins, clock, acme) = sign_ins();
        let fresh = || fail(&sign_ins, &clock, "192.0.2.1", &acme, 4);
        fresh();
        sign_ins.succeeded(ip("192.0.2.1"), &acme).unwrap();
        fresh();
        clock.advance(REMEMBERED);
        fresh();
        sign_ins.forget();
        fresh();
        assert_eq!(sign_ins.check(ip("192.0.2.1"), &acme), Ok(()));
        sign_ins.failed(ip("192.0.2.1"), &acme).unwrap();
        assert!(sign_ins.check(ip("192.0.2.1"), &acme).is_err());
    }

    #[test]
    fn of_tries_at_the_same_time_no_more_are_answered_than_of_tries_in_turn() {
        let (sign_ins, _, acme) = sign_ins();
        let address = ip("192.0.2.1");
        let all_looked_at = std::sync::Barrier::new(50);
        let answered = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..50)
                .map(|_| {
                    scope.spawn(|| {
                        sign_ins.check(address, &acme).unwrap();
                        all_looked_at.wait();
                        sign_ins.failed(address, &acme)
                    })
                })
                .collect();
            tries.into_iter().map(|each| each.join().unwrap()).filter(Result::is_ok).count()
        });
        assert_eq!(answered, FREE as usize);
        assert_eq!(sign_ins.succeeded(address, &acme), Err(FIRST_WAIT), "nor is one told that it was right");
    }

    #[test]
    fn a_flood_of_addresses_takes_bounded_memory_and_keeps_the_newest() {
        let (sign_ins, clock, acme) = sign_ins();
        fail(&sign_ins, &clock, "192.0.2.1", &acme, 5);
        for number in 0..100_000u32 {
            sign_ins.failed(IpAddr::V4(number.into()), &acme).unwrap();
            if number % 1_000 == 0 {
                fail(&sign_ins, &clock, "192.0.2.1", &acme, 1);
            }
        }
        assert!(sign_ins.check(ip("192.0.2.1"), &acme).is_err(), "who goes on failing is not forgotten");
        let tables = sign_ins.tables();
        assert!(tables.young.len() <= MOST && tables.old.len() <= MOST);
    }
}
