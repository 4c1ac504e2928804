//! The parameters of the endpoint's URL: `event` and `dry_run`.
//!
//! What is not known is passed over, as whatever stands in between may add parameters of its own. But
//! what may be meant for a known one is refused: a message that was sent to be tried must not be stored
//! because of a typing error.

use crate::refusal::{Code, Refusal};
use crate::soap;

const EVENT: &str = "event";
const DRY_RUN: &str = "dry_run";

/// The value of the parameter `event`, as it was sent.
pub(super) fn event(query: &str) -> Option<String> {
    pairs(query).find(|(name, _)| name == EVENT).map(|(_, value)| value)
}

/// Refuses what asks the description for something that it cannot say: a parameter that may be meant for
/// `event`, or a dry run, which is of a message.
///
/// # Errors
/// When there is such a one.
pub(super) fn only_event(query: &str) -> Result<(), Refusal> {
    for (name, value) in pairs(query) {
        let name: String = name.chars().take(40).collect();
        match meant(&name, &value).filter(|_| !name.eq_ignore_ascii_case(EVENT)) {
            Some(EVENT) => {
                return Err(refusal(format!("The URL's parameter '{name}' is not known: did you mean event?")));
            }
            Some(_) => {
                let message = "A WSDL has no dry_run: add it to the address that messages are posted to.";
                return Err(refusal(message.into()));
            }
            None => {}
        }
    }
    Ok(())
}

/// Whether the sender only asks what would be decided.
///
/// # Errors
/// When that is not certain, or a parameter stands there twice or is misspelt.
pub(super) fn dry_run(query: &str) -> Result<bool, Refusal> {
    check(query)?;
    match pairs(query).find(|(name, _)| name == DRY_RUN).as_ref().map(|(_, value)| value.as_str()) {
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(other) => Err(refusal(format!("The URL's dry_run is '{other}'; expected 1, true, 0 or false."))),
    }
}

/// Refuses what asks for a dry run where there is none.
///
/// # Errors
/// When it does, in whatever spelling.
pub(super) fn no_dry_run(query: &str) -> Result<(), Refusal> {
    if pairs(query).any(|(name, value)| name == DRY_RUN || meant(&name, &value) == Some(DRY_RUN)) {
        let message = "There is no dry_run here: leave it out, and the message is stored. The SOAP endpoint has one.";
        return Err(Refusal::new(Code::BadRequest, message));
    }
    Ok(())
}

fn check(query: &str) -> Result<(), Refusal> {
    for known in [EVENT, DRY_RUN] {
        if pairs(query).filter(|(name, _)| name == known).count() > 1 {
            return Err(refusal(format!("The URL's {known} stands there more than once: give it once.")));
        }
    }
    let unknown = pairs(query).filter(|(name, _)| name != EVENT && name != DRY_RUN);
    let meant = unknown.filter_map(|(name, value)| Some((meant(&name, &value)?, name))).next();
    meant.map_or(Ok(()), |(known, name)| {
        let name: String = name.chars().take(40).collect();
        Err(refusal(format!("The URL's parameter '{name}' is not known: did you mean {known}? Nothing was stored.")))
    })
}

/// Which parameter may be meant by one that is not known. An `&amp;` or another separator that was
/// copied along hides a name within another or in a value.
fn meant(name: &str, value: &str) -> Option<&'static str> {
    let folded = format!("{name}={value}").to_lowercase().replace(['_', '-', ' '], "");
    let end = name.rsplit([';', '?', '&']).next().unwrap_or(name).trim();
    let near = |known: &&str| end == *known || soap::near(known, [end]).is_some();
    if folded.contains("dryrun") { Some(DRY_RUN) } else { [DRY_RUN, EVENT].into_iter().find(near) }
}

fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned()
}

fn refusal(message: String) -> Refusal {
    Refusal::new(Code::InvalidValue, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_read_and_what_is_not_passed_over() {
        for (query, expected) in [
            ("", false),
            ("dry_run=1", true),
            ("event=interview_started&dry_run=true", true),
            ("dry_run=0&event=x", false),
            ("dry%5Frun=false", false),
            ("utm_source=x&session=5&e=1&run=7&env=prod&sent=1&=&wsdl", false),
        ] {
            assert_eq!(dry_run(query), Ok(expected), "{query}");
        }
        assert_eq!(event("a=b&event=interview_ended").as_deref(), Some("interview_ended"));
    }

    #[test]
    fn what_may_be_meant_for_a_dry_run_or_an_event_is_refused() {
        for (query, says) in [
            ("dry_run", "'';"),
            ("dry_run=yes", "'yes'; expected 1"),
            ("dry_run=1&dry_run=0", "more than once"),
            ("event=a&event=a", "more than once"),
            ("dryrun=1", "did you mean dry_run?"),
            ("Dry-Run=1", "did you mean dry_run?"),
            ("dry_rum=1", "did you mean dry_run?"),
            ("dry_run_=1", "did you mean dry_run?"),
            ("dry_run=1&DRY_RUN=0", "did you mean dry_run?"),
            ("event=interview_started&amp;dry_run=1", "did you mean dry_run?"),
            ("a=b;dry_run=1", "did you mean dry_run?"),
            ("a?dry_run=1", "did you mean dry_run?"),
            ("a=b?dry_run=1", "did you mean dry_run?"),
            ("Event=interview_started", "did you mean event?"),
            ("events=interview_started", "did you mean event?"),
            ("evnt=interview_started", "did you mean event?"),
            ("a=b&amp;event=interview_started", "did you mean event?"),
        ] {
            let refusal = dry_run(query).unwrap_err();
            assert!(refusal.code == Code::InvalidValue && refusal.message.contains(says), "{query}: {refusal}");
        }
    }

    #[test]
    fn a_description_is_asked_for_an_event_or_for_nothing_more() {
        assert!(
            ["wsdl", "wsdl&event=x", "WSDL&Event=x&soap=1.1", "wsdl&session=5"]
                .into_iter()
                .all(|q| only_event(q).is_ok())
        );
        for (query, says) in
            [("wsdl&evnt=x", "did you mean event?"), ("wsdl&dry_run=1", "posted to"), ("wsdl&dryrun", "posted to")]
        {
            assert!(only_event(query).unwrap_err().message.contains(says), "{query}");
        }
    }

    #[test]
    fn where_there_is_none_nobody_gets_one() {
        assert!(["", "a=b", "event=x"].into_iter().all(|query| no_dry_run(query).is_ok()));
        assert!(["dry_run=1", "dry_run=0", "dryrun", "a&amp;dry_run=1"].into_iter().all(|q| no_dry_run(q).is_err()));
    }
}
