//! What every journal must keep when old events go.

use imper_bridge::domain::{ApplicationId, EventType, Outcome};
use imper_bridge::journal::{EventFilter, Journal, Verdict};

use super::driver::Driver;
use super::{AGES, DAY, SECOND, accept, all, claim, message, org, settle};

pub(super) fn purging_leaves_what_is_needed<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let names = |journal: &dyn Journal| {
        let mut names: Vec<_> = all(journal, EventFilter::default())
            .iter()
            .map(|record| {
                let event = &record.event;
                format!("{} {}", event.job_application_id.as_str(), event.stage.as_ref().unwrap().as_str())
            })
            .collect();
        names.sort();
        names
    };
    for (application, stages) in [
        ("done", &["Interview", "Offer"][..]),
        ("open", &["Screen", "Interview", " interview "]),
        ("back", &["Interview", "Offer"]),
        ("dead", &["Interview", "Offer"]),
        ("repeated", &["Screen"]),
    ] {
        for stage in stages {
            accept(&*journal, message(application, stage));
        }
    }
    loop {
        let claimed = claim(&*journal);
        if claimed.is_empty() {
            break;
        }
        for claimed in claimed {
            let event = &claimed.event;
            let dies = event.job_application_id.as_str() == "dead" && event.event_type == EventType::InterviewStarted;
            settle(&*journal, &claimed, if dies { Verdict::Dead } else { Verdict::Delivered });
        }
    }
    driver.advance(30 * DAY);
    accept(&*journal, message("back", "Interview"));
    accept(&*journal, message("waits", "Interview"));
    assert_eq!(accept(&*journal, message("repeated", "Screen")).outcome(), Outcome::Duplicate);
    let stats = |journal: &dyn Journal| {
        let stats = journal.stats(AGES).wait().unwrap().remove(0);
        (stats.accepted, stats.delivered, stats.dead, stats.last_message_at, stats.last_started_at)
    };
    let before = stats(&*journal);
    driver.advance(SECOND);
    assert_eq!(journal.purge(30 * DAY).wait().unwrap(), 2);
    // "dead Offer" follows a dead letter, and a history has no gap; what is in interview stays whole.
    let kept = ["back Interview", "back Interview", "back Offer", "dead Interview", "dead Offer", "open Interview"];
    let kept = kept.into_iter().chain(["open Screen", "open interview", "repeated Screen", "waits Interview"]);
    assert_eq!(names(&*journal), kept.map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(stats(&*journal), before, "the figures are since the journal began");
    assert_eq!(journal.purge(30 * DAY).wait().unwrap(), 0);
    let unknown = journal.application(org("acme"), ApplicationId::new("done").unwrap()).wait().unwrap();
    assert!(unknown.is_none(), "what was out and silent is forgotten");
    let anew = accept(&*journal, message("done", "Offer"));
    assert_eq!((anew.outcome(), anew.event_type()), (Outcome::Accepted, EventType::StateChanged));
    assert_eq!(accept(&*journal, message("open", "Offer")).event_type(), EventType::InterviewEnded);
    assert_eq!(accept(&*journal, message("back", "Offer")).event_type(), EventType::InterviewEnded);
    let last = accept(&*journal, message("repeated", "Interview"));
    drop(journal);
    let journal = driver.open();
    assert_eq!(accept(&*journal, message("repeated", "Interview")).event_id(), last.event_id());
    let newest = accept(&*journal, message("later", "Interview"));
    assert!(newest.event_id() > last.event_id(), "numbers are never given twice");
}

pub(super) fn everything_may_be_purged_and_numbers_still_rise<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let last = accept(&*journal, message("A1", "Screen")).event_id().unwrap();
    driver.advance(DAY);
    driver.advance(SECOND);
    assert_eq!(journal.purge(DAY).wait().unwrap(), 1);
    drop(journal);
    let journal = driver.open();
    let next = accept(&*journal, message("A1", "Screen")).event_id().unwrap();
    assert!(next.sequence() > last.sequence());
    assert_eq!(all(&*journal, EventFilter::default()).len(), 1);
}
