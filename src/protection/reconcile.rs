//! Comparing what is known of applications with what Workday reports now. A call that fails must
//! not block Workday's business process, so that Workday drops it; this finds what was dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{
    ApplicationId, CandidateId, EventId, Occurred, OrgId, Position, Reason, RequisitionId, Source, StagePolicy,
    StateChange, Text,
};
use crate::journal::Unavailable;
use crate::journal::{After, ApplicationFilter, ApplicationRecord, Deliver, EventFilter, Incoming, Journal, Receipt};
use crate::workday::{Application, Candidate, Client, Failure, Id, Reference};

/// Finds what asks Workday for an organisation.
pub type Clients = dyn Fn(&OrgId) -> Option<Client> + Send + Sync;

/// How far back applications are looked at that are in no interview.
pub const RECENT: Duration = Duration::from_secs(7 * 86_400);

/// How many candidates are asked for at once, and for how long.
const STEP: usize = 50;
const PATIENCE: Duration = Duration::from_secs(60);

/// How many records are asked of the journal at once.
const PAGE: usize = 500;

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The journal does not tell.
    #[error(transparent)]
    Journal(#[from] Unavailable),
    /// Workday does not tell.
    #[error(transparent)]
    Workday(#[from] Failure),
}

/// How an organisation's applications are judged.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'r> {
    /// The organisation.
    pub org: &'r OrgId,
    /// Which stages are interviews.
    pub policy: &'r StagePolicy,
    /// Which events are delivered.
    pub deliver: Deliver,
}

/// What came of a comparison.
#[derive(Debug, Default)]
pub struct Comparison {
    /// How many applications were compared.
    pub compared: usize,
    /// Of how many Workday says nothing.
    pub not_shown: usize,
    /// Those of them that are in an interview, with their candidates: somebody has to look why.
    pub lost: Vec<(ApplicationId, CandidateId)>,
    /// Those that stand elsewhere.
    pub differences: Vec<Difference>,
}

/// An application that stands elsewhere at Workday.
#[derive(Debug, Clone)]
pub struct Difference {
    /// What Workday says of it, as its message would have.
    pub change: StateChange,
    /// Where the candidate is known to be; `None`: nothing is known of the application.
    pub known: Option<Position>,
    /// Where Workday puts the candidate.
    pub workday: Position,
    /// Whether what is known is later than what Workday says, so that nothing is missing.
    pub overtaken: bool,
    reason: Reason,
    /// The application's latest event when Workday was asked, and how often it had been repeated.
    latest: Option<(EventId, u64)>,
}

/// An application, as it is known.
struct Known {
    candidate: CandidateId,
    requisition: RequisitionId,
    stage: Option<Text>,
    status: Option<Text>,
    position: Position,
    at: Timestamp,
    latest: (EventId, u64),
}

impl From<ApplicationRecord> for Known {
    fn from(record: ApplicationRecord) -> Self {
        let latest = (record.latest.event.event_id, record.latest.duplicates);
        let event = record.latest.event;
        Self {
            latest,
            position: if record.in_interview_since.is_some() { Position::In } else { Position::Out },
            candidate: event.candidate_id,
            requisition: event.job_requisition_id,
            stage: event.stage,
            status: event.status,
            at: event.timestamp,
        }
    }
}

/// Compares every application that is in an interview, and those of which messages came since
/// `since`, with Workday.
///
/// # Errors
/// When the journal or Workday does not tell.
pub async fn compare(
    journal: &dyn Journal,
    client: &Client,
    rules: Rules<'_>,
    since: Timestamp,
) -> Result<Comparison, ReconcileError> {
    let known = known(journal, rules.org, since).await?;
    let candidates: BTreeSet<_> = known.values().map(|known| known.candidate.clone()).collect();
    let candidates: Vec<_> = candidates.into_iter().collect();
    let (mut comparison, mut shown) = (Comparison::default(), BTreeSet::new());
    for step in candidates.chunks(STEP) {
        for candidate in ask(client, step).await? {
            let Some(id) = step.iter().find(|id| candidate.reference.has(id.as_str())) else { continue };
            let mut entries: BTreeMap<_, Vec<_>> = BTreeMap::new();
            for application in &candidate.applications {
                let Some(application_id) = which(application, &known) else { continue };
                entries.entry(application_id).or_default().push(application);
            }
            for (application_id, entries) in entries {
                let before = known.get(&application_id);
                let changes = entries.iter().filter_map(|entry| change(entry, &application_id, id, before));
                let Some(placed) = decisive(changes, rules.policy) else { continue };
                shown.extend(before.map(|_| application_id));
                comparison.differences.extend(difference(placed, before));
            }
        }
    }
    comparison.compared = known.len();
    comparison.not_shown = known.len() - shown.len();
    let lost = known.into_iter().filter(|(id, known)| known.position == Position::In && !shown.contains(id));
    comparison.lost = lost.map(|(id, known)| (id, known.candidate)).collect();
    Ok(comparison)
}

/// Journals the event that is missing, unless something else was heard of the application since Workday
/// was asked: then the receipt says that it was overtaken, and nothing is stored.
///
/// # Errors
/// When the journal cannot take it.
pub async fn apply(
    journal: &dyn Journal,
    rules: Rules<'_>,
    difference: &Difference,
    actor: &str,
) -> Result<Receipt, Unavailable> {
    // A repetition leaves the latest event as it is, and says all the same that it holds.
    let now = journal.application(rules.org.clone(), difference.change.application.clone()).await?;
    if now.map(|record| Known::from(record).latest) != difference.latest {
        return Ok(Receipt::overtaken());
    }
    let placed = (difference.workday, difference.reason);
    let incoming = Incoming {
        deliver: rules.deliver,
        note: Some(actor.into()),
        after: Some(After(difference.latest.map(|(event, _)| event))),
        ..Incoming::new(rules.org.clone(), difference.change.clone(), placed, Source::Reconcile)
    };
    journal.accept(incoming)?.await
}

