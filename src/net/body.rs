//! Reading a request's body: whole, capped, in time, and inflated where it is compressed.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{self, Bytes, BytesMut};
use actix_web::{HttpMessage, HttpRequest};
use futures_core::Stream;
use tokio::time::{Instant, timeout_at};

use super::budget::{Sender, Share};
use super::inflate::Encoding;
use super::{ArrivesBy, Deadline};
use crate::refusal::{Code, Refusal};

/// A body that could not be read whole.
#[derive(Debug)]
pub struct Unread {
    /// Why.
    pub refusal: Refusal,
    /// What could be read of it, where what came is not what its encoding says.
    pub part: Bytes,
}

impl From<Refusal> for Unread {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, part: Bytes::new() }
    }
}

/// What a body may take.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Most bytes, as it is sent and as it is inflated.
    pub bytes: usize,
    /// How long it may take from now, where the request has no [`ArrivesBy`].
    pub within: Duration,
    /// With whom it shares the memory that there is for long bodies.
    pub sender: Sender,
}

/// Reads a body whole, by the request's [`ArrivesBy`].
///
/// # Errors
/// [`Code::Unavailable`] while other bodies hold too much, [`Code::UnsupportedMediaType`] for an encoding
/// that is not read, [`Code::TooLarge`] for more bytes (these three at once, where the head says so),
/// [`Code::RequestTimeout`], and [`Code::BadRequest`] for a body that breaks off or is not what its
/// encoding says.
pub async fn read_body(request: &HttpRequest, payload: web::Payload, limits: BodyLimits) -> Result<Bytes, Unread> {
    let limit = limits.bytes;
    let encoding = Encoding::of(request.headers())?;
    let announced = announced_length(request, limit)?;
    let by = request.extensions().get::<ArrivesBy>().map_or_else(|| Instant::now() + limits.within, |by| by.0);
    let head = request.conn_data::<Rc<Deadline>>().map_or(0, |deadline| deadline.length_of_head());
    let mut share = Share::new(limits.sender, head, request.headers().len());
    share.hold(announced.unwrap_or_default())?;
    let pieces = Pieces { payload: payload.into_inner(), deadline: request.conn_data::<Rc<Deadline>>() };
    match timeout_at(by, collect(pieces, announced, limit, &mut share)).await {
        Ok(body) => encoding.inflate(body?, limit, &mut share).await,
        Err(_) => {
            let message = "The request did not arrive within the time allowed for it.";
            Err(Refusal::new(Code::RequestTimeout, message).into())
        }
    }
}

/// What the head says; nothing of a body that comes in chunks.
fn announced_length(request: &HttpRequest, limit: usize) -> Result<Option<usize>, Refusal> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match announced {
        Some(length) if length > limit as u64 => Err(too_large(limit)),
        length => Ok(length.map(|length| length as usize)),
    }
}

fn too_large(limit: usize) -> Refusal {
    Refusal::new(Code::TooLarge, format!("The body is longer than {limit} bytes, the most that is taken."))
}

/// What arrives of a body, and the connection that is told while it is waited for.
struct Pieces<'r> {
    payload: Payload,
    deadline: Option<&'r Rc<Deadline>>,
}

impl Pieces<'_> {
    async fn next(&mut self) -> Option<Result<Bytes, PayloadError>> {
        poll_fn(|context| {
            let piece = Pin::new(&mut self.payload).poll_next(context);
            if let Some(deadline) = self.deadline {
                deadline.awaits_body(piece.is_pending(), context.waker());
            }
            piece
        })
        .await
    }
}

async fn collect(
    mut pieces: Pieces<'_>,
    announced: Option<usize>,
    limit: usize,
    share: &mut Share<'_>,
) -> Result<Bytes, Refusal> {
    // Most bodies arrive in one piece, which is then passed on as it is.
    let mut whole = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| broken(&error))?;
        let length = all.len() + piece.len();
        if length > limit {
            return Err(too_large(limit));
        }
        if announced == Some(piece.len()) {
            whole = piece;
            continue;
        }
        if length > all.capacity() {
            let room = announced.unwrap_or_else(|| room_for(length).min(limit));
            share.hold(room)?;
            all.reserve(room - all.len());
        }
        // A piece that was kept would keep the connection's buffer with it, which is longer.
        all.extend_from_slice(&piece);
    }
    Ok(if whole.is_empty() { all.freeze() } else { whole })
}

/// How much room is made for a body that does not say how long it is. It grows in few and long steps, as
/// each leaves a hole behind it.
fn room_for(length: usize) -> usize {
    let mut room = 16 << 10;
    while room < length {
        room *= 4;
    }
    room
}

fn broken(error: &PayloadError) -> Refusal {
    let message = match error {
        PayloadError::Incomplete(_) => "The body ended before it was complete.",
        _ => "The body cannot be read: its transfer coding is broken.",
    };
    Refusal::new(Code::BadRequest, message)
}
