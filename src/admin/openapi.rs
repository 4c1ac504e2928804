//! The description of the API, OpenAPI 3.1, made of the handlers' documentation and of the types
//! that they answer with. Tests hold it against the routes and against real answers.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use actix_web::HttpResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Header, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Type};
use utoipa::{IntoResponses, Modify, OpenApi};

use super::{
    Problem, actions, api, applications, credentials, erasure, health, log, openapi, reconcile, refused, reload,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "imper-bridge",
        description = "What an operator sees and does. A `viewer`'s token reads; an `operator`'s acts as well. A token \
            that is bound to some organisations sees only theirs: to it, others' are unknown (404). A POST whose body \
            is not empty sends it as `application/json`. Every GET answers HEAD as well."
    ),
    paths(
        api::events,
        api::event,
        api::protections,
        api::stats,
        applications::list,
        applications::one,
        applications::by_hand,
        actions::discard,
        actions::replay_one,
        actions::replay_all,
        actions::pause,
        actions::resume,
        erasure::erase,
        erasure::erasures,
        refused::list,
        refused::one,
        refused::retry,
        log::lines,
        reload::reload,
        reconcile::compare,
        credentials::credentials,
        health::livez,
        health::readyz,
        health::scrape,
        openapi::document,
    ),
    components(schemas(Problem)),
    modifiers(&Bearer),
    security(("token" = [])),
    tags(
        (name = "events", description = "Accepted events and what became of them."),
        (name = "applications", description = "Job applications, and who is protected."),
        (name = "organisations", description = "Figures, and stopping deliveries."),
        (name = "candidates", description = "Erasure."),
        (name = "refused", description = "Messages that were refused."),
        (name = "configuration", description = "What is in force."),
        (name = "health", description = "Whether the bridge runs, and its figures. No token is needed."),
    ),
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of the configuration's section `admin`."))
            .build();
        document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| Description::openapi().to_pretty_json().expect("the description serialises"));

/// This document.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "health", operation_id = "openapi", security(()),
    responses((status = 200, description = "OpenAPI 3.1.", body = Object)),
)]
pub(super) async fn document() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(DOCUMENT.as_str())
}

/// The problems that any route under `/api/v1` may answer with.
pub(super) struct Always;

/// Those of a route that names something in its path.
pub(super) struct OfOne;

/// Those of a route that acts.
pub(super) struct OfActing;

/// Those of a route that acts on what may not be in a state for it.
pub(super) struct OfConflict;

/// Those of reading a message again.
pub(super) struct OfRetry;

/// Those of a route that takes a body.
pub(super) struct OfBody;

/// Those of reading the configuration again.
pub(super) struct OfReload;

impl IntoResponses for Always {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        BTreeMap::from([
            problem(400, "A parameter or a field is wrong; `field` names it."),
            problem(401, "No token was sent, or one that is not known."),
            problem(429, "Too many unknown tokens came from the same address; known ones are let in all the same."),
            problem(503, "The journal cannot answer now."),
        ])
    }
}

impl IntoResponses for OfOne {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        BTreeMap::from([problem(404, "There is no such thing, or the token does not see it.")])
    }
}

impl IntoResponses for OfActing {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        BTreeMap::from([problem(403, "The token is a viewer's.")])
    }
}

impl IntoResponses for OfConflict {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        BTreeMap::from([problem(409, "It is not in a state that allows it.")])
    }
}

impl IntoResponses for OfRetry {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        BTreeMap::from([problem(422, "The message is refused again; `code` says why.")])
    }
}

impl IntoResponses for OfReload {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        BTreeMap::from([problem(422, "The configuration is not usable; `faults` says why. Nothing changed.")])
    }
}

impl IntoResponses for OfBody {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        BTreeMap::from([
            problem(408, "The body did not arrive in time."),
            problem(413, "The body is too large."),
            problem(415, "The body is not `application/json`, or is encoded in a way that is not read."),
        ])
    }
}

/// A status that is answered with a problem.
fn problem(status: u16, description: &str) -> (String, RefOr<Response>) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new().description(description).content("application/problem+json", content);
    let response = match status {
        401 => response.header("WWW-Authenticate", Header::new(ObjectBuilder::new().schema_type(Type::String))),
        429 | 503 => response.header("Retry-After", Header::new(ObjectBuilder::new().schema_type(Type::Integer))),
        _ => response,
    };
    (status.to_string(), response.build().into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use actix_web::http::Method;

    #[test]
    fn the_routes_and_the_document_are_the_same() {
        let document: serde_json::Value = serde_json::from_str(&super::DOCUMENT).unwrap();
        let documented = document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| (path.clone(), method.to_ascii_uppercase()))
        });
        let routes = super::super::documented().listed();
        let heads = routes.iter().filter(|(_, method)| method == Method::HEAD).count();
        let gets = routes.iter().filter(|(_, method)| method == Method::GET).count();
        assert_eq!(heads, gets, "every GET answers HEAD, which the document says once for all");
        let routes = routes.into_iter().filter(|(_, method)| method != Method::HEAD);
        let routes: BTreeSet<_> = routes.map(|(path, method)| (path.to_owned(), method.to_string())).collect();
        assert!(routes.len() > 20);
        assert_eq!(documented.collect::<BTreeSet<_>>(), routes);
    }
}
