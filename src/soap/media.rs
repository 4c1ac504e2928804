//! The Content-Type: whether a body is to be read at all, in which charset, and in which form to
//! answer where the body itself does not tell.

use super::{Rejected, Version};
use crate::refusal::{Code, Refusal};

/// What a Content-Type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Media<'a> {
    /// The form that goes with the media type.
    pub version: Version,
    /// The `charset` parameter without its quotes, as it was sent.
    pub charset: Option<&'a str>,
    /// The `action` parameter, which is SOAP 1.2's SOAPAction (RFC 3902).
    pub action: Option<&'a str>,
}

/// Reads a Content-Type before the body is.
///
/// # Errors
/// When there is none or its media type is not read here: a refusal with status 415.
pub fn check_media(content_type: Option<&str>) -> Result<Media<'_>, Rejected> {
    let Some(content_type) = content_type.filter(|value| !value.trim().is_empty()) else {
        return Err(unsupported("There is no Content-Type"));
    };
    let mut parts = Parameters(content_type);
    let media_type = parts.next().unwrap_or_default();
    let Some(version) = form(media_type) else {
        let media_type: String = media_type.chars().take(80).collect();
        return Err(unsupported(&format!("The Content-Type {media_type} is not read here")));
    };
    let mut media = Media { version, charset: None, action: None };
    for parameter in parts {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        let (name, value) = (name.trim(), value.trim().trim_matches(['"', '\'']).trim());
        if name.eq_ignore_ascii_case("charset") && !value.is_empty() {
            media.charset = media.charset.or(Some(value));
        } else if name.eq_ignore_ascii_case("action") {
            media.action = media.action.or(Some(value));
        }
    }
    Ok(media)
}

/// The form in which to answer a request whose document was not, or could not be, read.
pub fn version_for(content_type: Option<&str>) -> Version {
    let media_type = content_type.and_then(|value| Parameters(value).next()).unwrap_or_default();
    form(media_type).unwrap_or(Version::Soap11)
}

fn form(media_type: &str) -> Option<Version> {
    let is = |name: &str| media_type.eq_ignore_ascii_case(name);
    if is("text/xml") {
        Some(Version::Soap11)
    } else if is("application/soap+xml") {
        Some(Version::Soap12)
    } else if is("application/xml") {
        Some(Version::Bare)
    } else {
        None
    }
}

fn unsupported(what: &str) -> Rejected {
    let advice = "send text/xml for SOAP 1.1, application/soap+xml for SOAP 1.2, application/xml for a bare payload";
    Rejected::new(Version::Soap11, Refusal::new(Code::UnsupportedMediaType, format!("{what}: {advice}.")))
}

/// The parts between semicolons, of which quoted ones do not count.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        let mut quoted = false;
        let end = self.0.bytes().position(|byte| {
            quoted ^= byte == b'"';
            byte == b';' && !quoted
        });
        let (part, rest) = match end {
            Some(at) => (&self.0[..at], &self.0[at + 1..]),
            None => (self.0, ""),
        };
        self.0 = rest;
        Some(part.trim())
    }
}

/// The Content-Type that goes with a message, by its envelope. The envelope is looked for in
/// whatever encoding the message is in; what is no envelope at all is left to the reader to refuse.
pub fn likely_type(body: &[u8]) -> &'static str {
    const SOAP12: &[u8] = b"http://www.w3.org/2003/05/soap-envelope";
    let ascii: Vec<u8> = body.iter().copied().filter(|&byte| byte != 0).collect();
    let holds = |needle: &[u8]| memchr::memmem::find(&ascii, needle).is_some();
    if holds(SOAP12) {
        "application/soap+xml"
    } else if holds(b"Envelope") {
        "text/xml"
    } else {
        "application/xml"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacing_case_and_quotes_do_not_matter() {
        let table = [
            ("text/xml", Version::Soap11, None),
            ("TEXT/XML ; charset=utf-8", Version::Soap11, Some("utf-8")),
            ("text/xml;charset=\"UTF-8\";", Version::Soap11, Some("UTF-8")),
            ("text/xml; charset='utf-8'", Version::Soap11, Some("utf-8")),
            ("application/soap+xml;action=\"urn:a;b\";Charset = utf-16", Version::Soap12, Some("utf-16")),
            (" application/xml;;x", Version::Bare, None),
        ];
        for (content_type, version, charset) in table {
            let media = check_media(Some(content_type)).unwrap();
            assert_eq!((media.version, media.charset), (version, charset), "{content_type}");
            assert_eq!(version_for(Some(content_type)), version);
        }
        let media = check_media(Some("application/soap+xml;action=\"urn:a;b\"")).unwrap();
        assert_eq!(media.action, Some("urn:a;b"));
    }

    #[test]
    fn other_media_types_are_refused() {
        for content_type in [None, Some(""), Some("application/json"), Some("multipart/related; type=\"text/xml\"")] {
            let rejected = check_media(content_type).unwrap_err();
            assert_eq!(rejected.refusal.code, Code::UnsupportedMediaType, "{content_type:?}");
        }
        assert_eq!(version_for(None), Version::Soap11);
    }
}
