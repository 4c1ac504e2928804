//! Messages that were refused, kept for a while: whoever sets up an integration sees what was wrong
//! with them, and has them read again once that was mended.
//!
//! They are no part of the record: nothing derives from them, the newest [`MOST_KEPT`] of each
//! organisation are kept and no longer than `store.refused_days`, and one that cannot be written at
//! once is lost. Only messages of senders who are known come here, so that nobody else can push them
//! out. As they hold candidates' data, [`Refused::erase`] goes with the erasure of a candidate.

mod spelling;

use jiff::Timestamp;

use super::{Cursor, Page, Ticket};
use crate::domain::OrgId;

pub use spelling::mentions;

/// How many messages are kept per organisation.
pub const MOST_KEPT: usize = 200;

/// How much is kept of a message's text, in bytes of UTF-8.
pub const MOST_TEXT: usize = 16 * 1024;

/// What is known of a refused message beside its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedHead {
    /// Whose message it was to be.
    pub org: OrgId,
    /// The word of the refusal.
    pub code: String,
    /// Its sentence.
    pub message: String,
    /// Where in the message: a path, or a line and column.
    pub place: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `SOAPAction`.
    pub soap_action: Option<String>,
    /// `X-Workday-Tenant`.
    pub tenant: Option<String>,
    /// The URL's query.
    pub query: String,
    /// How many bytes came.
    pub bytes: u64,
    /// Whether the text is all that came, so that it can be read again.
    pub whole: bool,
}

/// A refused message that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRecord {
    /// Its number; later ones are higher.
    pub id: u64,
    /// When it was refused.
    pub at: Timestamp,
    /// What is known of it.
    pub head: RefusedHead,
}

/// Which refused messages; a field that is `None` does not narrow.
#[derive(Debug, Clone, Default)]
pub struct RefusedFilter {
    /// Only these organisations'.
    pub orgs: Option<Vec<OrgId>>,
    /// Only those refused with this code.
    pub code: Option<String>,
}

/// Keeping refused messages. What was asked later sees what was kept earlier.
pub trait Refused: Send + Sync {
    /// Keeps a message and its text; whether it could be taken. It never waits.
    fn keep(&self, head: RefusedHead, text: String) -> bool;

    /// Those that are kept, newest first.
    fn list(&self, filter: RefusedFilter, before: Option<Cursor>, limit: usize) -> Ticket<Page<RefusedRecord>>;

    /// One of them with its text.
    fn find(&self, id: u64) -> Ticket<Option<(RefusedRecord, String)>>;

    /// Forgets one; whether it was there.
    fn remove(&self, id: u64) -> Ticket<bool>;

    /// Forgets all of an organisation that mention one of these ids, in whatever spelling; how many there were.
    fn erase(&self, org: OrgId, names: Vec<String>) -> Ticket<u64>;

    /// Finishes what was taken and closes the file.
    fn close(&self);
}

/// Nothing is kept, as `store.refused_days = 0` asks for.
impl Refused for () {
    fn keep(&self, _: RefusedHead, _: String) -> bool {
        true
    }

    fn list(&self, _: RefusedFilter, _: Option<Cursor>, _: usize) -> Ticket<Page<RefusedRecord>> {
        answered(Page { items: Vec::new(), next: None })
    }

    fn find(&self, _: u64) -> Ticket<Option<(RefusedRecord, String)>> {
        answered(None)
    }

    fn remove(&self, _: u64) -> Ticket<bool> {
        answered(false)
    }

    fn erase(&self, _: OrgId, _: Vec<String>) -> Ticket<u64> {
        answered(0)
    }

    fn close(&self) {}
}

fn answered<T>(answer: T) -> Ticket<T> {
    let (promise, ticket) = Ticket::new();
    promise.keep(Ok(answer));
    ticket
}
