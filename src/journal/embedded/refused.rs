//! The refused messages beside the embedded journal: a SQLite file of their own, with its own thread.
//!
//! Nothing of the journal waits for it, and it holds back nobody: what finds too many waiting is
//! lost, and under a flood the thread pauses between its writes, so that the disk stays the
//! journal's.

mod ring;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;

use self::ring::Ring;
use super::schema::OpenError;
use super::{beside, spawn};
use crate::clock::Clock;
use crate::domain::{CandidateId, OrgId};
use crate::journal::refused::{Refused, RefusedFilter, RefusedHead, RefusedRecord};
use crate::journal::{Cursor, Page, Ticket, Unavailable};

/// How many messages may wait to be written.
const MOST_WAITING: usize = 256;

/// How many commands are taken at once; after as many the thread pauses.
const BATCH: usize = 64;

/// For how long.
const PAUSE: Duration = Duration::from_millis(100);

/// How often what is too old is looked for while nothing else happens.
const PURGE_EVERY: Duration = Duration::from_secs(600);

type Query = Box<dyn FnOnce(&Ring) + Send>;

/// When it was refused, what is known of it, and its text.
type Message = (Timestamp, RefusedHead, String);

enum Command {
    Keep(Box<Message>),
    Query(Query),
    Close,
}

/// The refused messages of an embedded journal.
pub struct RefusedFile {
    commands: Sender<Command>,
    waiting: Arc<AtomicUsize>,
    clock: Arc<dyn Clock>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl RefusedFile {
    /// Opens the file beside the journal at `journal`, or makes it; messages are kept for `keep`.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn open(journal: &Path, keep: Duration, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let ring = Ring::open(&beside(journal, ".refused"), keep, Arc::clone(&clock))?;
        let (commands, taken) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&waiting);
        let thread = spawn("journal-refused", move || run(ring, &taken, &counted))?;
        Ok(Self { commands, waiting, clock, thread: Mutex::new(Some(thread)) })
    }

    /// Removes the file beside the journal, with whatever an earlier configuration let be kept.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(journal: &Path) -> std::io::Result<()> {
        for suffix in [".refused", ".refused-wal", ".refused-shm"] {
            match std::fs::remove_file(beside(journal, suffix)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn query<T: Send + 'static>(&self, ask: impl FnOnce(&Ring) -> rusqlite::Result<T> + Send + 'static) -> Ticket<T> {
        let (promise, ticket) = Ticket::new();
        let query: Query =
            Box::new(|ring| promise.keep(ask(ring).map_err(|error| Unavailable::Failing(error.to_string()))));
        // Once closed, the query is dropped, and its ticket says so.
        let _ = self.commands.send(Command::Query(query));
        ticket
    }
}

impl Refused for RefusedFile {
    fn keep(&self, head: RefusedHead, text: String) -> bool {
        let free = |waiting| (waiting < MOST_WAITING).then_some(waiting + 1);
        let room = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).is_ok();
        room && self.commands.send(Command::Keep(Box::new((self.clock.now(), head, text)))).is_ok()
    }

    fn list(&self, filter: RefusedFilter, before: Option<Cursor>, limit: usize) -> Ticket<Page<RefusedRecord>> {
        self.query(move |ring| ring.list(&filter, before, limit))
    }

    fn find(&self, id: u64) -> Ticket<Option<(RefusedRecord, String)>> {
        self.query(move |ring| ring.find(id))
    }

    fn remove(&self, id: u64) -> Ticket<bool> {
        self.query(move |ring| ring.remove(id))
    }

    fn erase(&self, org: OrgId, candidate: CandidateId) -> Ticket<u64> {
        self.query(move |ring| ring.erase(&org, &candidate))
    }

    fn close(&self) {
        let _ = self.commands.send(Command::Close);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        thread.map(JoinHandle::join);
    }
}

impl Drop for RefusedFile {
    fn drop(&mut self) {
        self.close();
    }
}

