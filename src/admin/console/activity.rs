//! How much came in the last day, hour by hour, counted from the journal.
//!
//! No history is held beside the journal: the newest events of the last 24 hours are counted, up to
//! a bound, and the count is kept for a while. Where there are more, the hours before say so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::recent::Recent;
use super::show;
use crate::admin::{Admin, Problem};
use crate::clock::Clock;
use crate::domain::OrgId;
use crate::journal::EventFilter;

/// How many hours are shown.
const HOURS: usize = 24;

/// How many events are counted at most, and how many are asked for at once.
const MOST: usize = 2_000;
const STEP: usize = 500;

/// How long a count is good for: while nothing more was accepted, and in any case.
const GOOD: Duration = Duration::from_secs(60);
const GOOD_ANYWAY: Duration = Duration::from_secs(1);

/// The width of an hour and the height of the fullest one, in the drawing.
const WIDTH: u64 = 6;
const HEIGHT: u64 = 32;

/// Counts that are still good.
pub(super) struct Activities {
    clock: Arc<dyn Clock>,
    counted: Mutex<HashMap<OrgId, Counted>>,
}

/// A count, when it was made, and how many events had been accepted by then.
#[derive(Clone)]
struct Counted {
    at: Duration,
    accepted: u64,
    activity: Activity,
}

/// Events per hour of one organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Activity {
    /// The oldest hour first; the last one is under way.
    hours: [u64; HOURS],
    /// The newest of them.
    recent: Recent,
    /// Whether all of the day was counted.
    whole: bool,
}

/// An hour of the drawing.
pub(super) struct Bar {
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) height: u64,
}

impl Activities {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, counted: Mutex::default() }
    }

    /// The count of an organisation's events.
    pub(super) async fn of(&self, admin: &Admin, org: &OrgId, accepted: u64) -> Result<Activity, Problem> {
        let now = self.clock.monotonic();
        let known = self.counted.lock().unwrap_or_else(PoisonError::into_inner).get(org).cloned();
        if let Some(known) = known
            && now.saturating_sub(known.at) < if known.accepted == accepted { GOOD } else { GOOD_ANYWAY }
        {
            return Ok(known.activity);
        }
        let activity = count(admin, org).await?;
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.insert(org.clone(), Counted { at: now, accepted, activity: activity.clone() });
        Ok(activity)
    }
}

async fn count(admin: &Admin, org: &OrgId) -> Result<Activity, Problem> {
    let now = admin.clock.now();
    let since = now - SignedDuration::from_hours(HOURS as i64);
    let filter = EventFilter { orgs: Some(vec![org.clone()]), since: Some(since), ..EventFilter::default() };
    let (mut times, mut recent, mut before) = (Vec::new(), Recent::default(), None);
    loop {
        let page = admin.journal.events(filter.clone(), before, STEP).await?;
        page.items.iter().for_each(|record| recent.take(record));
        times.extend(page.items.iter().map(|record| record.event.received_at));
        before = page.next;
        if before.is_none() || times.len() >= MOST {
            return Ok(Activity { recent, ..Activity::of(&times, before.is_none(), now) });
        }
    }
}

impl Activity {
    fn of(times: &[Timestamp], whole: bool, now: Timestamp) -> Self {
        let mut hours = [0; HOURS];
        for time in times {
            let ago = usize::try_from(now.duration_since(*time).as_hours()).unwrap_or(0);
            if let Some(place) = (HOURS - 1).checked_sub(ago) {
                hours[place] += 1;
            }
        }
        Self { hours, recent: Recent::default(), whole }
    }

    /// The stages of the newest of them.
    pub(super) fn recent(&self) -> &Recent {
        &self.recent
    }

    /// The drawing: a bar for each hour with anything in it.
    pub(super) fn bars(&self) -> Vec<Bar> {
        let fullest = self.hours.iter().copied().max().unwrap_or(0).max(1);
        let bar = |(place, count): (usize, &u64)| {
            let height = (count * HEIGHT).div_ceil(fullest).max(1);
            Bar { x: place as u64 * WIDTH, y: HEIGHT - height, height }
        };
        self.hours.iter().enumerate().map(bar).collect()
    }

    /// The same in words.
    pub(super) fn words(&self) -> String {
        let total = self.hours.iter().sum::<u64>();
        let fullest = self.hours.iter().copied().max().unwrap_or(0);
        let events = show::count(total, "event");
        match (self.whole, total) {
            (_, 0) => "No event in the last 24 hours".into(),
            (true, _) => format!("{events} in the last 24 hours, at most {fullest} in one hour"),
            (false, _) => format!("The newest {events} of the last 24 hours; the hours before are not counted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_fall_into_their_hours() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let times = [1, 59, 61, 23 * 60 + 59, 24 * 60 + 1].map(|minutes| now - SignedDuration::from_mins(minutes));
        let activity = Activity::of(&times, true, now);
        assert_eq!((activity.hours[23], activity.hours[22], activity.hours[0]), (2, 1, 1));
        assert_eq!(activity.words(), "4 events in the last 24 hours, at most 2 in one hour");
        let bars = activity.bars();
        assert_eq!((bars[23].y, bars[23].height, bars[22].height), (0, HEIGHT, HEIGHT / 2));
    }
}
