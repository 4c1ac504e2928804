//! Setting up Workday: the exact values to enter for one organisation, and what its first message
//! was once it has come.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::web::{Data, Path};
use askama::Template;
use jiff::Timestamp;

use super::events::known;
use super::show::{Moment, has_time};
use super::{Answer, Frame, page, visitor};
use crate::admin::routes::Routes;
use crate::admin::{Admin, Problem};
use crate::auth::Way;
use crate::domain::{CandidateEvent, OrgId, Source, Text};
use crate::journal::{EventFilter, RefusedFilter, RefusedRecord};
use crate::organisation::Organisation;
use crate::public::endpoint;
use crate::soap;
use crate::xml::writer::escape;

pub(super) fn routes() -> Routes {
    Routes::default().get("/set-up", list).get("/set-up/{orgid}", show)
}

#[derive(Template)]
#[template(path = "set_up_list.html")]
struct List {
    frame: Frame,
    orgs: Vec<OrgId>,
}

async fn list(admin: Data<Admin>, request: HttpRequest) -> Answer {
    let visitor = visitor(&admin, &request)?;
    let mut orgs = known(&admin, &visitor.token);
    orgs.retain(|org| admin.public.organisations.get(org.as_str()).is_some());
    page(&List { frame: Frame::new(&admin, &request, &visitor, "/set-up"), orgs })
}

#[derive(Template)]
#[template(path = "set_up.html")]
struct Page {
    frame: Frame,
    org: OrgId,
    values: Vec<Value>,
    credentials: Vec<Credential>,
    tenant: Option<String>,
    first: First,
    /// Whether none came that was read.
    waits: bool,
    /// What is to be said of messages whose sender did not get in, where nothing came since.
    denied: Option<String>,
    stages: String,
    /// A message to start from, in the organisation's namespace and with the IDs that it takes.
    envelope: String,
    started: String,
    ended: String,
}

/// What the sender has to show; never the secret itself.
struct Credential {
    user: Option<String>,
    note: &'static str,
}

/// Something to enter in Workday.
struct Value {
    name: &'static str,
    value: String,
    note: &'static str,
    /// Whether it is a page that can be opened.
    is_page: bool,
}

/// What has come so far.
enum First {
    /// Nothing.
    Waiting,
    /// The latest message was refused.
    Refused { id: u64, at: Moment, code: String, message: String },
    /// The latest message was taken.
    Taken { id: String, at: Moment, fields: Vec<Field> },
}

/// What a message said of something, or that it did not.
struct Field {
    name: &'static str,
    value: Option<String>,
    /// What that means where it is missing.
    without: &'static str,
}

async fn show(admin: Data<Admin>, request: HttpRequest, org: Path<String>) -> Answer {
    let visitor = visitor(&admin, &request)?;
    let organisation = admin.public.organisations.get(&org).filter(|found| visitor.token.sees(&found.id));
    let organisation = organisation
        .ok_or_else(|| Problem::not_found(format!("There is no organisation {org} in the configuration.")))?;
    let first = first(&admin, &organisation.id).await?;
    page(&Page {
        frame: Frame::new(&admin, &request, &visitor, "/set-up"),
        org: organisation.id.clone(),
        values: values(&admin, &organisation),
        credentials: organisation.verifier.ways().into_iter().map(|(way, user)| credential(way, user)).collect(),
        tenant: organisation.expect_tenant.clone(),
        denied: denied(&admin, &organisation.id, &first),
        waits: matches!(first, First::Waiting),
        first,
        stages: organisation.policy.interview_stages().join(", "),
        envelope: envelope(&organisation),
        started: endpoint(admin.public.address(), &organisation.id, Some("interview_started")),
        ended: endpoint(admin.public.address(), &organisation.id, Some("interview_ended")),
    })
}

fn values(admin: &Admin, organisation: &Arc<Organisation>) -> Vec<Value> {
    let base = admin.public.address();
    let at = |event| endpoint(base, &organisation.id, event);
    let value = |name, value, note| Value { name, value, note, is_page: false };
    let link = |name, value, note| Value { name, value, note, is_page: true };
    let strict = if organisation.profile.strict_soap_action {
        "It is compared: another one is refused."
    } else {
        "It may also be empty."
    };
    let schema = format!("{}/schemas/candidate-event.json", base.as_str().trim_end_matches('/'));
    vec![
        value("Endpoint", at(None), "The method is POST. The bridge infers from the stage what happened."),
        value("Endpoint for the trigger of a start", at(Some("interview_started")), "Best: a URL for each trigger."),
        value("Endpoint for the trigger of an end", at(Some("interview_ended")), "Also where the stage is not sent."),
        value("Content-Type", "text/xml; charset=utf-8".into(), "For SOAP 1.2 application/soap+xml."),
        value("SOAPAction", format!("\"{}\"", soap::wsdl::action(&organisation.profile.namespace)), strict),
        value("Namespace", organisation.profile.namespace.clone(), "urn:com.workday/bsvc and none are taken too."),
        link("WSDL", format!("{}?wsdl", at(None)), "Add &soap=1.1 or &soap=1.2 for one binding."),
        link("XML schema", format!("{}?xsd=1", at(None)), "What the message and its answer look like."),
        link("JSON schema of the event", schema, "What the bridge makes of a message."),
    ]
}

