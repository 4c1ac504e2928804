//! What every journal must keep of what stops the deliveries of an organisation.

use std::time::Duration;

use imper_bridge::journal::{Incoming, Journal, PauseCause, Settled, Turn, Verdict};

use super::driver::Driver;
use super::{AGES, DAY, SECOND, accept, claim, message, org, settle};

pub(super) fn a_wrong_set_up_pauses_and_is_probed_until_one_goes_through<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    for application in ["A1", "A2", "A3"] {
        accept(&*journal, message(application, "Interview"));
    }
    accept(&*journal, Incoming { org: org("other"), ..message("B1", "Interview") });
    let paused = Verdict::Paused { probe_after: 30 * SECOND };
    let first = claim(&*journal);
    assert_eq!(first.len(), 4);
    for claimed in &first {
        let verdict = if claimed.event.orgid == org("acme") { paused } else { Verdict::Delivered };
        assert_eq!(settle(&*journal, claimed, verdict), Settled::Applied);
    }
    let pause = |journal: &dyn Journal| {
        let stats = journal.stats(AGES).wait().unwrap();
        stats.into_iter().find(|stats| stats.org == org("acme")).unwrap().paused
    };
    let told = pause(&*journal).expect("the organisation is paused");
    assert_eq!((told.cause, told.reason.as_deref()), (PauseCause::SetUp, Some("the relay answered 503")));
    assert!(claim(&*journal).is_empty(), "no probe before its time");
    drop(journal);
    driver.advance(29 * SECOND);
    let journal = driver.open();
    assert!(claim(&*journal).is_empty());
    assert!(pause(&*journal).is_some(), "it outlives the process");
    driver.advance(SECOND);
    let mut probed = std::collections::HashSet::new();
    for _ in 0..3 {
        let probe = claim(&*journal);
        assert_eq!(probe.len(), 1, "one event at a time");
        assert_eq!(probe[0].strike, 1, "nothing else goes through");
        probed.insert(probe[0].event.job_application_id.clone());
        assert!(claim(&*journal).is_empty());
        settle(&*journal, &probe[0], paused);
        driver.advance(30 * SECOND);
    }
    assert_eq!(probed.len(), 3, "probes rotate over applications");
    driver.advance(100 * DAY);
    let probe = claim(&*journal);
    assert!(probe[0].since_first < 10 * SECOND, "paused time is not counted: {:?}", probe[0].since_first);
    settle(&*journal, &probe[0], Verdict::Delivered);
    assert_eq!(pause(&*journal), None);
    assert_eq!(claim(&*journal).len(), 2, "all that waited goes on");
}

/// What was sent before says nothing of how it is now: a key that was revoked while slow answers were
/// still on their way.
pub(super) fn an_attempt_that_was_begun_before_does_not_end_the_pause<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    for application in ["A1", "A2", "A3", "A4", "A5"] {
        accept(&*journal, message(application, "Interview"));
    }
    let paused = Verdict::Paused { probe_after: 30 * SECOND };
    let slow = claim(&*journal);
    assert_eq!(slow.len(), 5);
    driver.advance(SECOND);
    assert_eq!(settle(&*journal, &slow[0], paused), Settled::Applied);
    let pause = || journal.stats(AGES).wait().unwrap().remove(0).paused;
    for late in &slow[1..3] {
        driver.advance(SECOND);
        assert_eq!(settle(&*journal, late, Verdict::Delivered), Settled::Applied);
        assert!(pause().is_some() && claim(&*journal).is_empty());
    }
    driver.advance(30 * SECOND);
    let probe = claim(&*journal);
    assert_eq!((probe.len(), probe[0].event.event_id), (1, slow[0].event.event_id));
    assert_eq!(settle(&*journal, &slow[3], Verdict::Delivered), Settled::Applied);
    assert!(pause().is_some(), "neither while a probe is under way");
    driver.advance(SECOND);
    assert_eq!(settle(&*journal, &probe[0], Verdict::Delivered), Settled::Applied);
    assert_eq!(pause(), None);
}

pub(super) fn an_event_that_alone_finds_the_set_up_wrong_is_struck<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    let paused = Verdict::Paused { probe_after: SECOND };
    accept(&*journal, message("bad", "Interview"));
    for strike in 1..=3 {
        let bad = claim(&*journal).remove(0);
        assert_eq!((bad.event.job_application_id.as_str(), bad.strike), ("bad", strike));
        settle(&*journal, &bad, paused);
        driver.advance(SECOND);
        let again = claim(&*journal).remove(0);
        assert_eq!(again.strike, strike, "it is not counted while nothing goes through");
        settle(&*journal, &again, paused);
        accept(&*journal, message(&format!("good {strike}"), "Interview"));
        driver.advance(SECOND);
        // The event that was just probed is behind the other one only if that waits for longer.
        let mut probe = claim(&*journal).remove(0);
        if probe.event.job_application_id.as_str() == "bad" {
            settle(&*journal, &probe, paused);
            driver.advance(SECOND);
            probe = claim(&*journal).remove(0);
        }
        assert_ne!(probe.event.job_application_id.as_str(), "bad", "probes rotate");
        settle(&*journal, &probe, Verdict::Delivered);
    }
}

pub(super) fn an_operator_pauses_and_resumes<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Interview"));
    journal.turn(Turn::Pause(org("acme")), "anna".into()).wait().unwrap();
    assert!(journal.stats(AGES).wait().unwrap()[0].paused.is_some(), "what a turn recorded holds up no query");
    driver.advance(DAY);
    assert!(claim(&*journal).is_empty());
    drop(journal);
    let journal = driver.open();
    assert!(claim(&*journal).is_empty(), "it outlives the process");
    journal.turn(Turn::SetUpRead, "reload".into()).wait().unwrap();
    assert!(claim(&*journal).is_empty(), "a reload ends only what a wrong set-up stopped");
    let told = journal.pulse().into_iter().find(|pulse| pulse.org == org("acme")).unwrap().paused.unwrap();
    assert_eq!((told.cause, told.reason.as_deref()), (PauseCause::Operator, Some("anna")));
    journal.turn(Turn::Resume(org("acme")), "anna".into()).wait().unwrap();
    assert_eq!(claim(&*journal).len(), 1);
}

pub(super) fn a_relay_that_asks_for_quiet_gets_it_across_a_restart<D: Driver>() {
    let driver = D::fresh();
    let journal = driver.open();
    accept(&*journal, message("A1", "Interview"));
    accept(&*journal, message("A2", "Interview"));
    let first = claim(&*journal);
    settle(&*journal, &first[1], Verdict::Delivered);
    settle(&*journal, &first[0], Verdict::Retry { after: 60 * SECOND, hold_organisation: true });
    accept(&*journal, message("A3", "Interview"));
    drop(journal);
    driver.advance(50 * SECOND);
    let journal = driver.open();
    assert!(claim(&*journal).is_empty());
    let held = journal.pulse().into_iter().find(|pulse| pulse.org == org("acme")).unwrap().held_until;
    assert_eq!(held, Some(driver.now() + 10 * SECOND));
    driver.advance(10 * SECOND);
    let claimed = claim(&*journal);
    assert_eq!(claimed.len(), 2);
    settle(&*journal, &claimed[0], Verdict::Retry { after: DAY, hold_organisation: true });
    settle(&*journal, &claimed[1], Verdict::Retry { after: Duration::ZERO, hold_organisation: false });
    assert!(claim(&*journal).is_empty());
    journal.turn(Turn::Resume(org("acme")), "anna".into()).wait().unwrap();
    assert_eq!(claim(&*journal).len(), 1, "an operator ends the quiet");
}
