//! `Expect: 100-continue`: a body is asked for once the application asks for it, and not before.
//!
//! actix sends its 100 before the application sees the request, so that who is refused for what the
//! head says would first be asked for the body, and only then be refused (RFC 9110, section 10.1.1,
//! wants the refusal instead). Here the application begins as if nothing were expected. If it answers
//! without the body, that is the answer; once it waits for the body, the 100 is sent, and it goes on.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use actix_http::{HttpMessage, Request, Response};
use actix_service::Service;
use actix_web::HttpResponse;

use super::Deadline;
use super::timed::{Answering, Finishing, LocalFuture};

/// An answer that was begun before the 100 was sent, in the extensions of a request that stands for
/// the one it answers.
pub(super) struct Begun(pub(super) Answering);

/// Answers a request that expects a 100, or gives the request for which it is sent.
pub(super) fn answer_or_ask<S>(request: Request, app: &S) -> LocalFuture<Result<Request, HttpResponse>>
where
    S: Service<Request, Response = Response<Finishing>, Error = HttpResponse, Future = Answering>,
{
    let deadline = request.conn_data::<Rc<Deadline>>().cloned();
    let begun = Cell::new(Some(app.call(request)));
    Box::pin(poll_fn(move |context| {
        let Some(mut answering) = begun.take() else { return Poll::Pending };
        match answering.as_mut().poll(context) {
            Poll::Ready(Ok(answer)) => Poll::Ready(Err(answer.map_into_boxed_body().into())),
            Poll::Ready(Err(answer)) => Poll::Ready(Err(answer)),
            Poll::Pending if deadline.as_ref().is_none_or(|deadline| deadline.is_body_awaited()) => {
                let request = Request::new();
                request.extensions_mut().insert(Begun(answering));
                Poll::Ready(Ok(request))
            }
            Poll::Pending => {
                begun.set(Some(answering));
                Poll::Pending
            }
        }
    }))
}
