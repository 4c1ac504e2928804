//! What the overview looks at, read once: figures, dead letters, refused messages, health.

use std::time::Duration;

use jiff::Timestamp;

use crate::admin::{Admin, Problem, Token};
use crate::domain::OrgId;
use crate::journal::{
    DeliveryState, EventFilter, EventRecord, Health, OrganisationStats, RefusedFilter, RefusedRecord,
};

/// How long the overview waits for the journal.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many dead letters and refused messages are grouped by their causes.
pub(super) const MOST: usize = 500;

/// All that the overview is made from.
pub(super) struct Sight {
    /// The figures of each organisation that the visitor sees.
    pub(super) stats: Vec<OrganisationStats>,
    /// Those that are silent for longer than is expected.
    pub(super) silent: Vec<OrgId>,
    /// The newest dead letters.
    pub(super) dead: Vec<EventRecord>,
    /// The newest refused messages.
    pub(super) refused: Vec<RefusedRecord>,
    /// Whether an event could be taken.
    pub(super) health: Health,
    /// Until when the certificate of the public listener is valid.
    pub(super) certificate_expires: Option<Timestamp>,
    /// How many bytes are free on the journal's disk, and below how many nothing is accepted.
    pub(super) disk: Option<(u64, u64)>,
    /// Which stages count as interviews, as a configuration would say it.
    pub(super) interview_stages: Vec<(OrgId, Vec<String>)>,
    /// When this was so.
    pub(super) now: Timestamp,
}

impl Sight {
    /// What the visitor sees now.
    pub(super) async fn of(admin: &Admin, token: &Token) -> Result<Self, Problem> {
        let unanswered = || Problem::from(crate::journal::Unavailable::Busy);
        tokio::time::timeout(PATIENCE, look(admin, token)).await.unwrap_or_else(|_| Err(unanswered()))
    }

    /// When the event that waits the longest was received.
    pub(super) fn oldest_waiting(&self) -> Option<Timestamp> {
        self.stats.iter().filter_map(|stats| stats.oldest_pending).min()
    }

    /// The sum of one figure over all organisations.
    pub(super) fn sum(&self, figure: impl Fn(&OrganisationStats) -> u64) -> u64 {
        self.stats.iter().map(figure).sum()
    }
}

async fn look(admin: &Admin, token: &Token) -> Result<Sight, Problem> {
    let mut stats = admin.with_unheard(admin.journal.stats(admin.ages()).await?);
    stats.retain(|stats| token.sees(&stats.org));
    let silent = admin.silent().into_iter().filter(|(org, silent)| *silent && token.sees(org));
    let organisations = admin.public.organisations.current();
    let seen = organisations.iter().filter(|organisation| token.sees(&organisation.id));
    let stages = seen.map(|organisation| (organisation.id.clone(), organisation.policy.interview_stages().to_vec()));
    let filter = RefusedFilter { orgs: token.orgs.clone(), code: None };
    Ok(Sight {
        silent: silent.map(|(org, _)| org).collect(),
        dead: dead(admin, token.orgs.clone(), stats.iter().any(|stats| stats.dead > 0)).await?,
        refused: admin.public.refused.list(filter, None, MOST).await?.items,
        health: admin.journal.health(),
        certificate_expires: admin.surroundings.certificate_expires(),
        disk: admin.surroundings.disk(),
        interview_stages: stages.collect(),
        now: admin.clock.now(),
        stats,
    })
}

/// The newest dead letters.
async fn dead(admin: &Admin, orgs: Option<Vec<OrgId>>, any: bool) -> Result<Vec<EventRecord>, Problem> {
    if !any {
        return Ok(Vec::new());
    }
    let filter = EventFilter { orgs, state: Some(DeliveryState::Dead), ..EventFilter::default() };
    Ok(admin.journal.events(filter, None, MOST).await?.items)
}

/// The dead letters of one organisation that have this cause.
pub(super) async fn dead_by(admin: &Admin, org: &OrgId, cause: &str) -> Result<Vec<EventRecord>, Problem> {
    let mut dead = dead(admin, Some(vec![org.clone()]), true).await?;
    dead.retain(|record| cause_of(record) == cause);
    Ok(dead)
}

/// Why an event was given up.
pub(super) fn cause_of(record: &EventRecord) -> &str {
    record.last_error.as_deref().unwrap_or("no reason was recorded")
}
