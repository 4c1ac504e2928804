//! Job applications: those in an interview, and the path of one through its stages.

use actix_web::HttpRequest;
use actix_web::web::{Data, Path, Payload};
use askama::Template;

use super::drawing::Drawing;
use super::form::{Form, SHORT};
use super::paging::{self, LIMIT, Pager};
use super::show::{self, Moment, age, event_type};
use super::{Answer, Frame, done, page, visitor};
use crate::admin::applications::{ByHand, all, find, ids, move_by_hand};
use crate::admin::parameters::Parameters;
use crate::admin::routes::Routes;
use crate::admin::{Admin, Problem};
use crate::config::Handler;
use crate::domain::{ApplicationId, CandidateId, OrgId, Outcome};
use crate::journal::{ApplicationFilter, ApplicationRecord, AttemptOutcome, DeliveryState, EventFilter, EventRecord};

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/applications", list)
        .get("/applications/{orgid}/{job_application_id}", one)
        .post("/applications/{orgid}/{job_application_id}/by-hand", by_hand)
}

#[derive(Template)]
#[template(path = "applications.html")]
struct List {
    frame: Frame,
    rows: Vec<Row>,
    pager: Pager,
}

/// An application in an interview.
struct Row {
    org: OrgId,
    application: ApplicationId,
    path: String,
    candidate: CandidateId,
    stage: String,
    since: Option<(Moment, String)>,
}

async fn list(admin: Data<Admin>, request: HttpRequest) -> Answer {
    let visitor = visitor(&admin, &request)?;
    let here = paging::here(&paging::asked(&request));
    let filter = ApplicationFilter { orgs: visitor.token.orgs.clone() };
    let part = admin.journal.in_interview(filter, here, LIMIT).await?;
    let now = admin.clock.now();
    let row = |record: ApplicationRecord| {
        let event = record.latest.event;
        Row {
            path: show::application(&event.orgid, &event.job_application_id),
            org: event.orgid,
            application: event.job_application_id,
            candidate: event.candidate_id,
            stage: event.stage.map(|stage| stage.as_str().to_owned()).unwrap_or_default(),
            since: record.in_interview_since.map(|since| (Moment::new(since, now), age(since, now))),
        }
    };
    page(&List {
        frame: Frame::new(&admin, &request, &visitor, "/applications"),
        rows: part.items.into_iter().map(row).collect(),
        pager: Pager::new("/applications", here, part.next, ["The longest", "More"]),
    })
}

#[derive(Template)]
#[template(path = "application.html")]
struct Page {
    frame: Frame,
    org: OrgId,
    application: ApplicationId,
    candidate: CandidateId,
    path: String,
    is_in: bool,
    protection: (&'static str, String),
    drawing: Option<Drawing>,
    steps: Vec<Step>,
}

/// A step of the path.
struct Step {
    id: String,
    at: Moment,
    name: &'static str,
    is_stale: bool,
    stage: String,
    step: String,
    status: String,
}

impl Step {
    fn new(record: &EventRecord, now: jiff::Timestamp) -> Self {
        let event = &record.event;
        let text =
            |text: &Option<crate::domain::Text>| text.as_ref().map_or(String::new(), |text| text.as_str().into());
        Self {
            id: event.event_id.to_string(),
            at: Moment::new(event.timestamp, now),
            name: event_type(event.event_type),
            is_stale: record.outcome == Outcome::Stale,
            stage: text(&event.stage),
            step: text(&event.step),
            status: text(&event.status),
        }
    }
}

async fn one(admin: Data<Admin>, request: HttpRequest, path: Path<(String, String)>) -> Answer {
    let visitor = visitor(&admin, &request)?;
    let (org, application) = ids(&path)?;
    let record = find(&admin, &visitor.token, &org, &application).await?;
    let filter =
        EventFilter { orgs: Some(vec![org.clone()]), application: Some(application.clone()), ..EventFilter::default() };
    let mut events = all(&admin, filter).await?;
    events.reverse();
    let now = admin.clock.now();
    page(&Page {
        frame: Frame::new(&admin, &request, &visitor, "/applications"),
        path: show::application(&org, &application),
        is_in: record.in_interview_since.is_some(),
        candidate: record.latest.event.candidate_id,
        protection: protection(&admin, &org, &events).await?,
        drawing: Drawing::of(&events, now),
        steps: events.iter().map(|record| Step::new(record, now)).collect(),
        org,
        application,
    })
}

/// Whether the candidate should be protected for the application, and what is known of that it is: a
/// mark and a sentence.
async fn protection(admin: &Admin, org: &OrgId, events: &[EventRecord]) -> Result<(&'static str, String), Problem> {
    let mut applied = events.iter().filter(|record| record.outcome != Outcome::Stale);
    let Some(last) = applied.rfind(|record| record.event.event_type.is_boundary()) else {
        return Ok(("", "Protection should be OFF: no interview is known of.".into()));
    };
    let wanted = match last.event.event_type {
        crate::domain::EventType::InterviewStarted => "ON",
        _ => "OFF",
    };
    let now = admin.clock.now();
    let since = Moment::new(last.event.timestamp, now);
    let organisation = admin.public.organisations.get(org.as_str());
    let who = match organisation.as_deref().map(|organisation| &organisation.handler) {
        Some(Handler::InProcess) => "this bridge",
        _ => "the relay",
    };
    let acknowledged = match last.state {
        DeliveryState::Delivered => {
            let attempts = admin.journal.event(last.event.event_id).await?.map(|(_, attempts)| attempts);
            let taken =
                attempts.unwrap_or_default().into_iter().rev().find(|each| each.outcome == AttemptOutcome::Delivered);
            let at = taken.map_or_else(String::new, |attempt| format!(" at {}", Moment::new(attempt.at, now)));
            ("good", format!("{who} acknowledged {wanted}{at}"))
        }
        DeliveryState::Dead => ("bad", format!("{who} did NOT take it, and it was given up")),
        DeliveryState::Pending | DeliveryState::None => ("look", format!("{who} has not acknowledged it yet")),
    };
    Ok((acknowledged.0, format!("Protection should be {wanted} since {since}; {}.", acknowledged.1)))
}

async fn by_hand(admin: Data<Admin>, request: HttpRequest, path: Path<(String, String)>, payload: Payload) -> Answer {
    let visitor = visitor(&admin, &request)?;
    let form = Form::of(&admin, &request, payload, &visitor, SHORT).await?;
    let (org, application) = ids(&path)?;
    visitor.token.act_on(&org)?;
    let fields = ["event_type", "reason"].map(|name| (name.to_owned(), form.field(name).to_owned()));
    let fields = fields.into_iter().filter(|(_, value)| !value.trim().is_empty());
    let ByHand { event_type: told, reason } = ByHand::of(&Parameters::of_form(fields.collect()))?;
    let record = find(&admin, &visitor.token, &org, &application).await?;
    let receipt = move_by_hand(&admin, &org, record, told, &visitor.token.name, reason.as_deref()).await?;
    let notice = format!("{}, by hand.", event_type(receipt.event_type()));
    Ok(done(&admin, &visitor, notice, &show::application(&org, &application)))
}
