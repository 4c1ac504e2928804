//! Compressed bodies: gzip and deflate, inflated step by step within bounds.
//!
//! | attack | stopped by |
//! |---|---|
//! | a small body that inflates without end | `limit`, as for a body that is sent plain |
//! | one that makes the bridge inflate up to the limit for next to nothing | [`MOST_RATIO`] |
//! | one that holds up whoever else the worker serves | [`STEP`], after which others have their turn |
//! | codings one over the other | only one is taken |

use std::io::{self, ErrorKind, Read};

use actix_web::http::header::{CONTENT_ENCODING, HeaderMap};
use actix_web::web::Bytes;
use flate2::bufread::GzDecoder;
use flate2::{Decompress, FlushDecompress, Status};

use super::Unread;
use super::budget::Share;
use crate::refusal::{Code, Refusal};

/// How many times its own size a body may inflate to; XML hardly comes to 30.
const MOST_RATIO: usize = 100;

/// Up to here the ratio does not matter: a short message may be mostly white space.
const FREE: usize = 16 * 1024;

/// How much is inflated in one go.
const STEP: usize = 16 * 1024;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Deflate,
}

impl Encoding {
    /// What the head says.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut found = Self::Identity;
        let values = headers.get_all(CONTENT_ENCODING).flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        for name in values.map(<[u8]>::trim_ascii) {
            let encoding = match name.to_ascii_lowercase().as_slice() {
                b"" | b"identity" => continue,
                b"gzip" | b"x-gzip" => Self::Gzip,
                b"deflate" => Self::Deflate,
                _ => return Err(unsupported("it is not read")),
            };
            if found != Self::Identity {
                return Err(unsupported("several encodings one over the other are not read"));
            }
            found = encoding;
        }
        Ok(found)
    }

    /// The body as it was before it was encoded.
    pub(super) async fn inflate(self, body: Bytes, limit: usize, share: &mut Share<'_>) -> Result<Bytes, Unread> {
        let mut source: Box<dyn Read> = match self {
            Self::Identity => return Ok(body),
            Self::Gzip => Box::new(Gzipped(GzDecoder::new(&*body))),
            Self::Deflate => Box::new(Deflated::new(&body)),
        };
        let mut inflated = Vec::new();
        let mut piece = vec![0; STEP];
        loop {
            let read = match source.read(&mut piece) {
                Ok(read) => read,
                Err(error) => return Err(self.damaged(&body, inflated, &error)),
            };
            inflated.extend_from_slice(&piece[..read]);
            share.hold(body.len() + inflated.capacity())?;
            if inflated.len() > limit {
                let message = format!("The body inflates to more than {limit} bytes, the most that is taken.");
                return Err(Refusal::new(Code::TooLarge, message).into());
            }
            if inflated.len() > FREE && inflated.len() / MOST_RATIO > body.len() {
                let message = format!("The body inflates to more than {MOST_RATIO} times its size: send it unencoded.");
                return Err(Refusal::new(Code::TooLarge, message).into());
            }
            if read == 0 {
                return Ok(inflated.into());
            }
            if read == STEP {
                tokio::task::yield_now().await;
            }
        }
    }

    fn damaged(self, body: &Bytes, inflated: Vec<u8>, error: &io::Error) -> Unread {
        let name = if self == Self::Gzip { "gzip" } else { "deflate" };
        let trailing = error.get_ref().and_then(|inner| inner.downcast_ref::<Trailing>());
        let plain = body.trim_ascii_start().first() == Some(&b'<');
        let message = if plain {
            format!("The body is not compressed, although its Content-Encoding is {name}: leave that header out.")
        } else if let Some(Trailing(bytes)) = trailing {
            format!("The body's {name} stream is complete, and {bytes} bytes follow its end: send the stream alone.")
        } else if error.kind() == ErrorKind::UnexpectedEof {
            format!("The body's {name} stream ends before it is complete.")
        } else {
            format!("The body is no {name} stream, as its Content-Encoding says, or is damaged: {error}.")
        };
        let part = if plain { body.clone() } else { inflated.into() };
        Unread { refusal: Refusal::new(Code::BadRequest, message), part }
    }
}

/// So many bytes follow the end of a stream.
#[derive(Debug, thiserror::Error)]
#[error("{0} bytes follow it")]
struct Trailing(usize);

impl From<Trailing> for io::Error {
    fn from(trailing: Trailing) -> Self {
        Self::new(ErrorKind::InvalidData, trailing)
    }
}

/// Members of gzip, one after the other (RFC 1952, section 2.2).
struct Gzipped<'b>(GzDecoder<&'b [u8]>);

impl Read for Gzipped<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.0.read(piece)?;
            let rest: &[u8] = self.0.get_ref();
            match rest {
                _ if read > 0 => return Ok(read),
                [] => return Ok(0),
                [0x1f, 0x8b, ..] => self.0 = GzDecoder::new(rest),
                _ => return Err(Trailing(rest.len()).into()),
            }
        }
    }
}

fn unsupported(why: &str) -> Refusal {
    let message =
        format!("The body's Content-Encoding is refused: {why}. Send gzip (or x-gzip), deflate, or no encoding.");
    Refusal::new(Code::UnsupportedMediaType, message)
}

/// What is sent as deflate: a zlib stream as HTTP asks for (RFC 9110, section 8.4.1.2), or the bare
/// deflate stream that some senders, .NET's `DeflateStream` among them, take it for. The two header
/// bytes of zlib tell: no encoder begins a bare stream with them.
struct Deflated<'b> {
    rest: &'b [u8],
    state: Decompress,
    ended: bool,
}

impl<'b> Deflated<'b> {
    fn new(body: &'b [u8]) -> Self {
        let zlib = matches!(body, [first, second, ..]
            if first & 0x0f == 8 && first >> 4 <= 7 && u16::from_be_bytes([*first, *second]) % 31 == 0);
        Self { rest: body, state: Decompress::new(zlib), ended: false }
    }
}

impl Read for Deflated<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        while !self.ended {
            let (taken, made) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(self.rest, piece, FlushDecompress::None)?;
            let taken = (self.state.total_in() - taken) as usize;
            let made = (self.state.total_out() - made) as usize;
            self.rest = &self.rest[taken..];
            self.ended = status == Status::StreamEnd;
            if made > 0 {
                return Ok(made);
            }
            if !self.ended && taken == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        if self.rest.is_empty() { Ok(0) } else { Err(Trailing(self.rest.len()).into()) }
    }
}

#[cfg(test)]
mod tests;
