//! The routes of the public listener: the SOAP endpoint, its WSDL and schemas, the JSON intake, and health.

mod description;
mod draft;
mod health;
mod intake;
mod message;
mod parameters;
mod rates;
mod refused;
mod soap;
mod tries;

use std::sync::Arc;

use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};
use url::Url;

use crate::auth::{Misses, Nonces, SignIns};
use crate::clock::Clock;
use crate::config::Network;
use crate::journal::{Journal, Refused};
use crate::metrics::Metrics;
use crate::net::Forwarded;
use crate::organisation::Organisations;
use crate::problem::Problem;
use crate::refusal::{Code, Refusal};
pub use rates::Rates;

pub use description::address as endpoint;
pub use draft::{Draft, Preview, send};
pub use health::{alive, ready};
pub use refused::retry;

/// What the routes of the public listener work with.
pub struct Public {
    /// Where messages go.
    pub journal: Arc<dyn Journal>,
    /// Who may post them.
    pub organisations: Organisations,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// How many messages are taken.
    pub rates: Rates,
    /// Who failed to sign in.
    pub sign_ins: SignIns,
    /// Whose messages came with credentials that were refused.
    pub misses: Misses,
    /// Under which address callers reach the listener, where the operator says so.
    pub public_url: Option<Url>,
    /// The address of the listener itself.
    pub own_url: Url,
    /// Whose `X-Forwarded-*` headers count.
    pub trusted_proxies: Vec<Network>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where refused messages are kept.
    pub refused: Arc<dyn Refused>,
    /// Which UsernameTokens were used.
    pub nonces: Nonces,
}

impl Public {
    /// Under which address callers reach the listener, as far as is known without a call.
    pub fn address(&self) -> &Url {
        self.public_url.as_ref().unwrap_or(&self.own_url)
    }

    /// How a request came here.
    fn forwarded<'r>(&'r self, request: &'r HttpRequest) -> Forwarded<'r> {
        Forwarded::of(request, &self.trusted_proxies)
    }

    /// Under which address the sender of a request reaches the listener.
    fn base_url(&self, request: &HttpRequest) -> Url {
        let forwarded = || self.forwarded(request).base(&self.own_url);
        self.public_url.clone().or_else(forwarded).unwrap_or_else(|| self.own_url.clone())
    }
}

/// Adds the routes that Workday calls to a service: SOAP, the JSON intake, health and the schema.
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
            .service(webhook("/webhooks/{orgid}/workday"))
            .service(webhook("/webhooks/{orgid}"))
            .default_service(web::to(nothing_here));
    }
}

fn webhook(path: &str) -> actix_web::Resource {
    web::resource(path).route(web::post().to(intake::post)).default_service(web::to(intake::other_method))
}

async fn nothing_here(request: HttpRequest) -> HttpResponse {
    let message = format!("There is nothing at {}. The SOAP endpoint is /soap/{{orgid}}.", request.path());
    if request.method() != Method::POST {
        return plain(StatusCode::NOT_FOUND).body(format!("{message}\n"));
    }
    // Whoever posts has a message, and reads the answer as it would read the endpoint's own.
    let refusal = Refusal::new(Code::NotFound, message);
    if request.path().starts_with("/webhooks/") {
        return Problem::of_message(&refusal, None).error_response();
    }
    soap::nowhere(&request, &refusal)
}

fn plain(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer.content_type("text/plain; charset=utf-8");
    answer
}

/// The methods that the SOAP endpoint takes, as its `Allow` header says.
const ALLOWED: &str = "GET, HEAD, POST";
