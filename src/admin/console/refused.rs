//! Refused messages: what was wrong and where, and reading them again once that is mended.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, ResponseError};
use askama::Template;
use jiff::Timestamp;

use super::form::{Form, SHORT};
use super::paging::{self, LIMIT, Pager};
use super::show::{self, Moment, count};
use super::sight::refused_by;
use super::source::Source;
use super::{Answer, Frame, done, page, visitor};
use crate::admin::Admin;
use crate::admin::actions::organisation;
use crate::admin::refused::{find, read_again};
use crate::admin::routes::Routes;
use crate::domain::{OrgId, Outcome};
use crate::journal::{RefusedFilter, RefusedRecord};

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/refused", list)
        .post("/refused/retry", retry_alike)
        .get("/refused/{id}", show)
        .post("/refused/{id}/retry", retry)
}

#[derive(Template)]
#[template(path = "refused_list.html")]
struct List {
    frame: Frame,
    rows: Vec<Row>,
    pager: Pager,
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
    let here = paging::here(&paging::asked(&request));
    let filter = RefusedFilter { orgs: visitor.token.orgs.clone(), code: None };
    let part = admin.public.refused.list(filter, here, LIMIT).await?;
    let now = admin.clock.now();
    page(&List {
        frame: Frame::new(&admin, &request, &visitor, "/refused"),
        rows: part.items.into_iter().map(|record| Row::new(record, now)).collect(),
        pager: Pager::new("/refused", here, part.next, ["Newest", "Older"]),
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
    source: Source,
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
        source: Source::new(&text, record.head.place.as_deref()),
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

/// Reads all that were refused for one cause again, the oldest first.
async fn retry_alike(admin: Data<Admin>, request: HttpRequest, payload: Payload) -> Answer {
    let visitor = visitor(&admin, &request)?;
    let form = Form::of(&admin, &request, payload, &visitor, SHORT).await?;
    let org = organisation(form.field("orgid"))?;
    visitor.token.act_on(&org)?;
    let (mut taken, mut left) = (0, 0);
    for record in refused_by(&admin, &org, form.field("code"), form.field("place")).await? {
        match read_again(&admin, &visitor.token, &record.id.to_string()).await {
            Ok(receipt) if receipt.outcome() == Outcome::DryRun => left += 1,
            Ok(_) => taken += 1,
            Err(problem) if problem.is_refusal() => left += 1,
            // Somebody else had it read meanwhile.
            Err(problem) if problem.status_code() == StatusCode::NOT_FOUND => {}
            Err(problem) => return Err(problem.into()),
        }
    }
    let still = if left == 0 { String::new() } else { format!(" {} stayed as before.", count(left, "message")) };
    Ok(done(&admin, &visitor, format!("Of {org}, {} taken.{still}", show::were(taken, "message")), "/"))
}
