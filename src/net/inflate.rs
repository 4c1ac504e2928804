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
mod tests {
    use super::super::budget::Sender;
    use super::*;
    use actix_web::http::header::HeaderValue;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write;

    const LIMIT: usize = 1 << 20;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn bare(plain: &[u8], level: Compression) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), level);
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    async fn inflate(encoding: Encoding, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let inflated = encoding.inflate(Bytes::copy_from_slice(body), LIMIT, &mut Share::new(Sender::Stranger)).await;
        inflated.map(|body| body.to_vec()).map_err(|unread| unread.refusal)
    }

    /// Bytes that hardly compress.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(next).collect()
    }

    #[tokio::test]
    async fn what_was_compressed_comes_back() {
        let text: String = (0..4000).map(|n| format!("<a>{n}</a>")).collect();
        for plain in [Vec::new(), b"<a/>".repeat(3), noise(STEP), noise(5 * STEP + 1), text.into_bytes()] {
            let two = [gzip(&plain[..plain.len() / 2]), gzip(&plain[plain.len() / 2..])].concat();
            assert_eq!(inflate(Encoding::Gzip, &gzip(&plain)).await.unwrap(), plain);
            assert_eq!(inflate(Encoding::Gzip, &two).await.unwrap(), plain, "of two members");
            assert_eq!(inflate(Encoding::Deflate, &zlib(&plain)).await.unwrap(), plain);
            for level in [Compression::none(), Compression::fast(), Compression::best()] {
                assert_eq!(inflate(Encoding::Deflate, &bare(&plain, level)).await.unwrap(), plain);
            }
        }
    }

    #[tokio::test]
    async fn every_cut_and_every_extra_byte_is_refused() {
        let plain = b"<a>some text, some text</a>".repeat(20);
        for (encoding, whole) in [
            (Encoding::Gzip, gzip(&plain)),
            (Encoding::Deflate, zlib(&plain)),
            (Encoding::Deflate, bare(&plain, Compression::best())),
        ] {
            for length in 0..whole.len() {
                let refusal = inflate(encoding, &whole[..length]).await.unwrap_err();
                assert_eq!(refusal.code, Code::BadRequest, "{encoding:?} {length}");
            }
            for extra in [b"x".as_slice(), b"\0\0"] {
                let refusal = inflate(encoding, &[&whole, extra].concat()).await.unwrap_err();
                assert_eq!(refusal.code, Code::BadRequest, "{encoding:?}");
            }
        }
        for (encoding, mut whole) in [(Encoding::Gzip, gzip(&plain)), (Encoding::Deflate, zlib(&plain))] {
            let sum = whole.len() - if encoding == Encoding::Gzip { 8 } else { 4 };
            whole[sum] ^= 1;
            assert_eq!(inflate(encoding, &whole).await.unwrap_err().code, Code::BadRequest, "{encoding:?}: its sum");
        }
    }

    #[tokio::test]
    async fn bombs_stop_at_the_limit_or_at_the_ratio() {
        let large = zlib(&noise(LIMIT + 1));
        let refusal = Encoding::Deflate
            .inflate(large.into(), LIMIT, &mut Share::new(Sender::Stranger))
            .await
            .unwrap_err()
            .refusal;
        assert!(refusal.code == Code::TooLarge && refusal.message.contains("1048576"), "{refusal}");
        let bomb = gzip(&vec![b' '; 64 << 20]);
        let refusal = Encoding::Gzip
            .inflate(bomb.into(), 128 << 20, &mut Share::new(Sender::Stranger))
            .await
            .unwrap_err()
            .refusal;
        assert!(refusal.code == Code::TooLarge && refusal.message.contains("100 times"), "{refusal}");
        assert!(inflate(Encoding::Gzip, &gzip(&vec![b' '; FREE])).await.is_ok());
    }

    #[tokio::test]
    async fn a_refusal_says_what_the_body_is() {
        for (encoding, body, says) in [
            (Encoding::Gzip, b"  <a/>".to_vec(), "is not compressed"),
            (Encoding::Deflate, b"<a/>".to_vec(), "is not compressed"),
            (Encoding::Gzip, b"nonsense, and long enough".to_vec(), "no gzip stream"),
            (Encoding::Gzip, gzip(b"<a/>")[..12].to_vec(), "ends before"),
            (Encoding::Deflate, zlib(b"<a/>")[..8].to_vec(), "ends before"),
            (Encoding::Deflate, zlib(b"<a/>").repeat(2), "is complete, and 12 bytes follow its end"),
            (Encoding::Gzip, [gzip(b"<a/>"), b"junk".to_vec()].concat(), "is complete, and 4 bytes follow its end"),
            (Encoding::Gzip, [gzip(b"<a/>"), vec![0; 100]].concat(), "is complete, and 100 bytes follow its end"),
            (Encoding::Gzip, [gzip(b"<a/>"), gzip(b"<b/>")[..9].to_vec()].concat(), "ends before"),
        ] {
            let refusal = inflate(encoding, &body).await.unwrap_err();
            assert!(refusal.message.contains(says), "{refusal}");
        }
    }

    #[tokio::test]
    async fn what_could_be_read_of_a_damaged_body_is_given() {
        let plain = b"<a>some text</a>".repeat(100);
        let whole = gzip(&noise(3 * STEP));
        for (body, part) in [
            (b" <a/>".to_vec(), b" <a/>".to_vec()),
            ([gzip(&plain), b"junk".to_vec()].concat(), plain.clone()),
            (whole[..whole.len() - 9].to_vec(), noise(3 * STEP)),
            (b"junk".to_vec(), Vec::new()),
        ] {
            let unread =
                Encoding::Gzip.inflate(body.into(), LIMIT, &mut Share::new(Sender::Stranger)).await.unwrap_err();
            assert!(part.starts_with(&unread.part) && unread.part.is_empty() == part.is_empty(), "{}", unread.refusal);
        }
    }

    #[test]
    fn one_encoding_is_taken() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            values.iter().for_each(|value| headers.append(CONTENT_ENCODING, HeaderValue::from_str(value).unwrap()));
            Encoding::of(&headers).map_err(|refusal| refusal.code)
        };
        for identity in [&[][..], &[""], &["identity"], &["Identity, ,", "identity"]] {
            assert_eq!(of(identity), Ok(Encoding::Identity), "{identity:?}");
        }
        for gzip in [&["gzip"][..], &["X-GZip"], &["identity, gzip"]] {
            assert_eq!(of(gzip), Ok(Encoding::Gzip), "{gzip:?}");
        }
        assert_eq!(of(&["deflate"]), Ok(Encoding::Deflate));
        for refused in [&["br"][..], &["gzip, gzip"], &["gzip", "deflate"], &["compress"], &["gzip;q=1"], &["gzip br"]]
        {
            assert_eq!(of(refused), Err(Code::UnsupportedMediaType), "{refused:?}");
        }
    }
}
