//! The application, telling its connection's deadline when a head is complete and when an answer
//! is over. It stands around the whole of it, so that no route and no middleware can be forgotten.

use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_http::{ConnectionType, HttpMessage, Request, Response};
use actix_service::{Service, ServiceFactory};
use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::AppConfig;
use actix_web::web::Bytes;

use super::Deadline;
use super::expect::Begun;

pub(super) type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// An answer in the making.
pub(super) type Answering = LocalFuture<Result<Response<Finishing>, HttpResponse>>;

/// A factory of applications with a sense of time. `B` is the body of their answers.
pub(super) struct TimedFactory<S, B> {
    app: Rc<S>,
    body: PhantomData<B>,
}

impl<S, B> TimedFactory<S, B> {
    pub(super) fn new(app: S) -> Self {
        Self { app: Rc::new(app), body: PhantomData }
    }
}

impl<S, B> ServiceFactory<Request> for TimedFactory<S, B>
where
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = Response<Finishing>;
    type Error = HttpResponse;
    type Config = ();
    type Service = Timed<S::Service, B>;
    type InitError = S::InitError;
    type Future = LocalFuture<Result<Self::Service, Self::InitError>>;

    fn new_service(&self, (): ()) -> Self::Future {
        // The configuration only serves to guess at a host that a request does not name.
        let app = self.app.new_service(AppConfig::default());
        Box::pin(async move { Ok(Timed { app: app.await?, body: PhantomData }) })
    }
}

/// An application with a sense of time.
pub(super) struct Timed<S, B> {
    app: S,
    body: PhantomData<B>,
}

impl<S, B> Service<Request> for Timed<S, B>
where
    S: Service<Request>,
    S::Error: Into<actix_web::Error>,
    S::Response: Into<Response<B>>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = Response<Finishing>;
    type Error = HttpResponse;
    type Future = Answering;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.app.poll_ready(context).map_err(|error| error.into().error_response())
    }

    fn call(&self, request: Request) -> Self::Future {
        if let Some(Begun(answering)) = request.extensions_mut().remove() {
            return answering;
        }
        let deadline = request.conn_data::<Rc<Deadline>>().cloned();
        let chunked = request.headers().contains_key(TRANSFER_ENCODING);
        if let Some(deadline) = &deadline {
            request.extensions_mut().insert(deadline.head_is_complete((!chunked).then(|| length_of_body(&request))));
        }
        let answer = self.app.call(request);
        Box::pin(async move {
            if let Some(deadline) = &deadline {
                poll_fn(|context| deadline.poll_written(context)).await;
            }
            // An error becomes its answer here: below, it would pass by the deadline.
            let mut answer = match answer.await {
                Ok(answer) => answer.into().map_into_boxed_body(),
                Err(error) => Response::from(error.into().error_response()),
            };
            if chunked && (answer.status().is_client_error() || answer.status().is_server_error()) {
                // actix would read such a body to its end, for however long that comes, to keep the
                // connection; one of a known length it leaves.
                answer.head_mut().set_connection_type(ConnectionType::Close);
            }
            let last = !answer.keep_alive();
            deadline.iter().for_each(|deadline| deadline.answer_begins());
            if let Some(deadline) = &deadline {
                // An empty body is not asked for anything, so that this is its end.
                poll_fn(|context| {
                    deadline.look_again(context.waker());
                    Poll::Ready(())
                })
                .await;
            }
            Ok(answer.map_body(|_, body| Finishing { body, deadline, last }))
        })
    }
}

/// What the head says; nothing said is no body.
fn length_of_body(request: &Request) -> usize {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.trim().parse().ok());
    length.unwrap_or_default()
}

/// A body; when it is dropped, sent or not, the answer is over.
pub(super) struct Finishing {
    body: BoxBody,
    deadline: Option<Rc<Deadline>>,
    /// Whether the connection ends with it.
    last: bool,
}

impl Drop for Finishing {
    fn drop(&mut self) {
        if let Some(deadline) = &self.deadline {
            deadline.answer_is_over(self.last);
        }
    }
}

impl MessageBody for Finishing {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        if this.last {
            // actix still reads a chunked body that nobody wants. It is made to look at the deadline
            // again, which is a short one by then.
            context.waker().wake_by_ref();
        }
        if let Some(deadline) = &this.deadline {
            deadline.look_again(context.waker());
        }
        Pin::new(&mut this.body).poll_next(context)
    }
}
