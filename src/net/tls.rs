//! TLS on the listener, where it is configured, and the stream that a connection then is.
//!
//! The deadline stands beneath TLS: a handshake that drips runs into the same instant as a head
//! that does, and so does a TLS record that never ends.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_rt::net::TcpStream;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::danger::ClientCertVerifier;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::head::{Head, Next, TOO_LARGE};
use super::shown::Shown;
use super::turns::Turns;
use super::{Deadline, DeadlineStream};

/// How handshakes are made. Its clones share it, so that it can be replaced while the listener
/// runs: a connection keeps what its handshake was made with, but for who vouches for its client.
#[derive(Clone)]
pub struct Handshakes(Arc<ArcSwap<InForce>>);

/// What handshakes are made with.
pub struct InForce {
    /// The bridge's own part.
    pub server: Arc<ServerConfig>,
    /// Who vouches for callers, where they are asked for a certificate.
    pub clients: Option<Arc<dyn ClientCertVerifier>>,
}

impl Handshakes {
    /// Puts a configuration in force.
    pub fn new(config: InForce) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(config)))
    }

    /// Puts another one in force: its certificate for the connections to come, its judgement of callers
    /// for the requests to come.
    pub fn replace(&self, config: InForce) {
        self.0.store(Arc::new(config));
    }

    /// What is in force now.
    pub(super) fn in_force(&self) -> Arc<InForce> {
        self.0.load_full()
    }
}

type Timed = DeadlineStream<TcpStream>;

/// A connection, whose heads are bounded.
pub(super) struct Connection {
    stream: Stream,
    shown: Option<Rc<Shown>>,
    head: Head,
    turns: Turns,
}

enum Stream {
    Plain(Timed),
    Tls(Box<TlsStream<Timed>>),
}

impl Connection {
    /// Makes the handshake, where there is one to make.
    pub(super) async fn open(stream: Timed, handshakes: Option<&Handshakes>) -> io::Result<Self> {
        let Some(handshakes) = handshakes else {
            return Ok(Self {
                stream: Stream::Plain(stream),
                shown: None,
                head: Head::default(),
                turns: Turns::default(),
            });
        };
        let in_force = handshakes.in_force();
        let stream = TlsAcceptor::from(Arc::clone(&in_force.server)).accept(stream).await?;
        let chain = stream.get_ref().1.peer_certificates();
        let shown = chain.and_then(|chain| Shown::new(chain, handshakes, in_force)).map(Rc::new);
        Ok(Self { stream: Stream::Tls(Box::new(stream)), shown, head: Head::default(), turns: Turns::default() })
    }

    /// The deadline that it is under.
    pub(super) fn deadline(&self) -> &Rc<Deadline> {
        match &self.stream {
            Stream::Plain(stream) => stream.deadline(),
            Stream::Tls(stream) => stream.get_ref().0.deadline(),
        }
    }

    fn timed(&mut self) -> &mut Timed {
        match &mut self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_mut().0,
        }
    }

    fn poll_stream(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }

    /// Reads nothing for the moment: until the reader has looked at what it has, or something more is asked for.
    fn put_off(&mut self, context: &Context<'_>) {
        if self.turns.came_to_an_end() {
            context.waker().wake_by_ref();
        } else {
            self.deadline().put_off();
        }
        self.turns.waits();
    }

    /// Reads what may be read now into the room, and says how much it is.
    fn poll_turn(&mut self, context: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let held = self.turns.give(room);
        let read = if held > 0 {
            held
        } else {
            let mut part = ReadBuf::new(room);
            let Poll::Ready(read) = self.poll_stream(context, &mut part) else {
                self.turns.waits();
                return Poll::Pending;
            };
            read?;
            part.filled().len()
        };
        if read > 0 && (self.deadline().is_busy() || self.turns.came_to_an_end()) {
            // actix would end the connection after the answer if it had the next head without its body.
            self.turns.hold(&room[..read]);
            self.put_off(context);
            return Poll::Pending;
        }
        let part = self.turns.hand_on(&room[..read], self.deadline().awaited());
        self.deadline().handed_on(part);
        Poll::Ready(Ok(part.now))
    }

    /// The certificate that the client has shown.
    pub(super) fn shown(&self) -> Option<&Rc<Shown>> {
        self.shown.as_ref()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let arrived = self.deadline().awaits_head().then(|| self.deadline().length_of_head());
        match self.head.next(arrived) {
            Next::Read => {}
            Next::Look => {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Next::Refuse => {
                // Said if it can be said at once. To the application it is a client that has gone.
                let _ = self.as_mut().poll_write(context, TOO_LARGE);
                let _ = self.as_mut().poll_flush(context);
                return Poll::Ready(Ok(()));
            }
        }
        ready!(self.timed().poll_in_time(context))?;
        let deadline = Rc::clone(self.deadline());
        if deadline.is_closing() {
            return self.poll_stream(context, buffer);
        }
        let next_is_held = self.turns.holds() && (deadline.is_busy() || self.turns.came_to_an_end());
        if self.timed().is_stalled() || next_is_held {
            self.put_off(context);
            return Poll::Pending;
        }
        let room = self.turns.room(deadline.at_once()).min(buffer.remaining());
        if room == 0 {
            self.turns.waits();
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let count = ready!(self.poll_turn(context, buffer.initialize_unfilled_to(room)))?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
