//! Refused messages of known senders: kept, and read again once an operator asks for it.

use std::time::Instant;

use super::Public;
use super::message::Envelope;
use crate::auth::Authenticated;
use crate::journal::refused::MOST_TEXT;
use crate::journal::{Receipt, RefusedHead, RefusedRecord};
use crate::organisation::Organisation;
use crate::refusal::{Code, Refusal};
use crate::soap::{self, Rejected, Version};
use crate::xml::Document;

/// How much is kept of each field of a head, in bytes.
const MOST_FIELD: usize = 2_048;

/// Keeps what was refused, unless its sender is to send it again as it is.
pub(super) fn keep(
    public: &Public,
    organisation: &Organisation,
    envelope: Envelope,
    message: Authenticated<(&[u8], &Rejected)>,
) {
    let (body, Rejected { refusal, .. }) = message.into_inner();
    // A dry run stores nothing, whatever comes of it.
    if refusal.code.is_retryable() || envelope.is_dry_run() {
        return;
    }
    let (text, mut whole) = text(body, envelope.content_type.as_deref());
    // Not what came, but what could be made of it.
    whole &= refusal.code != Code::BadRequest;
    let mut short = |mut text: String| {
        whole &= !cut(&mut text, MOST_FIELD);
        text
    };
    let head = RefusedHead {
        org: organisation.id.clone(),
        code: refusal.code.as_str().to_owned(),
        message: refusal.message.clone(),
        place: refusal.place().map(str::to_owned),
        content_type: envelope.content_type.map(&mut short),
        soap_action: envelope.soap_action.map(&mut short),
        tenant: envelope.tenant.map(&mut short),
        query: short(envelope.query),
        bytes: body.len() as u64,
        whole,
    };
    if !public.refused.keep(head, text) {
        public.metrics.not_kept(&organisation.id);
    }
}

/// A body's text as far as it is kept, and whether it is all that came.
fn text(body: &[u8], content_type: Option<&str>) -> (String, bool) {
    let charset = soap::check_media(content_type).ok().and_then(|media| media.charset);
    let (text, exact) = match Document::decode(body, charset) {
        Ok(document) => (document.text().to_owned(), true),
        Err(error) => {
            // It is read again as UTF-8, which must not make of it what it was not when it came.
            let as_utf8 = std::str::from_utf8(body).is_ok().then(|| Document::decode(body, Some("utf-8")));
            let same = as_utf8.is_some_and(|again| again.err().as_ref() == Some(&error));
            // Of two bytes a character, every second may be nothing.
            (String::from_utf8_lossy(body).replace('\0', ""), same)
        }
    };
    let mut text = soap::without_passwords(&text).into_owned();
    let longer = cut(&mut text, MOST_TEXT);
    (text, exact && !longer && !body.is_empty())
}

/// Leaves so many bytes of a text at most; whether any had to go.
fn cut(text: &mut String, most: usize) -> bool {
    if text.len() <= most {
        return false;
    }
    let end = (0..=most).rev().find(|&at| text.is_char_boundary(at));
    text.truncate(end.unwrap_or(0));
    true
}

/// Reads a kept message again, as one that has just come, with what is now in force.
///
/// # Errors
/// Why it is refused, still or anew.
pub async fn retry(
    public: &Public,
    organisation: &Organisation,
    kept: Authenticated<(&RefusedRecord, &str)>,
) -> Result<Receipt, Refusal> {
    let &(RefusedRecord { head, .. }, text) = kept.as_ref();
    let action = head.content_type.as_deref().and_then(|value| soap::check_media(Some(value)).ok()?.action);
    let envelope = Envelope {
        content_type: head.content_type.as_deref().map(as_utf8),
        soap_action: head.soap_action.clone().or(action.map(str::to_owned)),
        tenant: head.tenant.clone(),
        query: head.query.clone(),
        ..Envelope::default()
    };
    let read = envelope.read(text.as_bytes(), organisation);
    let taken = match read {
        Ok(request) => envelope.store(kept.map(|_| request), organisation, public, Instant::now()).await,
        Err(rejected) => Err(rejected),
    };
    taken.map(|(_, _, receipt)| receipt).map_err(|rejected| rejected.refusal)
}

/// The Content-Type that goes with the text, which was decoded when it was kept.
fn as_utf8(content_type: &str) -> String {
    let Ok(media) = soap::check_media(Some(content_type)) else { return content_type.to_owned() };
    let media_type = match media.version {
        Version::Soap11 => "text/xml",
        Version::Soap12 => "application/soap+xml",
        Version::Bare => "application/xml",
    };
    format!("{media_type}; charset=utf-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_a_reader_would_see() {
        let utf16: Vec<u8> = "\u{feff}<a>é</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let long = "é".repeat(MOST_TEXT);
        for (body, content_type, expected, whole) in [
            (b"<a/>".as_slice(), "text/xml", "<a/>", true),
            (&utf16, "text/xml", "<a>é</a>", true),
            (b"<a>\xe9</a>", "text/xml; charset=iso-8859-1", "<a>é</a>", true),
            (b"<a>\xe9</a>", "text/xml; charset=utf-8", "<a>\u{fffd}</a>", false),
            (b"<a>\x01</a>", "text/xml", "<a>\u{1}</a>", true),
            (b"", "text/xml", "", false),
            (b"<a>b</a>", "text/xml; charset=koi8-r", "<a>b</a>", false),
            (
                b"<?xml version='1.0' encoding='koi8-r'?><a/>",
                "text/xml",
                "<?xml version='1.0' encoding='koi8-r'?><a/>",
                false,
            ),
            (b"<a />", "text/xml; charset=utf-16", "<a />", false),
            ("<a>é</a>".as_bytes(), "text/xml; charset=us-ascii", "<a>é</a>", false),
            (long.as_bytes(), "text/xml", &long[..MOST_TEXT], false),
            (b"<Password>x</Password>", "nonsense", "<Password>***</Password>", true),
        ] {
            assert_eq!(text(body, Some(content_type)), (expected.to_owned(), whole), "{content_type}");
        }
        let mut odd = "aé".to_owned();
        assert!(cut(&mut odd, 2) && odd == "a", "a character is not cut");
    }
}
