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

use super::budget::Share;
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

/// Reads a body of at most `limit` bytes, as it is sent and as it is inflated.
///
/// It must be there by the request's [`ArrivesBy`], or, where nothing says that, `within` from now.
///
/// # Errors
/// [`Code::Unavailable`] while other bodies hold too much, [`Code::UnsupportedMediaType`] for an encoding that is not read, [`Code::TooLarge`] for more bytes (at once where
/// they are announced), [`Code::RequestTimeout`], and [`Code::BadRequest`] for a body that breaks off
/// or is not what its encoding says.
pub async fn read_body(
    request: &HttpRequest,
    payload: web::Payload,
    limit: usize,
    within: Duration,
) -> Result<Bytes, Unread> {
    let encoding = Encoding::of(request.headers())?;
    let announced = announced_length(request, limit)?;
    let by = request.extensions().get::<ArrivesBy>().map_or_else(|| Instant::now() + within, |by| by.0);
    let mut share = Share::new();
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
fn announced_length(request: &HttpRequest, limit: usize) -> Result<usize, Refusal> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match announced {
        Some(length) if length > limit as u64 => Err(too_large(limit)),
        length => Ok(length.unwrap_or_default() as usize),
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
    announced: usize,
    limit: usize,
    share: &mut Share<'_>,
) -> Result<Bytes, Refusal> {
    // Most bodies arrive in one piece, which is then passed on as it is.
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| broken(&error))?;
        if first.len().max(all.len()) + piece.len() > limit {
            return Err(too_large(limit));
        }
        share.hold(first.len().max(all.len()) + piece.len())?;
        if first.is_empty() {
            first = piece;
        } else {
            if all.is_empty() {
                all.reserve(announced);
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&piece);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

fn broken(error: &PayloadError) -> Refusal {
    let message = match error {
        PayloadError::Incomplete(_) => "The body ended before it was complete.",
        _ => "The body cannot be read: its transfer coding is broken.",
    };
    Refusal::new(Code::BadRequest, message)
}
