//! Routes by their paths, so that a path that is there answers a wrong method as such.

use std::collections::BTreeMap;
use std::fmt::Write;

use actix_web::http::{Method, header};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Responder, ResponseError, Route};

use super::{Admin, Problem, console};

/// Under which paths a token is needed even to be told what there is.
const CLOSED: &str = "/api/v1/";

/// Handlers by path and method. Each is in the document of the API, which a test compares.
#[derive(Default)]
pub(super) struct Routes(BTreeMap<&'static str, Vec<(Method, Route)>>);

impl Routes {
    /// Answers GET, and HEAD without the body.
    pub(super) fn get<F, A>(self, path: &'static str, handler: F) -> Self
    where
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.add(Method::GET, path, handler.clone()).add(Method::HEAD, path, handler)
    }

    /// Answers POST.
    pub(super) fn post<F, A>(self, path: &'static str, handler: F) -> Self
    where
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.add(Method::POST, path, handler)
    }

    /// Answers DELETE.
    pub(super) fn delete<F, A>(self, path: &'static str, handler: F) -> Self
    where
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.add(Method::DELETE, path, handler)
    }

    fn add<F, A>(mut self, method: Method, path: &'static str, handler: F) -> Self
    where
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let route = web::method(method.clone()).to(handler);
        self.0.entry(path).or_default().push((method, route));
        self
    }

    /// Adds what another part of the API answers.
    pub(super) fn and(mut self, other: Self) -> Self {
        for (path, routes) in other.0 {
            self.0.entry(path).or_default().extend(routes);
        }
        self
    }

    /// Hands all of them to the listener.
    pub(super) fn configure(self, config: &mut ServiceConfig) {
        for (path, routes) in self.0 {
            let allow = allowed(routes.iter().map(|(method, _)| method));
            let resource = routes.into_iter().fold(web::resource(path), |resource, (_, route)| resource.route(route));
            let other = move |admin: Data<Admin>, request: HttpRequest| {
                std::future::ready(other_method(&admin, &request, &allow))
            };
            config.service(resource.default_service(web::to(other)));
        }
    }

    /// The paths with their methods.
    #[cfg(test)]
    pub(super) fn listed(&self) -> Vec<(&'static str, Method)> {
        let of = |(path, routes): (&&'static str, &Vec<(Method, Route)>)| {
            let path = *path;
            routes.iter().map(|(method, _)| (path, method.clone())).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of).collect()
    }
}

/// What an `Allow` header says.
fn allowed<'m>(methods: impl Iterator<Item = &'m Method>) -> String {
    methods.fold("OPTIONS".to_owned(), |mut all, method| {
        // Writing to a text does not fail.
        let _ = write!(all, ", {method}");
        all
    })
}

fn other_method(admin: &Admin, request: &HttpRequest, allow: &str) -> HttpResponse {
    if request.path().starts_with(CLOSED)
        && let Err(problem) = admin.caller(request)
    {
        return problem.error_response();
    }
    if request.method() == Method::OPTIONS {
        return HttpResponse::NoContent().insert_header((header::ALLOW, allow)).finish();
    }
    let mut answer = console::shown(request, Problem::method_not_allowed(request.method().as_str(), allow));
    // Methods are tokens, which a header takes.
    let methods = header::HeaderValue::from_str(allow).ok();
    methods.into_iter().for_each(|methods| answer.headers_mut().append(header::ALLOW, methods));
    answer
}
