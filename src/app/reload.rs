//! Putting another configuration in force while the bridge runs: prepared first, then swapped.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::prepared::Prepared;
use super::routing::Routing;
use super::{Origin, announce};
use crate::admin::Tokens;
use crate::config::{Loaded, Settings};
use crate::delivery::{Policy, Pump};
use crate::journal::{Journal, Turn};
use crate::net::{Handshakes, Patience};
use crate::public::Public;

/// All that a reload reaches.
pub(super) struct Reloader {
    pub(super) origin: Origin,
    /// What the listeners and the store were started with.
    pub(super) started: Settings,
    pub(super) public: Arc<Public>,
    pub(super) routing: Arc<Routing>,
    pub(super) policy: Arc<ArcSwap<Policy>>,
    pub(super) tokens: Arc<ArcSwap<Tokens>>,
    /// What the public listener makes handshakes with, where it speaks TLS.
    pub(super) handshakes: Option<Handshakes>,
    /// How long a request may take to arrive at the public listener.
    pub(super) request: Patience,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) pump: Arc<Pump>,
    /// One reload at a time.
    pub(super) turns: Mutex<()>,
}

impl Reloader {
    /// Reads the configuration again and puts it in force in one swap; a bad one changes nothing
    /// and is logged with all its faults.
    pub(super) fn reload(&self) {
        let _turn = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = self.origin.load().map_err(anyhow::Error::from).and_then(|loaded| {
            let prepared = Prepared::of(&loaded.settings)?;
            Ok((loaded, prepared))
        });
        match prepared {
            Ok((loaded, prepared)) => self.put_in_force(&loaded, prepared),
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "the configuration is not usable; the old one stays in force"
                );
            }
        }
    }

    /// Nothing here can fail.
    fn put_in_force(&self, loaded: &Loaded, prepared: Prepared) {
        announce(loaded);
        let new = &loaded.settings;
        for key in self.at_next_start(new) {
            tracing::warn!(key, "this change takes effect at the next start");
        }
        self.routing.replace(prepared.table);
        if let (Some(handshakes), Some(tls)) = (&self.handshakes, &new.tls) {
            handshakes.replace(Arc::clone(&tls.server));
        }
        self.request.set(new.limits.request);
        self.public.rates.set(new.limits.requests_per_second);
        self.public.organisations.replace(prepared.directory);
        // What failed before may have been put right by this.
        self.public.sign_ins.forget();
        self.policy.store(Arc::new(prepared.policy));
        self.tokens.store(Arc::new(prepared.tokens));
        self.pump.nudge();
        // Whatever was wrong with a relay may be mended. Should the journal fail, a probe finds out.
        drop(self.journal.turn(Turn::SetUpRead, "reload".into()));
        tracing::info!(organisations = new.organisations.len(), "the configuration was reloaded");
    }

    /// The keys that differ from what runs and that only a start puts in force.
    fn at_next_start(&self, new: &Settings) -> Vec<&'static str> {
        let old = &self.started;
        let keys = [
            ("listen", new.listen != old.listen),
            ("public_url", new.public_url != old.public_url),
            ("trusted_proxies", new.trusted_proxies != old.trusted_proxies),
            ("tls", new.tls.is_some() != old.tls.is_some()),
            ("admin.listen", new.admin.listen != old.admin.listen),
            ("store.url", new.store.url != old.store.url),
            ("store.retention_days", new.store.retention != old.store.retention),
            ("store.refused_days", new.store.refused != old.store.refused),
            ("store.min_free_mb", new.store.min_free_bytes != old.store.min_free_bytes),
        ];
        keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }
}
