//! What a form sends.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName};
use actix_web::web::Payload;

use super::Failure;
use crate::admin::session::Visitor;
use crate::admin::{Admin, Problem};
use crate::net::{self, BodyLimits, Sender};

/// The longest form but the one that holds a message, in bytes.
pub(super) const SHORT: usize = 16 * 1024;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The fields of a form.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads what one of the console's own pages sent.
    ///
    /// # Errors
    /// When another site sent it, when it is too long, or when it does not arrive.
    pub(super) async fn read(
        admin: &Admin,
        request: &HttpRequest,
        payload: Payload,
        most: usize,
    ) -> Result<Self, Failure> {
        if comes_from_elsewhere(request) {
            return Err(Problem::forbidden("Another site sent this form. Nothing was done.").into());
        }
        let within = admin.public.organisations.current().limits().request;
        let limits = BodyLimits { bytes: most, within, sender: Sender::Known };
        let body = net::read_body(request, payload, limits).await;
        let body = body.map_err(|unread| Problem::of_message(&unread.refusal, None))?;
        Ok(Self(url::form_urlencoded::parse(&body).into_owned().collect()))
    }

    /// Reads a form of somebody who is signed in.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when it is not a form of their session.
    pub(super) async fn of(
        admin: &Admin,
        request: &HttpRequest,
        payload: Payload,
        visitor: &Visitor,
        most: usize,
    ) -> Result<Self, Failure> {
        let form = Self::read(admin, request, payload, most).await?;
        if !visitor.sent(form.field("form_key")) {
            let detail = "The form is not of this session; perhaps you have signed in anew since it was shown. \
                          Nothing was done: go back, load the page again and repeat it.";
            return Err(Problem::forbidden(detail).into());
        }
        Ok(form)
    }

    /// The text of a field; nothing where it is missing.
    pub(super) fn field(&self, name: &str) -> &str {
        self.0.iter().find(|(each, _)| each == name).map_or("", |(_, value)| value)
    }

    /// Whether a box was ticked.
    pub(super) fn ticked(&self, name: &str) -> bool {
        !self.field(name).is_empty()
    }
}

/// Whether the browser says that another site made the request. Where it says nothing the key of the
/// session decides, and the cookie, which is not sent along from elsewhere.
fn comes_from_elsewhere(request: &HttpRequest) -> bool {
    let text = |name: &HeaderName| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text(&FETCH_SITE) {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(&header::ORIGIN) else { return false };
    let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
    text(&header::HOST).is_some_and(|host| !host.eq_ignore_ascii_case(authority))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn forms_of_other_sites_are_known_by_what_the_browser_says() {
        let from = |headers: &[(&'static str, &'static str)]| {
            let request = TestRequest::default().insert_header(("Host", "bridge:8081"));
            let request = headers.iter().fold(request, |request, header| request.insert_header(*header));
            comes_from_elsewhere(&request.to_http_request())
        };
        assert!(!from(&[]) && !from(&[("Sec-Fetch-Site", "same-origin"), ("Origin", "null")]));
        assert!(!from(&[("Origin", "http://bridge:8081")]));
        assert!(from(&[("Sec-Fetch-Site", "cross-site")]) && from(&[("Sec-Fetch-Site", "same-site")]));
        assert!(from(&[("Origin", "http://bridge:9999")]) && from(&[("Origin", "null")]));
    }
}
