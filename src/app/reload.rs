//! Putting another configuration in force while the bridge runs: prepared first, then swapped.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use secrecy::ExposeSecret;

use super::prepared::{Prepared, in_force};
use super::read_back::ReadBack;
use super::routing::Routing;
use super::{Origin, announce};
use crate::admin::{Console, Reload, Reloaded, Surroundings, Tokens};
use crate::config::{Changes, Faults, Loaded, Settings, StoreUrl, is_loopback};
use crate::credential::Credentials;
use crate::delivery::{Policy, Pump};
use crate::journal::{Journal, Turn};
use crate::metrics::Metrics;
use crate::net::{Handshakes, Patience};
use crate::public::Public;

/// All that a reload reaches.
pub(super) struct Reloader {
    pub(super) origin: Origin,
    /// What the listeners and the store were started with.
    pub(super) started: Settings,
    /// What was read last; whoever reloads holds it, so that one does at a time.
    pub(super) in_force: Mutex<Settings>,
    pub(super) console: Arc<Console>,
    pub(super) public: Arc<Public>,
    pub(super) routing: Arc<Routing>,
    pub(super) policy: Arc<ArcSwap<Policy>>,
    pub(super) tokens: Arc<ArcSwap<Tokens>>,
    /// What the public listener makes handshakes with, where it speaks TLS.
    pub(super) handshakes: Option<Handshakes>,
    pub(super) surroundings: Arc<Surroundings>,
    pub(super) metrics: Arc<Metrics>,
    /// How long a request may take to arrive at the public listener.
    pub(super) request: Patience,
    /// How long an answer may wait for what the journal keeps of tokens.
    pub(super) answer: Patience,
    pub(super) notes: Credentials,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) pump: Arc<Pump>,
    pub(super) reading: Arc<ReadBack>,
}

impl Reload for Reloader {
    fn reload(&self) -> Result<Reloaded, Vec<String>> {
        let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = self.origin.load().map_err(sentences).and_then(|loaded| {
            self.allow_here(&loaded.settings)?;
            let prepared = Prepared::of(&loaded.settings, &self.started.store.url, &self.notes)
                .map_err(|error| vec![format!("{error:#}")])?;
            Ok((loaded, prepared))
        });
        match prepared {
            Ok((loaded, prepared)) => {
                let reloaded = self.put_in_force(&in_force, &loaded, prepared);
                *in_force = loaded.settings;
                Ok(reloaded)
            }
            Err(faults) => {
                let told = faults.join("; ");
                tracing::error!(faults = told, "the configuration is not usable; the old one stays in force");
                Err(faults)
            }
        }
    }
}

/// Whether a reload leaves this key as it is: what the listeners and the store were started with.
fn waits_for_a_start(key: &str, speaks_tls: bool) -> bool {
    let listeners = ["listen", "public_url", "behind_tls_proxy", "trusted_proxies", "admin.listen"];
    listeners.contains(&key) || key.starts_with("store.") || (key.starts_with("tls.") && !speaks_tls)
}

/// Whether two stores differ in where they are, and in the password that is configured beside that.
fn moves(old: &StoreUrl, new: &StoreUrl) -> (bool, bool) {
    let password = |store: &StoreUrl| match store {
        StoreUrl::Sqlite(_) => None,
        StoreUrl::Postgres(database) => database.password().map(|password| password.expose_secret().to_owned()),
    };
    let moves = match (old, new) {
        (StoreUrl::Postgres(old), StoreUrl::Postgres(new)) => !new.has_url_of(old),
        (old, new) => old != new,
    };
    (moves, password(old) != password(new))
}

fn sentences(faults: Faults) -> Vec<String> {
    faults.0.iter().map(ToString::to_string).collect()
}

impl Reloader {
    /// What a configuration may allow as it listens on loopback does not come into force on a listener
    /// that others reach: where the bridge listens, only a start changes.
    fn allow_here(&self, new: &Settings) -> Result<(), Vec<String>> {
        let at = &self.public.own_url;
        if is_loopback(at) {
            return Ok(());
        }
        let open = new.organisations.iter().filter(|organisation| organisation.auth.none);
        let faults = open.map(|organisation| {
            format!(
                "org.{}.auth.none lets everyone in, but until its next start the bridge listens at {at}, which others \
                 can reach; restart it, or give the organisation credentials",
                organisation.id
            )
        });
        let faults: Vec<_> = faults.collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Nothing here can fail.
    fn put_in_force(&self, old: &Settings, loaded: &Loaded, prepared: Prepared) -> Reloaded {
        announce(loaded);
        let new = &loaded.settings;
        let mut changes = Changes::between(old, new);
        let at_next_start = self.at_next_start(new);
        let speaks_tls = self.handshakes.is_some() && new.tls.is_some();
        changes.keys.retain(|key| !waits_for_a_start(key, speaks_tls));
        for key in &at_next_start {
            tracing::warn!(key, "this change takes effect at the next start");
        }
        self.routing.replace(prepared.table);
        if let (Some(handshakes), Some(tls)) = (&self.handshakes, &new.tls) {
            handshakes.replace(in_force(tls));
            self.surroundings.renewed(new);
        }
        self.request.set(new.limits.request);
        self.answer.set(new.limits.answer);
        self.public.rates.set(new.limits.requests_per_second);
        self.metrics.expect(prepared.directory.ids().iter());
        self.public.organisations.replace(prepared.directory);
        // What failed before may have been put right by this.
        self.public.sign_ins.forget();
        self.console.forget_failures();
        self.reading.reloaded(&prepared.policy);
        self.policy.store(Arc::new(prepared.policy));
        self.tokens.store(Arc::new(prepared.tokens));
        self.notes.forget_unused();
        self.pump.nudge();
        // Whatever was wrong with a relay may be mended. Should the journal fail, a probe finds out.
        drop(self.journal.turn(Turn::SetUpRead, "reload".into()));
        tracing::info!(organisations = new.organisations.len(), %changes, "the configuration was reloaded");
        Reloaded { changes, at_next_start, warnings: loaded.warnings.clone() }
    }

    /// The keys that differ from what runs and that only a start puts in force.
    fn at_next_start(&self, new: &Settings) -> Vec<&'static str> {
        let old = &self.started;
        let (store_moves, password_differs) = moves(&old.store.url, &new.store.url);
        let keys = [
            ("listen", new.listen != old.listen),
            ("public_url", new.public_url != old.public_url),
            // It says who stands before the listeners, which stay as they are.
            ("behind_tls_proxy", new.behind_tls_proxy != old.behind_tls_proxy),
            ("trusted_proxies", new.trusted_proxies != old.trusted_proxies),
            ("tls", new.tls.is_some() != old.tls.is_some()),
            ("admin.listen", new.admin.listen != old.admin.listen),
            ("store.url", store_moves),
            ("store.password", password_differs),
            ("store.retention_days", new.store.retention != old.store.retention),
            ("store.refused_days", new.store.refused != old.store.refused),
            ("store.min_free_mb", new.store.min_free_bytes != old.store.min_free_bytes),
        ];
        keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }
}