async fn known(
    journal: &dyn Journal,
    org: &OrgId,
    since: Timestamp,
) -> Result<BTreeMap<ApplicationId, Known>, Unavailable> {
    let mut known = BTreeMap::new();
    let (open, mut after) = (ApplicationFilter { orgs: Some(vec![org.clone()]) }, None);
    loop {
        let page = journal.in_interview(open.clone(), after, PAGE).await?;
        let each = page.items.into_iter().map(|record| (record.latest.event.job_application_id.clone(), record.into()));
        known.extend(each);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let recent = EventFilter { orgs: Some(vec![org.clone()]), since: Some(since), ..EventFilter::default() };
    let mut before = None;
    loop {
        let page = journal.events(recent.clone(), before, PAGE).await?;
        for application in page.items.into_iter().map(|record| record.event.job_application_id) {
            if !known.contains_key(&application) {
                let record = journal.application(org.clone(), application.clone()).await?;
                known.extend(record.map(|record| (application, record.into())));
            }
        }
        before = page.next;
        if before.is_none() {
            return Ok(known);
        }
    }
}

/// Asks for all at once, and where Workday refuses one of them, for each alone.
async fn ask(client: &Client, candidates: &[CandidateId]) -> Result<Vec<Candidate>, Failure> {
    let ids: Vec<_> = candidates.iter().map(|id| Id::new("Candidate_ID", id.as_str())).collect();
    match client.candidates(&ids, PATIENCE).await {
        Err(Failure::Refused(_)) if ids.len() > 1 => {}
        Err(Failure::Refused(_)) => return Ok(Vec::new()),
        answered => return answered,
    }
    let mut found = Vec::new();
    for id in &ids {
        match client.candidates(std::slice::from_ref(id), PATIENCE).await {
            Ok(candidates) => found.extend(candidates),
            Err(Failure::Refused(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(found)
}

/// The id by which the application is known here, or would be.
fn which(application: &Application, known: &BTreeMap<ApplicationId, Known>) -> Option<ApplicationId> {
    let reference = application.application.as_ref()?;
    let ids = || reference.ids.iter().filter_map(|id| ApplicationId::new(id.text.trim()).ok());
    let own = ids().find(|id| known.contains_key(id));
    own.or_else(|| ApplicationId::new(reference.id("Job_Application_ID").or_else(|| reference.id("WID"))?).ok())
}

/// What Workday's message would have said of the application.
fn change(
    application: &Application,
    id: &ApplicationId,
    candidate: &CandidateId,
    known: Option<&Known>,
) -> Option<StateChange> {
    let stage = application.stage.as_ref()?;
    let requisition = application.requisition.as_ref().and_then(|one| one.id("Job_Requisition_ID").or(one.id("WID")));
    Some(StateChange {
        application: id.clone(),
        candidate: candidate.clone(),
        requisition: match known {
            Some(known) => known.requisition.clone(),
            None => RequisitionId::new(requisition?).ok()?,
        },
        stage: Some(named(stage, "Recruiting_Stage_ID")?),
        stage_aliases: stage.ids.iter().filter_map(|id| Text::new(&id.text)).collect(),
        step: application.step.as_ref().and_then(|reference| named(reference, "Workflow_Step_ID")),
        status: application.disposition.as_ref().and_then(|reference| named(reference, "Recruiting_Disposition_ID")),
        told: None,
        occurred: application.at.as_deref().and_then(Occurred::parse),
    })
}

/// A candidate may be in two stages of one application at once: one interview among them is enough.
fn decisive(
    changes: impl Iterator<Item = StateChange>,
    policy: &StagePolicy,
) -> Option<(StateChange, Position, Reason)> {
    let placed = changes.map(|change| {
        let (position, reason) = policy.position(&change);
        (change, position, reason)
    });
    // Of equals the last one.
    placed.max_by_key(|(_, position, _)| *position == Position::In)
}

fn difference((change, workday, reason): (StateChange, Position, Reason), known: Option<&Known>) -> Option<Difference> {
    // Where it stands as the last message said, none is missing, whatever that message made of it.
    if known.is_some_and(|known| stands(&change, known)) {
        return None;
    }
    if known.map_or(Position::Out, |known| known.position) == workday {
        return None;
    }
    let overtaken = known.zip(change.occurred).is_some_and(|(known, occurred)| occurred.at < known.at);
    let latest = known.map(|known| known.latest);
    Some(Difference { change, known: known.map(|known| known.position), workday, overtaken, reason, latest })
}

fn named(reference: &Reference, kind: &str) -> Option<Text> {
    Text::new(&reference.name(kind)?)
}

/// Whether it is the stage that is known, by any of its names, and no other status.
fn stands(change: &StateChange, known: &Known) -> bool {
    let folded = |text: &Text| text.as_str().trim().to_lowercase();
    let Some(name) = known.stage.as_ref().map(folded) else { return false };
    let is_there = change.stage.iter().chain(&change.stage_aliases).any(|stage| folded(stage) == name);
    is_there && (change.status.is_none() || change.status == known.status)
}
