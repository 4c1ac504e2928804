//! What a refused request is told: where, what was expected there, what was found, what to do.

use super::content::shown;
use super::element::Element;
use super::payload::{Payload, Place, Stray};
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
    let (place, wanted) = (Place::Request, "Job_Application");
    let near = suggest::near(wanted, payload.unknown(place)).map(|found| (wanted, found));
    let found = listed(strays(payload, place));
    missing_at(&format!("{}/{wanted}", payload.path(place)), &found, near, "")
}

/// A required element, under any of its names, is not there, or holds nothing.
pub(super) fn missing(payload: &Payload<'_>, names: &[Element]) -> Refusal {
    let place = Place::Application;
    let near =
        |wanted: &Element| suggest::near(wanted.name(), payload.unknown(place)).map(|found| (wanted.name(), found));
    let near = names.iter().find_map(near);
    if let Some(&element) = names.iter().find(|element| payload.held(**element).is_some()) {
        return empty(payload, element, near);
    }
    let found = listed(payload.known().map(str::to_owned).chain(strays(payload, place)));
    missing_at(&payload.path(Place::In(names[0])), &found, near, "")
}

/// A required element is there and holds no value; perhaps it stands beside it, misspelt.
fn empty(payload: &Payload<'_>, element: Element, beside: Option<(&str, &str)>) -> Refusal {
    let place = Place::In(element);
    let descriptor =
        payload.held(element).map(|held| held.descriptor.trim()).filter(|descriptor| !descriptor.is_empty());
    let descriptor = descriptor.map(|descriptor| format!("the Descriptor \"{}\"", shown(descriptor)));
    let found = listed(strays(payload, place).chain(descriptor));
    if element.is_text() {
        let elements = payload.unknown(place).next().map_or("", |_| " It takes text, and no elements.");
        return missing_at(&payload.path(place), &found, beside, elements);
    }
    let near = suggest::near("ID", payload.unknown(place)).map(|found| ("ID", found)).or(beside);
    let text = payload.strays(place).any(|stray| matches!(stray, Stray::Text(_)));
    missing_at(
        &format!("{}/ID", payload.path(place)),
        &found,
        near,
        if text { " Put the text into an ID." } else { "" },
    )
}

/// What was expected where, what was found there, and what to do about it.
fn missing_at(path: &str, found: &str, near: Option<(&str, &str)>, advice: &str) -> Refusal {
    let mut message = format!("{path} is required and is missing or empty; found there: {found}.{advice}");
    if let Some((wanted, found)) = near {
        message += &format!(" {} is not known: did you mean {wanted}?", shown(found));
    }
    Refusal::new(Code::MissingElement, message)
}

fn strays<'p>(payload: &'p Payload<'_>, place: Place) -> impl Iterator<Item = String> + 'p {
    payload.strays(place).map(|stray| match stray {
        Stray::Element(name) => shown(name),
        Stray::Text(text) => format!("the text \"{}\"", shown(text.trim())),
        Stray::EmptyId => "an empty ID".to_owned(),
        Stray::Nil => "xsi:nil".to_owned(),
    })
}

fn listed(found: impl Iterator<Item = String>) -> String {
    let found: Vec<String> = found.collect();
    if found.is_empty() { "nothing".to_owned() } else { found.join(", ") }
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

#[cfg(test)]
mod tests {
    use crate::soap::{Head, Profile, read};
    use crate::xml::Limits;

    fn refusal(xml: &str) -> String {
        let head = Head { content_type: Some("application/xml"), ..Head::default() };
        read(xml.as_bytes(), &head, &Profile::default(), Limits::default()).expect_err(xml).refusal.message
    }

    #[test]
    fn what_is_missing_is_told_with_what_stands_in_its_place() {
        const WHOLE: &str = "<TriggerCandidateStateChange_Request><Job_Application>\
            <Job_Application_ID>A1</Job_Application_ID><Candidate_Reference><ID>C1</ID></Candidate_Reference>\
            <Requisition_Reference><ID>R1</ID></Requisition_Reference><Stage>Interview</Stage></Job_Application>\
            </TriggerCandidateStateChange_Request>";
        let application = "/TriggerCandidateStateChange_Request/Job_Application";
        for (from, to, place, says) in [
            ("<ID>C1</ID>", "C1", "/Candidate_Reference/ID", "found there: the text \"C1\". Put the text into an ID."),
            ("<ID>C1</ID>", " <![CDATA[C1]]> ", "/Candidate_Reference/ID", "found there: the text \"C1\"."),
            ("<ID>C1</ID>", "", "/Candidate_Reference/ID", "found there: nothing."),
            ("<ID>C1</ID>", "<ID> </ID>", "/Candidate_Reference/ID", "found there: an empty ID."),
            ("<ID>C1</ID>", "<WID>C1</WID>", "/Candidate_Reference/ID", "found there: WID."),
            (
                "<ID>C1</ID>",
                "<Id>C1</Id>",
                "/Candidate_Reference/ID",
                "found there: Id. Id is not known: did you mean ID?",
            ),
            (
                "<Candidate_Reference><ID>C1</ID>",
                "<Candidate_Reference Descriptor='Anna'>",
                "/Candidate_Reference/ID",
                "found there: the Descriptor \"Anna\".",
            ),
            (
                "<Candidate_Reference>",
                "<Candidate_Reference xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:nil='true'>",
                "/Candidate_Reference/ID",
                "found there: xsi:nil.",
            ),
            (">A1<", "> <", "/Job_Application_ID", "found there: nothing."),
            (">A1<", "><ID>A1</ID><", "/Job_Application_ID", "found there: ID. It takes text, and no elements."),
            ("<Stage>Interview</Stage>", "Interview", "/Stage", "Requisition_Reference, the text \"Interview\"."),
            (">Interview<", "><", "/Stage", "found there: nothing."),
            (
                "<Stage>Interview</Stage>",
                "<Stage/><Stagee>Interview</Stagee>",
                "/Stage",
                "found there: nothing. Stagee is not known: did you mean Stage?",
            ),
        ] {
            assert!(WHOLE.contains(from), "{from}");
            let told = refusal(&WHOLE.replacen(from, to, 1));
            assert_eq!(told.split(' ').next(), Some(&*format!("{application}{place}")), "{told}");
            assert!(told.contains(" is required and is missing or empty; ") && told.contains(says), "{told}");
        }
        for (inside, says) in [
            ("", "found there: nothing."),
            ("A1", "found there: the text \"A1\"."),
            ("<Stage>a</Stage><Step/>", "found there: Stage, Step."),
            (
                "<Job_Aplication/>",
                "found there: Job_Aplication. Job_Aplication is not known: did you mean Job_Application?",
            ),
            ("<Job_Application>A1</Job_Application>", "found there: the text \"A1\"."),
        ] {
            let told = refusal(&format!(
                "<TriggerCandidateStateChange_Request>{inside}</TriggerCandidateStateChange_Request>"
            ));
            assert!(told.starts_with(application) && told.contains(says), "{told}");
        }
    }
}
