//! The list of events: filtered, searched by event, application or candidate, page by page, and live.

use actix_web::HttpRequest;
use actix_web::web::Data;
use askama::Template;

use super::paging::{self, LIMIT, Pager};
use super::show::{self, Moment, event_type, state, state_mark};
use super::{Answer, Frame, page, visitor};
use crate::admin::routes::Routes;
use crate::admin::{Admin, Problem, Token};
use crate::domain::{ApplicationId, CandidateId, EventId, EventType, OrgId};
use crate::journal::{Cursor, DeliveryState, EventFilter, EventRecord, Page as Part};

pub(super) fn routes() -> Routes {
    Routes::default().get("/events", list)
}

#[derive(Template)]
#[template(path = "events.html")]
struct Page {
    frame: Frame,
    asked: Asked,
    orgs: Vec<Choice>,
    types: Vec<Choice>,
    states: Vec<Choice>,
    rows: Vec<Row>,
    found: String,
    pager: Pager,
}

/// An entry to choose from.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) name: String,
    pub(super) is_chosen: bool,
}

impl Choice {
    pub(super) fn new(value: &str, name: &str, chosen: &str) -> Self {
        Self { value: value.to_owned(), name: name.to_owned(), is_chosen: value == chosen }
    }
}

/// A line of the list.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) at: Moment,
    pub(super) org: OrgId,
    pub(super) event_type: &'static str,
    pub(super) application: ApplicationId,
    pub(super) path: String,
    pub(super) candidate: CandidateId,
    pub(super) stage: String,
    pub(super) state: &'static str,
    pub(super) mark: &'static str,
}

impl Row {
    pub(super) fn new(record: &EventRecord, now: jiff::Timestamp) -> Self {
        let event = &record.event;
        let place = [&event.stage, &event.step].into_iter().flatten().map(crate::domain::Text::as_str);
        Self {
            id: event.event_id.to_string(),
            at: Moment::new(event.received_at, now),
            org: event.orgid.clone(),
            event_type: event_type(event.event_type),
            path: show::application(&event.orgid, &event.job_application_id),
            application: event.job_application_id.clone(),
            candidate: event.candidate_id.clone(),
            stage: place.collect::<Vec<_>>().join(", "),
            state: state(record.state),
            mark: state_mark(record.state),
        }
    }
}

/// What is asked for, as the form holds it; what is left empty does not narrow.
#[derive(Default)]
struct Asked {
    orgid: String,
    event_type: String,
    state: String,
    q: String,
    /// Whether what is searched for is an event, an application or a candidate; found out at the first page.
    by: String,
    here: Option<Cursor>,
}

impl Asked {
    fn of(request: &HttpRequest) -> Self {
        let mut asked = Self::default();
        let fields = paging::asked(request);
        asked.here = paging::here(&fields);
        for (name, value) in fields {
            let value = value.trim().to_owned();
            match &*name {
                "orgid" => asked.orgid = value,
                "event_type" => asked.event_type = value,
                "state" => asked.state = value,
                "q" => asked.q = value,
                "by" => asked.by = value,
                _ => {}
            }
        }
        asked
    }

    /// The filter but for what is searched for.
    fn filter(&self, token: &Token) -> Result<EventFilter, Problem> {
        let org = (!self.orgid.is_empty()).then(|| self.orgid.parse::<OrgId>()).transpose();
        let org = org.map_err(|error| Problem::bad_parameter("orgid", format!("'{}' {error}.", self.orgid)))?;
        Ok(EventFilter {
            orgs: token.narrow(org)?,
            event_type: EventType::ALL.into_iter().find(|each| each.as_str() == self.event_type),
            state: DeliveryState::ALL.into_iter().find(|each| each.as_str() == self.state),
            ..EventFilter::default()
        })
    }

