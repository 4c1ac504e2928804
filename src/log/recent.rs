//! The latest warnings and errors of this process, in memory and bounded.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// How many are kept, and how long each text may be, in bytes: together about a megabyte at most.
const KEPT: usize = 200;
const MOST_TEXT: usize = 500;

/// Fields that are for the log alone: from where somebody called may tell who it was.
const WITHHELD: &[&str] = &["address", "peer"];

static RECENT: Mutex<VecDeque<Entry>> = Mutex::new(VecDeque::new());

/// A line of the log as the console and `doctor` show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it was logged.
    pub at: Timestamp,
    /// `WARN` or `ERROR`.
    pub level: &'static str,
    /// What happened.
    pub message: String,
    /// What else it says.
    pub fields: BTreeMap<&'static str, String>,
}

/// The latest lines, the newest first.
pub fn recent() -> Vec<Entry> {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
}

/// Keeps what is logged.
pub(super) struct Remember;

impl<S: Subscriber> Layer<S> for Remember {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = event.metadata().level().as_str();
        let mut entry = Entry { at: Timestamp::now(), level, message: String::new(), fields: BTreeMap::new() };
        event.record(&mut entry);
        let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == KEPT {
            recent.pop_front();
        }
        recent.push_back(entry);
    }
}

impl Entry {
    fn note(&mut self, field: &Field, mut text: String) {
        let end = (0..=MOST_TEXT.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
        text.truncate(end.unwrap_or(0));
        match field.name() {
            "message" => self.message = text,
            name if WITHHELD.contains(&name) => {}
            name => drop(self.fields.insert(name, text)),
        }
    }
}

impl Visit for Entry {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.note(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, value.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn the_latest_lines_are_kept_without_who_called() {
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Remember), || {
            for n in 0..KEPT {
                tracing::warn!(n, "a line before");
            }
            tracing::error!(orgid = %"acme", error = "é".repeat(MOST_TEXT), address = %"192.0.2.7", "it failed");
        });
        let recent = recent();
        let last = &recent[0];
        assert_eq!((recent.len(), last.level, last.message.as_str()), (KEPT, "ERROR", "it failed"));
        assert_eq!(last.fields.keys().collect::<Vec<_>>(), [&"error", &"orgid"]);
        assert_eq!((last.fields["orgid"].as_str(), last.fields["error"].len()), ("acme", MOST_TEXT));
        assert_eq!(recent[KEPT - 1].fields["n"], "1", "the oldest made room");
    }
}
