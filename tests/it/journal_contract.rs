//! What every journal must keep, whatever stores it. A case takes a driver, which opens, reopens and
//! moves time; each case is tried on every driver.

mod accepting;
mod delivering;
mod details;
mod driver;
mod erasing;
mod files;
mod gating;
mod listing;
mod purging;
mod replaying;

use std::sync::Arc;
use std::time::Duration;

use imper_bridge::domain::{ApplicationId, CandidateId, OrgId, RequisitionId, Source, StagePolicy, StateChange, Text};
use imper_bridge::journal::{
    Ages, Answered, Claimed, Claims, EventFilter, EventRecord, Incoming, Journal, LaneKind, Quota, ReadBack, Receipt,
    Settled, Settlement, Verdict,
};

const SECOND: Duration = Duration::from_secs(1);
pub(crate) const LEASE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const AGES: Ages = Ages { useful_within: Duration::from_secs(300), open_interview: Duration::from_secs(30 * 86_400) };

/// Each case, by its subject, as a test for every driver.
macro_rules! contract {
    ($($subject:ident: $($case:ident),+;)+) => {
        mod embedded {
            $($(#[test] fn $case() { super::$subject::$case::<super::driver::EmbeddedDriver>(); })+)+
        }
        mod postgres {
            $($(#[test] fn $case() { super::$subject::$case::<super::driver::PostgresDriver>(); })+)+
        }
    };
}

contract! {
    accepting:
        decides_once_and_shows_it,
        what_was_concluded_from_an_earlier_event_is_void,
        remembers_after_reopening,
        orders_stale_messages,
        knows_a_late_retry_by_its_message_id,
        a_dry_run_leaves_no_trace,
        only_what_has_somewhere_to_go_waits,
        a_full_backlog_is_refused_but_duplicates_are_still_answered,
        many_at_once_are_each_answered;
    delivering:
        fences_settlements,
        a_retry_waits_its_time_even_across_a_restart,
        what_was_in_flight_is_claimed_again_after_a_restart,
        a_dead_letter_lets_the_next_go,
        applications_do_not_wait_for_each_other,
        protections_follow_settlements,
        everything_before_the_watermark_is_delivered,
        a_start_that_waits_for_too_long_counts_as_late;
    listing:
        lists_page_by_page,
        filters_combine,
        open_interviews_are_listed_and_reported_but_not_closed;
    replaying:
        a_replay_has_a_fresh_budget_and_the_right_key,
        a_superseded_boundary_is_replayed_by_force_alone,
        a_filter_replays_dead_letters_in_the_order_of_acceptance,
        a_deleted_dead_letter_is_gone_but_its_event_counts;
    gating:
        a_wrong_set_up_pauses_and_is_probed_until_one_goes_through,
        an_attempt_that_was_begun_before_does_not_end_the_pause,
        an_event_that_alone_finds_the_set_up_wrong_is_struck,
        an_operator_pauses_and_resumes,
        a_relay_that_asks_for_quiet_gets_it_across_a_restart;
    purging:
        purging_leaves_what_is_needed,
        everything_may_be_purged_and_numbers_still_rise;
    erasing:
        an_erasure_says_whose_it_is_until_it_is_done,
        an_erasure_takes_what_relays_said_of_the_candidate_elsewhere,
        an_erasure_removes_a_candidate_and_leaves_a_receipt,
        what_concerns_no_event_holds_up_no_query,
        what_waits_may_be_deleted_and_erased_undelivered;
    details:
        what_is_to_be_read_is_counted,
        details_wait_in_a_lane_of_their_own,
        what_was_being_read_is_read_again,
        a_wrong_set_up_stops_reading_but_no_delivery,
        workday_that_asks_for_quiet_gets_it,
        details_are_forgotten_in_time,
        another_interview_reads_anew_and_shows_what_was_known,
        an_erasure_takes_the_details_with_it;
}

fn org(name: &str) -> OrgId {
    name.parse().unwrap()
}

pub(crate) fn message(application: &str, stage: &str) -> Incoming {
    let change = StateChange {
        application: ApplicationId::new(application).unwrap(),
        candidate: CandidateId::new("W12345").unwrap(),
        requisition: RequisitionId::new("REQ678").unwrap(),
        stage: Text::new(stage),
        stage_aliases: Vec::new(),
        step: Text::new("Phone Screen"),
        status: None,
        told: None,
        occurred: None,
    };
    placed(change)
}

fn placed(change: StateChange) -> Incoming {
    let placed = StagePolicy::default().position(&change);
    Incoming::new(org("acme"), change, placed, Source::Soap)
}

pub(crate) fn accept(journal: &dyn Journal, incoming: Incoming) -> Receipt {
    journal.accept(incoming).unwrap().wait().unwrap()
}

pub(crate) fn quota() -> Quota {
    let known = [org("acme"), org("other")].into();
    Quota { kind: LaneKind::Delivery, total: 100, each: 100, held: Default::default(), known: Arc::new(known) }
}

pub(crate) fn claim(journal: &dyn Journal) -> Vec<Claimed> {
    claims(journal).claimed
}

pub(crate) fn claims(journal: &dyn Journal) -> Claims {
    journal.claim(quota(), LEASE).wait().unwrap()
}

fn settle(journal: &dyn Journal, claimed: &Claimed, verdict: Verdict) -> Settled {
    journal.settle(settlement(claimed, verdict)).wait().unwrap()
}

pub(crate) fn settlement(claimed: &Claimed, verdict: Verdict) -> Settlement {
    let error = (verdict != Verdict::Delivered).then(|| "the relay answered 503".to_owned());
    let answered = Answered { status: Some(200), latency: SECOND, error, body: Some("{}".into()) };
    Settlement { fence: claimed.fence, verdict, answered, protection: None, read_back: ReadBack::Nothing, late: false }
}

fn all(journal: &dyn Journal, filter: EventFilter) -> Vec<EventRecord> {
    journal.events(filter, None, 1000).wait().unwrap().items
}
