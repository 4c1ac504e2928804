//! The files that the pages are shown with.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};

use super::answer;
use crate::admin::routes::Routes;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/assets/console.css", style)
        .get("/assets/console.js", script)
        .get("/assets/live.js", live)
        .get("/assets/icon.svg", icon)
}

async fn style() -> HttpResponse {
    asset("text/css; charset=utf-8", include_str!("console.css"))
}

async fn script() -> HttpResponse {
    asset("text/javascript; charset=utf-8", include_str!("console.js"))
}

async fn live() -> HttpResponse {
    asset("text/javascript; charset=utf-8", include_str!("live.js"))
}

async fn icon() -> HttpResponse {
    asset("image/svg+xml", include_str!("icon.svg"))
}

/// They are small, and of the release that runs: a browser asks each time.
fn asset(content_type: &str, text: &'static str) -> HttpResponse {
    let mut answer = answer(StatusCode::OK);
    answer.insert_header((header::CACHE_CONTROL, "no-cache")).content_type(content_type).body(text)
}
