//! The query parameters of the API: unknown ones and bad values are refused by name.

use std::str::FromStr;

use actix_web::HttpRequest;

use super::Problem;
use crate::journal::Cursor;

/// How many entries a page has unless the caller says otherwise, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// The parameters of one request, taken one by one.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads the query.
    ///
    /// # Errors
    /// When a name is not among `known` or stands twice.
    pub(super) fn of(request: &HttpRequest, known: &[&str]) -> Result<Self, Problem> {
        let pairs: Vec<_> = url::form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
        for (place, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let detail = format!("There is no parameter '{name}' here; there are {}.", known.join(", "));
                return Err(Problem::bad_parameter(name, detail));
            }
            if pairs[..place].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::bad_parameter(name, format!("The parameter '{name}' stands twice.")));
            }
        }
        Ok(Self(pairs))
    }

    /// Reads a body: an object of texts and truth values, or nothing.
    ///
    /// # Errors
    /// When it is something else, or holds a key that is not among `known`.
    pub(super) fn of_body(body: &[u8], known: &[&str]) -> Result<Self, Problem> {
        if body.trim_ascii().is_empty() {
            return Ok(Self(Vec::new()));
        }
        let object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body);
        let object =
            object.map_err(|error| Problem::bad_parameter("body", format!("The body is no JSON object: {error}.")))?;
        let mut pairs = Vec::new();
        for (name, value) in object {
            if !known.contains(&name.as_str()) {
                let detail = format!("There is no key '{name}' here; there are {}.", known.join(", "));
                return Err(Problem::bad_parameter(&name, detail));
            }
            match value {
                serde_json::Value::Null => {}
                serde_json::Value::String(text) => pairs.push((name, text)),
                serde_json::Value::Bool(value) => pairs.push((name, value.to_string())),
                other => {
                    let detail = format!("'{name}' is {other}; expected a text, or true or false.");
                    return Err(Problem::bad_parameter(&name, detail));
                }
            }
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

    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let limit = self.take("limit", "a number from 1 to 1000", |value| {
            value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit))
        });
        Ok(limit?.unwrap_or(DEFAULT_LIMIT))
    }

    pub(super) fn cursor(&self) -> Result<Option<Cursor>, Problem> {
        let cursor = self.take("cursor", "the 'next' of an earlier page", |value| {
            u64::from_str_radix(value, 16).ok().filter(|cursor| *cursor < 1 << 48)
        });
        Ok(cursor?.map(Cursor))
    }
}

/// A cursor as callers see it.
pub(super) fn shown(cursor: Option<Cursor>) -> Option<String> {
    cursor.map(|Cursor(place)| format!("{place:x}"))
}
