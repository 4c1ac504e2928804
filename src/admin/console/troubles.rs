//! What needs a person, grouped by cause, each with one safe thing to do; and the verdict over all.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::show::{Moment, age, count};
use super::sight::{Sight, cause_of};
use crate::journal::{Health, OrganisationStats, PauseCause, Paused};

/// How long before its end a certificate is spoken of.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// From how many messages on it means something that none was about an interview.
const TELLING: u64 = 5;

/// Something that a person should look at.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// Whether something does not work; else it only deserves a look.
    pub(super) broken: bool,
    /// What is wrong, as a sentence without its full stop.
    pub(super) sentence: String,
    /// What that means.
    pub(super) meaning: String,
    /// A configuration line to copy.
    pub(super) line: Option<String>,
    /// The safe thing to do.
    pub(super) act: Option<Act>,
    /// Where there is more to see: path and name.
    pub(super) see: Option<(String, &'static str)>,
}

/// A form with one button.
#[derive(Debug)]
pub(super) struct Act {
    /// Where it is sent.
    pub(super) path: String,
    /// What it holds.
    pub(super) fields: Vec<(&'static str, String)>,
    /// What its button says.
    pub(super) label: &'static str,
    /// What it touches.
    pub(super) touches: String,
}

/// The state of everything in a sentence.
pub(super) struct Verdict {
    /// Whether nothing is broken.
    pub(super) good: bool,
    /// The sentence.
    pub(super) sentence: String,
    /// What else there is.
    pub(super) more: String,
}

impl Verdict {
    /// The verdict over what is seen, given what needs a person.
    pub(super) fn of(sight: &Sight, troubles: &[Trouble]) -> Self {
        let mut broken = troubles.iter().filter(|trouble| trouble.broken);
        if let Some(first) = broken.next() {
            let further = broken.count() as u64;
            let more = if further == 0 {
                String::new()
            } else {
                format!("And {} beside it, below.", count(further, "problem"))
            };
            return Self { good: false, sentence: format!("{}.", first.sentence), more };
        }
        let waiting = sight.sum(|stats| stats.pending);
        let sentence = match sight.oldest_waiting() {
            _ if sight.stats.iter().all(|stats| stats.last_message_at.is_none()) => "No message has come yet.".into(),
            oldest => {
                let through = Moment::new(oldest.unwrap_or(sight.now), sight.now);
                format!("Everything accepted before {through} UTC is delivered.")
            }
        };
        let more = if waiting == 0 { String::new() } else { format!("{} on the way.", count(waiting, "event")) };
        Self { good: true, sentence, more }
    }
}

/// Everything that needs a person, what is broken first.
pub(super) fn troubles(sight: &Sight) -> Vec<Trouble> {
    let mut troubles: Vec<Trouble> = health(sight).into_iter().chain(certificate(sight)).chain(disk(sight)).collect();
    for stats in &sight.stats {
        let found = [paused(stats, sight), looks_healthy(stats, sight), silent(stats, sight), late(stats), open(stats)];
        troubles.extend(found.into_iter().flatten());
    }
    troubles.extend(dead(sight));
    troubles.extend(refused(sight));
    troubles.sort_by_key(|trouble| !trouble.broken);
    troubles
}

fn health(sight: &Sight) -> Option<Trouble> {
    let Health::NotReady(reason) = &sight.health else { return None };
    let sentence = format!("No message can be taken: {reason}");
    let meaning = "Workday is answered 503 and tries again. It recovers by itself once the cause is gone.".into();
    Some(Trouble { broken: true, sentence, meaning, ..Trouble::default() })
}

fn disk(sight: &Sight) -> Option<Trouble> {
    let (free, least) = sight.disk?;
    if matches!(sight.health, Health::NotReady(_)) || free >= least.saturating_mul(4) {
        return None;
    }
    let sentence = format!("The journal's disk has {} MiB left", free >> 20);
    let meaning = format!("Below {} MiB (store.min_free_mb) no message is accepted.", least >> 20);
    Some(Trouble { sentence, meaning, ..Trouble::default() })
}

fn certificate(sight: &Sight) -> Option<Trouble> {
    let expires = sight.certificate_expires?;
    if expires.duration_since(sight.now) > EXPIRES_SOON {
        return None;
    }
    let over = expires <= sight.now;
    let when = expires.strftime("%-d %B %Y, %H:%M UTC");
    let sentence =
        format!("The certificate of the public listener {} on {when}", if over { "expired" } else { "expires" });
    let meaning = "Workday takes no expired certificate. Put a new one in its place and reload (SIGHUP).".into();
    Some(Trouble { broken: over, sentence, meaning, ..Trouble::default() })
}

fn paused(stats: &OrganisationStats, sight: &Sight) -> Option<Trouble> {
    let Paused { since, cause, reason } = stats.paused.as_ref()?;
    let (org, since) = (&stats.org, Moment::new(*since, sight.now));
    let waiting = match stats.pending {
        0 => "nothing waits yet".to_owned(),
        1 => "1 event waits".to_owned(),
        many => format!("{} wait", count(many, "event")),
    };
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
    let act = Act {
        path: format!("/organisations/{org}/resume"),
        fields: Vec::new(),
        label: "Resume deliveries",
        touches: format!(
            "Lets {} of {org} go to its relay, in order. Should it refuse still, the pause begins anew.",
            count(stats.pending, "waiting event")
        ),
    };
    Some(Trouble { broken: true, sentence, meaning, act: Some(act), ..Trouble::default() })
}

/// What a relay's answer that paused an organisation means.
fn refuses(reason: &str) -> String {
    let status = reason.split_whitespace().next_back().unwrap_or_default();
    match status {
        "401" | "403" => format!("the relay refuses the API key ({reason})"),
        "404" | "410" => format!("the relay does not know the URL ({reason})"),
        _ => format!("the relay calls the set-up wrong ({reason})"),
    }
}

/// Messages come and all is delivered, and yet nobody is ever protected.
fn looks_healthy(stats: &OrganisationStats, sight: &Sight) -> Option<Trouble> {
    let messages: u64 = stats.stages.iter().map(|seen| seen.count).sum();
    if messages < TELLING || stats.last_started_at.is_some() || stats.stages.iter().any(|seen| seen.interview) {
        return None;
    }
    let mut seen: Vec<_> = stats.stages.iter().collect();
    seen.sort_by_key(|stage| std::cmp::Reverse(stage.count));
    let named: Vec<_> = seen.iter().take(5).map(|stage| format!("'{}' ({})", stage.stage, stage.count)).collect();
    let (_, own) = sight.interview_stages.iter().find(|(org, _)| *org == stats.org)?;
    let like = |stage: &str| ["interview", "screen"].iter().any(|word| stage.to_lowercase().contains(word));
    let likely = seen.iter().find(|stage| like(&stage.stage)).or(seen.first())?;
    let stages = own.iter().chain([&likely.stage]).map(|stage| format!("{stage:?}")).collect::<Vec<_>>();
    Some(Trouble {
        broken: true,
        sentence: format!(
            "{}: {}, none in an interview stage; seen: {}",
            stats.org,
            count(messages, "message"),
            named.join(", ")
        ),
        meaning: format!(
            "Everything looks healthy, and nobody is protected. If one of these stages is an interview, say so under [org.{}] and reload.",
            stats.org
        ),
        line: Some(format!("interview_stages = [{}]", stages.join(", "))),
        ..Trouble::default()
    })
}

fn silent(stats: &OrganisationStats, sight: &Sight) -> Option<Trouble> {
    if !sight.silent.contains(&stats.org) {
        return None;
    }
    let last = stats.last_message_at.map(|at| format!(", the last {} ago", age(at, sight.now))).unwrap_or_default();
    Some(Trouble {
        sentence: format!("{}: no message came for longer than expected{last}", stats.org),
        meaning: "The trigger in Workday may be gone, or its integration fails before it calls.".into(),
        see: Some((format!("/set-up/{}", stats.org), "How it is set up")),
        ..Trouble::default()
    })
}

fn late(stats: &OrganisationStats) -> Option<Trouble> {
    let were = if stats.late == 1 { "was" } else { "were" };
    (stats.late > 0).then(|| Trouble {
        sentence: format!(
            "{}: {} of an interview {were} not delivered while that was of use",
            stats.org,
            count(stats.late, "start")
        ),
        meaning: "Protection came later than delivery.useful_within_seconds, or not at all.".into(),
        ..Trouble::default()
    })
}

fn open(stats: &OrganisationStats) -> Option<Trouble> {
    let are = if stats.open_too_long == 1 { "is" } else { "are" };
    (stats.open_too_long > 0).then(|| Trouble {
        sentence: format!(
            "{}: {} {are} open for longer than open_interview_alert_days",
            stats.org,
            count(stats.open_too_long, "interview")
        ),
        meaning: "Their ends may never have been sent, so that the candidates stay protected.".into(),
        see: Some(("/applications".into(), "Show them")),
        ..Trouble::default()
    })
}

/// Dead letters, by organisation and cause.
fn dead(sight: &Sight) -> Vec<Trouble> {
    let mut groups: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for record in &sight.dead {
        let (all, overtaken) = groups.entry((&record.event.orgid, cause_of(record))).or_default();
        *all += 1;
        *overtaken += u64::from(record.superseded);
    }
    let trouble = |((org, cause), (all, overtaken)): ((&crate::domain::OrgId, &str), (u64, u64))| {
        let were = if all == 1 { "was" } else { "were" };
        let left = match overtaken {
            0 => String::new(),
            some => format!(" {some} that a later event has overtaken stay as they are."),
        };
        let touches = format!("Sends {} of {org} to its relay anew.{left}", count(all - overtaken, "event"));
        let fields = vec![("orgid", org.to_string()), ("cause", cause.to_owned())];
        let act = Act { path: "/dead/replay".into(), fields, label: "Replay these", touches };
        Trouble {
            broken: true,
            sentence: format!("{org}: {} {were} given up: {cause}", count(all, "event")),
            meaning: "What was given up stays until somebody replays or deletes it. First mend why the relay did not take it.".into(),
            act: (all > overtaken).then_some(act),
            see: Some((format!("/events?orgid={org}&state=dead"), "Show them")),
            ..Trouble::default()
        }
    };
    groups.into_iter().map(trouble).collect()
}

/// Refused messages, by organisation, code and place.
fn refused(sight: &Sight) -> Vec<Trouble> {
    let mut groups: BTreeMap<_, u64> = BTreeMap::new();
    for record in &sight.refused {
        *groups.entry((&record.head.org, &record.head.code, &record.head.place)).or_default() += 1;
    }
    let trouble = |((org, code, place), number): ((&crate::domain::OrgId, &String, &Option<String>), u64)| {
        let at = place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default();
        let were = if number == 1 { "was" } else { "were" };
        Trouble {
            sentence: format!("{org}: {} {were} refused: {code}{at}", count(number, "message")),
            meaning: "Workday was told so, and nothing of them is stored as an event.".into(),
            see: Some(("/refused".into(), "Show them")),
            ..Trouble::default()
        }
    };
    groups.into_iter().map(trouble).collect()
}
