//! Who is protected, since when, and what was read back from Workday.

use actix_web::HttpRequest;
use actix_web::web::Data;
use askama::Template;
use jiff::Timestamp;

use super::show::{self, Moment, age};
use super::{Answer, Frame, page, visitor};
use crate::admin::Admin;
use crate::admin::parameters::shown;
use crate::admin::routes::Routes;
use crate::domain::{ApplicationId, CandidateId, OrgId, RequisitionId};
use crate::journal::{Cursor, ProtectionFilter, ProtectionRecord, ReadBackRecord, ReadBackState};

/// How many are shown at once.
const LIMIT: usize = 50;

pub(super) fn routes() -> Routes {
    Routes::default().get("/protections", list)
}

#[derive(Template)]
#[template(path = "protections.html")]
struct Page {
    frame: Frame,
    rows: Vec<Row>,
    over: bool,
    next: Option<String>,
}

/// A protection.
struct Row {
    org: OrgId,
    candidate: CandidateId,
    application: ApplicationId,
    path: String,
    requisition: RequisitionId,
    since: Option<Moment>,
    until: Option<Moment>,
    details: Vec<String>,
    read: String,
}

async fn list(admin: Data<Admin>, request: HttpRequest) -> Answer {
    let visitor = visitor(&admin, &request)?;
    let (mut over, mut cursor) = (false, None);
    for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
        match &*name {
            "active" => over = value == "false",
            "cursor" => cursor = u64::from_str_radix(&value, 16).ok().map(Cursor),
            _ => {}
        }
    }
    let filter = ProtectionFilter { orgs: visitor.token.orgs.clone(), active: Some(!over) };
    let part = admin.journal.protections(filter, cursor, LIMIT).await?;
    let now = admin.clock.now();
    page(&Page {
        frame: Frame::new(&admin, &request, &visitor, "/protections"),
        rows: part.items.into_iter().map(|record| Row::new(record, now)).collect(),
        next: shown(part.next).map(|cursor| format!("/protections?active={}&cursor={cursor}", !over)),
        over,
    })
}

impl Row {
    fn new(record: ProtectionRecord, now: Timestamp) -> Self {
        let details = record.read_back.as_ref().and_then(|read| read.details.as_ref()).map(|(details, _)| details);
        let details = details.map(|details| {
            let name = [&details.first_name, &details.last_name].into_iter().flatten().cloned().collect::<Vec<_>>();
            let name = (!name.is_empty()).then(|| name.join(" "));
            let more = [&details.email, &details.requisition_title, &details.job_profile];
            name.into_iter().chain(more.into_iter().flatten().cloned()).collect()
        });
        Self {
            path: show::application(&record.org, &record.application),
            org: record.org,
            candidate: record.candidate,
            application: record.application,
            requisition: record.requisition,
            since: record.span.started_at.map(|at| Moment::new(at, now)),
            until: record.span.ended_at.map(|at| Moment::new(at, now)),
            details: details.unwrap_or_default(),
            read: read(record.read_back.as_ref(), now),
        }
    }
}

/// How reading back stands, in words.
fn read(record: Option<&ReadBackRecord>, now: Timestamp) -> String {
    let Some(record) = record else { return "nothing is read back".into() };
    match (&record.details, record.state) {
        (Some((_, at)), _) => format!("read {} ago", age(*at, now)),
        (None, ReadBackState::Failed) => {
            format!("cannot be read: {}", record.last_error.as_deref().unwrap_or("no reason was recorded"))
        }
        (None, _) => "still to be read".into(),
    }
}
