//! What a request says: the wire's elements become a [`StateChange`].
//!
//! Each rule of the reading, as `docs/soap.md` has them, is one function here; what they refuse is named by its path,
//! with what was expected there and what was found.

use super::content::shown;
use super::element::Element;
use super::payload::{Payload, Place};
use super::profile::Profile;
use super::sentences::{conflicting, missing, missing_application, no_usable_id};
use crate::domain::change::MAX_TEXT_BYTES;
use crate::domain::{ApplicationId, CandidateId, InvalidId, Occurred, Position, RequisitionId, StateChange, Text};
use crate::refusal::{Code, Refusal};

type Result<T> = std::result::Result<T, Refusal>;

/// Reads a request; `event` is what the endpoint's URL says of its event type.
pub(super) fn state_change(payload: &Payload<'_>, profile: &Profile, event: Option<&str>) -> Result<StateChange> {
    if let Some(problem) = &payload.problem {
        return Err(problem.clone());
    }
    if !payload.has_application() {
        return Err(missing_application(payload));
    }
    let types = &profile.id_types;
    let told = told(payload, event)?;
    let application = application_id(payload, &types.job_application)?;
    let candidate = reference(payload, Element::CandidateReference, &types.candidate)?;
    let candidate = candidate.ok_or_else(|| missing(payload, &[Element::CandidateReference]))?;
    let requisition = requisition_id(payload, &types.job_requisition)?;
    let stage = either(payload, Element::Stage, Element::StageReference, "Recruiting_Stage_ID")?;
    if stage.first.is_none() && (told.is_none() || profile.stage_always_required) {
        return Err(missing(payload, &[Element::Stage, Element::StageReference]));
    }
    let step = either(payload, Element::Step, Element::WorkflowStepReference, "Workflow_Step_ID")?;
    Ok(StateChange {
        application: id(payload, application, ApplicationId::new)?,
        candidate: id(payload, (Element::CandidateReference, candidate), CandidateId::new)?,
        requisition: id(payload, requisition, RequisitionId::new)?,
        stage: stage.first,
        stage_aliases: stage.others,
        step: step.first,
        status: status(payload)?,
        told,
        occurred: occurred(payload)?,
    })
}

/// An element and the value that was taken from it.
type Taken<'p> = (Element, &'p str);

fn application_id<'p>(payload: &'p Payload<'_>, types: &[String]) -> Result<Taken<'p>> {
    let (one, other) = (Element::JobApplicationId, Element::JobApplicationReference);
    let plain = text(payload, one).map(|value| (one, value));
    let referred = reference(payload, other, types)?.map(|value| (other, value));
    agreed(payload, plain, referred, |plain| payload.ids(other).any(|id| &*id.value == plain))?
        .ok_or_else(|| missing(payload, &[one, other]))
}

fn requisition_id<'p>(payload: &'p Payload<'_>, types: &[String]) -> Result<Taken<'p>> {
    let (one, other) = (Element::RequisitionReference, Element::JobRequisitionReference);
    let seeds = reference(payload, one, types)?.map(|value| (one, value));
    let workdays = reference(payload, other, types)?.map(|value| (other, value));
    agreed(payload, seeds, workdays, |seeds| payload.ids(other).any(|id| &*id.value == seeds))?
        .ok_or_else(|| missing(payload, &[one, other]))
}

/// One value out of two spellings of the same thing: the first, if the second `also_says` it.
fn agreed<'p>(
    payload: &Payload<'_>,
    one: Option<Taken<'p>>,
    other: Option<Taken<'p>>,
    also_says: impl Fn(&str) -> bool,
) -> Result<Option<Taken<'p>>> {
    match (one, other) {
        (Some(one), Some(other)) if !also_says(one.1) => {
            Err(conflicting(payload, (one.0, &shown(one.1)), (other.0, &shown(other.1))))
        }
        (one, other) => Ok(one.or(other)),
    }
}

fn id<T>(
    payload: &Payload<'_>,
    (element, value): Taken<'_>,
    new: impl Fn(&str) -> std::result::Result<T, InvalidId>,
) -> Result<T> {
    new(value).map_err(|error| {
        let path = payload.path(Place::In(element));
        Refusal::new(Code::InvalidValue, format!("The ID at {path} {error}: \"{}\".", shown(value)))
    })
}

/// An element's own text, trimmed; empty is absent.
fn text<'p>(payload: &'p Payload<'_>, element: Element) -> Option<&'p str> {
    payload.held(element).map(|held| held.text.trim()).filter(|text| !text.is_empty())
}

/// The ID that is taken from a reference: of the first type in the list that is there, or the only one.
fn reference<'p>(payload: &'p Payload<'_>, element: Element, types: &[String]) -> Result<Option<&'p str>> {
    for id_type in types {
        if let Some(value) = typed(payload, element, id_type)? {
            return Ok(Some(value));
        }
    }
    let mut ids = payload.ids(element);
    match (ids.next(), ids.next()) {
        (None, _) => Ok(None),
        (Some(id), None) if id.id_type != "Applicant_ID" => Ok(Some(&*id.value)),
        _ => Err(no_usable_id(payload, element, types)),
    }
}

