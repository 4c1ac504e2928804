//! How the process's concurrency is shared between organisations.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::domain::OrgId;
use crate::journal::{LaneKind, Quota};

/// What may be claimed next.
///
/// An organisation may hold as many attempts as it leaves free (the dynamic threshold of Choudhury
/// and Hahne, 1998, with a factor of one), so that none can use up the process. The last quarter is
/// for organisations that hold nothing, one slot each: several that hang take what they took before
/// and then one slot each, until their attempts time out.
pub(super) fn quota(concurrency: usize, in_flight: &HashMap<OrgId, usize>, known: Arc<HashSet<OrgId>>) -> Quota {
    let free = concurrency.saturating_sub(in_flight.values().sum());
    let kept = concurrency / 4;
    // Taking k leaves free - k, which must be at least what is then held and what is kept.
    let more = |held: usize| (free.saturating_sub(held) / 2).min(free.saturating_sub(kept));
    let held = in_flight.iter().map(|(org, held)| (org.clone(), more(*held))).collect();
    Quota { kind: LaneKind::default(), total: free, each: more(0).max(free.min(1)), held, known }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org(name: &str) -> OrgId {
        name.parse().unwrap()
    }

    #[test]
    fn a_hanging_organisation_never_takes_the_last_slots() {
        let known = Arc::new(HashSet::from([org("hangs"), org("works")]));
        let mut in_flight = HashMap::new();
        for _ in 0..100 {
            let quota = quota(64, &in_flight, known.clone());
            *in_flight.entry(org("hangs")).or_default() += quota.of(&org("hangs"));
        }
        let hanging = in_flight[&org("hangs")];
        assert!((30..=32).contains(&hanging), "{hanging}");
        assert!(quota(64, &in_flight, known).of(&org("works")) >= 16);
    }

    #[test]
    fn several_hanging_ones_leave_something() {
        let names: Vec<_> = (0..12).map(|n| org(&format!("o{n}"))).collect();
        let known: Arc<HashSet<_>> = Arc::new(names.iter().cloned().collect());
        let mut in_flight = HashMap::new();
        for round in 0..200 {
            let name = &names[round % 10];
            let more = quota(64, &in_flight, known.clone()).of(name);
            *in_flight.entry(name.clone()).or_default() += more;
        }
        assert!(quota(64, &in_flight, known).of(&names[11]) >= 1, "{in_flight:?}");
    }

    #[test]
    fn a_single_slot_is_usable() {
        let known = Arc::new(HashSet::from([org("a")]));
        assert_eq!(quota(1, &HashMap::new(), known.clone()).of(&org("a")), 1);
        let busy = HashMap::from([(org("a"), 1)]);
        assert_eq!(quota(1, &busy, known).of(&org("a")), 0);
    }
}
