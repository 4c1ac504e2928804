//! What needs a person of one organisation: what stands still, and what looks healthy and is not.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Act, Trouble};
use crate::admin::console::show::{Moment, age, count};
use crate::admin::console::sight::Sight;
use crate::journal::{OrganisationStats, PauseCause, Paused};

/// From how many messages on it means something that none was about an interview.
const TELLING: u64 = 5;

/// For how long a secret was not used that may go.
const UNUSED: SignedDuration = SignedDuration::from_hours(24);

/// All that needs a person.
pub(super) fn troubles(stats: &OrganisationStats, sight: &Sight) -> impl Iterator<Item = Trouble> {
    let found = [
        paused(stats, sight),
        removed(stats, sight),
        looks_healthy(stats, sight),
        silent(stats, sight),
        late(stats),
        open(stats, sight),
        details(stats),
        exchanged(stats, sight),
    ];
    found.into_iter().flatten()
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
    let own = sight.organisation(&stats.org)?.policy.interview_stages();
    let like = |stage: &str| ["interview", "screen"].iter().any(|word| stage.to_lowercase().contains(word));
    let likely = seen.iter().find(|stage| like(&stage.stage)).or(seen.first())?;
    // What JSON writes of a text, TOML reads as well.
    let stages: Vec<_> = own.iter().chain([&likely.stage]).map(|stage| json!(stage).to_string()).collect();
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

fn open(stats: &OrganisationStats, sight: &Sight) -> Option<Trouble> {
    let are = if stats.open_too_long == 1 { "is" } else { "are" };
    (stats.open_too_long > 0).then(|| Trouble {
        sentence: format!(
            "{}: {} {are} open for longer than open_interview_alert_days",
            stats.org,
            count(stats.open_too_long, "interview")
        ),
        meaning:
            "Their ends may never have been sent, so that the candidates stay protected. Close by hand what is over."
                .into(),
        // Says what Workday makes of them, and changes nothing.
        line: sight.reads_back(&stats.org).then(|| format!("imper-bridge reconcile --org {}", stats.org)),
        see: Some(("/applications".into(), "Show them")),
        ..Trouble::default()
    })
}

/// Workday denies to say who is protected, or does not know it.
fn details(stats: &OrganisationStats) -> Option<Trouble> {
    let (org, details) = (&stats.org, &stats.details);
    let see = Some(("/protections".into(), "Show the protections"));
    if details.denied && details.waiting > 0 {
        let error = details.error.as_deref().unwrap_or("no reason was recorded");
        let touches = format!(
            "Asks Workday at once for the details of {} of {org}. A wrong password that is tried too often locks the account. \
             Where the deliveries of {org} are paused, they go on as well.",
            count(details.waiting, "protection")
        );
        let (path, fields) = (format!("/organisations/{org}/resume"), Vec::new());
        return Some(Trouble {
            broken: true,
            sentence: format!("{org}: Workday denies who is protected: {error}"),
            meaning: format!(
                "Protections are on all the same. Workday is asked once an hour. Mend [org.{org}.workday] or the account's rights in Workday, and reload."
            ),
            act: Some(Act { path, fields, label: "Ask Workday again", touches }),
            see,
            ..Trouble::default()
        });
    }
    (details.failed > 0).then(|| Trouble {
        sentence: format!(
            "{org}: who is protected cannot be read from Workday for {}",
            count(details.failed, "protection")
        ),
        meaning: "The protections are on all the same. Workday is asked again at the candidate's next interview."
            .into(),
        see,
        ..Trouble::default()
    })
}

/// Events wait for an organisation that is not configured any more.
fn removed(stats: &OrganisationStats, sight: &Sight) -> Option<Trouble> {
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

/// The new one of two secrets is in use, and the old one is not.
fn exchanged(stats: &OrganisationStats, sight: &Sight) -> Option<Trouble> {
    let organisation = sight.organisation(&stats.org)?;
    let used = |key: &str| {
        let (_, credential) = organisation.credentials.iter().find(|(each, _)| *each == key)?;
        Some(credential.last_used_at())
    };
    let lately = |at: Timestamp| sight.now.duration_since(at) < UNUSED;
    let done = organisation.credentials.iter().find_map(|(next, credential)| {
        let key = next.strip_suffix("_next")?;
        credential.last_used_at()?;
        (!used(key)?.is_some_and(lately)).then_some((key, *next))
    });
    let (key, next) = done?;
    Some(Trouble {
        sentence: format!("{}: {next} is in use, and {key} is not", stats.org),
        meaning: format!("The exchange seems to be done: give {key} the new secret, leave {next} out, and reload."),
        ..Trouble::default()
    })
}
