//! The refused messages in their file, with the clock under control.

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
    let names = vec!["nobody".to_owned(), "w-1234".to_owned()];
    store.keep("acme", "<ID>W-1234</ID>");
    store.keep("acme", "<ID>W-1&#50;34</ID>");
    store.keep("acme", "<ID>W-9999</ID>");
    store.keep("other", "<ID>W-1234</ID>");
    assert_eq!(store.file.erase("acme".parse().unwrap(), names).wait(), Ok(2));
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
