//! How many messages per second an organisation may send: `limits.requests_per_second`.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use governor::clock::Clock as Ticks;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::clock::Clock;
use crate::domain::OrgId;
use crate::refusal::Refusal;

/// The injected clock, as governor reads it.
#[derive(Clone)]
struct Injected(Arc<dyn Clock>);

impl Ticks for Injected {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

type Limiter = RateLimiter<OrgId, HashMapStateStore<OrgId>, Injected, NoOpMiddleware<Duration>>;

/// The rates of all organisations. Only who has signed in is counted, so that there are no more of
/// them than there are organisations, and nobody uses up another's.
pub struct Rates {
    clock: Injected,
    limit: ArcSwapOption<Limit>,
}

struct Limit {
    per_second: NonZeroU32,
    limiter: Limiter,
}

impl Rates {
    /// So many messages per second for each organisation, and as many at once after a pause;
    /// `None`: as many as it likes.
    pub fn new(per_second: Option<u32>, clock: Arc<dyn Clock>) -> Self {
        let rates = Self { clock: Injected(clock), limit: ArcSwapOption::empty() };
        rates.set(per_second);
        rates
    }

    /// Puts another rate in force, from which each organisation begins anew; the same one leaves
    /// the counts as they are.
    pub fn set(&self, per_second: Option<u32>) {
        let per_second = per_second.and_then(NonZeroU32::new);
        if self.limit.load().as_ref().map(|limit| limit.per_second) == per_second {
            return;
        }
        self.limit.store(per_second.map(|per_second| {
            let quota = Quota::per_second(per_second);
            let limiter = RateLimiter::new(quota, HashMapStateStore::default(), self.clock.clone());
            Arc::new(Limit { per_second, limiter })
        }));
    }

    /// Counts a message.
    ///
    /// # Errors
    /// The refusal of one too many.
    pub fn take(&self, org: &OrgId) -> Result<(), Refusal> {
        let limit = self.limit.load();
        let Some(limit) = limit.as_ref() else { return Ok(()) };
        limit.limiter.check_key(org).map_err(|too_early| {
            let message = "More messages per second than the operator allows this organisation \
                           (limits.requests_per_second). Nothing was stored; send it again a little later.";
            Refusal::too_many(message, too_early.wait_time_from(self.clock.now()))
        })
    }
}

impl fmt::Debug for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit.load().as_ref() {
            Some(limit) => write!(f, "Rates({} per second)", limit.per_second),
            None => f.write_str("Rates(unlimited)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn each_organisation_has_a_rate_of_its_own() {
        let clock = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
        let rates = Rates::new(Some(3), Arc::new(clock.clone()));
        let (acme, globex): (OrgId, OrgId) = ("acme".parse().unwrap(), "globex".parse().unwrap());
        let taken = |org| (0..10).filter(|_| rates.take(org).is_ok()).count();
        assert_eq!((taken(&acme), taken(&globex)), (3, 3));
        let wait = rates.take(&acme).unwrap_err().retry_after.unwrap();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        clock.advance(wait);
        assert_eq!(taken(&acme), 1);
        clock.advance(Duration::from_secs(60));
        assert_eq!(taken(&acme), 3, "a pause saves up a second's worth, not more");
    }

    #[test]
    fn another_rate_begins_anew_and_the_same_one_goes_on() {
        let clock = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
        let (rates, acme) = (Rates::new(Some(3), Arc::new(clock)), "acme".parse().unwrap());
        let taken = || (0..10).filter(|_| rates.take(&acme).is_ok()).count();
        assert_eq!(taken(), 3);
        rates.set(Some(3));
        assert_eq!(taken(), 0);
        rates.set(Some(5));
        assert_eq!(taken(), 5);
        rates.set(None);
        assert_eq!(taken(), 10);
        rates.set(Some(0));
        assert_eq!(taken(), 10, "0 is no limit");
    }

    #[test]
    fn without_a_limit_there_is_none() {
        let clock = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
        let rates = Rates::new(None, Arc::new(clock));
        assert!((0..10_000).all(|_| rates.take(&"acme".parse().unwrap()).is_ok()));
    }
}
