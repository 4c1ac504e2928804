//! Signing in with an admin token, and out.

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use url::Url;

use super::form::{Form, SHORT};
use super::{Answer, Failure, answer, go, page_with, visitor};
use crate::admin::routes::Routes;
use crate::admin::{Admin, Problem};
use crate::domain::OrgId;
use crate::net::Forwarded;

pub(super) fn routes() -> Routes {
    Routes::default().get("/sign-in", again).post("/sign-in", sign_in).post("/sign-out", sign_out)
}

/// The form.
#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    next: &'a str,
    wrong: Option<String>,
}

/// Shows the form; after it the visitor goes to `next`.
pub(super) fn show(next: &str) -> Answer {
    page_with(StatusCode::OK, &Page { next: local(next), wrong: None })
}

/// Where a visitor wants to go once signed in.
pub(super) fn next(request: &HttpRequest) -> String {
    let mut pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
    pairs.find(|(name, _)| name == "next").map_or("/".into(), |(_, next)| next.into_owned())
}

/// Shows the form to whoever loads the page anew after a try.
async fn again() -> Answer {
    show("/")
}

async fn sign_in(admin: Data<Admin>, request: HttpRequest, payload: Payload) -> Answer {
    let form = Form::read(&admin, &request, payload, SHORT).await?;
    let next = local(form.field("next"));
    let address = Forwarded::of(&request, &admin.public.trusted_proxies).client();
    let (failures, place) = (&admin.console.sign_ins, place());
    if let Err(wait) = failures.check(address, &place) {
        return slow(next, wait);
    }
    let found = admin.tokens.load().find(form.field("token").trim()).cloned();
    // Others may have failed from the same place meanwhile; what came of this try is not told then.
    let noted = match &found {
        Some(_) => failures.succeeded(address, &place),
        None => failures.failed(address, &place).map(drop),
    };
    if let Err(wait) = noted {
        return slow(next, wait);
    }
    let Some(token) = found else {
        tracing::warn!(%address, "a sign-in to the console failed");
        let wrong = Some("This is none of the bridge's admin tokens.".into());
        return page_with(StatusCode::FORBIDDEN, &Page { next, wrong });
    };
    let id = admin.console.sessions.open(&token);
    let id = id.ok_or_else(|| Problem::conflict("The system gives no random numbers; no session can be opened."))?;
    tracing::info!(token = token.name, %address, "somebody signed in to the console");
    let cookie = cookie(&admin, &request, &id, "");
    Ok(answer(StatusCode::SEE_OTHER)
        .insert_header((header::LOCATION, next))
        .insert_header((header::SET_COOKIE, cookie))
        .finish())
}

fn slow(next: &str, wait: Duration) -> Answer {
    let seconds = wait.as_secs() + 1;
    let wrong = format!("Too many tries with wrong tokens. Wait {seconds} s, then try again.");
    let mut slow = page_with(StatusCode::TOO_MANY_REQUESTS, &Page { next, wrong: Some(wrong) })?;
    slow.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
    Ok(slow)
}

async fn sign_out(admin: Data<Admin>, request: HttpRequest, payload: Payload) -> Answer {
    let visitor = match visitor(&admin, &request) {
        Err(Failure::SignedOut(_)) => return Ok(go("/")),
        other => other?,
    };
    Form::of(&admin, &request, payload, &visitor, SHORT).await?;
    admin.console.sessions.close(&visitor);
    tracing::info!(token = visitor.token.name, "somebody signed out of the console");
    let gone: HttpResponse = answer(StatusCode::SEE_OTHER)
        .insert_header((header::LOCATION, "/"))
        .insert_header((header::SET_COOKIE, cookie(&admin, &request, "", "; Max-Age=0")))
        .finish();
    Ok(gone)
}

/// What the session's cookie of a request holds.
pub(super) fn session_of(request: &HttpRequest) -> Option<String> {
    let name = cookie_name(request);
    let lines = request.headers().get_all(header::COOKIE).filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(each, _)| *each == name).map(|(_, value)| value.to_owned())
}

/// Cookies do not tell ports apart: two bridges on one host must not sign each other's people out.
fn cookie_name(request: &HttpRequest) -> String {
    format!("imper-bridge-{}", request.app_config().local_addr().port())
}

fn cookie(admin: &Admin, request: &HttpRequest, value: &str, more: &str) -> String {
    let own = Url::parse("http://localhost").expect("a plain URL");
    let base = Forwarded::of(request, &admin.public.trusted_proxies).base(&own);
    let secure = if base.is_some_and(|base| base.scheme() == "https") { "; Secure" } else { "" };
    format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}", cookie_name(request))
}

/// Under what failures are counted: the console is one place.
fn place() -> OrgId {
    "console".parse().expect("an id")
}

/// A path of this console, and of nowhere else.
fn local(next: &str) -> &str {
    let plain =
        next.starts_with('/') && !next[1..].starts_with(['/', '\\']) && next.bytes().all(|b| b.is_ascii_graphic());
    if plain { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for (next, goes) in [
            ("/events?state=dead", "/events?state=dead"),
            ("//evil", "/"),
            ("/\\evil", "/"),
            ("https://evil", "/"),
            ("/a\r\nb", "/"),
            ("", "/"),
        ] {
            assert_eq!(local(next), goes, "{next}");
        }
    }
}
