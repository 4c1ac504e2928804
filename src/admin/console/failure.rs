//! What a page answers when it cannot show what it was asked for.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use askama::Template;

use super::{answer, go, live, page_with};
use crate::admin::Problem;

/// Why there is no page.
#[derive(Debug)]
pub(in crate::admin) enum Failure {
    /// Nobody is signed in: there, and then back here.
    SignedOut(String),
    /// What the API would say.
    Problem(Problem),
}

impl Failure {
    /// Nobody is signed in; a page is returned to afterwards. One that asks by itself is told so, as
    /// it would take the sign-in for what it shows.
    pub(super) fn signed_out(request: &HttpRequest) -> Self {
        if live::asked_by_itself(request) {
            return Self::Problem(Problem::unauthorized());
        }
        let wanted = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let wanted = if request.method() == actix_web::http::Method::GET { wanted } else { "/" };
        let encoded: String = url::form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
        Self::SignedOut(if wanted == "/" { "/".into() } else { format!("/?next={encoded}") })
    }
}

impl<E: Into<Problem>> From<E> for Failure {
    fn from(problem: E) -> Self {
        Self::Problem(problem.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignedOut(_) => f.write_str("nobody is signed in"),
            Self::Problem(problem) => problem.fmt(f),
        }
    }
}

/// A problem in the form that goes with the request: a page for a browser, else as the API has it.
pub(in crate::admin) fn shown(request: &HttpRequest, problem: Problem) -> HttpResponse {
    let accepts = request.headers().get(header::ACCEPT).and_then(|accepts| accepts.to_str().ok());
    if accepts.is_some_and(|accepts| accepts.contains("text/html")) {
        return Failure::Problem(problem).error_response();
    }
    problem.error_response()
}

#[derive(Template)]
#[template(path = "failure.html")]
struct Page<'a> {
    title: &'a str,
    detail: &'a str,
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::SignedOut(_) => StatusCode::SEE_OTHER,
            Self::Problem(problem) => problem.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let problem = match self {
            Self::SignedOut(to) => return go(to),
            Self::Problem(problem) => problem,
        };
        let page = Page { title: problem.title(), detail: problem.detail() };
        let shown = page_with(problem.status_code(), &page);
        let mut shown = shown.unwrap_or_else(|_| answer(problem.status_code()).finish());
        if let Some(after) = problem.error_response().headers().get(header::RETRY_AFTER) {
            shown.headers_mut().insert(header::RETRY_AFTER, after.clone());
        }
        shown
    }
}
