//! What is in force for each organisation: immutable, shared, and swapped as a whole.
//!
//! A request takes one [`Organisation`] at its beginning and keeps it to its end, so that a reload
//! in between changes nothing half-way. A reload makes a new [`Directory`] of all of them and puts
//! it in the place of the old one.

mod ways;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::auth::Verifier;
use crate::config::{self, Handler, Limits, OrganisationSettings, Settings};
use crate::credential::{Credential, Credentials};
use crate::domain::payload::Shape;
use crate::domain::{OrgId, Source, StagePolicy, StateChange};
use crate::journal::{Deliver, Incoming};
use crate::refusal::{Code, Refusal};
use crate::soap;
use ways::Ways;

/// What the keys to a relay open, among an organisation's credentials.
pub const RELAY: &str = "relay";

/// What lets the bridge in to Workday, among them.
pub const WORKDAY: &str = "workday";

/// One organisation, as its messages are read, judged and delivered.
#[derive(Debug, Clone)]
pub struct Organisation {
    /// Its id.
    pub id: OrgId,
    /// Which stages are interviews and which statuses end one.
    pub policy: StagePolicy,
    /// How its messages are read.
    pub profile: soap::Profile,
    /// Which HTTP status goes with its faults.
    pub fault_status: soap::FaultStatus,
    /// What the header `X-Workday-Tenant` must say.
    pub expect_tenant: Option<String>,
    /// Who may post its messages.
    pub verifier: Verifier,
    /// Who may post to its JSON intake; `None`: it is off.
    pub intake: Option<Verifier>,
    /// The secrets that let in, and those that are shown to its relay and to Workday, by the paths of
    /// their keys in its section.
    pub credentials: Vec<(&'static str, Credential)>,
    /// Where its events go.
    pub handler: Handler,
    /// Silence longer than this is reported; `None`: never.
    pub expect_message_every: Option<Duration>,
    /// What its messages may cost.
    pub limits: Arc<Limits>,
}

impl Organisation {
    fn new(settings: &OrganisationSettings, limits: Arc<Limits>, notes: &Credentials) -> Self {
        // The Studio mapping promises the relay a stage in every event, so that one is asked for
        // even where the message says its event type itself.
        let shape = match &settings.handler {
            Handler::Relay(relay) => relay.payload,
            Handler::InProcess => Shape::default(),
        };
        let mut ways = Ways::new(&settings.id, notes);
        let (verifier, intake) = (ways.verifier(&settings.auth), ways.intake(settings));
        ways.relay(&settings.handler);
        ways.workday(settings.workday.as_ref());
        let config::IdTypes { candidate, job_application, job_requisition } = settings.id_types.clone();
        Self {
            id: settings.id.clone(),
            policy: settings.policy.clone(),
            profile: soap::Profile {
                namespace: settings.namespace.clone(),
                id_types: soap::IdTypes { candidate, job_application, job_requisition },
                strict_soap_action: settings.strict_soap_action,
                stage_always_required: shape == Shape::StateChange,
                username_tokens: settings.auth.wsse.is_some(),
            },
            fault_status: fault_status(settings.fault_status),
            expect_tenant: settings.expect_tenant.clone(),
            verifier,
            intake,
            credentials: ways.listed,
            handler: settings.handler.clone(),
            expect_message_every: settings.expect_message_every,
            limits,
        }
    }

    /// Which of its events have somewhere to go.
    pub fn deliver(&self) -> Deliver {
        match &self.handler {
            Handler::Relay(relay) if relay.payload == Shape::StateChange => Deliver::Everything,
            Handler::Relay(_) | Handler::InProcess => Deliver::Boundaries,
        }
    }

    /// What the journal takes of a state change that one of its senders tells of.
    pub fn incoming(&self, change: StateChange, source: Source) -> Incoming {
        let placed = self.policy.position(&change);
        Incoming {
            deliver: self.deliver(),
            pending_limit: self.limits.pending_events.unwrap_or(0),
            ..Incoming::new(self.id.clone(), change, placed, source)
        }
    }

    /// Compares the header `X-Workday-Tenant` with the expected tenant: a sandbox that was cloned
    /// from production keeps calling production's endpoints.
    ///
    /// # Errors
    /// [`Code::WrongTenant`] for another one, or none where one is expected.
    pub fn check_tenant(&self, header: Option<&[u8]>) -> Result<(), Refusal> {
        let Some(expected) = &self.expect_tenant else { return Ok(()) };
        let message = match header.map(<[u8]>::trim_ascii) {
            Some(tenant) if tenant == expected.as_bytes() => return Ok(()),
            Some(tenant) => format!(
                "The header X-Workday-Tenant says {:?}; this endpoint takes messages of another tenant.",
                String::from_utf8_lossy(tenant)
            ),
            None => "The header X-Workday-Tenant is missing; this endpoint takes messages of one tenant only.".into(),
        };
        Err(Refusal::new(Code::WrongTenant, message))
    }
}

fn fault_status(configured: config::FaultStatus) -> soap::FaultStatus {
    match configured {
        config::FaultStatus::Standard => soap::FaultStatus::Standard,
        config::FaultStatus::Always400 => soap::FaultStatus::Always400,
        config::FaultStatus::Always500 => soap::FaultStatus::Always500,
    }
}

/// All organisations of one configuration. It never changes: a reload makes another.
#[derive(Debug, Clone)]
pub struct Directory {
    /// Sorted by id.
    organisations: Vec<Arc<Organisation>>,
    ids: Arc<HashSet<OrgId>>,
    limits: Arc<Limits>,
}

impl Directory {
    /// The organisations of a configuration, the uses of whose credentials are noted there.
    pub fn of(settings: &Settings, notes: &Credentials) -> Self {
        let limits = Arc::new(settings.limits.clone());
        let organisation = |one| Arc::new(Organisation::new(one, Arc::clone(&limits), notes));
        let mut organisations: Vec<_> = settings.organisations.iter().map(organisation).collect();
        organisations.sort_by(|one, other| one.id.cmp(&other.id));
        let ids = organisations.iter().map(|one| one.id.clone()).collect();
        Self { organisations, ids: Arc::new(ids), limits }
    }

