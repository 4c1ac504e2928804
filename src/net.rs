//! Listening: TCP, TLS and the bodies of requests, none of which can be held open for nothing. What is
//! served there is the business of [`crate::public`] and [`crate::admin`].
//!
//! actix's own timer covers the head of a connection's first request only, and nothing covers
//! bodies: a client that drips a second head or a body holds a connection, and what belongs to it,
//! for ever. Here every connection carries one [`Deadline`], enforced where its bytes are read, and
//! bodies are read by [`read_body`] alone.
//!
//! | attack | stopped by |
//! |---|---|
//! | a head that drips, the first or a later one | [`Limits::request`] from its first byte (the first: from the connect) |
//! | a TLS handshake that drips | the same instant: the deadline stands beneath TLS |
//! | a body that drips | the same instant, in [`read_body`] |
//! | a body of unlimited length, chunked or announced | [`BodyLimits::bytes`] |
//! | many long bodies that stop short of their ends | what they hold together is bounded, before they are read where they say how long they are; short ones are taken all the same, and so are those of senders whom the head has shown |
//! | a body that goes on after its message was refused | an answer with `Connection: close` ends the connection 2 s later |
//! | a compressed body that inflates without end | the same limit, and a ratio |
//! | a connection that says nothing | [`Limits::request`] after the connect, [`Limits::idle`] after an answer |
//! | answers that are never read | [`Limits::request`] without progress of a write; none is begun before the one ahead of it was taken, and nothing is read meanwhile |
//! | requests without end, sent ahead of their answers | no more than 8 KiB of them are read before their turn |
//! | bodies in chunks of a byte, long heads before bodies | they are read in small steps; what a head takes beyond 12 KiB counts as a part of its body |
//! | more connections than there is room for | [`Limits::connections`]; [`connections`] says how many there is room for |
//! | a head without end, or of very many headers | a bound of 8 KiB, and actix's own of 96 headers: a 431 and the end |

mod body;
mod budget;
mod deadline;
mod descriptors;
mod expect;
mod forwarded;
mod head;
mod inflate;
mod inherited;
mod shown;
mod stream;
mod timed;
mod tls;
mod turns;

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Request, Response};
use actix_rt::net::TcpStream;
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service};
use actix_web::HttpRequest;
use actix_web::body::MessageBody;
use actix_web::dev::AppConfig;

pub use body::{BodyLimits, Unread, read_body};
pub use budget::Sender;
pub use deadline::{ArrivesBy, Deadline};
pub use descriptors::connections;
pub use forwarded::Forwarded;
pub use inherited::{InheritError, Inherited};
use shown::Shown;
pub use stream::DeadlineStream;
use timed::TimedFactory;
use tls::Connection;
pub use tls::{Handshakes, InForce};

use crate::certificate::Certificate;

/// What connections may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long a whole request may take to arrive, head and body; also how long a write may stand still.
    pub request: Patience,
    /// How long a connection may be silent between an answer and the next request.
    pub idle: Duration,
    /// Most connections of one worker; more wait until one ends.
    pub connections: usize,
}

impl Limits {
    /// The limits for a given time for a request and so many connections per worker. 75 s of
    /// silence are longer than common proxies keep a connection, so that they close it first.
    pub fn new(request: Duration, connections: usize) -> Self {
        Self { request: Patience::new(request), idle: Duration::from_secs(75), connections }
    }
}

/// A length of time that its clones share, so that it can be changed while the listener runs: a
/// connection minds the new one from its next request on.
#[derive(Debug, Clone)]
pub struct Patience(Arc<AtomicU64>);

impl Patience {
    /// This long, to the microsecond.
    pub fn new(time: Duration) -> Self {
        Self(Arc::new(AtomicU64::new(microseconds(time))))
    }

    /// Makes it another length of time.
    pub fn set(&self, time: Duration) {
        self.0.store(microseconds(time), Relaxed);
    }

    /// How long it is now.
    pub fn time(&self) -> Duration {
        Duration::from_micros(self.0.load(Relaxed))
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// How long is waited for a client to take note that its connection ends.
const DISCONNECT: Duration = Duration::from_secs(2);

/// Seconds that requests under way have to finish once the server is stopped.
const DRAIN_SECONDS: u64 = 10;

/// The certificate that a request's sender has shown, verified against the `tls.client_ca` in force.
pub fn client_certificate(request: &HttpRequest) -> Option<&Certificate> {
    request.conn_data::<Rc<Shown>>()?.certificate()
}

/// Serves an actix application on a listener, with deadlines; within TLS where there are handshakes.
///
/// The server takes no signals; stop it by its handle. Stopping gracefully closes idle connections
/// at once and gives requests under way 10 s. It runs when awaited, and its workers run before that.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve<F, I, S, B>(
    listener: TcpListener,
    workers: usize,
    limits: Limits,
    handshakes: Option<Handshakes>,
    app: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let builder = ServerBuilder::new()
        .workers(workers)
        .max_concurrent_connections(limits.connections)
        .disable_signals()
        .shutdown_timeout(DRAIN_SECONDS);
    let stopping = builder.graceful_shutdown_signal();
    let server = builder.listen("http", listener, move || {
        let (stopping, stopped) = (stopping.clone(), stopping.clone());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(limits.idle)
            // The deadline covers the first head as well. actix's timer counts from a clock of half
            // a second's steps, so that a short time would be over before it began.
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(DISCONNECT)
            .on_connect_ext(|connection: &Connection, data| {
                data.insert(Rc::clone(connection.deadline()));
                if let Some(shown) = connection.shown() {
                    data.insert(Rc::clone(shown));
                }
            })
            .expect(apply_fn_factory(TimedFactory::new(app().into_factory()), expect::answer_or_ask))
            .h1(TimedFactory::new(app().into_factory()));
        let (handshakes, limits) = (handshakes.clone(), limits.clone());
        let accept = move |stream: TcpStream| {
            let (handshakes, stopped, limits) = (handshakes.clone(), stopped.clone(), limits.clone());
            async move {
                // Answers are small and written whole: waiting to fill a segment would only add latency.
                let _ = stream.set_nodelay(true);
                let peer = stream.peer_addr().ok();
                let opening = Connection::open(DeadlineStream::new(stream, limits), handshakes.as_ref());
                // A handshake under way holds up no stop: nothing was said yet.
                let opened = tokio::select! {
                    opened = opening => opened,
                    () = stopped.notified() => Err(io::ErrorKind::ConnectionAborted.into()),
                };
                opened.map(|connection| (connection, peer)).map_err(|error| {
                    tracing::debug!(?peer, %error, "a connection was not opened");
                    DispatchError::Io(error)
                })
            }
        };
        fn_service(accept).and_then(http)
    })?;
    Ok(server.run())
}

#[cfg(test)]
mod tests;
