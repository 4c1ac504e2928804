//! The decision, case by case.

use super::*;
use crate::domain::{ApplicationId, CandidateId, RequisitionId};

fn change(stage: Option<&str>, status: Option<&str>) -> StateChange {
    StateChange {
        application: ApplicationId::new("A").unwrap(),
        candidate: CandidateId::new("C").unwrap(),
        requisition: RequisitionId::new("R").unwrap(),
        stage: stage.and_then(Text::new),
        stage_aliases: Vec::new(),
        step: None,
        status: status.and_then(Text::new),
        told: None,
        occurred: None,
    }
}

fn seen(position: Position, likeness: u128) -> Seen {
    Seen {
        position,
        reason: Reason::InterviewStage,
        likeness: Likeness(likeness),
        ordered_at: None,
        repeats_message_id: false,
    }
}

fn standing(position: Position, likeness: u128, ordered_at: Option<i64>) -> Standing {
    Standing { position, likeness: Likeness(likeness), ordered_at: ordered_at.map(second) }
}

fn second(at: i64) -> Timestamp {
    Timestamp::from_second(at).unwrap()
}

fn event_type(decision: Decision) -> EventType {
    match decision {
        Decision::Accepted { event_type, .. } => event_type,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_stage_and_the_status_place_the_candidate() {
    let policy = StagePolicy::default();
    assert_eq!(policy.position(&change(Some("INTERVIEW"), Some("Screening"))), (Position::In, Reason::InterviewStage));
    assert_eq!(policy.position(&change(Some("Offer"), None)), (Position::Out, Reason::OtherStage));
    assert_eq!(policy.position(&change(Some("Interview"), Some(" rejected "))), (Position::Out, Reason::ClosedStatus));
    let mut alias = change(Some("Gespräch"), None);
    assert_eq!(policy.position(&alias).0, Position::Out);
    alias.stage_aliases = vec![Text::new("Interview").unwrap()];
    assert_eq!(policy.position(&alias).0, Position::In);
    let umlaut = StagePolicy::new(&[" GESPRÄCH"], &[]);
    assert_eq!(umlaut.position(&change(Some("gespräch"), None)).0, Position::In);
}

#[test]
fn what_the_message_says_beats_what_would_be_inferred() {
    let told = StateChange { told: Some(Position::Out), ..change(Some("Interview"), None) };
    assert_eq!(StagePolicy::default().position(&told), (Position::Out, Reason::Told));
    assert_eq!(Position::told_by(" interview_stage_started "), Some(Position::In));
    assert_eq!(Position::told_by("interview_stage_ended"), Some(Position::Out));
    assert_eq!(Position::told_by("state_changed"), None);
}

#[test]
fn the_relay_sees_starts_and_ends_in_turn() {
    use EventType::*;
    let table = [
        (None, Position::In, InterviewStarted),
        (Some(Position::Out), Position::In, InterviewStarted),
        (Some(Position::In), Position::Out, InterviewEnded),
        (Some(Position::In), Position::In, StateChanged),
        (Some(Position::Out), Position::Out, StateChanged),
        (None, Position::Out, StateChanged),
    ];
    for (was, now, expected) in table {
        let known = was.map(|was| standing(was, 1, None));
        assert_eq!(event_type(decide(known.as_ref(), &seen(now, 2))), expected, "{was:?} → {now:?}");
    }
    let told = Seen { reason: Reason::Told, ..seen(Position::Out, 2) };
    assert_eq!(event_type(decide(None, &told)), InterviewEnded, "the start may have been missed");
    assert_eq!(event_type(decide(Some(&standing(Position::Out, 1, None)), &told)), StateChanged);
}

#[test]
fn the_same_message_again_is_a_duplicate_unless_it_is_later() {
    let last = standing(Position::In, 1, Some(100));
    let same = |at: Option<i64>| Seen { ordered_at: at.map(second), ..seen(Position::In, 1) };
    assert_eq!(decide(Some(&last), &same(None)), Decision::DuplicateOfLast);
    assert_eq!(decide(Some(&last), &same(Some(100))), Decision::DuplicateOfLast);
    assert_eq!(decide(Some(&last), &same(Some(99))), Decision::DuplicateOfLast, "duplicate is checked before stale");
    assert_eq!(event_type(decide(Some(&last), &same(Some(101)))), EventType::StateChanged);
    let untimed = standing(Position::In, 1, None);
    assert_eq!(decide(Some(&untimed), &same(Some(101))), Decision::DuplicateOfLast, "both must carry a timestamp");
}

#[test]
fn a_late_retry_is_known_by_its_message_id() {
    let last = standing(Position::Out, 1, None);
    let retry = Seen { repeats_message_id: true, ..seen(Position::In, 2) };
    assert_eq!(decide(Some(&last), &retry), Decision::DuplicateOfMessageId);
}

#[test]
fn an_older_message_is_stale_and_moves_nothing() {
    let last = standing(Position::Out, 1, Some(100));
    let older = Seen { ordered_at: Some(second(99)), ..seen(Position::In, 2) };
    assert_eq!(decide(Some(&last), &older), Decision::Stale { stays: Position::Out });
    let equal = Seen { ordered_at: Some(second(100)), ..older };
    assert_eq!(event_type(decide(Some(&last), &equal)), EventType::InterviewStarted);
}

#[test]
fn dates_and_times_far_ahead_do_not_order() {
    let now = second(1_000_000);
    let at = |s: i64, has_time| Some(Occurred { at: second(s), has_time });
    assert_eq!(ordered_at(at(1_000_300, true), now), Some(second(1_000_300)));
    assert_eq!(ordered_at(at(1_000_301, true), now), None);
    assert_eq!(ordered_at(at(5, false), now), None);
    assert_eq!(ordered_at(None, now), None);
}
