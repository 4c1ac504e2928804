//! Whose turn it is: the heads of the lanes that are due, and when the next one will be.

use std::collections::HashSet;
use std::time::Duration;

use super::super::gate::Opening;
use super::{Entry, LaneKey, Lanes};
use crate::domain::OrgId;
use crate::journal::batch::Key;
use crate::journal::{LaneKind, Quota};

/// The head of a due lane, picked to be claimed.
#[derive(Debug, Clone)]
pub(in crate::journal::embedded) struct Pick {
    pub(in crate::journal::embedded) org: OrgId,
    pub(in crate::journal::embedded) lane: LaneKey,
    pub(in crate::journal::embedded) entry: Entry,
}

impl Lanes {
    /// The heads of due lanes, in turns between organisations, as far as the quota goes and leaving
    /// out what `taken` already holds.
    pub(in crate::journal::embedded) fn pick(
        &mut self,
        quota: &Quota,
        now: Duration,
        taken: &HashSet<LaneKey>,
    ) -> Vec<Pick> {
        let mut queues: Vec<_> = self
            .organisations
            .iter()
            .map(|(org, organisation)| {
                let most = match organisation.gate.opening(now) {
                    Opening::Open => quota.of(org),
                    Opening::Probe => quota.of(org).min(1),
                    Opening::Closed(_) => 0,
                };
                let due = organisation.due.iter().take_while(move |(due, ..)| *due <= now);
                (org, due.filter(|(.., key)| !taken.contains(key)).take(most))
            })
            .collect();
        if !queues.is_empty() {
            let turn = self.turn % queues.len();
            queues.rotate_left(turn);
            self.turn = turn + 1;
        }
        let mut picks = Vec::new();
        while !queues.is_empty() && picks.len() < quota.total {
            queues.retain_mut(|(org, queue)| {
                if picks.len() >= quota.total {
                    return false;
                }
                let Some((.., key)) = queue.next() else { return false };
                let head = self.lanes.get(key).and_then(|lane| lane.waiting.front());
                picks.extend(head.map(|entry| Pick { org: (*org).clone(), lane: *key, entry: entry.clone() }));
                true
            });
        }
        picks
    }

    /// When the next lane that may be claimed and is not due yet will be.
    pub(in crate::journal::embedded) fn next_due(&self, quota: &Quota, now: Duration) -> Option<Duration> {
        let known = self.organisations.iter().filter(|(org, _)| quota.of(org) > 0);
        let next = known.filter_map(|(_, organisation)| match organisation.gate.opening(now) {
            Opening::Closed(opens) => {
                let opens = opens?;
                organisation.due.first().map(|(due, ..)| opens.max(*due))
            }
            Opening::Open | Opening::Probe => {
                let after = (now, u64::MAX, (Key::MAX, LaneKind::Delivery));
                organisation.due.range(after..).next().map(|(due, ..)| *due)
            }
        });
        next.min().map(|due| due.saturating_sub(now))
    }
}
