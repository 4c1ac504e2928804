//! The public listener: the SOAP endpoint, its WSDL and schemas, and health.

mod description;
mod health;
mod message;
mod refused;
mod soap;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use url::Url;

use crate::auth::Nonces;
use crate::clock::Clock;
use crate::config::Limits;
use crate::journal::{Journal, Refused};
use crate::metrics::Metrics;
use crate::organisation::Organisations;

pub use refused::retry;

/// What the routes of the public listener work with.
pub struct Public {
    /// Where messages go.
    pub journal: Arc<dyn Journal>,
    /// Who may post them.
    pub organisations: Organisations,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// What a message may cost.
    pub limits: Limits,
    /// Under which address callers reach the listener.
    pub public_url: Url,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where refused messages are kept.
    pub refused: Arc<dyn Refused>,
    /// Which UsernameTokens were used.
    pub nonces: Nonces,
}

/// Adds the routes.
pub fn routes(public: Arc<Public>) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    move |config| {
        config
            .app_data(web::Data::from(Arc::clone(&public)))
            .route("/livez", web::get().to(health::livez))
            .route("/readyz", web::get().to(health::readyz))
            .route("/schemas/candidate-event.json", web::get().to(description::event_schema))
            .service(
                web::resource("/soap/{orgid}")
                    .route(web::post().to(soap::post))
                    .route(web::get().to(description::get))
                    .route(web::head().to(description::get))
                    .default_service(web::to(soap::other_method)),
            )
            .default_service(web::to(nothing_here));
    }
}

async fn nothing_here(request: HttpRequest) -> HttpResponse {
    plain(StatusCode::NOT_FOUND)
        .body(format!("There is nothing at {}. The SOAP endpoint is /soap/{{orgid}}.\n", request.path()))
}

fn plain(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer.content_type("text/plain; charset=utf-8");
    answer
}

/// The methods that the SOAP endpoint takes, as its `Allow` header says.
const ALLOWED: &str = "GET, HEAD, POST";
