//! The admin listener: health, metrics, and the API under `/api/v1` for whoever has a token.

mod actions;
mod api;
mod applications;
mod json;
mod parameters;
mod refused;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::delivery::Policy;
use crate::domain::OrgId;
use crate::journal::{Ages, Health, Journal, OrganisationStats, Unavailable};
use crate::metrics::{self, Metrics};
use crate::public::Public;

pub use crate::problem::Problem;
pub use tokens::{Token, Tokens};

/// What the routes of the admin listener work with.
pub struct Admin {
    /// The records.
    pub journal: Arc<dyn Journal>,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// Who may use the API.
    pub tokens: ArcSwap<Tokens>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What messages that are read again go through, with what is in force for each organisation.
    pub public: Arc<Public>,
    /// How deliveries are tried, and what counts as late.
    pub policy: Arc<ArcSwap<Policy>>,
    /// When the bridge started.
    pub started_at: Timestamp,
    /// Turns true when the bridge is told to stop.
    pub stopping: watch::Receiver<bool>,
}

impl Admin {
    /// What counts as too old in the figures.
    pub fn ages(&self) -> Ages {
        let policy = self.policy.load();
        Ages { useful_within: policy.useful_within, open_interview: policy.open_interview_alert }
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

/// Adds the routes.
pub fn routes(admin: Arc<Admin>) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    move |config| {
        config
            .app_data(web::Data::from(Arc::clone(&admin)))
            .route("/", web::get().to(front))
            .route("/livez", web::get().to(livez))
            .route("/readyz", web::get().to(readyz))
            .route("/metrics", web::get().to(scrape))
            .configure(refused::routes)
            .configure(api::routes)
            .default_service(web::to(nothing_here));
    }
}

async fn front() -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(include_str!("admin/front.html"))
}

/// The process runs.
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

async fn readyz(admin: web::Data<Admin>) -> HttpResponse {
    match *admin.stopping.borrow() {
        true => ready(&Health::NotReady(Unavailable::Stopped)),
        false => ready(&admin.journal.health()),
    }
}

/// The answer to whoever asks whether an event could be taken now.
pub fn ready(health: &Health) -> HttpResponse {
    match health {
        Health::Ready => HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ready\n"),
        Health::NotReady(reason) => HttpResponse::ServiceUnavailable()
            .insert_header((header::RETRY_AFTER, reason.retry_after().as_secs()))
            .content_type("text/plain; charset=utf-8")
            .body(format!("not ready: {reason}\n")),
    }
}

async fn scrape(admin: web::Data<Admin>) -> HttpResponse {
    for (org, silent) in admin.silent() {
        admin.metrics.listened(&org, silent);
    }
    let page = admin.metrics.scrape(&admin.journal.pulse(), admin.clock.now());
    HttpResponse::Ok().content_type(metrics::CONTENT_TYPE).body(page)
}

async fn nothing_here(request: HttpRequest) -> Problem {
    Problem::not_found(format!("There is nothing at {} {}.", request.method(), request.path()))
}