    /// Looks for the event of that id, else for the application, and else for the candidate.
    async fn look(&mut self, admin: &Admin, token: &Token) -> Result<Part<EventRecord>, Problem> {
        let filter = self.filter(token)?;
        if self.q.is_empty() {
            return Ok(admin.journal.events(filter, self.here, LIMIT).await?);
        }
        if self.by.is_empty()
            && let Some(found) = self.event(admin, &filter).await?
        {
            self.by = "event".into();
            return Ok(Part { items: vec![found], next: None });
        }
        let nobody = |error| Problem::bad_parameter("q", format!("What is searched for {error}."));
        if self.by != "candidate" {
            let application = Some(ApplicationId::new(&self.q).map_err(nobody)?);
            let found = admin.journal.events(EventFilter { application, ..filter.clone() }, self.here, LIMIT).await?;
            if !found.items.is_empty() || self.by == "application" {
                self.by = "application".into();
                return Ok(found);
            }
        }
        let candidate = Some(CandidateId::new(&self.q).map_err(nobody)?);
        self.by = "candidate".into();
        Ok(admin.journal.events(EventFilter { candidate, ..filter }, self.here, LIMIT).await?)
    }

    /// The event with the id that is searched for, where the filter lets it pass.
    async fn event(&self, admin: &Admin, filter: &EventFilter) -> Result<Option<EventRecord>, Problem> {
        let Ok(id) = self.q.parse::<EventId>() else { return Ok(None) };
        let found = admin.journal.event(id).await?.map(|(record, _)| record);
        Ok(found.filter(|record| {
            filter.orgs.as_ref().is_none_or(|orgs| orgs.contains(&record.event.orgid))
                && filter.event_type.is_none_or(|wanted| wanted == record.event.event_type)
                && filter.state.is_none_or(|wanted| wanted == record.state)
        }))
    }

    /// Where the list is.
    fn path(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let fields = [
            ("orgid", &self.orgid),
            ("event_type", &self.event_type),
            ("state", &self.state),
            ("q", &self.q),
            ("by", &self.by),
        ];
        query.extend_pairs(fields.into_iter().filter(|(_, value)| !value.is_empty()));
        let query = query.finish();
        if query.is_empty() { "/events".into() } else { format!("/events?{query}") }
    }

    /// What the list holds, in words.
    fn found(&self, rows: usize) -> String {
        let what = match (self.q.is_empty(), rows) {
            (true, 0) => "No event".to_owned(),
            (true, _) => "Newest first".to_owned(),
            (false, 0) => format!("Nothing is known of an event, application or candidate '{}'", self.q),
            (false, _) if self.by == "event" => format!("The event {}", self.q),
            (false, _) => format!("Of the {} {}, newest first", self.by, self.q),
        };
        let narrowed = [&self.orgid, &self.event_type, &self.state].iter().any(|field| !field.is_empty());
        format!("{what}{}.", if narrowed { ", within the filter" } else { "" })
    }
}

async fn list(admin: Data<Admin>, request: HttpRequest) -> Answer {
    let visitor = visitor(&admin, &request)?;
    let mut asked = Asked::of(&request);
    let part = asked.look(&admin, &visitor.token).await?;
    let now = admin.clock.now();
    page(&Page {
        rows: part.items.iter().map(|record| Row::new(record, now)).collect(),
        found: asked.found(part.items.len()),
        pager: Pager::new(&asked.path(), asked.here, part.next, ["Newest", "Older"]),
        frame: Frame::new(&admin, &request, &visitor, "/events"),
        orgs: known(&admin, &visitor.token)
            .iter()
            .map(|org| Choice::new(org.as_str(), org.as_str(), &asked.orgid))
            .collect(),
        types: EventType::ALL.map(|each| Choice::new(each.as_str(), event_type(each), &asked.event_type)).into(),
        states: DeliveryState::ALL.map(|each| Choice::new(each.as_str(), state(each), &asked.state)).into(),
        asked,
    })
}

/// The organisations that the visitor sees: configured, or heard of.
pub(super) fn known(admin: &Admin, token: &Token) -> Vec<OrgId> {
    let mut orgs: Vec<_> = admin.journal.pulse().into_iter().map(|pulse| pulse.org).collect();
    orgs.extend(admin.public.organisations.current().iter().map(|organisation| organisation.id.clone()));
    orgs.retain(|org| token.sees(org));
    orgs.sort();
    orgs.dedup();
    orgs
}
