//! `imper-bridge convert`: messages to candidate events, without a server and without state.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;

use super::{BAD_INPUT, input};
use crate::domain::lifecycle::{Likeness, Seen, decide, ordered_at};
use crate::domain::{CandidateEvent, Decision, EventId, EventType, OrgId, Source};
use crate::organisation::Organisation;
use crate::refusal::Refusal;
use crate::soap::{self, Head};
use crate::xml::Limits;

/// What `convert` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Messages, enveloped or bare; `-` or nothing: standard input
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,
    /// Read them as an organisation of this configuration does
    #[arg(long)]
    config: Option<PathBuf>,
    /// Which organisation
    #[arg(long, requires = "config")]
    org: Option<OrgId>,
}

/// Prints an event per message as a line of JSON; what is wrong with others goes to standard error.
///
/// # Errors
/// When the configuration cannot be used or the output not be written.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let (organisation, limits) = match input::organisation(options.config.as_ref(), options.org.as_ref()) {
        Ok((organisation, settings)) => {
            let limits = Limits { depth: settings.limits.xml_depth, elements: settings.limits.xml_elements };
            (organisation, limits)
        }
        Err(error) => {
            eprintln!("imper-bridge: {error:#}");
            return Ok(ExitCode::from(BAD_INPUT));
        }
    };
    let mut output = io::stdout().lock();
    let mut all_good = true;
    for file in &options.files {
        match event(file, &organisation, limits) {
            Ok(event) => writeln!(output, "{}", serde_json::to_string(&event)?)?,
            Err(problem) => {
                all_good = false;
                eprintln!("{}: {problem}", file.display());
            }
        }
    }
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::from(BAD_INPUT) })
}

fn event(file: &Path, organisation: &Organisation, limits: Limits) -> Result<CandidateEvent, String> {
    let body = input::read(file).map_err(|error| format!("cannot be read: {error}"))?;
    // A journal's clock ticks in milliseconds, and so do the events it gives.
    let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or_default();
    convert(&body, organisation, limits, now).map_err(|refusal| refusal.to_string())
}

/// The event that a message becomes when it is the first of its application.
///
/// # Errors
/// Why the endpoint would refuse it.
pub fn convert(
    body: &[u8],
    organisation: &Organisation,
    limits: Limits,
    now: Timestamp,
) -> Result<CandidateEvent, Refusal> {
    let head = Head { content_type: Some(input::content_type(body)), ..Head::default() };
    let change = soap::read(body, &head, &organisation.profile, limits).map_err(|rejected| rejected.refusal)?.change;
    let (position, reason) = organisation.policy.position(&change);
    let ordered_at = ordered_at(change.occurred, now);
    let seen = Seen { position, reason, likeness: Likeness(0), ordered_at, repeats_message_id: false };
    let event_type = match decide(None, &seen) {
        Decision::Accepted { event_type, .. } => event_type,
        // What repeats or overtakes nothing is always applied.
        Decision::Stale { .. } | Decision::DuplicateOfLast | Decision::DuplicateOfMessageId => EventType::StateChanged,
    };
    Ok(change.into_event(fresh_id(now), organisation.id.clone(), event_type, now, Source::Soap))
}

/// An id of no journal: random where a journal puts its tag and the event's place.
fn fresh_id(now: Timestamp) -> EventId {
    let mut random = [0; 12];
    // Without randomness the ids of one millisecond are equal, which harms nothing here.
    let _ = getrandom::fill(&mut random);
    let [a, b, c, d, rest @ ..] = random;
    EventId::compose(now.as_millisecond(), u32::from_be_bytes([a, b, c, d]), u64::from_be_bytes(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> Organisation {
        input::organisation(None, None).unwrap().0
    }

    #[test]
    fn a_message_becomes_the_event_of_an_unknown_application() {
        let body = br#"<TriggerCandidateStateChange_Request><Job_Application>
            <Job_Application_ID>A1</Job_Application_ID>
            <Candidate_Reference><ID type="Candidate_ID">C1</ID></Candidate_Reference>
            <Requisition_Reference><ID type="Requisition_ID">R1</ID></Requisition_Reference>
            <Stage>Interview</Stage></Job_Application></TriggerCandidateStateChange_Request>"#;
        let now: Timestamp = "2026-04-09T14:30:00Z".parse().unwrap();
        let event = convert(body, &demo(), Limits::default(), now).unwrap();
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["event_type"], "interview_started");
        assert_eq!((&json["orgid"], &json["timestamp"]), (&"demo".into(), &"2026-04-09T14:30:00Z".into()));
        assert_ne!(event.event_id, convert(body, &demo(), Limits::default(), now).unwrap().event_id);
    }

    #[test]
    fn a_refusal_names_its_code() {
        let refusal = convert(b"<a", &demo(), Limits::default(), Timestamp::now()).unwrap_err();
        assert!(refusal.to_string().starts_with("not_well_formed: "), "{refusal}");
    }
}
