//! Which handler each organisation's events go to, swapped whole at a reload.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::Context;
use arc_swap::ArcSwap;
use secrecy::ExposeSecret;
use url::Url;

use crate::config::{Handler as Choice, Settings};
use crate::credential::Credentials;
use crate::delivery::relay::{self, Relay};
use crate::delivery::{Handler, Routes};
use crate::domain::OrgId;
use crate::organisation::RELAY;
use crate::protection::handler::InProcess;

/// The handlers in force.
pub(super) struct Routing(ArcSwap<Table>);

/// The handlers of one configuration.
pub(super) struct Table {
    organisations: Arc<HashSet<OrgId>>,
    handlers: HashMap<OrgId, Arc<dyn Handler>>,
}

impl Table {
    /// Prepares a handler for each organisation.
    pub(super) fn of(settings: &Settings, notes: &Credentials) -> anyhow::Result<Self> {
        let proxy = settings.delivery.proxy.as_ref().map(|proxy| proxy.expose_secret().parse::<Url>()).transpose()?;
        let shared = relay::client(None, proxy.as_ref())?;
        let mut handlers: HashMap<OrgId, Arc<dyn Handler>> = HashMap::new();
        for organisation in &settings.organisations {
            let handler: Arc<dyn Handler> = match &organisation.handler {
                Choice::InProcess => Arc::new(InProcess::default()),
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
        Ok(Self { organisations: Arc::new(handlers.keys().cloned().collect()), handlers })
    }
}

impl Routing {
    pub(super) fn new(table: Table) -> Self {
        Self(ArcSwap::from_pointee(table))
    }

    pub(super) fn replace(&self, table: Table) {
        self.0.store(Arc::new(table));
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
