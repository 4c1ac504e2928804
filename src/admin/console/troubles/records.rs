//! What became of messages and events and needs a person, by its cause.

use std::collections::BTreeMap;

use super::{Act, Trouble};
use crate::admin::console::show::{count, grouped, were};
use crate::admin::console::sight::{Sight, cause_of, path_of};
use crate::domain::OrgId;

/// How many causes of a kind have a card of their own.
const MOST: usize = 10;

/// Dead letters, by organisation and cause.
pub(super) fn dead(sight: &Sight) -> Vec<Trouble> {
    let mut groups: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for record in &sight.dead {
        let (all, overtaken) = groups.entry((&record.event.orgid, cause_of(record))).or_default();
        *all += 1;
        *overtaken += u64::from(record.superseded);
    }
    let trouble = |((org, cause), (all, overtaken)): ((&OrgId, &str), (u64, u64))| {
        let left = match overtaken {
            0 => String::new(),
            some => format!(" {some} that a later event has overtaken stay as they are."),
        };
        let touches = format!("Sends {} of {org} to its relay anew.{left}", count(all - overtaken, "event"));
        let fields = vec![("orgid", org.to_string()), ("cause", cause.to_owned())];
        let act = Act { path: "/dead/replay".into(), fields, label: "Replay these", touches };
        Trouble {
            broken: true,
            sentence: format!("{org}: {} given up{}: {cause}", were(all, "event"), of_more(sight, org)),
            meaning: "What was given up stays until somebody replays or deletes it. First mend why the relay did not take it.".into(),
            act: (all > overtaken).then_some(act),
            see: Some((format!("/events?orgid={org}&state=dead"), "Show them")),
            ..Trouble::default()
        }
    };
    let mut troubles: Vec<_> = groups.into_iter().map(trouble).collect();
    cap(&mut troubles, "/events?state=dead", "events were given up");
    troubles
}

/// Says of how many the newest dead letters of an organisation are, where these are not all.
fn of_more(sight: &Sight, org: &OrgId) -> String {
    let total = sight.stats.iter().find(|stats| stats.org == *org).map_or(0, |stats| stats.dead);
    let read = sight.dead.iter().filter(|record| record.event.orgid == *org).count() as u64;
    if total <= read { String::new() } else { format!(", of the newest {} of {}", grouped(read), grouped(total)) }
}

/// Leaves the first few of many causes, and says how many more there are.
fn cap(troubles: &mut Vec<Trouble>, path: &str, what: &str) {
    let more = troubles.len().saturating_sub(MOST) as u64;
    if more == 0 {
        return;
    }
    let broken = troubles.iter().any(|trouble| trouble.broken);
    troubles.truncate(MOST);
    troubles.push(Trouble {
        broken,
        sentence: format!("{} for which {what}", count(more, "further cause")),
        meaning: "They are in the list with all others.".into(),
        see: Some((path.to_owned(), "Show them")),
        ..Trouble::default()
    });
}

/// Refused messages, by organisation and code, and by the element where it is one that is wrong.
pub(super) fn refused(sight: &Sight) -> Vec<Trouble> {
    let mut groups: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for record in &sight.refused {
        let head = &record.head;
        let (all, whole) = groups.entry((&head.org, &head.code, path_of(record))).or_default();
        *all += 1;
        *whole += u64::from(head.whole);
    }
    let trouble = |((org, code, place), (all, whole)): ((&OrgId, &String, Option<&str>), (u64, u64))| {
        let at = place.map(|place| format!(" at {place}")).unwrap_or_default();
        let touches = format!(
            "Reads {} of {org} with what is now in force. What is taken is delivered as if it had just come; the rest stays refused.",
            count(whole, "message")
        );
        let mut fields = vec![("orgid", org.to_string()), ("code", code.clone())];
        fields.extend(place.map(|place| ("place", place.to_owned())));
        let act = Act { path: "/refused/retry".into(), fields, label: "Read these again", touches };
        let configured = sight.organisation(org).is_some();
        Trouble {
            sentence: format!("{org}: {} refused: {code}{at}", were(all, "message")),
            meaning:
                "Workday was told so, and nothing of them is stored as an event. First mend the message's mapping in \
                      Workday, or what the configuration says of it."
                    .into(),
            act: (configured && whole > 0).then_some(act),
            see: Some(("/refused".into(), "Show them")),
            ..Trouble::default()
        }
    };
    let mut troubles: Vec<_> = groups.into_iter().map(trouble).collect();
    cap(&mut troubles, "/refused", "messages were refused");
    troubles
}
