//! The admin listener: health, metrics, the API under `/api/v1` for whoever has a token, and the
//! console at `/` for whoever signs in with one.

mod actions;
mod api;
mod applications;
mod console;
mod credentials;
mod erasure;
mod health;
mod json;
mod log;
mod openapi;
mod parameters;
mod reconcile;
mod refused;
mod reload;
mod routes;
mod session;
mod standing;
mod surroundings;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::delivery::Policy;
use crate::domain::OrgId;
use crate::journal::{Ages, Health, Journal, OrganisationStats, Unavailable};
use crate::metrics::{Format, Metrics, Moment};
use crate::net::Forwarded;
use crate::protection::reconcile::Clients;
use crate::public::Public;

use routes::Routes;

pub use crate::problem::Problem;
pub use console::Console;
pub use reload::{Reload, Reloaded};
pub use surroundings::Surroundings;
pub use tokens::{Token, Tokens};

/// What the routes of the admin listener work with.
pub struct Admin {
    /// The records.
    pub journal: Arc<dyn Journal>,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// Who may use the API.
    pub tokens: Arc<ArcSwap<Tokens>>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What messages that are read again go through, with what is in force for each organisation.
    pub public: Arc<Public>,
    /// How deliveries are tried, and what counts as late.
    pub policy: Arc<ArcSwap<Policy>>,
    /// What reads the configuration again.
    pub reload: Arc<dyn Reload>,
    /// Who is signed in to the console.
    pub console: Arc<Console>,
    /// When the bridge started.
    pub started_at: Timestamp,
    /// Turns true when the bridge is told to stop.
    pub stopping: watch::Receiver<bool>,
    /// What may run out.
    pub surroundings: Arc<Surroundings>,
    /// What asks Workday for an organisation.
    pub workday: Box<Clients>,
}

impl Admin {
    /// What counts as too old in the figures.
    pub fn ages(&self) -> Ages {
        self.policy.load().ages()
    }

    /// Whether an event could be taken now.
    pub fn health(&self) -> Health {
        match *self.stopping.borrow() {
            true => Health::NotReady(Unavailable::Stopped),
            false => self.journal.health(),
        }
    }

    /// Whose token a request carries. Whoever has the right one gets in, however many wrong ones come from
    /// the same address: a system that still has an old one must not lock out those beside it.
    fn caller(&self, request: &HttpRequest) -> Result<Token, Problem> {
        let tokens = self.tokens.load();
        tokens.verify(request).map_err(|problem| match Tokens::presented(request) {
            Some(_) => self.console.failed_call(Forwarded::of(request, &self.public.trusted_proxies).client(), problem),
            None => problem,
        })
    }

    /// What a scrape sees.
    fn scraped(&self, format: Format) -> String {
        for (org, silent) in self.silent() {
            self.metrics.listened(&org, silent);
        }
        let moment = Moment {
            now: self.clock.now(),
            ready: self.health() == Health::Ready,
            pulses: &self.journal.pulse(),
            disk: self.surroundings.disk(),
            certificate_expires: self.surroundings.certificate_expires(),
        };
        self.metrics.scrape(&moment, format)
    }

    /// The figures, with those of configured organisations that were never heard of.
    fn with_unheard(&self, mut stats: Vec<OrganisationStats>) -> Vec<OrganisationStats> {
        let pulses = self.journal.pulse();
        for organisation in self.public.organisations.current().iter() {
            if stats.iter().all(|stats| stats.org != organisation.id) {
                let pulse = pulses.iter().find(|pulse| pulse.org == organisation.id);
                stats.push(OrganisationStats::unheard(organisation.id.clone(), pulse));
            }
        }
        stats.sort_by(|one, other| one.org.cmp(&other.org));
        stats
    }

    /// The organisations from which messages are expected, and whether none came for longer than
    /// that. One that was never heard of is silent since the bridge started.
    pub fn silent(&self) -> Vec<(OrgId, bool)> {
        let (pulses, now) = (self.journal.pulse(), self.clock.now());
        let organisations = self.public.organisations.current();
        let expecting = organisations.iter().filter_map(|org| Some((org, org.expect_message_every?)));
        let silent = expecting.map(|(org, every)| {
            let heard = pulses.iter().find(|pulse| pulse.org == org.id).and_then(|pulse| pulse.last_message_at);
            let since = heard.unwrap_or(self.started_at);
            (org.id.clone(), Duration::try_from(now.duration_since(since)).unwrap_or_default() > every)
        });
        silent.collect()
    }
}

/// Adds the routes of the admin listener to a service: health, metrics, API and console.
pub fn routes(admin: Arc<Admin>) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    move |config| {
        config
            .app_data(web::Data::from(Arc::clone(&admin)))
            .configure(|config| console::routes().and(documented()).configure(config))
            .service(web::scope("/api").default_service(web::to(api::unknown)))
            .default_service(web::to(nothing_here));
    }
}

/// All that the document of the API describes.
fn documented() -> Routes {
    health::routes()
        .and(api::routes())
        .and(applications::routes())
        .and(actions::routes())
        .and(erasure::routes())
        .and(refused::routes())
        .and(reconcile::routes())
        .and(log::routes())
        .and(reload::routes())
        .and(credentials::routes())
}

async fn nothing_here(request: HttpRequest) -> HttpResponse {
    let nothing = format!("There is nothing at {} {}.", request.method(), request.path());
    console::shown(&request, Problem::not_found(nothing))
}
