//! The relay's own JSON contract, read: what Orchestrate tenants and other bridges post.
//!
//! Two shapes are taken, those of the relay. The webhook says its event type itself and when it
//! occurred; the state change is inferred from, like a SOAP message. As there, what is unknown is
//! skipped, what stands twice is refused, and what is empty counts as absent.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::domain::{ApplicationId, CandidateId, InvalidId, Occurred, Position, RequisitionId, StateChange, Text};
use crate::refusal::{Code, Refusal};

/// The keys that only the webhook has, and those that only the state change has.
const WEBHOOK: [&str; 3] = ["event_type", "job_requisition_id", "timestamp"];
const STATE_CHANGE: [&str; 4] = ["requisition_id", "stage", "step", "status"];

/// The longest stage, step or status that is taken, in bytes.
const MAX_TEXT: usize = crate::domain::change::MAX_TEXT_BYTES;

/// Why a body is refused, and which of its fields is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The field; `None`: the body as a whole.
    pub field: Option<&'static str>,
    /// What is told.
    pub refusal: Refusal,
}

fn wrong(field: &'static str, code: Code, message: impl Into<String>) -> Wrong {
    Wrong { field: Some(field), refusal: Refusal::new(code, message) }
}

/// Reads a body in either shape. Where `stage_required`, the webhook is refused, as it has none.
///
/// # Errors
/// What is wrong, in which field, and what would do.
pub fn read(body: &[u8], stage_required: bool) -> Result<StateChange, Wrong> {
    let fields = Fields::of(body)?;
    let has = |keys: &[&'static str]| keys.iter().copied().find(|key| fields.value(key).is_some());
    match (has(&WEBHOOK), has(&STATE_CHANGE)) {
        (Some(one), Some(other)) => {
            let message =
                format!("The body mixes two shapes: '{one}' is of the webhook, '{other}' of the state change.");
            Err(wrong(one, Code::ConflictingElements, message))
        }
        (Some(_), None) if stage_required => Err(wrong(
            "stage",
            Code::MissingElement,
            "'stage' is missing: this organisation's relay is sent a stage with every event, so send the state change's six keys.",
        )),
        (Some(_), None) => fields.webhook(),
        (None, _) => fields.state_change(),
    }
}

/// The members of a JSON object, in their order.
struct Fields(Vec<(String, Value)>);

impl Fields {
    fn of(body: &[u8]) -> Result<Self, Wrong> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        members(body).map(Self).map_err(|error| {
            let message = format!("The body is no JSON object with distinct keys: {error}.");
            Wrong { field: None, refusal: Refusal::new(Code::BadRequest, message) }
        })
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value).filter(|value| !value.is_null())
    }

    /// A text without outer white space; an empty one is absent.
    fn text(&self, key: &'static str) -> Result<Option<&str>, Wrong> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Some(other) => {
                let kind = kind(other);
                Err(wrong(key, Code::InvalidValue, format!("'{key}' is {kind}; expected a text.")))
            }
        }
    }

    fn required(&self, key: &'static str, expected: &str) -> Result<&str, Wrong> {
        let missing = || wrong(key, Code::MissingElement, format!("'{key}' is missing or empty; expected {expected}."));
        self.text(key)?.ok_or_else(missing)
    }

    fn id<T>(&self, key: &'static str, make: impl Fn(&str) -> Result<T, InvalidId>) -> Result<T, Wrong> {
        let text = self.required(key, "the id that Workday gives it")?;
        make(text).map_err(|error| wrong(key, Code::InvalidValue, format!("'{key}' {error}.")))
    }

    fn named(&self, key: &'static str) -> Result<Option<Text>, Wrong> {
        let text = self.text(key)?;
        if text.is_some_and(|text| text.len() > MAX_TEXT) {
            return Err(wrong(key, Code::InvalidValue, format!("'{key}' is longer than {MAX_TEXT} bytes.")));
        }
        Ok(text.and_then(Text::new))
    }

    fn webhook(&self) -> Result<StateChange, Wrong> {
        let types = "interview_started, interview_ended, interview_stage_started or interview_stage_ended";
        let event_type = self.required("event_type", types)?;
        let told = Position::told_by(event_type).ok_or_else(|| {
            wrong("event_type", Code::InvalidValue, format!("'event_type' is '{event_type}'; expected {types}."))
        })?;
        let occurred = self.text("timestamp")?.map(|text| {
            Occurred::parse(text).ok_or_else(|| {
                let message = format!("'timestamp' is '{text}'; expected a time such as 2026-04-09T14:30:00Z.");
                wrong("timestamp", Code::InvalidValue, message)
            })
        });
        let (told, occurred) = (Some(told), occurred.transpose()?);
        Ok(StateChange { told, occurred, ..self.change("job_requisition_id")? })
    }

    fn state_change(&self) -> Result<StateChange, Wrong> {
        let change = self.change("requisition_id")?;
        self.required("stage", "the recruiting stage, as no event_type says what happened")?;
        let (stage, step, status) = (self.named("stage")?, self.named("step")?, self.named("status")?);
        Ok(StateChange { stage, step, status, ..change })
    }

    /// What both shapes say.
    fn change(&self, requisition: &'static str) -> Result<StateChange, Wrong> {
        Ok(StateChange {
            candidate: self.id("candidate_id", CandidateId::new)?,
            application: self.id("job_application_id", ApplicationId::new)?,
            requisition: self.id(requisition, RequisitionId::new)?,
            stage: None,
            stage_aliases: Vec::new(),
            step: None,
            status: None,
            told: None,
            occurred: None,
        })
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The members of a JSON object, in their order, each key once.
///
/// # Errors
/// When the body is something else, or a key stands twice.
pub fn members(body: &[u8]) -> serde_json::Result<Vec<(String, Value)>> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let members = reader.deserialize_map(Members)?;
    reader.end().map(|()| members)
}