/// The ID of one type. Two of one type must be equal, as nothing tells which is meant.
fn typed<'p>(payload: &'p Payload<'_>, element: Element, id_type: &str) -> Result<Option<&'p str>> {
    let mut values = payload.ids(element).filter(|id| id.id_type == id_type).map(|id| &*id.value);
    let first = values.next();
    match values.find(|value| Some(*value) != first) {
        None => Ok(first),
        Some(other) => {
            let path = payload.path(Place::In(element));
            let (first, other) = (shown(first.unwrap_or_default()), shown(other));
            let message = format!("{path} holds two IDs of the type {id_type}, \"{first}\" and \"{other}\": send one.");
            Err(Refusal::new(Code::ConflictingElements, message))
        }
    }
}

/// The names of one stage, step or status. The first is its value.
#[derive(Default)]
struct Names {
    first: Option<Text>,
    others: Vec<Text>,
}

impl Names {
    fn add(&mut self, payload: &Payload<'_>, element: Element, name: &str) -> Result<()> {
        let Some(text) = Text::new(name) else { return Ok(()) };
        if text.as_str().len() > MAX_TEXT_BYTES {
            let path = payload.path(Place::In(element));
            let message = format!("{path} is longer than {MAX_TEXT_BYTES} bytes: \"{}\".", shown(text.as_str()));
            return Err(Refusal::new(Code::InvalidValue, message));
        }
        if self.first.is_none() {
            self.first = Some(text);
        } else if !self.iter().any(|known| *known == text) {
            self.others.push(text);
        }
        Ok(())
    }

    fn iter(&self) -> impl Iterator<Item = &Text> {
        self.first.iter().chain(&self.others)
    }

    fn have_one_of(&self, other: &Self) -> bool {
        let same = |a: &Text, b: &Text| a == b || a.as_str().to_lowercase() == b.as_str().to_lowercase();
        self.iter().any(|a| other.iter().any(|b| same(a, b)))
    }

    fn shown(&self) -> String {
        shown(self.first.as_ref().map_or("", Text::as_str))
    }
}

/// The names that one element gives: its text, its Descriptor, its ID of the type that goes with it,
/// the WID, any other.
fn names(payload: &Payload<'_>, element: Element, id_type: &str) -> Result<Names> {
    let mut names = Names::default();
    let Some(held) = payload.held(element) else { return Ok(names) };
    names.add(payload, element, &held.text)?;
    names.add(payload, element, &held.descriptor)?;
    if payload.ids(element).next().is_some() {
        let types = [id_type.to_owned(), "WID".to_owned()];
        for id_type in &types {
            names.add(payload, element, typed(payload, element, id_type)?.unwrap_or_default())?;
        }
        if names.first.is_none() {
            names.add(payload, element, reference(payload, element, &types)?.unwrap_or_default())?;
        }
        for id in payload.ids(element) {
            names.add(payload, element, &id.value)?;
        }
    }
    Ok(names)
}

/// The names out of two spellings of the same thing, which must have one in common.
fn either(payload: &Payload<'_>, one: Element, other: Element, id_type: &str) -> Result<Names> {
    let mut names = names(payload, one, id_type)?;
    let second = self::names(payload, other, id_type)?;
    if names.first.is_some() && second.first.is_some() && !names.have_one_of(&second) {
        return Err(conflicting(payload, (one, &names.shown()), (other, &second.shown())));
    }
    for name in second.iter() {
        names.add(payload, other, name.as_str())?;
    }
    Ok(names)
}

/// `Current_Status` and `Status` are the same thing; a disposition is it only where `Current_Status`
/// is not given, which is how Workday itself tells them apart.
fn status(payload: &Payload<'_>) -> Result<Option<Text>> {
    const TYPE: &str = "Recruiting_Disposition_ID";
    let current = either(payload, Element::CurrentStatus, Element::Status, TYPE)?;
    if payload.held(Element::DispositionReference).is_none()
        || names(payload, Element::CurrentStatus, TYPE)?.first.is_some()
    {
        return Ok(current.first);
    }
    Ok(either(payload, Element::Status, Element::DispositionReference, TYPE)?.first)
}

/// Where the message says that the candidate is now, else the URL it was sent to.
fn told(payload: &Payload<'_>, event: Option<&str>) -> Result<Option<Position>> {
    let position = |value: &str, place: String| {
        Position::told_by(value).ok_or_else(|| {
            let value = shown(value);
            let expected =
                "expected interview_started, interview_ended, interview_stage_started or interview_stage_ended";
            Refusal::new(Code::InvalidValue, format!("{place} holds \"{value}\": {expected}."))
        })
    };
    let path = || payload.path(Place::In(Element::EventType));
    let element = text(payload, Element::EventType).map(|value| position(value, path())).transpose()?;
    let url = event.map(|value| position(value, "The parameter event of the URL".to_owned())).transpose()?;
    Ok(element.or(url))
}

fn occurred(payload: &Payload<'_>) -> Result<Option<Occurred>> {
    let (one, other) = (Element::EventTimestamp, Element::StatusTimestamp);
    let read = |element| {
        let Some(value) = text(payload, element) else { return Ok(None) };
        Occurred::parse(value).map(|occurred| Some((value, occurred))).ok_or_else(|| {
            let path = payload.path(Place::In(element));
            let expected = "expected a date and time such as 2026-04-09T14:30:00Z, or a date such as 2026-04-09";
            Refusal::new(Code::InvalidValue, format!("{path} holds \"{}\": {expected}.", shown(value)))
        })
    };
    match (read(one)?, read(other)?) {
        (Some(first), Some(second)) if first.1 != second.1 => {
            Err(conflicting(payload, (one, &shown(first.0)), (other, &shown(second.0))))
        }
        (first, second) => Ok(first.or(second).map(|(_, occurred)| occurred)),
    }
}
