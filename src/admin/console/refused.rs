//! Refused messages: what was wrong and where, and reading them again once that is mended.

use actix_web::HttpRequest;
use actix_web::web::{Data, Path, Payload};
use askama::Template;
use jiff::Timestamp;

use super::form::{Form, SHORT};
use super::show::Moment;
use super::source::{Line, lines};
use super::{Answer, Frame, done, page, visitor};
use crate::admin::Admin;
use crate::admin::parameters::shown;
use crate::admin::refused::{find, read_again};
use crate::admin::routes::Routes;
use crate::domain::OrgId;
use crate::journal::{Cursor, RefusedFilter, RefusedRecord};

/// How many are shown at once.
const LIMIT: usize = 50;

pub(super) fn routes() -> Routes {
    Routes::default().get("/refused", list).get("/refused/{id}", show).post("/refused/{id}/retry", retry)
}

#[derive(Template)]
#[template(path = "refused_list.html")]
struct List {
    frame: Frame,
    rows: Vec<Row>,
    next: Option<String>,
    is_first: bool,
}

/// A refused message.
struct Row {
    id: u64,
    at: Moment,
    org: OrgId,
    code: String,
    message: String,
    place: Option<String>,
}

impl Row {
    fn new(record: RefusedRecord, now: Timestamp) -> Self {
        let head = record.head;
        let at = Moment::new(record.at, now);
        Self { id: record.id, at, org: head.org, code: head.code, message: head.message, place: head.place }
    }
}

async fn list(admin: Data<Admin>, request: HttpRequest) -> Answer {
    let visitor = visitor(&admin, &request)?;
    let mut pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
    let cursor = pairs.find(|(name, _)| name == "cursor").and_then(|(_, value)| u64::from_str_radix(&value, 16).ok());
    let filter = RefusedFilter { orgs: visitor.token.orgs.clone(), code: None };
    let part = admin.public.refused.list(filter, cursor.map(Cursor), LIMIT).await?;
    let now = admin.clock.now();
    page(&List {
        frame: Frame::new(&admin, &request, &visitor, "/refused"),
        next: shown(part.next).map(|cursor| format!("/refused?cursor={cursor}")),
        rows: part.items.into_iter().map(|record| Row::new(record, now)).collect(),
        is_first: cursor.is_none(),
    })
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Page {
    frame: Frame,
    row: Row,
    content_type: Option<String>,
    query: String,
    bytes: u64,
    is_whole: bool,
    lines: Vec<Line>,
}

async fn show(admin: Data<Admin>, request: HttpRequest, id: Path<String>) -> Answer {
    let visitor = visitor(&admin, &request)?;
    let (record, text) = find(&admin, &visitor.token, &id).await?;
    page(&Page {
        frame: Frame::new(&admin, &request, &visitor, "/refused"),
        content_type: record.head.content_type.clone(),
        query: record.head.query.clone(),
        bytes: record.head.bytes,
        is_whole: record.head.whole,
        lines: lines(&text, record.head.place.as_deref()),
        row: Row::new(record, admin.clock.now()),
    })
}

async fn retry(admin: Data<Admin>, request: HttpRequest, id: Path<String>, payload: Payload) -> Answer {
    let visitor = visitor(&admin, &request)?;
    Form::of(&admin, &request, payload, &visitor, SHORT).await?;
    let receipt = read_again(&admin, &visitor.token, &id).await?;
    let notice = format!("The message was taken: {}.", receipt.outcome().as_str());
    let to = receipt.event_id().map_or("/refused".into(), |id| format!("/events/{id}"));
    Ok(done(&admin, &visitor, notice, &to))
}
