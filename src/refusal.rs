//! The catalogue of refusals: everything the bridge can answer other than success.
//!
//! One place says of each refusal its code, whose fault it is, its HTTP status, its SOAP fault
//! code and whether trying again can help; the SOAP faults, the bare answers and the JSON problems
//! are all made from it.

use std::fmt;
use std::time::Duration;

/// Whose fault a refusal is, in the terms of SOAP 1.2 (part 1, section 5.4.6); the SOAP 1.1 codes
/// follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `env:Sender`, in SOAP 1.1 `Client`: the message must be changed before it is sent again.
    Sender,
    /// `env:Receiver`, in SOAP 1.1 `Server`: the same message may succeed later.
    Receiver,
    /// `VersionMismatch` in both versions.
    VersionMismatch,
    /// `MustUnderstand` in both versions.
    MustUnderstand,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $fault:ident, $status:expr;)+) => {
        /// What was refused, as a stable `snake_case` word that callers can script against.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant),+ }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// How it is spelled in faults and figures, in `snake_case`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// Whose fault it is.
            pub const fn fault(self) -> Fault {
                match self { $(Self::$variant => Fault::$fault),+ }
            }

            /// The HTTP status that HTTP itself asks for, whatever the SOAP version;
            /// `None` where the SOAP binding decides.
            pub const fn http_status(self) -> Option<u16> {
                match self { $(Self::$variant => $status),+ }
            }
        }
    };
}

catalogue! {
    /// The document is not namespace-well-formed XML 1.0.
    NotWellFormed = "not_well_formed", Sender, None;
    /// The document holds a document type declaration, which SOAP forbids.
    DtdRefused = "dtd_refused", Sender, None;
    /// Elements are nested deeper than `limits.xml_depth`.
    TooDeep = "too_deep", Sender, None;
    /// There are more elements than `limits.xml_elements`, or too many or too long attributes or names.
    TooManyElements = "too_many_elements", Sender, None;
    /// The envelope's namespace is not that of SOAP 1.1 or 1.2.
    VersionMismatch = "version_mismatch", VersionMismatch, None;
    /// A header block that must be understood is not.
    NotUnderstood = "not_understood", MustUnderstand, None;
    /// The envelope is not built as SOAP asks: no Body, two Bodies, something after it.
    BadEnvelope = "bad_envelope", Sender, None;
    /// The Body holds something else than the one operation.
    UnknownOperation = "unknown_operation", Sender, None;
    /// The payload is in a namespace that is not read.
    WrongNamespace = "wrong_namespace", Sender, None;
    /// A required element is missing or empty.
    MissingElement = "missing_element", Sender, None;
    /// An element that may stand once stands twice.
    RepeatedElement = "repeated_element", Sender, None;
    /// Two spellings of the same thing disagree.
    ConflictingElements = "conflicting_elements", Sender, None;
    /// A value is not what its element holds.
    InvalidValue = "invalid_value", Sender, None;
    /// A reference holds several IDs and none of a type that is taken.
    NoUsableId = "no_usable_id", Sender, None;
    /// An addressing header is malformed.
    InvalidAddressingHeader = "invalid_addressing_header", Sender, None;
    /// The SOAPAction names another operation and the organisation asked for strictness.
    ActionMismatch = "action_mismatch", Sender, None;
    /// The caller is another tenant than the organisation expects.
    WrongTenant = "wrong_tenant", Sender, None;
    /// The body broke off or is not what its encoding says, or its JSON not what the intake takes.
    BadRequest = "bad_request", Sender, Some(400);
    /// Credentials are missing or wrong.
    Unauthorized = "unauthorized", Sender, Some(401);
    /// There is no such organisation, page or event.
    NotFound = "not_found", Sender, Some(404);
    /// The resource does not take this method.
    MethodNotAllowed = "method_not_allowed", Sender, Some(405);
    /// The request did not arrive within `limits.request_seconds`.
    RequestTimeout = "request_timeout", Sender, Some(408);
    /// The event is not in a state that allows the action.
    Conflict = "conflict", Sender, Some(409);
    /// The body exceeds `limits.body_bytes`.
    TooLarge = "too_large", Sender, Some(413);
    /// The media type, charset or content encoding is not read.
    UnsupportedMediaType = "unsupported_media_type", Sender, Some(415);
    /// More messages than `limits.requests_per_second`, or too many failed sign-ins.
    TooManyRequests = "too_many_requests", Receiver, Some(429);
    /// The journal cannot take the event now; nothing is known to be stored.
    Unavailable = "unavailable", Receiver, Some(503);
    /// A defect of the bridge.
    Internal = "internal", Receiver, None;
}

