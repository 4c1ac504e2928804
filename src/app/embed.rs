//! The bridge as a part of another actix service: its routes stand beside the service's own, and
//! events go to the service's own handler. Journal, order and retries are those of the bridge.
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
use super::store::{self, Opened};
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
}

impl Embedded {
    /// Opens the journal of these settings, and delivers every event to `handler`, whatever the
    /// organisations' own sections say. It needs a tokio runtime around it. `own_url` is where the
    /// routes are reached, unless `public_url` says it.
    ///
    /// # Errors
    /// When the journal cannot be opened.
    pub fn start(settings: &Settings, handler: Arc<dyn Handler>, own_url: Url) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let (metrics, answer) = (Arc::new(Metrics::new()), Patience::new(settings.limits.answer));
        let Opened { journal, refused, nonces } =
            store::open(&settings.store, &answer, Arc::clone(&clock), metrics.clone())?;
        let organisations = Organisations::new(Directory::of(settings, &Credentials::new(Arc::clone(&clock))));
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
        let pump = Arc::new(Pump::new(Arc::clone(&journal) as _, routes, clock, policy, metrics));
        let pumping = tokio::spawn(pump.run(stopping, ATTEMPTS_GRACE));
        Ok(Self { public, journal, refused, stop, pumping })
    }

    /// The routes `/soap/{orgid}`, `/webhooks/{orgid}`, `/livez` and so on, for
    /// [`App::configure`](actix_web::App::configure) or a scope.
    pub fn routes(&self) -> impl Fn(&mut ServiceConfig) + Clone + Send + use<> {
        public::routes(Arc::clone(&self.public))
    }

    /// The records, and what upkeep may ask for.
    pub fn journal(&self) -> &dyn Journal {
        &*self.journal
    }

    /// Lets attempts finish and closes the journal; to be called once no request comes any more.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.pumping.await;
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
