//! A TCP line between a bridge and a relay that can be broken in every way that lines break.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, copy_bidirectional, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// What is wrong with the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Each connection is cut as soon as it is there.
    Cut,
    /// Each connection is cut in the middle of the request.
    CutInRequest,
    /// Nothing passes, and nothing is closed.
    Stall,
    /// The request passes; the answer does not come back, and nothing is closed.
    StallBeforeAnswer,
    /// The request passes; the relay's side is closed instead of an answer, the bridge's stays open.
    HalfClose,
    /// The request passes; what comes back is not HTTP.
    Garbage,
    /// The request passes; the answer comes byte by byte, with this pause after each.
    Drip(Duration),
    /// The request passes; the answer is cut in the middle of its status line.
    CutInHead,
    /// The request passes; the answer is cut in the middle of its body.
    CutInBody,
    /// The request passes; the answer stops in the middle of its body, and nothing is closed.
    StallInBody,
    /// The connection is cut in the middle of the TLS handshake.
    CutInHandshake,
    /// What answers the TLS handshake is not TLS.
    NotTls,
    /// The certificate is the one of this number; the good one has 0.
    Certificate(usize),
}

/// The line; it is gone when dropped.
pub(crate) struct Line {
    port: u16,
    fault: watch::Sender<Fault>,
    secured: bool,
}

impl Line {
    /// A line to this address.
    pub(crate) async fn to(relay: SocketAddr) -> Self {
        Self::started(relay, Vec::new()).await
    }

    /// A line whose end at the bridge speaks TLS with the first of these certificates.
    pub(crate) async fn secured(relay: SocketAddr, certificates: impl IntoIterator<Item = ServerConfig>) -> Self {
        Self::started(relay, certificates.into_iter().map(|config| TlsAcceptor::from(Arc::new(config))).collect()).await
    }

    async fn started(relay: SocketAddr, acceptors: Vec<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (fault, secured) = (watch::Sender::new(Fault::None), !acceptors.is_empty());
        tokio::spawn(accept(listener, relay, Arc::from(acceptors), fault.subscribe()));
        Self { port, fault, secured }
    }

    pub(crate) fn url(&self) -> String {
        let start = if self.secured { "https://localhost" } else { "http://127.0.0.1" };
        format!("{start}:{}", self.port)
    }

    /// Breaks the line in this way, or mends it. The connections there are, are cut.
    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

async fn accept(
    listener: TcpListener,
    relay: SocketAddr,
    acceptors: Arc<[TlsAcceptor]>,
    mut fault: watch::Receiver<Fault>,
) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            changed = fault.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let (acceptors, mut fault) = (Arc::clone(&acceptors), fault.clone());
        tokio::spawn(async move {
            let now = *fault.borrow_and_update();
            tokio::select! {
                // Nothing passes any more once the fault has changed.
                biased;
                _ = fault.changed() => {}
                // However a connection ends, it is closed by being dropped.
                _ = carry(stream, relay, &acceptors, now) => {}
            }
        });
    }
}

async fn carry(mut stream: TcpStream, relay: SocketAddr, acceptors: &[TlsAcceptor], fault: Fault) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match fault {
        Fault::Cut => return Ok(()),
        Fault::Stall => return std::future::pending().await,
        Fault::CutInHandshake => return stream.read(&mut [0; 64]).await.map(drop),
        Fault::NotTls => {
            stream.read_u8().await?;
            return stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
        _ => {}
    }
    let certificate = if let Fault::Certificate(number) = fault { number } else { 0 };
    match acceptors.get(certificate) {
        Some(acceptor) => pass(acceptor.accept(stream).await?, relay, fault).await,
        None => pass(stream, relay, fault).await,
    }
}

async fn pass(mut bridge: impl AsyncRead + AsyncWrite + Unpin, relay: SocketAddr, fault: Fault) -> io::Result<()> {
    let mut relay = TcpStream::connect(relay).await?;
    match fault {
        Fault::None | Fault::Certificate(_) => return copy_bidirectional(&mut bridge, &mut relay).await.map(drop),
        Fault::CutInRequest => {
            let mut part = [0; 100];
            bridge.read_exact(&mut part).await?;
            return relay.write_all(&part).await;
        }
        _ => {}
    }
    let (mut from_bridge, mut to_bridge) = split(bridge);
    let (mut from_relay, mut to_relay) = relay.into_split();
    tokio::select! {
        ended = answer(&mut from_relay, &mut to_bridge, fault) => ended,
        ended = copy(&mut from_bridge, &mut to_relay) => ended.map(drop),
    }
}

/// Waits for the relay's answer and does to it what the fault says; to return is to cut.
async fn answer(
    relay: &mut (impl AsyncRead + Unpin),
    bridge: &mut (impl AsyncWrite + Unpin),
    fault: Fault,
) -> io::Result<()> {
    loop {
        let answer = one_answer(relay).await?;
        let in_body = answer.len() - 4;
        match fault {
            Fault::HalfClose => bridge.shutdown().await?,
            Fault::Garbage => bridge.write_all(b"\x00\x01 what is this?\r\n\r\n").await?,
            Fault::CutInHead => return bridge.write_all(&answer[.."HTTP/1.1 2".len()]).await,
            Fault::CutInBody => return bridge.write_all(&answer[..in_body]).await,
            Fault::StallInBody => bridge.write_all(&answer[..in_body]).await?,
            Fault::Drip(pause) => {
                for byte in answer {
                    bridge.write_all(&[byte]).await?;
                    bridge.flush().await?;
                    tokio::time::sleep(pause).await;
                }
                continue;
            }
            _ => {}
        }
        bridge.flush().await?;
        std::future::pending::<()>().await;
    }
}

/// The head and the body of the next answer; the stand-in relay gives every body's length.
async fn one_answer(relay: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
            if body.len() >= length.trim().parse::<usize>().unwrap() {
                return Ok(answer);
            }
        }
        answer.push(relay.read_u8().await?);
    }
}
