//! What every journal must answer to queries.

use std::time::Duration;

use imper_bridge::domain::{ApplicationId, CandidateId, EventType, Text};
use imper_bridge::journal::{ApplicationFilter, DeliveryState, EventFilter, Incoming, Journal};

use super::driver::Driver;
use super::{AGES, DAY, SECOND, accept, all, message, org};

pub(super) fn lists_page_by_page<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let ids: Vec<_> = (0..7)
        .map(|n| {
            driver.advance(SECOND);
            accept(&*journal, message(&format!("A{n}"), "Interview")).event_id().unwrap()
        })
        .collect();
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = journal.events(EventFilter::default(), cursor, 3).wait().unwrap();
        seen.extend(page.items.iter().map(|record| record.event.event_id));
        accept(&*journal, message(&format!("later {}", seen.len()), "Interview"));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids.iter().rev().copied().collect::<Vec<_>>(), "a cursor is stable under inserts");
    let third = journal.event(ids[2]).wait().unwrap().unwrap().0.event.received_at;
    let since = EventFilter { since: Some(third), until: Some(third + SECOND), ..EventFilter::default() };
    let between: Vec<_> = all(&*journal, since).iter().map(|record| record.event.event_id).collect();
    assert_eq!(between, [ids[2]], "since is inclusive, until exclusive");
    let later = EventFilter { since: Some(third + Duration::from_micros(1)), ..EventFilter::default() };
    assert!(all(&*journal, later).iter().all(|record| record.event.event_id != ids[2]));
}

pub(super) fn filters_combine<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Interview"));
    accept(&*journal, Incoming { org: org("other"), ..message("A1", "Interview") });
    accept(&*journal, message("A1", "Offer"));
    let candidate = Some(CandidateId::new("W12345").unwrap());
    let count = |filter| all(&*journal, filter).len();
    assert_eq!(count(EventFilter { candidate: candidate.clone(), ..EventFilter::default() }), 3);
    let acme = EventFilter { orgs: Some(vec![org("acme")]), candidate, ..EventFilter::default() };
    assert_eq!(count(acme.clone()), 2);
    assert_eq!(count(EventFilter { event_type: Some(EventType::InterviewEnded), ..acme.clone() }), 1);
    assert_eq!(count(EventFilter { state: Some(DeliveryState::Delivered), ..acme }), 0);
    let nobody = EventFilter { candidate: Some(CandidateId::new("nobody").unwrap()), ..EventFilter::default() };
    assert_eq!(count(nobody), 0);
}

pub(super) fn open_interviews_are_listed_and_reported_but_not_closed<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let listed = |journal: &dyn Journal| {
        let filter = ApplicationFilter { orgs: Some(vec![org("acme")]) };
        let page = journal.in_interview(filter, None, 10).wait().unwrap();
        let name = |record: &imper_bridge::journal::ApplicationRecord| {
            record.latest.event.job_application_id.as_str().to_owned()
        };
        page.items.iter().map(name).collect::<Vec<_>>()
    };
    let begun = driver.now();
    accept(&*journal, message("A1", "Interview"));
    driver.advance(DAY);
    accept(&*journal, message("A2", "Interview"));
    accept(&*journal, Incoming { org: org("other"), ..message("A3", "Interview") });
    let mut moved = message("A1", "Interview");
    moved.change.step = Text::new("Panel");
    accept(&*journal, moved);
    assert_eq!(listed(&*journal), ["A1", "A2"]);
    let one = journal.application(org("acme"), ApplicationId::new("A1").unwrap()).wait().unwrap().unwrap();
    assert_eq!(one.in_interview_since, Some(begun), "moving between interview stages goes on with it");
    driver.advance(29 * DAY + SECOND);
    assert_eq!(journal.stats(AGES).wait().unwrap()[0].open_too_long, 1);
    accept(&*journal, message("A1", "Offer"));
    assert_eq!(listed(&*journal), ["A2"]);
    let one = journal.application(org("acme"), ApplicationId::new("A1").unwrap()).wait().unwrap().unwrap();
    assert_eq!(one.in_interview_since, None);
    assert!(journal.application(org("other"), ApplicationId::new("A1").unwrap()).wait().unwrap().is_none());
}
