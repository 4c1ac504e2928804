//! Whether the process runs, and whether it can take an event.

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::Public;
use crate::admin;

pub(super) async fn livez() -> HttpResponse {
    admin::livez().await
}

pub(super) async fn readyz(public: Data<Public>) -> HttpResponse {
    admin::ready(&public.journal.health())
}
