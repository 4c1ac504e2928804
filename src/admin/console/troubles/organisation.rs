//! What needs a person of one organisation: what stands still, and what looks healthy and is not.

use jiff::{SignedDuration, Timestamp};

use super::{Act, Trouble, deliveries, stages};
use crate::admin::console::show::{Moment, age, count};
use crate::admin::console::sight::Sight;
use crate::journal::OrganisationStats;

/// For how long a secret was not used that may go.
const UNUSED: SignedDuration = SignedDuration::from_hours(24);

/// All that needs a person.
pub(super) fn troubles(stats: &OrganisationStats, sight: &Sight) -> impl Iterator<Item = Trouble> {
    let found = [
        deliveries::paused(stats, sight),
        deliveries::failing(stats, sight),
        deliveries::removed(stats, sight),
        not_signed_in(stats, sight),
        stages::looks_healthy(stats, sight),
        silent(stats, sight),
        deliveries::late(stats, sight),
        open(stats, sight),
        details(stats),
        exchanged(stats, sight),
    ];
    found.into_iter().flatten()
}

/// Messages come whose sender does not get in: Workday with what it should not send, or a stranger, who
/// must not be able to have anything called broken.
fn not_signed_in(stats: &OrganisationStats, sight: &Sight) -> Option<Trouble> {
    let missed = sight.missed.get(&stats.org)?;
    let (since, last) = (Moment::new(missed.since, sight.now), Moment::new(missed.last, sight.now));
    let when = if missed.count == 1 { format!("at {last}") } else { format!("since {since}, the last at {last}") };
    Some(Trouble {
        sentence: format!("{}: {} came {} {when}", stats.org, count(missed.count, "message"), missed.because.came()),
        meaning:
            "None was read or stored; each was answered 401, or 429 after several. If Workday sends them, compare \
                  its credentials with the configuration's; nothing is done about strangers, who are slowed."
                .into(),
        see: Some((format!("/set-up/{}", stats.org), "How it is set up")),
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
