//! Reading a request's body: whole, capped, in time, and inflated where it is compressed.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{self, Bytes, BytesMut};
use actix_web::{HttpMessage, HttpRequest};
use futures_core::Stream;
use tokio::time::{Instant, timeout_at};

use super::ArrivesBy;
use super::budget::Share;
use super::inflate::Encoding;
use crate::refusal::{Code, Refusal};

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
) -> Result<Bytes, Refusal> {
    let encoding = Encoding::of(request.headers())?;
    let announced = announced_length(request, limit)?;
    let by = request.extensions().get::<ArrivesBy>().map_or_else(|| Instant::now() + within, |by| by.0);
    let mut share = Share::new();
    match timeout_at(by, collect(payload.into_inner(), announced, limit, &mut share)).await {
        Ok(body) => encoding.inflate(body?, limit, &mut share).await,
        Err(_) => Err(Refusal::new(Code::RequestTimeout, "The request did not arrive within the time allowed for it.")),
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

async fn collect(payload: Payload, announced: usize, limit: usize, share: &mut Share<'_>) -> Result<Bytes, Refusal> {
    let mut payload = pin!(payload);
    // Most bodies arrive in one piece, which is then passed on as it is.
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(piece) = poll_fn(|context| payload.as_mut().poll_next(context)).await {
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