    /// The organisation of that id, as it stands in a path.
    pub fn get(&self, id: &str) -> Option<Arc<Organisation>> {
        let place = self.organisations.binary_search_by(|one| one.id.as_str().cmp(id)).ok()?;
        Some(Arc::clone(&self.organisations[place]))
    }

    /// All organisations, sorted by id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Organisation>> {
        self.organisations.iter()
    }

    /// What a message may cost, of whichever organisation it is.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The ids of all organisations.
    pub fn ids(&self) -> &Arc<HashSet<OrgId>> {
        &self.ids
    }
}

/// The organisations in force. Its clones share them.
#[derive(Debug, Clone)]
pub struct Organisations(Arc<ArcSwap<Directory>>);

impl Organisations {
    /// Puts a first directory in force; a reload swaps it for another, whole.
    pub fn new(directory: Directory) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(directory)))
    }

    /// What is in force now.
    pub fn current(&self) -> Arc<Directory> {
        self.0.load_full()
    }

    /// The organisation of that id that is in force now.
    pub fn get(&self, id: &str) -> Option<Arc<Organisation>> {
        self.0.load().get(id)
    }

    /// Puts another directory in force; whoever holds organisations of the old one keeps them.
    pub fn replace(&self, directory: Directory) {
        self.0.store(Arc::new(directory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::config::Environment;
    use std::path::Path;

    fn directory(text: &str) -> Directory {
        let loaded = Settings::from_toml("f.toml", text, Path::new(""), &Environment::default());
        let settings = loaded.unwrap_or_else(|faults| panic!("{faults}")).settings;
        Directory::of(&settings, &Credentials::new(Arc::new(SystemClock::new())))
    }

    const TWO: &str = r#"
        limits.pending_events = 7
        [org.zeta]
        auth.none = true
        handler = "in_process"
        [org.acme]
        auth.basic = { username = "imper", password = "hunter2" }
        auth.bearer = "hunter3"
        fault_status = "500"
        expect_tenant = "acme_prod"
        relay = { url = "https://relay.example.com", api_key = "hunter4", payload = "state_change" }
    "#;

    #[test]
    fn organisations_are_found_by_id() {
        let directory = directory(TWO);
        assert_eq!(directory.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["acme", "zeta"]);
        let acme = directory.get("acme").unwrap();
        assert_eq!((acme.fault_status, acme.limits.pending_events), (soap::FaultStatus::Always500, Some(7)));
        assert!(acme.profile.stage_always_required && !acme.verifier.is_open());
        let zeta = directory.get("zeta").unwrap();
        assert!(!zeta.profile.stage_always_required && zeta.verifier.is_open());
        assert!(directory.get("Acme").is_none() && directory.get("").is_none());
        assert!(directory.ids().contains(&acme.id));
    }

    #[test]
    fn the_tenant_must_be_the_expected_one() {
        let directory = directory(TWO);
        let (acme, zeta) = (directory.get("acme").unwrap(), directory.get("zeta").unwrap());
        assert!(acme.check_tenant(Some(b" acme_prod ")).is_ok());
        assert_eq!(acme.check_tenant(Some(b"acme_sandbox")).unwrap_err().code, Code::WrongTenant);
        assert_eq!(acme.check_tenant(None).unwrap_err().code, Code::WrongTenant);
        assert!(zeta.check_tenant(Some(b"any")).is_ok() && zeta.check_tenant(None).is_ok());
    }

    #[test]
    fn the_state_change_shape_delivers_everything() {
        let directory = directory(TWO);
        assert_eq!(directory.get("acme").unwrap().deliver(), Deliver::Everything);
        assert_eq!(directory.get("zeta").unwrap().deliver(), Deliver::Boundaries);
    }

    #[test]
    fn what_says_nothing_is_read_as_the_soap_room_reads_it() {
        assert_eq!(directory(TWO).get("zeta").unwrap().profile, soap::Profile::default());
    }

    #[test]
    fn a_replacement_leaves_what_is_held() {
        let organisations = Organisations::new(directory(TWO));
        let (held, shared) = (organisations.get("acme").unwrap(), organisations.clone());
        organisations.replace(directory("[org.other]\nauth.none = true\nhandler = \"in_process\"\n"));
        assert!(shared.get("acme").is_none() && shared.get("other").is_some());
        assert_eq!((held.limits.pending_events, shared.current().limits().pending_events), (Some(7), None));
        assert_eq!(held.id.as_str(), "acme");
    }

    #[test]
    fn secrets_are_not_shown() {
        let directory = directory(TWO);
        let shown = format!("{directory:?} {:#?}", Organisations::new(directory.clone()));
        assert!(shown.contains("acme") && !shown.contains("hunter"), "{shown}");
    }
}
