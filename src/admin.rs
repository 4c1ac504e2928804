//! The admin listener: health, metrics, and the API under `/api/v1` for whoever has a token.

mod api;
mod json;
mod parameters;
mod problem;
mod refused;
mod tokens;

use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::journal::{Health, Journal};
use crate::metrics::{self, Metrics};
use crate::public::Public;

pub use problem::Problem;
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
    /// What messages that are read again go through.
    pub public: Arc<Public>,
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
    ready(&admin.journal.health())
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
    let page = admin.metrics.scrape(&admin.journal.waiting(), admin.clock.now());
    HttpResponse::Ok().content_type(metrics::CONTENT_TYPE).body(page)
}

async fn nothing_here(request: HttpRequest) -> Problem {
    Problem::not_found(format!("There is nothing at {} {}.", request.method(), request.path()))
}
