//! What needs a person because events of an organisation do not go to its relay, or went too late.

use super::{Act, Grade, Trouble};
use crate::admin::console::show::{Moment, count};
use crate::admin::console::sight::Sight;
use crate::admin::standing::{Gravity, Standing, refuses};
use crate::journal::{OrganisationStats, PauseCause, Paused};

pub(super) fn paused(stats: &OrganisationStats, sight: &Sight) -> Option<Trouble> {
    let Paused { cause, reason, .. } = stats.paused.as_ref()?;
    let (org, since) = (&stats.org, sight.standing(&stats.org).paused_since(stats)?);
    let (since, waiting) = (Moment::new(since, sight.now), waiting(stats.pending));
    let (sentence, meaning) = match cause {
        PauseCause::Operator => {
            let who = reason.as_deref().unwrap_or("an operator");
            let meaning = "Messages are accepted all the same, and nothing is lost.".to_owned();
            (format!("{org}: {who} paused the deliveries at {since}, {waiting}"), meaning)
        }
        PauseCause::SetUp => {
            let reason = reason.as_deref().unwrap_or_default();
            let meaning = "One event is tried from time to time, and the first that is taken ends the pause. Nothing \
                           is given up meanwhile. Mend the relay's URL or key in the configuration and reload.";
            (format!("{org}: {} since {since}, {waiting}", refuses(reason)), meaning.to_owned())
        }
    };
    Some(Trouble { broken: true, sentence, meaning, act: Some(resume(stats)), ..Trouble::default() })
}

/// How many events wait, as the end of a sentence.
fn waiting(pending: u64) -> String {
    match pending {
        0 => "nothing waits yet".to_owned(),
        1 => "1 event waits".to_owned(),
        many => format!("{} wait", count(many, "event")),
    }
}

/// Letting the deliveries go.
fn resume(stats: &OrganisationStats) -> Act {
    let org = &stats.org;
    Act {
        path: format!("/organisations/{org}/resume"),
        fields: Vec::new(),
        label: "Resume deliveries",
        touches: format!(
            "Lets {} of {org} go to its relay, in order. Should it refuse still, the pause begins anew.",
            count(stats.pending, "waiting event")
        ),
    }
}

/// The relay does not take what waits, or asks to be left alone; of an organisation whose deliveries
/// are paused that is said already.
pub(super) fn failing(stats: &OrganisationStats, sight: &Sight) -> Option<Trouble> {
    let (org, standing) = (&stats.org, sight.standing(&stats.org));
    if stats.paused.is_some() || sight.organisation(org).is_none() {
        return None;
    }
    let failing = standing.failing(sight.now);
    let (what, meaning) = stands(&standing, sight)?;
    let broken = standing.overdue || failing.is_some_and(|(_, gravity)| gravity == Gravity::Broken);
    Some(Trouble {
        broken,
        delays: true,
        sentence: format!("{org}: {what}, {}", waiting(stats.pending)),
        meaning: format!("{meaning} Messages are accepted all the same."),
        see: Some((format!("/events?orgid={org}&state=pending"), "Show what waits")),
        ..Trouble::default()
    })
}

/// Why what waits is not taken, and what becomes of it.
fn stands(standing: &Standing, sight: &Sight) -> Option<(String, &'static str)> {
    if let Some(until) = standing.held_until {
        let why = standing.failing(sight.now).and_then(|(failing, _)| failing.error.as_deref());
        let why = why.map(|error| format!(" ({error})")).unwrap_or_default();
        let until = Moment::new(until, sight.now);
        return Some((format!("the relay asked to wait until {until}{why}"), "What waits is tried again then."));
    }
    let (failing, _) = standing.failing(sight.now)?;
    let since = Moment::new(failing.since, sight.now);
    let meaning = "What waits is tried again with growing waits, and given up after delivery.give_up_after_hours.";
    Some((format!("{} since {since}", failing.says()), meaning))
}

/// How the deliveries stand, for the card of an organisation.
pub(in crate::admin::console) fn deliveries(stats: &OrganisationStats, sight: &Sight) -> (Grade, String) {
    let standing = sight.standing(&stats.org);
    if sight.organisation(&stats.org).is_none() {
        let grade = if stats.pending == 0 { Grade::Look } else { Grade::Bad };
        return (grade, format!("Not configured; {}.", waiting(stats.pending)));
    }
    if let Some(since) = standing.paused_since(stats) {
        return (Grade::Bad, format!("The deliveries stand still since {}.", Moment::new(since, sight.now)));
    }
    let Some(trouble) = failing(stats, sight) else {
        return (Grade::Good, "The deliveries go on.".into());
    };
    let (what, _) = stands(&standing, sight).unwrap_or_default();
    let grade = if trouble.broken { Grade::Bad } else { Grade::Look };
    (grade, format!("{}{}.", what[..1].to_uppercase(), &what[1..]))
}

/// Starts of interviews that were not delivered in time, and what holds up those that still wait.
pub(super) fn late(stats: &OrganisationStats, sight: &Sight) -> Option<Trouble> {
    if stats.late == 0 {
        return None;
    }
    let (org, standing) = (&stats.org, sight.standing(&stats.org));
    let were = if stats.late == 1 { "was" } else { "were" };
    let cause = match stands(&standing, sight) {
        _ if !standing.overdue => "None of them waits any more.".to_owned(),
        _ if sight.organisation(org).is_none() => "Some wait still: it is not in the configuration.".to_owned(),
        _ if stats.paused.is_some() => "Some wait still: the deliveries are paused.".to_owned(),
        Some((what, _)) => format!("Some wait still: {what}."),
        None => "Some wait still: they are on the way.".to_owned(),
    };
    // Only a pause, and what the relay asked for, are an operator's to end.
    let stopped = stats.paused.is_some() || standing.held_until.is_some();
    let state = if standing.overdue { "&state=pending" } else { "" };
    Some(Trouble {
        sentence: format!(
            "{org}: {} of an interview {were} not delivered while that was of use",
            count(stats.late, "start")
        ),
        meaning: format!("{cause} Protection comes later than delivery.useful_within_seconds, or not at all."),
        act: (standing.overdue && stopped).then(|| resume(stats)),
        see: Some((format!("/events?orgid={org}&event_type=interview_started{state}"), "Show the starts")),
        ..Trouble::default()
    })
}

/// Events wait for an organisation that is not configured any more.
pub(super) fn removed(stats: &OrganisationStats, sight: &Sight) -> Option<Trouble> {
    let org = &stats.org;
    if stats.pending == 0 || sight.organisation(org).is_some() {
        return None;
    }
    let wait = if stats.pending == 1 { "waits" } else { "wait" };
    Some(Trouble {
        broken: true,
        sentence: format!("{org} is not in the configuration any more, and {} {wait}", count(stats.pending, "event")),
        meaning: format!("They wait until [org.{org}] returns, or until they are deleted one by one."),
        see: Some((format!("/events?orgid={org}&state=pending"), "Show them")),
        ..Trouble::default()
    })
}
