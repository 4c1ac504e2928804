//! What the overview looks at, read once: figures, dead letters, refused messages, health.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::recent::Recent;
use crate::admin::standing::Standing;
use crate::admin::{Admin, Problem, Token};
use crate::auth::Missed;
use crate::domain::OrgId;
use crate::journal::{
    DeliveryState, EventFilter, EventRecord, Health, OrganisationStats, RefusedFilter, RefusedRecord,
};
use crate::organisation::Organisation;

/// How long the overview waits for the journal.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many dead letters and refused messages are grouped by their causes.
pub(super) const MOST: usize = 500;

/// All that the overview is made from.
pub(super) struct Sight {
    /// The figures of each organisation that the visitor sees.
    pub(super) stats: Vec<OrganisationStats>,
    /// How the deliveries of each stand.
    standings: BTreeMap<OrgId, Standing>,
    /// The newest messages of each, which the counts of their activity come with.
    pub(super) recent: BTreeMap<OrgId, Recent>,
    /// Messages of each whose credentials were refused lately.
    pub(super) missed: BTreeMap<OrgId, Missed>,
    /// Those that are silent for longer than is expected.
    pub(super) silent: Vec<OrgId>,
    /// The newest dead letters of each organisation that has any.
    pub(super) dead: Vec<EventRecord>,
    /// The newest refused messages.
    pub(super) refused: Vec<RefusedRecord>,
    /// Whether an event could be taken.
    pub(super) health: Health,
    /// Until when the certificate of the public listener is valid.
    pub(super) certificate_expires: Option<Timestamp>,
    /// How many bytes are free on the journal's disk, and below how many nothing is accepted.
    pub(super) disk: Option<(u64, u64)>,
    /// What is in force for each organisation.
    organisations: Vec<Arc<Organisation>>,
    /// Those for which Workday can be asked.
    reading_back: Vec<OrgId>,
    /// When this was so.
    pub(super) now: Timestamp,
}

impl Sight {
    /// What the visitor sees now.
    pub(super) async fn of(admin: &Admin, token: &Token) -> Result<Self, Problem> {
        let unanswered = || Problem::from(crate::journal::Unavailable::Busy);
        tokio::time::timeout(PATIENCE, look(admin, token)).await.unwrap_or_else(|_| Err(unanswered()))
    }

    /// What is in force for an organisation; none for one that is not configured any more.
    pub(super) fn organisation(&self, org: &OrgId) -> Option<&Organisation> {
        self.organisations.iter().find(|each| each.id == *org).map(|each| &**each)
    }

    /// How the deliveries of an organisation stand.
    pub(super) fn standing(&self, org: &OrgId) -> Standing {
        self.standings.get(org).cloned().unwrap_or_default()
    }

    /// The newest messages of an organisation.
    pub(super) fn recent(&self, org: &OrgId) -> Recent {
        self.recent.get(org).cloned().unwrap_or_default()
    }

    /// Whether Workday can be asked for an organisation.
    pub(super) fn reads_back(&self, org: &OrgId) -> bool {
        self.reading_back.contains(org)
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
    // The time comes first: what is too old by it is too old for the figures as well.
    let now = admin.clock.now();
    let mut stats = admin.with_unheard(admin.journal.stats(admin.ages()).await?);
    stats.retain(|stats| token.sees(&stats.org));
    let mut standings = BTreeMap::new();
    for stats in &stats {
        standings.insert(stats.org.clone(), Standing::of(admin, stats, now).await?);
    }
    let silent = admin.silent().into_iter().filter(|(org, silent)| *silent && token.sees(org));
    let mut organisations: Vec<_> = admin.public.organisations.current().iter().cloned().collect();
    organisations.retain(|organisation| token.sees(&organisation.id));
    let ids = organisations.iter().map(|organisation| organisation.id.clone());
    let missed =
        organisations.iter().filter_map(|one| Some((one.id.clone(), admin.public.misses.of(&one.id)?))).collect();
    let filter = RefusedFilter { orgs: token.orgs.clone(), code: None };
    Ok(Sight {
        silent: silent.map(|(org, _)| org).collect(),
        dead: all_dead(admin, &stats).await?,
        refused: admin.public.refused.list(filter, None, MOST).await?.items,
        health: admin.journal.health(),
        certificate_expires: admin.surroundings.certificate_expires(),
        disk: admin.surroundings.disk(),
        reading_back: ids.filter(|org| (admin.workday)(org).is_some()).collect(),
        organisations,
        now,
        standings,
        recent: BTreeMap::new(),
        missed,
        stats,
    })
}

/// The newest dead letters of each organisation, so that none hides those of another.
async fn all_dead(admin: &Admin, stats: &[OrganisationStats]) -> Result<Vec<EventRecord>, Problem> {
    let mut all = Vec::new();
    for stats in stats.iter().filter(|stats| stats.dead > 0) {
        all.extend(dead(admin, &stats.org).await?);
    }
    Ok(all)
}

/// The newest dead letters of one organisation.
async fn dead(admin: &Admin, org: &OrgId) -> Result<Vec<EventRecord>, Problem> {
    let orgs = Some(vec![org.clone()]);
    let filter = EventFilter { orgs, state: Some(DeliveryState::Dead), ..EventFilter::default() };
    Ok(admin.journal.events(filter, None, MOST).await?.items)
}

/// The dead letters of one organisation that have this cause.
pub(super) async fn dead_by(admin: &Admin, org: &OrgId, cause: &str) -> Result<Vec<EventRecord>, Problem> {
    let mut dead = dead(admin, org).await?;
    dead.retain(|record| cause_of(record) == cause);
    Ok(dead)
}

/// The refused messages of one organisation that have this cause and were kept as they came, oldest first.
pub(super) async fn refused_by(
    admin: &Admin,
    org: &OrgId,
    code: &str,
    place: &str,
) -> Result<Vec<RefusedRecord>, Problem> {
    let filter = RefusedFilter { orgs: Some(vec![org.clone()]), code: Some(code.to_owned()) };
    let mut refused = admin.public.refused.list(filter, None, MOST).await?.items;
    refused.retain(|record| record.head.whole && path_of(record).unwrap_or_default() == place);
    refused.reverse();
    Ok(refused)
}

/// The path of the element that a message was refused for; none where only a line and a column are
/// known, which differ from one message to the next.
pub(super) fn path_of(record: &RefusedRecord) -> Option<&str> {
    record.head.place.as_deref().filter(|place| !place.starts_with("line "))
}

/// Why an event was given up.
pub(super) fn cause_of(record: &EventRecord) -> &str {
    record.last_error.as_deref().unwrap_or("no reason was recorded")
}