/// Reads an object and refuses a key that stands twice: which of the two counts is anybody's guess.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            if fields.iter().any(|(earlier, _)| *earlier == key) {
                return Err(serde::de::Error::custom(format!("the key '{key}' stands twice")));
            }
            fields.push((key, value));
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn five() -> Value {
        json!({
            "event_type": "interview_stage_started", "candidate_id": "W12345", "job_application_id": " A1 ",
            "job_requisition_id": "REQ678", "timestamp": "2026-04-09T14:30:00Z"
        })
    }

    fn six() -> Value {
        json!({
            "candidate_id": "W12345", "job_application_id": "A1", "requisition_id": "REQ678",
            "stage": "Interview", "step": "Phone Screen", "status": null
        })
    }

    fn with(mut body: Value, key: &str, value: Value) -> Vec<u8> {
        body[key] = value;
        body.to_string().into_bytes()
    }

    #[test]
    fn both_shapes_are_read() {
        let webhook = read(five().to_string().as_bytes(), false).unwrap();
        assert_eq!((webhook.told, webhook.application.as_str(), &webhook.stage), (Some(Position::In), "A1", &None));
        assert_eq!(webhook.occurred.unwrap().at.to_string(), "2026-04-09T14:30:00Z");
        let change = read(&with(six(), "extra", json!([1])), true).unwrap();
        assert_eq!((change.told, change.stage.unwrap().as_str(), change.status), (None, "Interview", None));
        let marked = [b"\xef\xbb\xbf".as_slice(), six().to_string().as_bytes()].concat();
        assert!(read(&marked, false).is_ok(), "a byte order mark is skipped");
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        for (body, field, said) in [
            (with(five(), "event_type", json!("state_changed")), "event_type", "'state_changed'"),
            (with(five(), "event_type", Value::Null), "event_type", "missing"),
            (with(five(), "candidate_id", json!("  ")), "candidate_id", "missing or empty"),
            (with(five(), "candidate_id", json!(7)), "candidate_id", "a number"),
            (with(five(), "job_application_id", json!("a\nb")), "job_application_id", "control character"),
            (with(five(), "timestamp", json!("soon")), "timestamp", "2026-04-09T14:30:00Z"),
            (with(five(), "stage", json!("Interview")), "event_type", "mixes two shapes"),
            (with(six(), "stage", json!("")), "stage", "missing or empty"),
            (with(six(), "requisition_id", Value::Null), "requisition_id", "missing"),
            (with(six(), "step", json!("x".repeat(1025))), "step", "longer than 1024"),
        ] {
            let wrong = read(&body, false).unwrap_err();
            assert_eq!(wrong.field, Some(field), "{wrong:?}");
            assert!(wrong.refusal.message.contains(said), "{wrong:?}");
        }
        assert_eq!(read(five().to_string().as_bytes(), true).unwrap_err().field, Some("stage"));
        for (body, said) in [
            ("", "EOF"),
            ("[]", "expected an object"),
            ("{\"a\":1,\"a\":2}", "'a' stands twice"),
            ("{} {}", "trailing"),
        ] {
            let wrong = read(body.as_bytes(), false).unwrap_err();
            assert!(wrong.field.is_none() && wrong.refusal.message.contains(said), "{body}: {wrong:?}");
        }
    }
}
