//! The console: pages for people, rendered here and readable without a script.
//!
//! It shows what the API answers and does what the API does, by the same functions: each page asks
//! the journal as a handler of the API would, and each form ends in one of its actions.
//!
//! What keeps others out of it: the session's cookie belongs to this host, is not sent along from
//! other sites and not shown to scripts; a form is taken only with the key of its session; the pages
//! run no script but the console's own and ask no other host for anything. A name that somebody
//! points at this address has no cookie, so that it is shown the sign-in and nothing else.

mod activity;
mod applications;
mod assets;
mod drawing;
mod event;
mod events;
mod failure;
mod form;
mod frame;
mod live;
mod overview;
mod paging;
mod protections;
mod recent;
mod refused;
mod set_up;
mod show;
mod sight;
mod sign_in;
mod source;
mod troubles;
mod try_it;
mod watchers;

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use askama::Template;

use super::Admin;
use super::Problem;
use super::routes::Routes;
use super::session::{Sessions, Visitor};
use crate::auth::SignIns;
use crate::clock::Clock;
use activity::Activities;
use failure::Failure;
pub(super) use failure::shown;
use frame::Frame;
use watchers::Watchers;

/// Nothing runs, loads, frames or is sent anywhere but here.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What the console keeps between requests, in memory alone: a restart signs everybody out.
pub struct Console {
    sessions: Sessions,
    sign_ins: SignIns,
    activities: Activities,
    watchers: Watchers,
}

impl Console {
    /// Begins with nobody signed in and nothing counted.
    pub fn new(clock: &Arc<dyn Clock>) -> Self {
        Self {
            sessions: Sessions::new(Arc::clone(clock)),
            sign_ins: SignIns::new(Arc::clone(clock)),
            activities: Activities::new(Arc::clone(clock)),
            watchers: Watchers::default(),
        }
    }

    /// Notes a call of the API with a wrong token, and says what is answered. It is slowed like a sign-in,
    /// but apart from them: neither keeps anybody from the other.
    pub(super) fn failed_call(&self, address: IpAddr, problem: Problem) -> Problem {
        match self.sign_ins.failed(address, &"api".parse().expect("an id")) {
            Ok(false) => problem,
            Ok(true) => {
                tracing::warn!(%address, "calls of the API with wrong tokens are slowed from now on");
                problem
            }
            Err(wait) => Problem::too_many(wait),
        }
    }

    /// Forgets the sign-ins that failed, as when the tokens may have been put right.
    pub fn forget_failures(&self) {
        self.sign_ins.forget();
    }
}

pub(super) fn routes() -> Routes {
    assets::routes()
        .and(overview::routes())
        .and(sign_in::routes())
        .and(live::routes())
        .and(events::routes())
        .and(event::routes())
        .and(try_it::routes())
        .and(refused::routes())
        .and(set_up::routes())
        .and(applications::routes())
        .and(protections::routes())
}

/// What a page answers.
type Answer = Result<HttpResponse, Failure>;

/// Begins an answer with the headers that all of the console's have.
fn answer(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    answer
}

/// A page.
fn page(template: &impl Template) -> Answer {
    page_with(StatusCode::OK, template)
}

fn page_with(status: StatusCode, template: &impl Template) -> Answer {
    match template.render() {
        Ok(text) => Ok(answer(status).content_type("text/html; charset=utf-8").body(text)),
        Err(error) => {
            tracing::error!(%error, "a page of the console cannot be shown");
            Ok(answer(StatusCode::INTERNAL_SERVER_ERROR).body("The page cannot be shown."))
        }
    }
}

/// Sends the visitor on after something was done, so that going back does it no second time.
fn go(to: &str) -> HttpResponse {
    answer(StatusCode::SEE_OTHER).insert_header((header::LOCATION, to)).finish()
}

/// Who visits.
///
/// # Errors
/// For somebody who is not signed in, who is sent to where one does so.
fn visitor(admin: &Admin, request: &HttpRequest) -> Result<Visitor, Failure> {
    let by_itself = live::asked_by_itself(request);
    let session = sign_in::session_of(request);
    let visitor = session.and_then(|id| admin.console.sessions.visitor(&id, &admin.tokens.load(), !by_itself));
    visitor.ok_or_else(|| Failure::signed_out(request))
}

/// Does what a form asks for, says so on the next page, and goes there.
fn done(admin: &Admin, visitor: &Visitor, notice: impl Into<String>, to: &str) -> HttpResponse {
    admin.console.sessions.tell(visitor, notice.into());
    go(to)
}
