//! Who is protected, since when, and what was read back from Workday.
//!
//! What was read is personal: it is shown to whoever may see the organisation, as the API does, and
//! stands in no log.

use actix_web::HttpRequest;
use actix_web::web::Data;
use askama::Template;
use jiff::Timestamp;

use super::paging::{self, LIMIT, Pager};
use super::show::{self, Moment, age, count};
use super::{Answer, Frame, page, visitor};
use crate::admin::Admin;
use crate::admin::routes::Routes;
use crate::domain::{ApplicationId, CandidateId, Details, OrgId, RequisitionId};
use crate::journal::{ProtectionFilter, ProtectionRecord, ReadBackRecord, ReadBackState};

pub(super) fn routes() -> Routes {
    Routes::default().get("/protections", list)
}

#[derive(Template)]
#[template(path = "protections.html")]
struct Page {
    frame: Frame,
    rows: Vec<Row>,
    over: bool,
    pager: Pager,
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
    details: Vec<(&'static str, String)>,
    read: String,
}

async fn list(admin: Data<Admin>, request: HttpRequest) -> Answer {
    let visitor = visitor(&admin, &request)?;
    let asked = paging::asked(&request);
    let (here, over) = (paging::here(&asked), asked.iter().any(|(name, value)| name == "active" && value == "false"));
    let filter = ProtectionFilter { orgs: visitor.token.orgs.clone(), active: Some(!over) };
    let part = admin.journal.protections(filter, here, LIMIT).await?;
    let now = admin.clock.now();
    let row = |record: ProtectionRecord| {
        let reads_back = (admin.workday)(&record.org).is_some();
        Row::new(record, reads_back, now)
    };
    let path = if over { "/protections?active=false" } else { "/protections" };
    page(&Page {
        frame: Frame::new(&admin, &request, &visitor, "/protections"),
        rows: part.items.into_iter().map(row).collect(),
        pager: Pager::new(path, here, part.next, ["The first", "More"]),
        over,
    })
}

impl Row {
    fn new(record: ProtectionRecord, reads_back: bool, now: Timestamp) -> Self {
        let details = record.read_back.as_ref().and_then(|read| read.details.as_ref());
        Self {
            details: details.map(|(details, _)| facts(details)).unwrap_or_default(),
            read: match &record.read_back {
                Some(read_back) => read(read_back, now),
                None if !reads_back => "not read back: the organisation has no section for Workday".into(),
                None if record.span.is_active() => "not asked for when the interview began".into(),
                None => "forgotten, as details_days asks, or never asked for".into(),
            },
            path: show::application(&record.org, &record.application),
            org: record.org,
            candidate: record.candidate,
            application: record.application,
            requisition: record.requisition,
            since: record.span.started_at.map(|at| Moment::new(at, now)),
            until: record.span.ended_at.map(|at| Moment::new(at, now)),
        }
    }
}

/// What is known, each with its name.
fn facts(details: &Details) -> Vec<(&'static str, String)> {
    let name = [&details.first_name, &details.last_name].into_iter().flatten().cloned().collect::<Vec<_>>();
    let facts = [
        ("Name", (!name.is_empty()).then(|| name.join(" "))),
        ("E-mail", details.email.clone()),
        ("Title", details.requisition_title.clone()),
        ("Job", details.job_profile.clone()),
    ];
    facts.map(|(name, fact)| (name, fact.unwrap_or_else(|| "not shown by Workday".into()))).into()
}

/// How reading back stands, in words.
fn read(record: &ReadBackRecord, now: Timestamp) -> String {
    let read = record.details.as_ref().map(|(_, at)| format!("read {} ago", age(*at, now)));
    let error = record.last_error.as_deref();
    match (record.state, read) {
        (ReadBackState::Read, read) => {
            let not_all = error.map(|error| format!(", but not all: {error}")).unwrap_or_default();
            format!("{}{not_all}", read.unwrap_or_else(|| "read".into()))
        }
        (ReadBackState::Failed, read) => {
            let read = read.map(|read| format!("{read} and ")).unwrap_or_default();
            format!("{read}cannot be read{}: {}", again(&read), error.unwrap_or("no reason was recorded"))
        }
        (ReadBackState::Waiting, read) => {
            let read = read.map(|read| format!("{read}, ")).unwrap_or_default();
            let attempts = count(record.attempts.into(), "attempt");
            let failed = error.map(|error| format!("; {attempts} so far: {error}")).unwrap_or_default();
            format!("{read}still to be read{}{failed}", again(&read))
        }
    }
}

/// What was read before is read anew.
fn again(before: &str) -> &'static str {
    if before.is_empty() { "" } else { " anew" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_says_why() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let details = Details { last_name: Some("Fiktiv".into()), ..Details::default() };
        let before = now - jiff::SignedDuration::from_mins(5);
        let said = |state, error: Option<&str>, known: bool| {
            let details = known.then(|| (details.clone(), before));
            let last_error = error.map(str::to_owned);
            read(&ReadBackRecord { state, attempts: 2, next_attempt_at: None, last_error, details }, now)
        };
        assert_eq!(said(ReadBackState::Read, None, true), "read 5 min ago");
        assert_eq!(said(ReadBackState::Read, Some("no title"), true), "read 5 min ago, but not all: no title");
        assert_eq!(said(ReadBackState::Failed, Some("unknown"), false), "cannot be read: unknown");
        assert_eq!(said(ReadBackState::Failed, Some("gone"), true), "read 5 min ago and cannot be read anew: gone");
        assert_eq!(said(ReadBackState::Waiting, None, false), "still to be read");
        assert_eq!(said(ReadBackState::Waiting, Some("slow"), false), "still to be read; 2 attempts so far: slow");
        assert_eq!(said(ReadBackState::Waiting, None, true), "read 5 min ago, still to be read anew");
        let (name, value) = &facts(&details)[1];
        assert_eq!((*name, value.as_str()), ("E-mail", "not shown by Workday"));
    }
}
