//! The keyed hashes under which a store knows applications, candidates and messages.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use super::Incoming;
use super::batch::{Key, Keyed};
use crate::domain::lifecycle::Likeness;
use crate::domain::{OrgId, Position, StateChange, Text};

/// Hashes under a journal's secret key, so that nobody can choose ids that collide.
#[derive(Clone, Copy)]
pub(super) struct Keys([u8; 16]);

impl Keys {
    pub(super) fn new(key: [u8; 16]) -> Self {
        Self(key)
    }

    fn hash(&self, kind: u8, parts: &[&str]) -> Key {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write_u8(kind);
        for part in parts {
            hasher.write_usize(part.len());
            hasher.write(part.as_bytes());
        }
        hasher.finish128().as_u128()
    }

    pub(super) fn application(&self, org: &OrgId, application: &str) -> Key {
        self.hash(1, &[org.as_str(), application])
    }

    /// Candidates are looked up among events whose text is then compared: 64 bits are enough.
    pub(super) fn candidate(&self, org: &OrgId, candidate: &str) -> i64 {
        self.hash(2, &[org.as_str(), candidate]) as i64
    }

    pub(super) fn likeness(
        &self,
        stage: Option<&Text>,
        step: Option<&Text>,
        status: Option<&Text>,
        told: Option<Position>,
    ) -> Likeness {
        // A text is never empty, so the empty string stands for an absent one.
        let [stage, step, status] = [stage, step, status].map(|text| text.map_or("", Text::as_str));
        Likeness(self.hash(3, &[stage, step, status, told.map_or("", Position::as_str)]))
    }

    pub(super) fn message(&self, application: Key, message_id: &str, likeness: Likeness) -> Key {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write_u8(4);
        hasher.write_u128(application);
        hasher.write_u128(likeness.0);
        hasher.write(message_id.as_bytes());
        hasher.finish128().as_u128()
    }

    /// A hash of a row that is carried into another store.
    pub(super) fn checksum(&self, row: &[u8]) -> u128 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write_u8(5);
        hasher.write(row);
        hasher.finish128().as_u128()
    }

    /// The message with all its keys; made by whoever posts it, so that the writer need not.
    pub(super) fn keyed(&self, incoming: Incoming) -> Keyed {
        let StateChange { application, stage, step, status, told, .. } = &incoming.change;
        let application = self.application(&incoming.org, application.as_str());
        let likeness = self.likeness(stage.as_ref(), step.as_ref(), status.as_ref(), *told);
        let message = incoming.message_id.as_deref().map(|id| self.message(application, id, likeness));
        Keyed { application, message, likeness, incoming }
    }
}