fn credential(way: Way, user: Option<String>) -> Credential {
    let note = match way {
        Way::Open => "None: whoever reaches the endpoint may post.",
        Way::Basic => "Basic (preemptive), with this user name and the password that the operator has set.",
        Way::Bearer => "A header Authorization: Bearer, with the token that the operator has set.",
        Way::UsernameToken => {
            "A WS-Security UsernameToken, with this user name and the password that the operator has set."
        }
        Way::Certificate => "The client certificate that the operator expects, in the TLS handshake.",
        Way::Operator => "",
    };
    Credential { user, note }
}

/// An envelope with a value in each element, as the organisation's endpoint takes it.
fn envelope(organisation: &Organisation) -> String {
    let profile = &organisation.profile;
    let written = |text: &str| {
        let mut escaped = String::new();
        escape(&mut escaped, text);
        escaped
    };
    let first = |types: &[String], usual: &str| written(types.first().map_or(usual, String::as_str));
    let stage = organisation.policy.interview_stages().first();
    include_str!("envelope.xml")
        .replace("{NAMESPACE}", &written(&profile.namespace))
        .replace("{CANDIDATE_TYPE}", &first(&profile.id_types.candidate, "Candidate_ID"))
        .replace("{REQUISITION_TYPE}", &first(&profile.id_types.job_requisition, "Job_Requisition_ID"))
        .replace("{STAGE}", &stage.map_or_else(|| "Interview".into(), |stage| written(stage)))
}

/// The latest thing that came of the organisation.
async fn first(admin: &Admin, org: &OrgId) -> Result<First, Problem> {
    let orgs = Some(vec![org.clone()]);
    let filter = EventFilter { orgs: orgs.clone(), ..EventFilter::default() };
    let taken = admin.journal.events(filter, None, 20).await?.items;
    let taken = taken.into_iter().map(|record| record.event).find(|event| event.source != Source::Operator);
    let refused = admin.public.refused.list(RefusedFilter { orgs, code: None }, None, 1).await?.items;
    let now = admin.clock.now();
    Ok(match (taken, refused.into_iter().next()) {
        (None, None) => First::Waiting,
        (Some(event), Some(refused)) if event.received_at > refused.at => First::taken(event, now),
        (_, Some(refused)) => First::refused(refused, now),
        (Some(event), None) => First::taken(event, now),
    })
}

/// What is to be said of messages whose sender did not get in, unless a later one did.
fn denied(admin: &Admin, org: &OrgId, first: &First) -> Option<String> {
    let missed = admin.public.misses.of(org)?;
    let last = first.at().and_then(|at| at.exact.parse::<Timestamp>().ok());
    if last.is_some_and(|at| at > missed.last) {
        return None;
    }
    let at = Moment::new(missed.last, admin.clock.now());
    let came = if missed.count == 1 { "1 message".to_owned() } else { format!("{} messages", missed.count) };
    Some(format!("{came} came {}, the last at {at}.", missed.because.came()))
}

impl First {
    /// When it came.
    fn at(&self) -> Option<&Moment> {
        match self {
            Self::Waiting => None,
            Self::Refused { at, .. } | Self::Taken { at, .. } => Some(at),
        }
    }

    fn refused(record: RefusedRecord, now: Timestamp) -> Self {
        let at = Moment::new(record.at, now);
        Self::Refused { id: record.id, at, code: record.head.code, message: record.head.message }
    }

    fn taken(event: CandidateEvent, now: Timestamp) -> Self {
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.as_str().to_owned());
        let field = |name, value, without| Field { name, value, without };
        let fields = vec![
            field("Job_Application_ID", Some(event.job_application_id.to_string()), ""),
            field("Candidate_Reference", Some(event.candidate_id.to_string()), ""),
            field("Requisition_Reference", Some(event.job_requisition_id.to_string()), ""),
            field("Stage", text(&event.stage), "Without it only an explicit event type says where the candidate is."),
            field("Step", text(&event.step), "Not needed; it helps to tell two messages of one stage apart."),
            field("Current_Status", text(&event.status), "Without it a rejection in an interview stage is not seen."),
            field(
                "Event_Timestamp",
                has_time(&event).then(|| event.timestamp.to_string()),
                "Without it a message that was overtaken by a later one is not recognised as stale.",
            ),
        ];
        Self::Taken { id: event.event_id.to_string(), at: Moment::new(event.received_at, now), fields }
    }
}
