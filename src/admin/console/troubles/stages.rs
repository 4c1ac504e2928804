//! Whether the stages that messages name are those that the configuration calls interviews.

use serde_json::json;

use super::Trouble;
use crate::admin::console::recent;
use crate::admin::console::show::count;
use crate::admin::console::sight::Sight;
use crate::journal::OrganisationStats;

/// From how many messages on it means something that none was about an interview, and from how many
/// on that something is wrong.
const TELLING: u64 = 5;
const SURE: u64 = 20;

/// What the names of interviews hold, in lower case.
const LIKE_INTERVIEWS: [&str; 6] = ["interview", "screen", "assessment", "on-site", "onsite", "panel"];

/// Messages come and all is delivered, and yet nobody is protected: never, or not any more.
pub(super) fn looks_healthy(stats: &OrganisationStats, sight: &Sight) -> Option<Trouble> {
    let ever = stats.last_started_at.is_some() || stats.stages.iter().any(|seen| seen.interview);
    let recent = sight.recent(&stats.org);
    let mut seen = if ever { recent.since_interview() } else { stats.stages.clone() };
    seen.sort_by_key(|stage| std::cmp::Reverse(stage.count));
    let messages: u64 = seen.iter().map(|seen| seen.count).sum();
    let likely = seen.iter().find(|stage| is_like_an_interview(&stage.stage));
    // Where there have been interviews, their stage may have got another name, or there is none just now.
    let telling = match likely {
        _ if !ever => messages >= TELLING,
        Some(likely) if likely.count >= SURE => true,
        _ => messages >= recent::MOST as u64,
    };
    if !telling {
        return None;
    }
    let organisation = sight.organisation(&stats.org)?;
    let named: Vec<_> = seen.iter().take(5).map(|stage| format!("'{}' ({})", stage.stage, stage.count)).collect();
    let (of, so_far) = if ever { ("the last ", "Nobody was protected lately") } else { ("", "Nobody is protected") };
    // What JSON writes of a text, TOML reads as well.
    let own = organisation.policy.interview_stages().iter();
    let stages = |likely| own.chain([likely]).map(|stage| json!(stage).to_string()).collect::<Vec<_>>().join(", ");
    Some(Trouble {
        broken: !ever && messages >= SURE,
        sentence: format!(
            "{}: {of}{}, none in an interview stage; seen: {}",
            stats.org,
            count(messages, "message"),
            named.join(", ")
        ),
        meaning: format!(
            "{so_far}. If one of these stages is an interview, add it to interview_stages under [org.{}] and reload. \
             Choose with care: whoever is in such a stage is protected.",
            stats.org
        ),
        line: likely.map(|likely| format!("interview_stages = [{}]", stages(&likely.stage))),
        see: Some((format!("/events?orgid={}", stats.org), "Show the events")),
        ..Trouble::default()
    })
}

fn is_like_an_interview(stage: &str) -> bool {
    let stage = stage.to_lowercase();
    LIKE_INTERVIEWS.iter().any(|word| stage.contains(word))
}
