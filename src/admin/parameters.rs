//! The query parameters and bodies of the API: unknown keys and bad values are refused by name.

use std::str::FromStr;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::Payload;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use utoipa::IntoParams;

use super::{Admin, Problem};
use crate::intake;
use crate::journal::Cursor;
use crate::net::{self, BodyLimits, Sender};
use crate::refusal::{Code, Refusal};

/// How many entries a page has unless the caller says otherwise, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// The longest body, in bytes: all that is taken is a few short texts.
const MAX_BODY: usize = 64 * 1024;

/// The parameters of one request, taken one by one.
pub(super) struct Parameters(Vec<(String, String)>);

/// Which part of a list is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// How many entries at most.
    #[param(value_type = u16, required = false, minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: usize,
    /// Where to go on: the `next` of the page before. It stays right when entries are added.
    #[param(value_type = String, required = false, pattern = "^[0-9a-f]{1,12}$")]
    pub(super) cursor: Option<Cursor>,
}

impl Paging {
    /// The names of its parameters.
    pub(super) const NAMES: &[&str] = &["limit", "cursor"];
}

impl Parameters {
    /// Reads the query.
    ///
    /// # Errors
    /// When a name is not among `known` or stands twice, or when the URL does not stand for UTF-8.
    pub(super) fn of(request: &HttpRequest, known: &[&str]) -> Result<Self, Problem> {
        let query = request.query_string();
        check_utf8("path", request.uri().path())?;
        check_utf8("query", query)?;
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        for (place, (name, _)) in pairs.iter().enumerate() {
            check_name(name, "parameter", known)?;
            if pairs[..place].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::bad_parameter(name, format!("The parameter '{name}' stands twice.")));
            }
        }
        Ok(Self(pairs))
    }

    /// The fields of a form of the console.
    pub(super) fn of_form(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }

    /// Reads a body: an object of these texts and these truth values, or nothing (`null` is nothing).
    ///
    /// # Errors
    /// When it is something else, does not arrive, or holds another key or the same one twice.
    pub(super) async fn of_body(
        admin: &Admin,
        request: &HttpRequest,
        payload: Payload,
        texts: &[&str],
        flags: &[&str],
    ) -> Result<Self, Problem> {
        let whole = |refusal: Refusal| Problem::of_message(&refusal, Some("body"));
        let within = admin.public.organisations.current().limits().request;
        let limits = BodyLimits { bytes: MAX_BODY, within, sender: Sender::Known };
        let body = net::read_body(request, payload, limits).await;
        let body = body.map_err(|unread| whole(unread.refusal))?;
        if matches!(body.trim_ascii(), b"" | b"null") {
            return Ok(Self(Vec::new()));
        }
        check_media(request).map_err(whole)?;
        let no_object = |error| Problem::bad_parameter("body", format!("The body is no JSON object: {error}."));
        let known = [texts, flags].concat();
        let mut pairs = Vec::new();
        for (name, value) in intake::members(&body).map_err(no_object)? {
            check_name(&name, "key", &known)?;
            let value = match value {
                Value::String(text) if texts.contains(&name.as_str()) => text,
                Value::Bool(flag) if flags.contains(&name.as_str()) => flag.to_string(),
                other => {
                    let expected = if flags.contains(&name.as_str()) { "true or false" } else { "a text" };
                    let detail = format!("'{name}' is {other}; expected {expected}, or no such key.");
                    return Err(Problem::bad_parameter(&name, detail));
                }
            };
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// Whether nothing was given.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A truth value; `false` where it is not given.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        Ok(self.parse::<bool>(name, "true or false")?.unwrap_or(false))
    }

    /// The value of one parameter, read by `read`.
    ///
    /// # Errors
    /// When `read` refuses it; `expected` says what would do.
    pub(super) fn take<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some((_, value)) = self.0.iter().find(|(each, _)| each == name) else { return Ok(None) };
        let refuse = || Problem::bad_parameter(name, format!("'{name}' is '{value}'; expected {expected}."));
        read(value).map(Some).ok_or_else(refuse)
    }

    /// As [`take`](Self::take), for what reads itself from text.
    pub(super) fn parse<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, Problem> {
        self.take(name, expected, |value| value.parse().ok())
    }

    /// How many entries are asked for.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let limit = self.take("limit", "a number from 1 to 1000", |value| {
            value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit))
        });
        Ok(limit?.unwrap_or(DEFAULT_LIMIT))
    }

    /// Which part of a list is asked for.
    pub(super) fn paging(&self) -> Result<Paging, Problem> {
        let cursor = self.take("cursor", "the 'next' of an earlier page", place);
        Ok(Paging { limit: self.limit()?, cursor: cursor? })
    }
}

/// What is not UTF-8 would be read as U+FFFD, and stand for another id than was meant.
fn check_utf8(part: &str, encoded: &str) -> Result<(), Problem> {
    match percent_decode_str(encoded).decode_utf8() {
        Ok(_) => Ok(()),
        Err(_) => Err(Problem::bad_parameter(part, format!("The {part} of the URL is not UTF-8."))),
    }
}

fn check_name(name: &str, kind: &str, known: &[&str]) -> Result<(), Problem> {
    if known.contains(&name) {
        return Ok(());
    }
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(Problem::bad_parameter(name, format!("There is no {kind} '{name}' here; there are {known}.")))
}

/// Takes JSON, and what curl and others call a body of which nobody said what it is.
fn check_media(request: &HttpRequest) -> Result<(), Refusal> {
    let content_type = request.headers().get(header::CONTENT_TYPE).map_or(Ok(""), |value| value.to_str());
    let media = content_type.unwrap_or("?").split(';').next().unwrap_or_default().trim();
    let taken = ["", "application/json", "application/x-www-form-urlencoded"];
    if taken.iter().any(|each| media.eq_ignore_ascii_case(each)) {
        return Ok(());
    }
    let message = format!("The Content-Type is '{media}'; expected application/json.");
    Err(Refusal::new(Code::UnsupportedMediaType, message))
}

/// The cursor that a caller shows.
pub(super) fn place(text: &str) -> Option<Cursor> {
    let hexadecimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let place = u64::from_str_radix(text, 16).ok().filter(|place| hexadecimal && *place < 1 << 48);
    place.map(Cursor)
}

/// A cursor as callers see it.
pub(super) fn shown(cursor: Option<Cursor>) -> Option<String> {
    cursor.map(|Cursor(place)| format!("{place:x}"))
}
