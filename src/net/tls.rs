//! TLS on the listener, where it is configured, and the stream that a connection then is.
//!
//! The deadline stands beneath TLS: a handshake that drips runs into the same instant as a head
//! that does, and so does a TLS record that never ends.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_rt::net::TcpStream;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Deadline, DeadlineStream};
use crate::certificate::Certificate;

/// How handshakes are made. Its clones share it, so that it can be replaced while the listener
/// runs: a connection keeps what its handshake was made with.
#[derive(Clone)]
pub struct Handshakes(Arc<ArcSwap<ServerConfig>>);

impl Handshakes {
    /// Puts a configuration in force.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self(Arc::new(ArcSwap::new(config)))
    }

    /// Puts another one in force for the connections to come.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        self.0.store(config);
    }

    async fn accept(&self, stream: Timed) -> io::Result<TlsStream<Timed>> {
        TlsAcceptor::from(self.0.load_full()).accept(stream).await
    }
}

type Timed = DeadlineStream<TcpStream>;

/// A connection: plain, or within TLS.
pub(super) enum Connection {
    Plain(Timed),
    Tls(Box<TlsStream<Timed>>, Option<Arc<Certificate>>),
}

impl Connection {
    /// Makes the handshake, where there is one to make.
    pub(super) async fn open(stream: Timed, handshakes: Option<&Handshakes>) -> io::Result<Self> {
        let Some(handshakes) = handshakes else { return Ok(Self::Plain(stream)) };
        let stream = handshakes.accept(stream).await?;
        let chain = stream.get_ref().1.peer_certificates();
        let certificate = chain.and_then(<[_]>::first).map(|first| Arc::new(Certificate::from_der(first)));
        Ok(Self::Tls(Box::new(stream), certificate))
    }

    /// The deadline that it is under.
    pub(super) fn deadline(&self) -> &Rc<Deadline> {
        match self {
            Self::Plain(stream) => stream.deadline(),
            Self::Tls(stream, _) => stream.get_ref().0.deadline(),
        }
    }

    /// The certificate that the client has shown, verified.
    pub(super) fn certificate(&self) -> Option<&Arc<Certificate>> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(_, certificate) => certificate.as_ref(),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream, _) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream, _) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream, _) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream, _) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream, _) => Pin::new(stream.as_mut()).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream, _) => stream.is_write_vectored(),
        }
    }
}
