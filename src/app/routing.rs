//! Which handler each organisation's events go to, swapped whole at a reload.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use secrecy::ExposeSecret;
use url::Url;

use crate::config::{Handler as Choice, Settings, Workday, WorkdayCredentials};
use crate::credential::Credentials;
use crate::delivery::relay::{self, Relay};
use crate::delivery::{Handler, Routes};
use crate::domain::OrgId;
use crate::journal::Keep;
use crate::organisation::{RELAY, WORKDAY};
use crate::protection::details::FromWorkday;
use crate::protection::handler::InProcess;
use crate::workday;
use crate::workday::line::Line;

/// How long what was read back is kept of organisations that are not configured, or read back no
/// more: as long as by default.
const KEPT_OF_OTHERS: Duration = Duration::from_secs(7 * 86_400);

/// The handlers in force.
pub(super) struct Routing(ArcSwap<Table>);

/// The handlers of one configuration.
pub(super) struct Table {
    organisations: Arc<HashSet<OrgId>>,
    handlers: HashMap<OrgId, Arc<dyn Handler>>,
    /// Those whose details are read back.
    reading: Arc<HashSet<OrgId>>,
    workday: HashMap<OrgId, workday::Client>,
    keep: Keep,
    /// Those that are compared with Workday by themselves, and how often.
    reconciled: Vec<(OrgId, Duration)>,
}

impl Table {
    /// Prepares a handler for each organisation.
    pub(super) fn of(settings: &Settings, notes: &Credentials) -> anyhow::Result<Self> {
        let proxy = settings.delivery.proxy.as_ref().map(|proxy| proxy.expose_secret().parse::<Url>()).transpose()?;
        let shared = relay::client(None, proxy.as_ref())?;
        let mut handlers: HashMap<OrgId, Arc<dyn Handler>> = HashMap::new();
        for organisation in &settings.organisations {
            let handler: Arc<dyn Handler> = match &organisation.handler {
                Choice::InProcess => Arc::new(InProcess { reads_back: organisation.workday.is_some() }),
                Choice::Relay(relay) => {
                    let client = match &relay.ca {
                        None => shared.clone(),
                        Some(ca) => relay::client(Some(ca), proxy.as_ref())
                            .with_context(|| format!("org.{}.relay.ca", organisation.id))?,
                    };
                    let credential = |key| notes.of(&organisation.id, RELAY, key);
                    let relay = Relay::new(
                        client,
                        relay.url.clone(),
                        credential(&relay.api_key),
                        relay.api_key_next.as_ref().map(credential),
                        relay.payload,
                        relay.event_names,
                    );
                    Arc::new(relay.with_context(|| format!("org.{}.relay", organisation.id))?)
                }
            };
            handlers.insert(organisation.id.clone(), handler);
        }
        let workday = clients(settings, proxy.as_ref(), notes)?;
        Ok(Self {
            organisations: Arc::new(handlers.keys().cloned().collect()),
            handlers,
            reading: Arc::new(workday.keys().cloned().collect()),
            workday,
            keep: keep(settings),
            reconciled: settings
                .organisations
                .iter()
                .filter_map(|each| Some((each.id.clone(), each.reconcile_every?)))
                .collect(),
        })
    }
}

/// A client of Workday for each organisation that has one.
fn clients(
    settings: &Settings,
    proxy: Option<&Url>,
    notes: &Credentials,
) -> anyhow::Result<HashMap<OrgId, workday::Client>> {
    let configured = settings.organisations.iter().filter_map(|each| Some((&each.id, each.workday.as_ref()?)));
    let clients = configured.map(|(id, section)| Ok((id.clone(), client(id, section, proxy, notes)?)));
    clients.collect()
}

/// What asks Workday for an organisation by its section.
pub(crate) fn client(
    org: &OrgId,
    section: &Workday,
    proxy: Option<&Url>,
    notes: &Credentials,
) -> anyhow::Result<workday::Client> {
    let credential = |secret| notes.of(org, WORKDAY, secret);
    let credentials = match &section.credentials {
        WorkdayCredentials::Password { username, password, password_next } => workday::Credentials::Password {
            username: username.clone(),
            password: credential(password),
            password_next: password_next.as_ref().map(credential),
        },
        WorkdayCredentials::Refresh { token_url, client_id, client_secret, refresh_token } => {
            workday::Credentials::Refresh {
                token_url: token_url.clone(),
                client_id: client_id.clone(),
                client_secret: credential(client_secret),
                refresh_token: credential(refresh_token),
            }
        }
    };
    let client = Line::new(proxy).and_then(|line| workday::Client::new(line, section.soap_url.clone(), credentials));
    client.with_context(|| format!("org.{org}.workday"))
}

fn keep(settings: &Settings) -> Keep {
    let each = settings.organisations.iter().filter_map(|each| Some((each.id.clone(), each.workday.as_ref()?.details)));
    Keep { each: each.collect(), otherwise: KEPT_OF_OTHERS }
}

impl Routing {
    pub(super) fn new(table: Table) -> Self {
        Self(ArcSwap::from_pointee(table))
    }

    pub(super) fn replace(&self, table: Table) {
        self.0.store(Arc::new(table));
    }

    /// The organisations whose details are read back.
    pub(super) fn reading(&self) -> Arc<HashSet<OrgId>> {
        Arc::clone(&self.0.load().reading)
    }

    /// Who reads back for one of them.
    pub(super) fn reader(&self, org: &OrgId) -> Option<Arc<dyn Handler>> {
        Some(Arc::new(FromWorkday::new(self.client(org)?)))
    }

    /// What asks Workday for one of them.
    pub(super) fn client(&self, org: &OrgId) -> Option<workday::Client> {
        self.0.load().workday.get(org).cloned()
    }

    /// The organisations that are compared with Workday by themselves, and how often.
    pub(super) fn reconciled(&self) -> Vec<(OrgId, Duration)> {
        self.0.load().reconciled.clone()
    }

    /// How long what was read back is kept.
    pub(super) fn keep(&self) -> Keep {
        self.0.load().keep.clone()
    }
}

impl Routes for Routing {
    fn organisations(&self) -> Arc<HashSet<OrgId>> {
        Arc::clone(&self.0.load().organisations)
    }

    fn handler(&self, org: &OrgId) -> Option<Arc<dyn Handler>> {
        self.0.load().handlers.get(org).cloned()
    }
}
