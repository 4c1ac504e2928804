//! Reading back from Workday whom a protection is of: what is done with the work of the details
//! lane. The protection is on by then, and no event waits for this.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::delivery::{Handled, Handler, Handling, Outcome, verdict};
use crate::domain::{CandidateEvent, Details};
use crate::journal::{Answered, Claimed, ReadBack};
use crate::workday::{Candidate, Client, Failure, Id, Requisition};

/// Asks Workday who a candidate is, and for which job.
pub struct FromWorkday {
    client: Client,
}

impl FromWorkday {
    /// Asks by this client, which belongs to the one organisation whose candidates are looked up.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Handler for FromWorkday {
    fn handle(&self, claimed: Claimed, timeout: Duration) -> Handling {
        let client = self.client.clone();
        Box::pin(async move {
            let begun = Instant::now();
            let read = read(&client, &claimed.event, timeout).await;
            handled(&claimed.event, read, begun.elapsed())
        })
    }
}

/// What was read, and what of it could not be.
type Read = Result<(Details, Option<Failure>), Failure>;

/// The candidate is what matters: a requisition that Workday does not show leaves its fields empty.
async fn read(client: &Client, event: &CandidateEvent, timeout: Duration) -> Read {
    let begun = Instant::now();
    let id = event.candidate_id.as_str();
    let candidates = client.candidates(&[Id::new("Candidate_ID", id)], timeout).await?;
    let candidate = one(candidates, id)?;
    let wanted = [Id::new("Job_Requisition_ID", event.job_requisition_id.as_str())];
    let rest = timeout.saturating_sub(begun.elapsed());
    let (requisition, missing) = match client.requisitions(&wanted, rest).await {
        Ok(found) => (found.into_iter().next().unwrap_or_default(), None),
        Err(failure @ Failure::Refused(_)) => (Requisition::default(), Some(failure)),
        Err(failure) => return Err(failure),
    };
    let details = Details {
        first_name: candidate.first_name.and_then(shown),
        last_name: candidate.last_name.and_then(shown),
        email: candidate.email.and_then(shown),
        job_profile: requisition.job_profile.and_then(shown),
        requisition_title: requisition.title.and_then(shown),
    };
    Ok((details, missing))
}

/// How many characters are kept of a text.
const MOST_CHARACTERS: usize = 255;

/// A text as it is kept and shown: in one line, and without what turns the direction of others.
fn shown(text: String) -> Option<String> {
    let turns =
        |char| matches!(char, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let one_line = text.chars().map(|char| if char.is_whitespace() { ' ' } else { char });
    let kept: String = one_line.filter(|char| !char.is_control() && !turns(*char)).take(MOST_CHARACTERS).collect();
    Some(kept.trim().to_owned()).filter(|kept| !kept.is_empty())
}

/// The one that was asked for, never somebody else.
fn one(candidates: Vec<Candidate>, id: &str) -> Result<Candidate, Failure> {
    let found = candidates.into_iter().find(|candidate| candidate.reference.has(id));
    found.ok_or_else(|| Failure::Refused("Workday knows no candidate with this id".into()))
}

fn handled(event: &CandidateEvent, read: Read, latency: Duration) -> Handled {
    // Workday's sentences may name whom they are about.
    let told = |failure: &Failure| failure.to_string().replace(event.candidate_id.as_str(), "…");
    let (outcome, error, read_back) = match read {
        Ok((details, missing)) => (Outcome::Delivered, missing.as_ref().map(told), ReadBack::Read(Box::new(details))),
        Err(failure) => {
            tracing::warn!(event.id = %event.event_id, orgid = %event.orgid, reason = failure.what(), "Workday does not tell");
            let error = told(&failure);
            (outcome(failure), Some(error), ReadBack::Nothing)
        }
    };
    let answered = Answered { latency, error, ..Answered::default() };
    Handled { outcome, answered, reason: None, protection: None, read_back }
}

/// What is denied is denied to all: to try on could lock the account.
fn outcome(failure: Failure) -> Outcome {
    match failure {
        Failure::Again { retry_after, whole_organisation, .. } => {
            let retry_after = retry_after.and_then(|header| verdict::retry_after(&header, Timestamp::now()));
            Outcome::Retry { whole_organisation: whole_organisation && retry_after.is_some(), retry_after }
        }
        Failure::Denied(..) => Outcome::SetUp,
        Failure::Refused(_) => Outcome::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_is_kept_is_one_short_line() {
        let kept = |text: &str| shown(text.to_owned());
        assert_eq!(kept(" Óscar\nde la\tCruz\u{0}").as_deref(), Some("Óscar de la Cruz"));
        assert_eq!(kept("moc.\u{202E}elpmaxe@a").as_deref(), Some("moc.elpmaxe@a"));
        assert_eq!(kept(&"é".repeat(3_000_000)).map(|text| text.chars().count()), Some(255));
        assert_eq!(kept(" \u{200F} "), None);
    }
}
