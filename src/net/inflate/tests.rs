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
    let inflated = encoding.inflate(Bytes::copy_from_slice(body), LIMIT, &mut Share::new(Sender::Stranger, 0, 0)).await;
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
        .inflate(large.into(), LIMIT, &mut Share::new(Sender::Stranger, 0, 0))
        .await
        .unwrap_err()
        .refusal;
    assert!(refusal.code == Code::TooLarge && refusal.message.contains("1048576"), "{refusal}");
    let bomb = gzip(&vec![b' '; 64 << 20]);
    let refusal = Encoding::Gzip
        .inflate(bomb.into(), 128 << 20, &mut Share::new(Sender::Stranger, 0, 0))
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
            Encoding::Gzip.inflate(body.into(), LIMIT, &mut Share::new(Sender::Stranger, 0, 0)).await.unwrap_err();
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
    for refused in [&["br"][..], &["gzip, gzip"], &["gzip", "deflate"], &["compress"], &["gzip;q=1"], &["gzip br"]] {
        assert_eq!(of(refused), Err(Code::UnsupportedMediaType), "{refused:?}");
    }
}
