//! The stages of the newest messages of an organisation, which say how its set-up is now, where the
//! figures say how it was since the journal began.

use std::collections::BTreeMap;

use crate::domain::{Position, Source};
use crate::journal::{EventRecord, StageSeen};

/// How many messages are looked at.
pub(super) const MOST: usize = 50;

/// The stages of the newest messages, and whether each was about an interview.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Recent(Vec<(String, bool)>);

impl Recent {
    /// Takes the next older event, while there are fewer than counted.
    pub(super) fn take(&mut self, record: &EventRecord) {
        let is_message = matches!(record.event.source, Source::Soap | Source::Webhook);
        if is_message && self.0.len() < MOST {
            let stage = record.event.stage.as_ref().map_or("no stage", |stage| stage.as_str());
            let interview = record.now == Position::In || record.event.event_type.is_boundary();
            self.0.push((stage.to_owned(), interview));
        }
    }

    /// How often each was seen since the last one about an interview.
    pub(super) fn since_interview(&self) -> Vec<StageSeen> {
        let mut stages = BTreeMap::new();
        for (stage, _) in self.0.iter().take_while(|(_, interview)| !interview) {
            *stages.entry(stage.clone()).or_default() += 1;
        }
        stages.into_iter().map(|(stage, count)| StageSeen { stage, interview: false, count }).collect()
    }
}
