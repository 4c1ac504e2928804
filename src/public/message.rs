//! One message between HTTP and the journal: from its bytes and what its head says of them to a
//! receipt. It runs in the same way for one that has just come and for one that was kept.

use std::time::Instant;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName};
use tracing::Span;
use tracing::field::{Empty, display};

use super::{Public, parameters};
use crate::auth::Authenticated;
use crate::config::Limits;
use crate::domain::{OrgId, Source, TraceParent};
use crate::journal::{Incoming, Receipt, Unavailable};
use crate::organisation::Organisation;
use crate::refusal::Refusal;
use crate::soap::{self, Addressing, Head, Rejected, Request, Version};
use crate::xml;

/// The header that names the tenant a message comes from.
const TENANT: HeaderName = HeaderName::from_static("x-workday-tenant");

/// A W3C Trace Context header.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const SOAP_ACTION: HeaderName = HeaderName::from_static("soapaction");

/// What the head of a request says of its message.
#[derive(Debug, Clone, Default)]
pub(super) struct Envelope {
    /// `Content-Type`.
    pub(super) content_type: Option<String>,
    /// `SOAPAction`.
    pub(super) soap_action: Option<String>,
    /// `X-Workday-Tenant`.
    pub(super) tenant: Option<String>,
    /// What follows the `?` of the URL.
    pub(super) query: String,
    /// `traceparent`, where it is one.
    pub(super) trace: Option<TraceParent>,
}

/// What a message that was taken is answered from.
pub(super) type Taken = (Version, Option<Addressing>, Receipt);

impl Envelope {
    pub(super) fn of(request: &HttpRequest) -> Self {
        Self {
            content_type: value(request, &header::CONTENT_TYPE),
            soap_action: value(request, &SOAP_ACTION),
            tenant: value(request, &TENANT),
            query: request.query_string().to_owned(),
            trace: traceparent_of(request),
        }
    }

    /// Reads the message's bytes.
    pub(super) fn read(&self, body: &[u8], organisation: &Organisation) -> Result<Request, Rejected> {
        let event = parameters::event(&self.query);
        let head = Head {
            content_type: self.content_type.as_deref(),
            soap_action: self.soap_action.as_deref(),
            event: event.as_deref(),
        };
        let limits = &organisation.limits;
        let limits = xml::Limits { depth: limits.xml_depth, elements: limits.xml_elements };
        soap::read(body, &head, &organisation.profile, limits)
    }

    /// Stores what an authenticated sender's message says, which had arrived at `since`.
    pub(super) async fn store(
        &self,
        request: Authenticated<Request>,
        organisation: &Organisation,
        public: &Public,
        since: Instant,
    ) -> Result<Taken, Rejected> {
        let request = request.into_inner();
        let (version, addressing) = (request.version, request.addressing.clone());
        let stored = match self.incoming(request, organisation) {
            Ok(incoming) => receipt(public, &organisation.limits, incoming, since).await,
            Err(refusal) => Err(refusal),
        };
        match stored {
            Ok(receipt) => Ok((version, addressing, receipt)),
            Err(refusal) => Err(Rejected { addressing, ..Rejected::new(version, refusal) }),
        }
    }

    /// What the journal takes of it.
    pub(super) fn incoming(&self, request: Request, organisation: &Organisation) -> Result<Incoming, Refusal> {
        organisation.check_tenant(self.tenant.as_deref().map(str::as_bytes))?;
        let dry_run = parameters::dry_run(&self.query)?;
        Ok(Incoming {
            message_id: request.addressing.as_ref().and_then(Addressing::message_id).map(Into::into),
            dry_run,
            trace: self.trace.map(|trace| trace.to_string().into()),
            ..organisation.incoming(request.change, Source::Soap)
        })
    }

    /// Whether the sender only asks what would be decided.
    pub(super) fn is_dry_run(&self) -> bool {
        parameters::dry_run(&self.query).unwrap_or(false)
    }
}

/// The span in which a message is taken. Only who looks at that closely pays for it.
pub(super) fn span(org: &OrgId, source: Source, request: &HttpRequest) -> Span {
    let span =
        tracing::debug_span!("message", orgid = %org, source = source.as_str(), event.id = Empty, trace.id = Empty);
    if !span.is_disabled()
        && let Some(trace) = traceparent_of(request)
    {
        span.record("trace.id", display(trace.trace_id()));
    }
    span
}

/// Says what became of a message that was taken, in its span.
pub(super) fn taken(span: &Span, receipt: &Receipt) {
    span.in_scope(|| {
        if let Some(id) = receipt.event_id() {
            span.record("event.id", display(id));
        }
        let outcome = receipt.outcome().as_str();
        tracing::debug!(outcome, event.r#type = receipt.event_type().as_str(), "a message was taken");
    });
}

/// Waits for the journal's receipt, but not longer than a recruiter may wait who has waited since the
/// message arrived.
pub(super) async fn receipt(
    public: &Public,
    limits: &Limits,
    incoming: Incoming,
    since: Instant,
) -> Result<Receipt, Refusal> {
    let unavailable = |reason: Unavailable| {
        let message = format!("The event is not acknowledged: {reason}. Send it again.");
        Refusal::unavailable(message, reason.retry_after())
    };
    let ticket = public.journal.accept(incoming).map_err(unavailable)?;
    match actix_web::rt::time::timeout(limits.answer.saturating_sub(since.elapsed()), ticket).await {
        Ok(result) => result.map_err(unavailable),
        Err(_) => {
            let seconds = since.elapsed().as_secs();
            let message = format!(
                "The event is not on disk after {seconds} s. It may still be stored; send it again: a repeat is then a duplicate."
            );
            Err(Refusal::unavailable(message, Unavailable::Busy.retry_after()))
        }
    }
}

/// What a header says. Lines that differ are one list (RFC 9110, section 5.3), which is then none of the
/// values that are known: which of them is meant is not for us to choose.
fn value(request: &HttpRequest, name: &HeaderName) -> Option<String> {
    let lines = request.headers().get_all(name).map(|line| String::from_utf8_lossy(line.as_bytes()));
    let mut lines: Vec<_> = lines.collect();
    lines.dedup();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// The `traceparent` that came with a request. Two of them are as good as none.
pub(super) fn traceparent_of(request: &HttpRequest) -> Option<TraceParent> {
    let mut headers = request.headers().get_all(&TRACEPARENT);
    let (first, None) = (headers.next()?, headers.next()) else { return None };
    TraceParent::read(first.to_str().ok()?)
}
