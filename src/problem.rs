//! Errors of the API and of the JSON intake, as `application/problem+json` (RFC 9457).

use std::fmt;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use crate::journal::Unavailable;
use crate::refusal::Refusal;

/// An error that a caller of the API is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// What kind of problem it is.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong, and what to do.
    detail: String,
    /// The parameter or field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
    /// The code of the refusal that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code: Option<&'static str>,
    /// All that is wrong with a configuration, a sentence each.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    #[schema(required = false, value_type = Vec<String>)]
    faults: Box<[String]>,
    #[serde(skip)]
    retry_after: Option<u64>,
}

impl Problem {
    fn new(status: u16, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            title,
            status,
            detail: detail.into(),
            field: None,
            code: None,
            faults: Box::default(),
            retry_after: None,
        }
    }

    /// What kind of problem it is.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// What is wrong, and what to do.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// A parameter is not what it may be.
    pub fn bad_parameter(field: &str, detail: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), ..Self::new(400, "Bad parameter", detail) }
    }

    /// The token is missing or unknown.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Send the admin token as \"Authorization: Bearer <token>\".")
    }

    /// Too many wrong tokens came from the same address.
    pub fn too_many(wait: Duration) -> Self {
        let detail = "Too many wrong tokens came from your address. Send one of the bridge's admin tokens, which is let \
                      in at once, or try again after the seconds in Retry-After.";
        Self { retry_after: Some(wait.as_secs() + 1), ..Self::new(429, "Too many requests", detail) }
    }

    /// The token does not allow it.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", detail)
    }

    /// The path takes other methods, those in `allow`.
    pub fn method_not_allowed(method: &str, allow: &str) -> Self {
        let detail = format!("The method {method} is not taken here; there are {allow}.");
        Self::new(405, "Method not allowed", detail)
    }

    /// What is acted on is not in a state that allows it.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(409, "Conflict", detail)
    }

    /// A message that was read again is refused.
    pub fn refused(refusal: &Refusal) -> Self {
        let status = if refusal.code.is_retryable() { 503 } else { 422 };
        let retry_after = refusal.retry_after_seconds();
        Self { code: Some(refusal.code.as_str()), retry_after, ..Self::new(status, "Refused", &refusal.message) }
    }

    /// A message is refused, for what this field of it says where it is one.
    pub fn of_message(refusal: &Refusal, field: Option<&str>) -> Self {
        let status = refusal.code.http_status().unwrap_or(400);
        let retry_after = refusal.retry_after_seconds();
        let (code, field) = (Some(refusal.code.as_str()), field.map(str::to_owned));
        Self { code, field, retry_after, ..Self::new(status, "Refused", &refusal.message) }
    }

    /// A configuration is not usable, for these reasons, and the one before stays in force.
    pub fn not_usable(faults: Vec<String>) -> Self {
        let detail = "The configuration is not usable; the old one stays in force.";
        Self { faults: faults.into(), ..Self::new(422, "Not usable", detail) }
    }

    /// Whether it is that a message is refused for what it says.
    pub fn is_refusal(&self) -> bool {
        self.status == 422 && self.code.is_some()
    }

    /// Whether it is that what is acted on is in another state.
    pub fn is_conflict(&self) -> bool {
        self.status == 409
    }

    /// There is no such thing, or the token may not see it.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, "Not found", detail)
    }
}

impl From<Unavailable> for Problem {
    fn from(reason: Unavailable) -> Self {
        let retry_after = Some(reason.retry_after().as_secs());
        Self { retry_after, ..Self::new(503, "Unavailable", format!("The journal cannot answer: {reason}.")) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut answer = HttpResponse::build(self.status_code());
        answer.content_type("application/problem+json");
        if self.status == 401 && self.code.is_none() {
            answer.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"imper-bridge admin\""));
        }
        if let Some(seconds) = self.retry_after {
            answer.insert_header((header::RETRY_AFTER, seconds));
        }
        answer.body(serde_json::to_string(self).expect("a problem is texts and serialises"))
    }
}

impl actix_web::Responder for Problem {
    type Body = BoxBody;

    fn respond_to(self, _: &actix_web::HttpRequest) -> HttpResponse<BoxBody> {
        self.error_response()
    }
}