impl Code {
    /// Whether the same message may succeed later.
    pub const fn is_retryable(self) -> bool {
        matches!(self.fault(), Fault::Receiver) || matches!(self, Self::RequestTimeout)
    }
}

/// One refusal: what, why and where, in words for the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was refused.
    pub code: Code,
    /// What was wrong, where, and what to do: a sentence that the sender may see.
    pub message: String,
    /// When to try again, for those that can be retried.
    pub retry_after: Option<Duration>,
    /// The header blocks of [`Code::NotUnderstood`], as (namespace, local name).
    pub not_understood: Vec<(String, String)>,
    /// Whether it is about WS-Security credentials, which have a fault code of their own,
    /// `wsse:FailedAuthentication`.
    pub failed_authentication: bool,
}

impl Refusal {
    /// A refusal with its sentence, which is sent to the caller.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after: None,
            not_understood: Vec::new(),
            failed_authentication: false,
        }
    }

    /// WS-Security credentials are missing or wrong.
    pub fn failed_authentication(message: impl Into<String>) -> Self {
        Self { failed_authentication: true, ..Self::new(Code::Unauthorized, message) }
    }

    /// Where in the message it is, as its sentence says: a line and column, or an element's path.
    pub fn place(&self) -> Option<&str> {
        if matches!(self.code, Code::NotWellFormed | Code::DtdRefused | Code::TooDeep | Code::TooManyElements) {
            return self.message.rfind("line ").map(|at| self.message[at..].trim_end_matches(['.', ')']));
        }
        // What stands in quotes is the sender's own.
        let ours = self.message.split('"').next()?;
        ours.split([' ', ':', ';']).find(|word| word.starts_with('/'))
    }

    /// The number of the `Retry-After` header, rounded up: whoever comes back a moment too early is
    /// sent away once more.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        let seconds = |after: Duration| after.as_secs() + u64::from(after.subsec_nanos() > 0);
        self.retry_after.map(|after| seconds(after).max(1))
    }

    /// The sender must go slower.
    pub fn too_many(message: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(Code::TooManyRequests, message) }
    }

    /// The journal or the bridge cannot take the message now.
    pub fn unavailable(message: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(Code::Unavailable, message) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_place_is_what_the_sentence_names() {
        for (code, message, place) in [
            (Code::NotWellFormed, "Not XML: \"line 9\" at line 3, column 7.", Some("line 3, column 7")),
            (Code::MissingElement, "/A/B is required and is missing.", Some("/A/B")),
            (Code::InvalidValue, "The ID at /A/B/ID is empty: \"/x\".", Some("/A/B/ID")),
            (Code::InvalidAddressingHeader, "/Envelope/Header: the header To stands twice.", Some("/Envelope/Header")),
            (Code::WrongTenant, "The header says \"/x /y\".", None),
        ] {
            assert_eq!(Refusal::new(code, message).place(), place, "{message}");
        }
    }

    #[test]
    fn retry_after_is_rounded_up() {
        for (millis, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (60_000, 60)] {
            let refusal = Refusal::too_many("", Duration::from_millis(millis));
            assert_eq!(refusal.retry_after_seconds(), Some(seconds), "{millis} ms");
        }
        assert_eq!(Refusal::new(Code::NotFound, "").retry_after_seconds(), None);
    }

    #[test]
    fn every_code_is_one_distinct_word_and_consistent() {
        let mut words = HashSet::new();
        for &code in Code::ALL {
            let word = code.as_str();
            assert!(words.insert(word), "{word} stands twice");
            assert!(word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{word}");
            if let Some(status) = code.http_status() {
                assert!((400..600).contains(&status), "{word}");
                let ours = matches!(status, 429 | 500..);
                assert_eq!(
                    code.fault() == Fault::Receiver,
                    ours,
                    "{word}: the status and the fault disagree on whose fault it is"
                );
            }
        }
    }
}
