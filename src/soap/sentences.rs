//! What a refused request is told: where, what was expected there, what was found, what to do.

use super::content::shown;
use super::payload::{Element, Payload, Place};
use super::suggest;
use crate::refusal::{Code, Refusal};

/// Two spellings of the same thing differ.
pub(super) fn conflicting(payload: &Payload<'_>, one: (Element, &str), other: (Element, &str)) -> Refusal {
    let (path, one_name, other_name) = (payload.path(Place::Application), one.0.name(), other.0.name());
    let message = format!(
        "{path}/{one_name} (\"{}\") and {other_name} (\"{}\") are the same thing and differ: send one of them.",
        one.1, other.1
    );
    Refusal::new(Code::ConflictingElements, message)
}

/// There is no `Job_Application`.
pub(super) fn missing_application(payload: &Payload<'_>) -> Refusal {
    let mut message = format!("{}/Job_Application is required and is missing", payload.path(Place::Request));
    if let Some(name) = suggest::near("Job_Application", payload.unknown(Place::Request)) {
        message += &format!("; {} stands there: did you mean Job_Application?", shown(name));
    } else {
        message.push('.');
    }
    Refusal::new(Code::MissingElement, message)
}

/// A required element, under any of its names, is not there, or holds nothing.
pub(super) fn missing(payload: &Payload<'_>, names: &[Element]) -> Refusal {
    let held = names.iter().find(|element| payload.held(**element).is_some());
    let path = payload.path(Place::In(*held.unwrap_or(&names[0])));
    if let Some(&element) = held {
        let inside = if element.is_text() { "" } else { "/ID" };
        let mut message = format!("{path}{inside} is required and is missing or empty");
        match suggest::near("ID", payload.unknown(Place::In(element))) {
            Some(name) if !element.is_text() => message += &format!("; {} stands there: did you mean ID?", shown(name)),
            _ => message.push('.'),
        }
        return Refusal::new(Code::MissingElement, message);
    }
    let mut message = format!("{path} is required and is missing");
    let found: Vec<String> = payload.found().map(shown).collect();
    if found.is_empty() {
        message += "; Job_Application is empty.";
        return Refusal::new(Code::MissingElement, message);
    }
    message += &format!("; found there: {}.", found.join(", "));
    let near = |wanted: &Element| {
        suggest::near(wanted.name(), payload.unknown(Place::Application)).map(|found| (wanted.name(), found))
    };
    if let Some((wanted, found)) = names.iter().find_map(near) {
        message += &format!(" {} is not known: did you mean {wanted}?", shown(found));
    }
    Refusal::new(Code::MissingElement, message)
}

/// A reference holds several IDs, or one of an applicant, and none that is taken.
pub(super) fn no_usable_id(payload: &Payload<'_>, element: Element, types: &[String]) -> Refusal {
    let path = payload.path(Place::In(element));
    let found: Vec<&str> = payload.ids(element).map(|id| &*id.id_type).collect();
    let shown_types: Vec<String> =
        found.iter().map(|id_type| if id_type.is_empty() { "(no type)".to_owned() } else { shown(id_type) }).collect();
    let mut message = format!(
        "{path} holds no ID of a type that is taken: expected {}; found {}.",
        types.join(" or "),
        shown_types.join(", ")
    );
    let near = |wanted: &String| suggest::near(wanted, found.iter().copied()).map(|found| (wanted.clone(), found));
    if let Some((wanted, found)) = types.iter().find_map(near) {
        message += &format!(" {} is not known: did you mean {wanted}?", shown(found));
    }
    Refusal::new(Code::NoUsableId, message)
}
