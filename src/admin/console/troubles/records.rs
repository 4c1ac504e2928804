//! What became of messages and events and needs a person, by its cause.

use std::collections::BTreeMap;

use super::{Act, Trouble};
use crate::admin::console::show::{count, were};
use crate::admin::console::sight::{Sight, cause_of};
use crate::domain::OrgId;

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
            sentence: format!("{org}: {} given up: {cause}", were(all, "event")),
            meaning: "What was given up stays until somebody replays or deletes it. First mend why the relay did not take it.".into(),
            act: (all > overtaken).then_some(act),
            see: Some((format!("/events?orgid={org}&state=dead"), "Show them")),
            ..Trouble::default()
        }
    };
    groups.into_iter().map(trouble).collect()
}

/// Refused messages, by organisation, code and place.
pub(super) fn refused(sight: &Sight) -> Vec<Trouble> {
    let mut groups: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for record in &sight.refused {
        let head = &record.head;
        let (all, whole) = groups.entry((&head.org, &head.code, &head.place)).or_default();
        *all += 1;
        *whole += u64::from(head.whole);
    }
    let trouble = |((org, code, place), (all, whole)): ((&OrgId, &String, &Option<String>), (u64, u64))| {
        let at = place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default();
        let touches = format!(
            "Reads {} of {org} with what is now in force. What is taken is delivered as if it had just come; the rest stays refused.",
            count(whole, "message")
        );
        let mut fields = vec![("orgid", org.to_string()), ("code", code.clone())];
        fields.extend(place.clone().map(|place| ("place", place)));
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
    groups.into_iter().map(trouble).collect()
}
