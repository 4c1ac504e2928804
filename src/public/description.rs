//! What the SOAP endpoint says of itself: WSDL, schema, a page for people. None of it needs
//! credentials.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use url::Url;

use super::{Public, parameters, plain};
use crate::domain::{OrgId, Position};
use crate::organisation::Organisation;
use crate::soap::wsdl::{self, Bindings};

const XML: &str = "text/xml; charset=utf-8";

/// The JSON Schema of the candidate event.
pub(super) async fn event_schema() -> HttpResponse {
    let schema = include_str!("../../wsdl/candidate-event.schema.json");
    HttpResponse::Ok().content_type("application/schema+json").body(schema)
}

pub(super) async fn get(public: Data<Public>, org: Path<String>, request: HttpRequest) -> HttpResponse {
    let Some(organisation) = public.organisations.get(&org) else {
        return plain(StatusCode::NOT_FOUND).body(format!("There is no organisation '{org}' here.\n"));
    };
    let query: Vec<_> = url::form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
    let value = |name: &str| query.iter().find(|(each, _)| each.eq_ignore_ascii_case(name)).map(|(_, value)| &**value);
    let namespace = &organisation.profile.namespace;
    if value("xsd").is_some() {
        return HttpResponse::Ok().content_type(XML).body(wsdl::xsd(namespace));
    }
    if value("wsdl").is_none() {
        return page(&public.base_url(&request), &organisation);
    }
    for name in ["event", "soap"] {
        if query.iter().filter(|(each, _)| each.eq_ignore_ascii_case(name)).count() > 1 {
            let message = format!("The URL's {name} stands there more than once: give it once.\n");
            return plain(StatusCode::BAD_REQUEST).body(message);
        }
    }
    if let Err(refusal) = parameters::only_event(request.query_string()) {
        return plain(StatusCode::BAD_REQUEST).body(refusal.message + "\n");
    }
    let event = value("event");
    if let Some(event) = event.filter(|event| Position::told_by(event).is_none()) {
        let message = format!("'{event}' is no event type; expected interview_started or interview_ended.\n");
        return plain(StatusCode::BAD_REQUEST).body(message);
    }
    let bindings = match value("soap") {
        None => Bindings::Both,
        Some("1.1") => Bindings::Soap11,
        Some("1.2") => Bindings::Soap12,
        Some(other) => {
            let message = format!("There is no binding for SOAP '{other}'; expected 1.1 or 1.2.\n");
            return plain(StatusCode::BAD_REQUEST).body(message);
        }
    };
    let address = address(&public.base_url(&request), &organisation.id, event);
    HttpResponse::Ok().content_type(XML).body(wsdl::wsdl(namespace, &address, bindings))
}

/// Where an organisation's endpoint is reached; with `event`, the one that says where the candidate is.
pub fn address(base: &Url, org: &OrgId, event: Option<&str>) -> String {
    let base = base.as_str().trim_end_matches('/');
    let query = event.map_or(String::new(), |event| format!("?event={event}"));
    format!("{base}/soap/{org}{query}")
}

fn page(base: &Url, organisation: &Organisation) -> HttpResponse {
    let address = address(base, &organisation.id, None);
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let page = include_str!("service.html")
        .replace("{orgid}", organisation.id.as_str())
        .replace("{address}", &escaped(&address))
        .replace("{namespace}", &escaped(&organisation.profile.namespace));
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page)
}
