//! Trying a message: what would be read, what would be decided and what would be delivered, without
//! storing anything; or where its fault is. An operator may send it for real.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::events::{Choice, known};
use super::form::Form;
use super::show::{event_type, moved};
use super::source::Source as Shown;
use super::{Answer, Frame, done, page_with, visitor};
use crate::admin::refused::vouched;
use crate::admin::routes::Routes;
use crate::admin::{Admin, Problem, Token, json};
use crate::domain::payload::{EventNames, Payload as Json, Shape};
use crate::domain::{EventId, EventType, OrgId, Outcome, Position, Source};
use crate::journal::ApplicationRecord;
use crate::organisation::Organisation;
use crate::public::{self, Draft, Preview};
use crate::refusal::Refusal;
use crate::soap::Version;
use crate::xml::Document;

pub(super) fn routes() -> Routes {
    Routes::default().get("/try", show).post("/try", attempt)
}

#[derive(Template)]
#[template(path = "try_it.html")]
struct Page {
    frame: Frame,
    orgs: Vec<Choice>,
    events: Vec<Choice>,
    text: String,
    /// What was in a file, in Base64: the text is only how it looks.
    bytes: String,
    found: Option<Found>,
    fault: Option<Fault>,
}

/// What would become of it.
struct Found {
    form: &'static str,
    facts: Vec<(&'static str, Option<String>)>,
    decided: String,
    /// Where the candidate was and is.
    moved: String,
    because: String,
    bodies: Vec<(&'static str, String)>,
}

/// Why it would be refused.
struct Fault {
    code: &'static str,
    message: String,
    source: Shown,
}

async fn show(admin: Data<Admin>, request: HttpRequest) -> Answer {
    let visitor = visitor(&admin, &request)?;
    let frame = Frame::new(&admin, &request, &visitor, "/try");
    page_with(StatusCode::OK, &Page::new(&admin, &visitor.token, frame, "", &Draft::default()))
}

async fn attempt(admin: Data<Admin>, request: HttpRequest, payload: Payload) -> Answer {
    let visitor = visitor(&admin, &request)?;
    // In a form most of a message's bytes take three, those of Latin-1 six, and Base64 is sent beside it.
    let most = admin.public.organisations.current().limits().body_bytes.saturating_mul(8).saturating_add(4_096);
    let form = Form::of(&admin, &request, payload, &visitor, most).await?;
    let organisation = configured(&admin, &visitor.token, form.field("orgid"))?;
    let draft = draft(&form)?;
    if form.field("do") == "send" {
        let receipt = send(&admin, &visitor.token, &organisation, &draft).await;
        if let Ok((id, outcome)) = &receipt {
            let notice = format!("The message was taken: {}.", outcome.as_str());
            return Ok(done(&admin, &visitor, notice, &id.map_or("/events".into(), |id| format!("/events/{id}"))));
        }
        receipt?;
    }
    let preview = draft.preview(&organisation, &admin.public).await;
    let frame = Frame::new(&admin, &request, &visitor, "/try");
    let mut page = Page::new(&admin, &visitor.token, frame, organisation.id.as_str(), &draft);
    let status = match preview {
        Ok(preview) => {
            let known = admin.journal.application(organisation.id.clone(), preview.change.application.clone()).await?;
            page.found = Some(found(&admin, &organisation, preview, known.as_ref()));
            StatusCode::OK
        }
        Err(refusal) => {
            page.fault = Some(Fault::new(&refusal, &page.text));
            StatusCode::UNPROCESSABLE_ENTITY
        }
    };
    page_with(status, &page)
}

/// What a form holds: a file's bytes as they are, or a text.
fn draft(form: &Form) -> Result<Draft, Problem> {
    let event = Some(form.field("event").to_owned()).filter(|event| !event.is_empty());
    let (body, charset) = match form.field("bytes") {
        "" => (form.field("message").as_bytes().to_vec(), Some("utf-8")),
        bytes => {
            let body = STANDARD.decode(bytes);
            (body.map_err(|_| Problem::bad_parameter("bytes", "The file's bytes are not in Base64."))?, None)
        }
    };
    Ok(Draft { body, charset, event })
}

/// What a message looks like, whether it can be read or not.
fn text(draft: &Draft) -> String {
    match Document::decode(&draft.body, draft.charset) {
        Ok(document) => document.text().to_owned(),
        Err(_) => String::from_utf8_lossy(&draft.body).into_owned(),
    }
}

/// An organisation that the visitor sees and that takes messages.
fn configured(admin: &Admin, token: &Token, org: &str) -> Result<std::sync::Arc<Organisation>, Problem> {
    let organisation = admin.public.organisations.get(org).filter(|organisation| token.sees(&organisation.id));
    organisation.ok_or_else(|| Problem::not_found(format!("There is no organisation {org} in the configuration.")))
}

/// Sends it, as if the organisation's own integration had.
async fn send(
    admin: &Admin,
    token: &Token,
    organisation: &Organisation,
    draft: &Draft,
) -> Result<(Option<EventId>, Outcome), Problem> {
    let sender = vouched(token)?;
    let sent = public::send(&admin.public, organisation, sender.map(|()| draft)).await;
    let outcome = sent.as_ref().map_or("Refused", |receipt| receipt.outcome().as_str());
    tracing::info!(token = token.name, orgid = %organisation.id, outcome, action = "send", "an operator acted");
    sent.map(|receipt| (receipt.event_id(), receipt.outcome())).map_err(|refusal| Problem::refused(&refusal))
}

impl Page {
    fn new(admin: &Admin, token: &Token, frame: Frame, org: &str, draft: &Draft) -> Self {
        let chosen = draft.event.as_deref().unwrap_or_default();
        let takes = |org: &OrgId| admin.public.organisations.get(org.as_str()).is_some();
        let orgs = known(admin, token).into_iter().filter(takes);
        Self {
            frame,
            orgs: orgs.map(|each| Choice::new(each.as_str(), each.as_str(), org)).collect(),
            events: [
                ("", "as the message says"),
                ("interview_started", "interview_started"),
                ("interview_ended", "interview_ended"),
            ]
            .map(|(value, name)| Choice::new(value, name, chosen))
            .into(),
            text: text(draft),
            bytes: if draft.charset.is_none() { STANDARD.encode(&draft.body) } else { String::new() },
            found: None,
            fault: None,
        }
    }
}

impl Fault {
    fn new(refusal: &Refusal, text: &str) -> Self {
        let source = Shown::new(text, refusal.place());
        Self { code: refusal.code.as_str(), message: refusal.message.clone(), source }
    }
}

fn found(admin: &Admin, organisation: &Organisation, preview: Preview, known: Option<&ApplicationRecord>) -> Found {
    let Preview { version, change, position, reason, receipt } = preview;
    let was = known.map(|record| if record.in_interview_since.is_some() { Position::In } else { Position::Out });
    let because = json::reason(reason, position, change.stage.as_ref(), change.status.as_ref());
    let now = admin.clock.now();
    let text = |text: &Option<crate::domain::Text>| text.as_ref().map(|text| text.as_str().to_owned());
    let facts = vec![
        ("Application", Some(change.application.to_string())),
        ("Candidate", Some(change.candidate.to_string())),
        ("Requisition", Some(change.requisition.to_string())),
        ("Stage", text(&change.stage)),
        ("Step", text(&change.step)),
        ("Status", text(&change.status)),
        ("Event type", change.told.map(|told| format!("says itself: {} an interview", told.as_str()))),
        ("Event time", change.occurred.map(|occurred| occurred.at.to_string())),
    ];
    let id = receipt.event_id().unwrap_or_else(|| EventId::compose(now.as_millisecond(), 0, 0));
    let event = change.into_event(id, organisation.id.clone(), receipt.event_type(), now, Source::Soap);
    let body = |shape: Shape| match shape.carries(event.event_type) {
        true => serde_json::to_string_pretty(&Json::of(&event, shape, names(organisation))).unwrap_or_default(),
        false => "Nothing: in this shape only starts and ends of interviews are sent.".into(),
    };
    let decided = match receipt.event_id() {
        Some(id) => {
            format!("{}: a repeat of event {id}, so that nothing would be delivered", event_type(event.event_type))
        }
        None => event_type(event.event_type).to_owned(),
    };
    Found {
        form: match version {
            Version::Soap11 => "SOAP 1.1",
            Version::Soap12 => "SOAP 1.2",
            Version::Bare => "the payload without an envelope",
        },
        facts,
        decided,
        moved: match receipt.event_type() {
            // It would be a boundary if it counted.
            EventType::StateChanged if receipt.event_id().is_none() && position != was.unwrap_or(Position::Out) => {
                "The message is older than what was applied last, so that it would change nothing.".into()
            }
            _ => moved(was, position),
        },
        because,
        bodies: vec![
            ("relay.payload = \"webhook\"", body(Shape::Webhook)),
            ("relay.payload = \"state_change\"", body(Shape::StateChange)),
        ],
    }
}

/// How the organisation's relay wants event types spelled.
fn names(organisation: &Organisation) -> EventNames {
    match &organisation.handler {
        crate::config::Handler::Relay(relay) => relay.event_names,
        crate::config::Handler::InProcess => EventNames::default(),
    }
}