/// Takes what waits, in its order, until it is told to end.
fn run(mut ring: Ring, taken: &Receiver<Command>, waiting: &AtomicUsize) {
    loop {
        let first = match taken.recv_timeout(PURGE_EVERY) {
            Ok(command) => Some(command),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut messages = Vec::new();
        let mut count = 0;
        for command in first.into_iter().chain(taken.try_iter()).take(BATCH) {
            count += 1;
            match command {
                Command::Keep(message) => {
                    waiting.fetch_sub(1, Ordering::Relaxed);
                    messages.push(*message);
                }
                Command::Query(query) => {
                    ring.settle(&mut messages);
                    query(&ring);
                }
                Command::Close => {
                    ring.settle(&mut messages);
                    return;
                }
            }
        }
        ring.settle(&mut messages);
        if count == BATCH {
            std::thread::sleep(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::journal::refused::MOST_KEPT;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    const DAY: Duration = Duration::from_secs(86_400);

    struct Store {
        file: RefusedFile,
        clock: ManualClock,
        folder: tempfile::TempDir,
    }

    impl Store {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let clock = ManualClock::at(Timestamp::from_second(1_775_745_000).unwrap());
            let file = RefusedFile::open(&folder.path().join("j.db"), DAY, Arc::new(clock.clone())).unwrap();
            Self { file, clock, folder }
        }

        fn path(&self, suffix: &str) -> PathBuf {
            self.folder.path().join(format!("j.db.refused{suffix}"))
        }

        /// What stands in the files, of which the last is often empty or not there.
        fn bytes(&self) -> String {
            let read = |suffix| std::fs::read(self.path(suffix)).unwrap_or_default();
            String::from_utf8_lossy(&[read(""), read("-wal")].concat()).into_owned()
        }

        fn keep(&self, org: &str, text: &str) {
            while !self.file.keep(head(org), text.to_owned()) {
                std::thread::yield_now();
            }
        }

        fn ids(&self, org: &str) -> Vec<u64> {
            let filter = RefusedFilter { orgs: Some(vec![org.parse().unwrap()]), code: None };
            let page = self.file.list(filter, None, 1000).wait().unwrap();
            assert!(page.next.is_none());
            page.items.iter().map(|record| record.id).collect()
        }
    }

    fn head(org: &str) -> RefusedHead {
        RefusedHead {
            org: org.parse().unwrap(),
            code: "missing_element".into(),
            message: "/A is required and is missing.".into(),
            place: Some("/A".into()),
            content_type: Some("text/xml".into()),
            soap_action: None,
            tenant: None,
            query: "event=interview_started".into(),
            bytes: 4,
            whole: true,
        }
    }

    #[test]
    fn what_is_kept_is_found_also_by_the_next_process() {
        let store = Store::new();
        store.keep("acme", "<a/>");
        let id = store.ids("acme")[0];
        let found = store.file.find(id).wait().unwrap().unwrap();
        assert_eq!((&found.0.head, found.1.as_str()), (&head("acme"), "<a/>"));
        assert_eq!(store.file.find(id + 1).wait(), Ok(None));
        store.file.close();
        assert!(!store.file.keep(head("acme"), String::new()) && store.file.find(id).wait().is_err(), "closed");
        assert_eq!(std::fs::metadata(store.path("")).unwrap().permissions().mode() & 0o777, 0o600);
        let again = RefusedFile::open(&store.folder.path().join("j.db"), DAY, Arc::new(store.clock.clone())).unwrap();
        assert_eq!(again.find(id).wait().unwrap(), Some(found));
    }

    #[test]
    fn the_newest_of_each_organisation_stay() {
        let store = Store::new();
        store.keep("quiet", "<first/>");
        (0..MOST_KEPT + 50).for_each(|n| store.keep("loud", &n.to_string()));
        let ids = store.ids("loud");
        assert_eq!(ids.len(), MOST_KEPT);
        assert!(ids.is_sorted_by(|one, next| one > next), "newest first");
        assert_eq!(store.file.find(ids[0]).wait().unwrap().unwrap().1, (MOST_KEPT + 49).to_string());
        assert_eq!(store.ids("quiet").len(), 1);
        let all = RefusedFilter::default();
        let page = store.file.list(all.clone(), None, 150).wait().unwrap();
        let rest = store.file.list(all, page.next, 150).wait().unwrap();
        assert_eq!((page.items.len(), rest.items.len(), rest.next), (150, 51, None));
        let other = RefusedFilter { code: Some("too_large".into()), ..RefusedFilter::default() };
        assert!(store.file.list(other, None, 1).wait().unwrap().items.is_empty());
    }

    #[test]
    fn what_is_too_old_is_forgotten_and_overwritten() {
        let store = Store::new();
        store.keep("acme", "<ID>W-old</ID>");
        store.clock.advance(DAY);
        assert_eq!(store.ids("acme").len(), 1);
        assert!(store.bytes().contains("W-old"));
        store.clock.advance(Duration::from_millis(1));
        assert!(store.ids("acme").is_empty());
        assert!(!store.bytes().contains("W-old"), "nothing of it is left in the files");
    }

    #[test]
    fn a_candidate_is_erased_in_any_spelling_and_nobody_else() {
        let store = Store::new();
        let id = |text: &str| CandidateId::new(text).unwrap();
        store.keep("acme", "<ID>W-1234</ID>");
        store.keep("acme", "<ID>W-1&#50;34</ID>");
        store.keep("acme", "<ID>W-9999</ID>");
        store.keep("other", "<ID>W-1234</ID>");
        assert_eq!(store.file.erase("acme".parse().unwrap(), id("w-1234")).wait(), Ok(2));
        assert_eq!((store.ids("acme").len(), store.ids("other").len()), (1, 1));
        let other = store.ids("other")[0];
        assert_eq!(store.file.remove(other).wait(), Ok(true));
        assert_eq!(store.file.remove(other).wait(), Ok(false));
        let bytes = store.bytes();
        assert!(!bytes.contains("W-1") && bytes.contains("W-9999"));
        store.keep("acme", "<ID>later</ID>");
        assert!(store.ids("acme")[0] > other, "a number is not used again");
    }

    #[test]
    fn a_flood_is_lost_rather_than_waited_for() {
        let store = Store::new();
        let text = "x".repeat(1000);
        let lost = (0..20_000).filter(|_| !store.file.keep(head("acme"), text.clone())).count();
        assert!(lost > 0, "more came than was ever to wait");
        assert_eq!(store.ids("acme").len(), MOST_KEPT);
    }

    #[test]
    fn turned_off_it_leaves_nothing() {
        let store = Store::new();
        store.keep("acme", "<a/>");
        store.file.close();
        RefusedFile::remove(&store.folder.path().join("j.db")).unwrap();
        assert_eq!(std::fs::read_dir(store.folder.path()).unwrap().count(), 0);
    }
}
