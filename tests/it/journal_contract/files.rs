//! What the embedded journal keeps of its files.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use imper_bridge::domain::{ApplicationId, CandidateId, protection};
use imper_bridge::journal::{
    Answered, ApplicationFilter, Deliver, EventFilter, Journal, ProtectionFilter, Settlement, Verdict, Which,
};

use super::driver::{Driver, EmbeddedDriver};
use super::erasing::erase;
use super::replaying::replay;
use super::{AGES, DAY, accept, all, claim, message, org, settle, settlement};

#[test]
fn a_second_process_is_told_that_the_journal_is_in_use() {
    let driver = EmbeddedDriver::fresh();
    let _first = driver.open();
    let refused = driver.try_open().err().expect("one owner at a time").to_string();
    assert!(refused.contains("in use by another process"), "{refused}");
}

/// Who may read the journal knows who applied where.
#[test]
fn all_files_are_their_owners_only() {
    let driver = EmbeddedDriver::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Interview"));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(driver.folder.path()).unwrap().map(Result::unwrap) {
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
        names.push(entry.file_name().into_string().unwrap());
    }
    assert!(names.iter().any(|name| name.ends_with(".lock")), "{names:?}");
}

#[test]
fn the_index_is_disposable() {
    let driver = EmbeddedDriver::fresh();
    let journal = driver.open();
    for application in ["A1", "A2"] {
        accept(&*journal, message(application, "Interview"));
    }
    let claimed = claim(&*journal);
    let settlement =
        Settlement { protection: Some(protection::Change::Activated), ..settlement(&claimed[0], Verdict::Delivered) };
    journal.settle(settlement).wait().unwrap();
    accept(&*journal, message("A2", "Interview"));
    accept(&*journal, message("gone", "Screen"));
    let candidate = CandidateId::new("W-gone").unwrap();
    let mut gone = message("erased", "Screen");
    gone.change.candidate = candidate.clone();
    accept(&*journal, gone);
    erase(&*journal, &candidate, false);
    let mut dead = accept(&*journal, message("dead", "Interview")).event_id().unwrap();
    settle(&*journal, claim(&*journal).last().unwrap(), Verdict::Dead);
    journal.discard(dead, false, "anna".into()).wait().unwrap();
    dead = accept(&*journal, message("dead", "Offer")).event_id().unwrap();
    settle(&*journal, &claim(&*journal)[0], Verdict::Dead);
    replay(&*journal, Which::One(dead), false);
    replay(&*journal, Which::One(claimed[0].event.event_id), true);
    driver.advance(31 * DAY);
    accept(&*journal, message("A3", "Interview"));
    assert_eq!(journal.purge(30 * DAY).wait().unwrap(), 2, "what was deleted goes in its time as well");
    let look = |journal: &dyn Journal| {
        let events = format!("{:?}", all(journal, EventFilter::default()));
        let protections = format!("{:?}", journal.protections(ProtectionFilter::default(), None, 9).wait().unwrap());
        let mut stats = journal.stats(AGES).wait().unwrap();
        // How often a stage was seen is told of what is kept.
        stats.iter_mut().for_each(|stats| stats.stages.clear());
        let open = journal.in_interview(ApplicationFilter::default(), None, 9).wait().unwrap();
        (events, protections, format!("{stats:?} {open:?}"))
    };
    let before = look(&*journal);
    drop(journal);
    std::fs::remove_file(driver.folder.path().join("journal.db.index")).unwrap();
    let journal = driver.open();
    assert_eq!(look(&*journal), before, "made anew from the journal alone");
    drop(journal);
    std::fs::write(driver.folder.path().join("journal.db.index"), b"this is no database").unwrap();
    assert_eq!(look(&*driver.open()), before, "a damaged one is made anew as well");
}

#[test]
fn what_is_erased_stands_in_no_file() {
    let driver = EmbeddedDriver::fresh();
    let journal = driver.open();
    let secret = "W-to-be-forgotten";
    for n in 0..50 {
        let mut incoming = message(&format!("APP-{secret}-{n}"), "Screen");
        incoming.deliver = Deliver::Everything;
        incoming.change.candidate = CandidateId::new(secret).unwrap();
        incoming.message_id = Some(format!("urn:{secret}:{n}").into());
        accept(&*journal, incoming);
    }
    for claimed in claim(&*journal) {
        let answered = Answered { body: Some(format!("took {secret}")), ..Answered::default() };
        journal.settle(Settlement { answered, ..settlement(&claimed, Verdict::Delivered) }).wait().unwrap();
    }
    accept(&*journal, message("A1", "Interview"));
    let stands = || {
        let files = std::fs::read_dir(driver.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let holds = |path: &PathBuf| {
            let bytes = std::fs::read(path).unwrap();
            bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
        };
        files.filter(holds).map(|path| path.file_name().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(!stands().is_empty());
    let erased = erase(&*journal, &CandidateId::new(secret).unwrap(), false);
    assert_eq!(erased.events, 50);
    assert_eq!(stands(), Vec::<std::ffi::OsString>::new());
    assert_eq!(all(&*journal, EventFilter::default()).len(), 1, "nobody else is touched");
}

/// The process may die between a removal and the index's learning of it.
#[test]
fn an_index_that_missed_a_removal_is_made_anew() {
    let driver = EmbeddedDriver::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Interview"));
    settle(&*journal, &claim(&*journal)[0], Verdict::Dead);
    accept(&*journal, message("A1", "Offer"));
    settle(&*journal, &claim(&*journal)[0], Verdict::Dead);
    drop(journal);
    let before = driver.folder.path().join("before");
    std::fs::copy(driver.folder.path().join("journal.db.index"), &before).unwrap();
    let journal = driver.open();
    let candidate = CandidateId::new("W12345").unwrap();
    assert_eq!(erase(&*journal, &candidate, false).events, 2);
    drop(journal);
    std::fs::rename(before, driver.folder.path().join("journal.db.index")).unwrap();
    let journal = driver.open();
    assert_eq!(journal.stats(AGES).wait().unwrap()[0].dead, 0);
    assert!(journal.application(org("acme"), ApplicationId::new("A1").unwrap()).wait().unwrap().is_none());
}

#[test]
fn a_backup_of_the_journal_file_alone_is_complete() {
    let driver = EmbeddedDriver::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Interview"));
    let copy = EmbeddedDriver::fresh();
    let source = rusqlite::Connection::open(driver.path()).unwrap();
    source.execute("VACUUM INTO ?1", [copy.path().to_string_lossy()]).unwrap();
    let restored = copy.open();
    assert_eq!(all(&*restored, EventFilter::default()).len(), 1);
    assert_eq!(claim(&*restored).len(), 1);
    let id: String = source.query_row("SELECT event_id FROM events", [], |row| row.get(0)).unwrap();
    let shown = all(&*journal, EventFilter::default())[0].event.event_id.to_string();
    assert_eq!(id, shown, "whoever looks with sqlite3 sees the same id");
}
