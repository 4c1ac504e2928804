//! What becomes of an event after an attempt: one table by status, and the waits between attempts.

use std::time::Duration;

use jiff::Timestamp;

use super::{Outcome, Policy};
use crate::journal::Verdict;

/// No relay is waited for longer than this, whatever its `Retry-After` says.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// An event that finds the set-up wrong so often, while others go through, is itself what is wrong.
const STRIKES: u32 = 3;

/// What a status of the relay means, as the table in `docs/guarantees.md` has it.
///
/// | status | outcome |
/// |---|---|
/// | 2xx | delivered |
/// | 408, 425, 429, 5xx | retried; with 429 the `Retry-After` holds the organisation |
/// | 3xx, 401, 403, 404, 410 | the set-up is wrong, not the event: the organisation's deliveries pause and are probed |
/// | any other 4xx | refused |
pub fn of_status(status: u16, retry_after: Option<Duration>) -> Outcome {
    match status {
        200..=299 => Outcome::Delivered,
        300..=399 | 401 | 403 | 404 | 410 => Outcome::SetUp,
        429 => Outcome::Retry { retry_after, whole_organisation: retry_after.is_some() },
        408 | 425 => Outcome::Retry { retry_after, whole_organisation: false },
        400..=499 => Outcome::Refused,
        _ => Outcome::Retry { retry_after, whole_organisation: false },
    }
}

/// Reads a `Retry-After` header in either of its forms (RFC 9110, section 10.2.3), bounded by a day;
/// a date in any of the three spellings that HTTP has had (section 5.6.7).
pub fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    let wait = if header.bytes().all(|b| b.is_ascii_digit()) {
        // What no u64 holds is certainly more than a day.
        Duration::from_secs(header.parse().unwrap_or(if header.is_empty() { return None } else { u64::MAX }))
    } else {
        let until = Timestamp::try_from(httpdate::parse_http_date(header).ok()?).ok()?;
        Duration::try_from(until.duration_since(now)).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// What an attempt was of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Try {
    /// Which attempt it was, from 1.
    pub(super) attempt: u32,
    /// How long the first one was ago, pauses not counted.
    pub(super) since_first: Duration,
    /// Which time the event would find the set-up wrong while others go through.
    pub(super) strike: u32,
}

/// What becomes of the event; `chance`, which is drawn only for a retry, is in `[0, 1)`.
pub(super) fn of_outcome(outcome: &Outcome, policy: &Policy, tried: Try, chance: impl FnOnce() -> f64) -> Verdict {
    let Try { attempt, since_first, strike } = tried;
    let (retry_after, hold_organisation) = match outcome {
        Outcome::Delivered => return Verdict::Delivered,
        Outcome::Refused => return Verdict::Dead,
        Outcome::SetUp if strike >= STRIKES => return Verdict::Dead,
        Outcome::SetUp => return Verdict::Paused { probe_after: policy.probe },
        Outcome::Retry { retry_after, whole_organisation } => (*retry_after, *whole_organisation),
    };
    if since_first >= policy.give_up_after {
        return Verdict::Dead;
    }
    let after = backoff(policy, attempt, chance()).max(retry_after.unwrap_or_default());
    Verdict::Retry { after, hold_organisation }
}

/// Exponential backoff with full jitter: anything between nothing and a bound that doubles.
fn backoff(policy: &Policy, attempt: u32, chance: f64) -> Duration {
    let doubled = policy.first_retry.saturating_mul(1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(policy.max_retry).mul_f64(chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy {
            timeout: Duration::from_secs(10),
            first_retry: Duration::from_secs(1),
            max_retry: Duration::from_secs(3600),
            give_up_after: Duration::from_secs(72 * 3600),
            probe: Duration::from_secs(30),
            useful_within: Duration::from_secs(300),
            open_interview_alert: Duration::from_secs(30 * 24 * 3600),
            concurrency: 64,
        }
    }

    #[test]
    fn every_status_has_its_meaning() {
        let retry = Outcome::Retry { retry_after: None, whole_organisation: false };
        for status in 100..=599 {
            let expected = match status {
                200..=299 => Outcome::Delivered,
                300..=399 | 401 | 403 | 404 | 410 => Outcome::SetUp,
                408 | 425 | 429 | 100..=199 | 500..=599 => retry.clone(),
                _ => Outcome::Refused,
            };
            assert_eq!(of_status(status, None), expected, "{status}");
        }
        let wait = Some(Duration::from_secs(7));
        assert_eq!(of_status(429, wait), Outcome::Retry { retry_after: wait, whole_organisation: true });
        assert_eq!(of_status(503, wait), Outcome::Retry { retry_after: wait, whole_organisation: false });
    }

    #[test]
    fn retry_after_comes_in_two_forms() {
        let now = "2026-04-09T14:30:00Z".parse().unwrap();
        assert_eq!(retry_after(" 120 ", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Thu, 09 Apr 2026 14:31:00 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Thu, 09 Apr 2026 14:29:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("Thursday, 09-Apr-26 14:31:00 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Thu Apr  9 14:31:00 2026", now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("99999999999999999999999", now), Some(MAX_RETRY_AFTER));
        for nonsense in ["", "soon", "-5", "1.5"] {
            assert_eq!(retry_after(nonsense, now), None, "{nonsense}");
        }
    }

    #[test]
    fn waits_double_up_to_their_bound_and_are_fully_jittered() {
        let policy = policy();
        let wait = |attempt, chance| backoff(&policy, attempt, chance);
        assert_eq!(wait(1, 0.999_999_999).as_secs_f64().round(), 1.0);
        assert_eq!(wait(4, 0.5), Duration::from_secs(4));
        assert_eq!(wait(4, 0.0), Duration::ZERO);
        assert_eq!(wait(40, 0.5), Duration::from_secs(1800));
        assert_eq!(wait(u32::MAX, 0.5), Duration::from_secs(1800));
    }

    #[test]
    fn a_relay_that_asks_for_more_gets_it_and_an_old_event_is_given_up() {
        let policy = policy();
        let day = Duration::from_secs(24 * 3600);
        let asked = Outcome::Retry { retry_after: Some(day), whole_organisation: false };
        let first = Try { attempt: 1, since_first: Duration::ZERO, strike: 1 };
        let old = Try { attempt: 90, since_first: 3 * day, strike: 1 };
        let verdict = of_outcome(&asked, &policy, first, || 0.9);
        assert_eq!(verdict, Verdict::Retry { after: day, hold_organisation: false }, "beyond max_retry_seconds");
        assert_eq!(of_outcome(&asked, &policy, old, || 0.9), Verdict::Dead);
        assert_eq!(of_outcome(&Outcome::Refused, &policy, first, || 0.9), Verdict::Dead);
        assert_eq!(of_outcome(&Outcome::Delivered, &policy, old, || 0.9), Verdict::Delivered);
    }

    #[test]
    fn a_wrong_set_up_gives_up_nothing_but_an_event_that_alone_finds_it_wrong() {
        let policy = policy();
        let age = Duration::from_secs(90 * 24 * 3600);
        let verdict =
            |strike| of_outcome(&Outcome::SetUp, &policy, Try { attempt: 90, since_first: age, strike }, || 0.9);
        assert_eq!(verdict(1), Verdict::Paused { probe_after: policy.probe });
        assert_eq!(verdict(2), Verdict::Paused { probe_after: policy.probe });
        assert_eq!(verdict(3), Verdict::Dead);
    }
}
