//! Whether the process runs, and whether it can take an event: told on both listeners.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Data;

use super::Public;
use crate::journal::Health;

const TEXT: &str = "text/plain; charset=utf-8";

pub(super) async fn livez() -> HttpResponse {
    alive()
}

pub(super) async fn readyz(public: Data<Public>) -> HttpResponse {
    ready(&public.journal.health())
}

/// The answer to whoever asks whether the process runs.
pub fn alive() -> HttpResponse {
    HttpResponse::Ok().content_type(TEXT).body("ok\n")
}

/// The answer to whoever asks whether an event could be taken now: 503 with `Retry-After`, in seconds,
/// where not.
pub fn ready(health: &Health) -> HttpResponse {
    match health {
        Health::Ready => HttpResponse::Ok().content_type(TEXT).body("ready\n"),
        Health::NotReady(reason) => HttpResponse::ServiceUnavailable()
            .insert_header((header::RETRY_AFTER, reason.retry_after().as_secs()))
            .content_type(TEXT)
            .body(format!("not ready: {reason}\n")),
    }
}
