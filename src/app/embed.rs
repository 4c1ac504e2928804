//! The bridge as a part of another actix service: its routes stand beside the service's own, and
//! events go to the service's own handler. Journal, order, retries and upkeep are those of the bridge.
//!
//! `examples/embed.rs` shows a whole service.

use std::collections::HashSet;
use std::sync::Arc;

use actix_web::web::ServiceConfig;
use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

use super::ATTEMPTS_GRACE;
use super::prepared::policy;
use super::read_back::ReadBack;
use super::reconcile;
use super::routing::{Routing, Table};
use super::store::{self, Opened};
use super::upkeep::Upkeep;
use crate::auth::{Misses, SignIns};
use crate::clock::{Clock, SystemClock};
use crate::config::Settings;
use crate::credential::Credentials;
use crate::delivery::{Handler, Pump, Routes};
use crate::domain::OrgId;
use crate::journal::{Journal, Refused};
use crate::metrics::Metrics;
use crate::net::Patience;
use crate::organisation::{Directory, Organisations};
use crate::public::{self, Public, Rates};

/// A bridge without listeners of its own.
pub struct Embedded {
    public: Arc<Public>,
    journal: Arc<dyn Journal>,
    refused: Arc<dyn Refused>,
    stop: watch::Sender<bool>,
    pumping: JoinHandle<()>,
    reading: JoinHandle<()>,
}

impl Embedded {
    /// Opens the journal of these settings, and delivers every event to `handler`, whatever the
    /// organisations' own sections say. It needs a tokio runtime around it. `own_url` is where the
    /// routes are reached, unless `public_url` says it.
    ///
    /// What the settings promise beside that is kept as well: `retention_days`, erasures that were asked
    /// of the journal, `[org.NAME.workday]` with `details_days`, and `reconcile_every_minutes`.
    ///
    /// # Errors
    /// When the journal cannot be opened, or a client of Workday not be built.
    pub fn start(settings: &Settings, handler: Arc<dyn Handler>, own_url: Url) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let (metrics, answer) = (Arc::new(Metrics::new()), Patience::new(settings.limits.answer));
        let Opened { journal, refused, nonces } =
            store::open(&settings.store, &answer, Arc::clone(&clock), metrics.clone())?;
        let notes = Credentials::new(Arc::clone(&clock));
        let organisations = Organisations::new(Directory::of(settings, &notes));
        let routing = Arc::new(Routing::new(Table::of(settings, &notes)?));
        let known = settings.organisations.iter().map(|organisation| organisation.id.clone()).collect();
        let public = Arc::new(Public {
            journal: Arc::clone(&journal),
            organisations,
            metrics: Arc::clone(&metrics),
            clock: Arc::clone(&clock),
            refused: Arc::clone(&refused),
            nonces,
            rates: Rates::new(settings.limits.requests_per_second, Arc::clone(&clock)),
            sign_ins: SignIns::new(Arc::clone(&clock)),
            misses: Misses::new(Arc::clone(&clock)),
            public_url: settings.public_url.clone(),
            own_url,
            trusted_proxies: settings.trusted_proxies.clone(),
        });
        let (stop, stopping) = watch::channel(false);
        let routes = Arc::new(Only { known: Arc::new(known), handler });
        let policy = Arc::new(ArcSwap::from_pointee(policy(settings)));
        let reading = ReadBack::new(&journal, &routing, &clock, &policy.load(), &metrics);
        let reading = reading.run(stopping.clone(), ATTEMPTS_GRACE);
        let upkeep =
            Upkeep { public: Arc::clone(&public), policy: Arc::clone(&policy), retention: settings.store.retention };
        tokio::spawn(upkeep.run(stopping.clone()));
        tokio::spawn(reconcile::run(Arc::clone(&public), routing, stopping.clone()));
        let pump = Arc::new(Pump::new(Arc::clone(&journal) as _, routes, clock, policy, metrics));
        let pumping = tokio::spawn(pump.run(stopping, ATTEMPTS_GRACE));
        Ok(Self { public, journal, refused, stop, pumping, reading })
    }

    /// The routes `/soap/{orgid}`, `/webhooks/{orgid}`, `/livez` and so on, for
    /// [`App::configure`](actix_web::App::configure) or a scope.
    pub fn routes(&self) -> impl Fn(&mut ServiceConfig) + Clone + Send + use<> {
        public::routes(Arc::clone(&self.public))
    }

    /// The records, and what may be asked of them: erasures, replays, pauses.
    pub fn journal(&self) -> Arc<dyn Journal> {
        Arc::clone(&self.journal)
    }

    /// Lets attempts finish and closes the journal; to be called once no request comes any more.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = tokio::join!(self.pumping, self.reading);
        let (journal, refused) = (self.journal, self.refused);
        let closing = move || {
            refused.close();
            journal.close();
        };
        let _ = tokio::task::spawn_blocking(closing).await;
    }
}

/// The one handler, for everybody.
struct Only {
    known: Arc<HashSet<OrgId>>,
    handler: Arc<dyn Handler>,
}

impl Routes for Only {
    fn organisations(&self) -> Arc<HashSet<OrgId>> {
        Arc::clone(&self.known)
    }

    fn handler(&self, org: &OrgId) -> Option<Arc<dyn Handler>> {
        self.known.contains(org).then(|| Arc::clone(&self.handler))
    }
}
