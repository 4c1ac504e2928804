//! Whether the process runs, whether it can take an event, and its figures. No token is needed.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::Admin;
use super::openapi;
use super::routes::Routes;
use crate::metrics::Format;
use crate::public;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/livez", livez)
        .get("/readyz", readyz)
        .get("/metrics", scrape)
        .get("/api/openapi.json", openapi::document)
}

/// Whether the process runs.
#[utoipa::path(
    get, path = "/livez", tag = "health", security(()),
    responses((status = 200, description = "It does.", body = String, content_type = "text/plain; charset=utf-8")),
)]
pub(super) async fn livez() -> HttpResponse {
    public::alive()
}

/// Whether the journal can take an event.
#[utoipa::path(
    get, path = "/readyz", tag = "health", security(()),
    responses(
        (status = 200, description = "It can.", body = String, content_type = "text/plain; charset=utf-8"),
        (
            status = 503, description = "It cannot, and why.", body = String,
            content_type = "text/plain; charset=utf-8",
            headers(("Retry-After" = u64, description = "When to ask again, in seconds."))
        ),
    ),
)]
pub(super) async fn readyz(admin: Data<Admin>) -> HttpResponse {
    public::ready(&admin.health())
}

/// The figures, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "health", operation_id = "metrics", security(()),
    responses((
        status = 200, description = "OpenMetrics where the Accept header names it, else Prometheus's older text.",
        content(
            (String = "text/plain; version=0.0.4; charset=utf-8"),
            (String = "application/openmetrics-text; version=1.0.0; charset=utf-8")
        )
    )),
)]
pub(super) async fn scrape(admin: Data<Admin>, request: HttpRequest) -> HttpResponse {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::of(accept.unwrap_or_default());
    HttpResponse::Ok().content_type(format.content_type()).body(admin.scraped(format))
}
