//! Identifiers as types, so that one cannot be passed for another.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use uuid::Uuid;

/// Longest Workday identifier that is taken, in bytes of UTF-8.
///
/// Workday's own (WID, reference ids) stay far below; the bound keeps rows and answers small.
pub const MAX_ID_BYTES: usize = 255;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Nothing is left after outer white space was removed.
    #[error("is empty")]
    Empty,
    /// Longer than [`MAX_ID_BYTES`].
    #[error("is longer than {MAX_ID_BYTES} bytes")]
    TooLong,
    /// Holds a control character, such as a line break.
    #[error("holds a control character")]
    Control,
    /// Not an organisation id.
    #[error(
        "is not an organisation id: use a-z, 0-9, '_' and '-', 63 characters at most, starting with a letter or digit"
    )]
    Organisation,
    /// Not an event id.
    #[error("is not an event id (a UUID of version 7)")]
    Event,
}

/// One imper.ai customer, which is one Workday tenant: `[a-z0-9][a-z0-9_-]{0,62}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "server", schema(value_type = String, pattern = "^[a-z0-9][a-z0-9_-]{0,62}$"))]
pub struct OrgId(Arc<str>);

impl OrgId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OrgId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let well_formed = matches!(bytes, [first, rest @ ..]
            if letter(*first) && rest.len() <= 62 && rest.iter().all(|&b| letter(b) || b == b'_' || b == b'-'));
        if well_formed { Ok(Self(text.into())) } else { Err(InvalidId::Organisation) }
    }
}

impl fmt::Display for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrgId({})", self.0)
    }
}

impl Serialize for OrgId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

macro_rules! workday_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
        #[cfg_attr(
            feature = "server",
            schema(
                value_type = String,
                min_length = 1,
                max_length = 255,
                pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
            )
        )]
        pub struct $name(Box<str>);

        impl $name {
            /// Takes the text without its outer white space.
            ///
            /// # Errors
            /// When nothing is left, when it exceeds [`MAX_ID_BYTES`], or when it holds a control character.
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                let text = text.trim();
                if text.is_empty() {
                    Err(InvalidId::Empty)
                } else if text.len() > MAX_ID_BYTES {
                    Err(InvalidId::TooLong)
                } else if text.chars().any(char::is_control) {
                    Err(InvalidId::Control)
                } else {
                    Ok(Self(text.into()))
                }
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

workday_id! {
    /// A job application (`Job_Application_ID`, or its WID): what a lifecycle and a lane belong to.
    ApplicationId
}
workday_id! {
    /// A candidate (`Candidate_ID`, or the WID): who is protected.
    CandidateId
}
workday_id! {
    /// A job requisition (`Job_Requisition_ID`, the seed's `Requisition_ID`, or the WID).
    RequisitionId
}

/// The identity of an accepted event: a UUID of version 7 (RFC 9562, section 5.7).
///
/// Its time is the event's `received_at` in milliseconds; its last 48 bits are the event's place
/// in the journal, so that looking an id up needs no index; the 26 bits between are the journal's
/// own tag, so that two journals never give the same id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "server",
    schema(
        value_type = String,
        description = "The identity of an event: a UUID of version 7.",
        pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
    )
)]
pub struct EventId(Uuid);

impl EventId {
    /// Composes an id from the time of receipt (milliseconds since the Unix epoch), the journal's
    /// tag (26 bits) and the place in the journal (48 bits).
    pub fn compose(received_ms: i64, tag: u32, sequence: u64) -> Self {
        let time = (received_ms as u64 & 0xffff_ffff_ffff) as u128;
        let (high, low) = (u128::from(tag >> 14 & 0xfff), u128::from(tag & 0x3fff));
        let bits =
            time << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low << 48 | u128::from(sequence & 0xffff_ffff_ffff);
        Self(Uuid::from_u128(bits))
    }

    /// The id as a number.
    pub fn as_u128(self) -> u128 {
        self.0.as_u128()
    }

    /// The place in the journal that the id names; whether such an event exists is another question.
    pub fn sequence(self) -> u64 {
        (self.0.as_u128() & 0xffff_ffff_ffff) as u64
    }
}

impl FromStr for EventId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match Uuid::try_parse(text) {
            Ok(uuid) if uuid.get_version_num() == 7 => Ok(Self(uuid)),
            _ => Err(InvalidId::Event),
        }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organisation_ids_follow_the_contract() {
        for good in ["acme", "0", "a_b-c", &"x".repeat(63)] {
            assert_eq!(good.parse::<OrgId>().unwrap().as_str(), good);
        }
        for bad in ["", "Acme", "-a", "_a", "a.b", "a/b", "é", &"x".repeat(64)] {
            assert_eq!(bad.parse::<OrgId>(), Err(InvalidId::Organisation), "{bad}");
        }
    }

    #[test]
    fn workday_ids_are_trimmed_and_bounded() {
        assert_eq!(CandidateId::new(" \n W1\t").unwrap().as_str(), "W1");
        assert_eq!(CandidateId::new(" \n"), Err(InvalidId::Empty));
        assert_eq!(CandidateId::new(&"x".repeat(256)), Err(InvalidId::TooLong));
        assert_eq!(CandidateId::new("a\nb"), Err(InvalidId::Control));
    }

    #[test]
    fn an_event_id_is_a_version_7_uuid_that_names_its_place() {
        let id = EventId::compose(1_775_745_001_123, 0x2ab_cdef, 77);
        let text = id.to_string();
        let uuid = Uuid::parse_str(&text).unwrap();
        assert_eq!((uuid.get_version_num(), uuid.get_variant()), (7, uuid::Variant::RFC4122));
        assert_eq!(id.sequence(), 77);
        assert_eq!(text.parse::<EventId>().unwrap(), id);
        assert_ne!(id, EventId::compose(1_775_745_001_123, 0x2ab_cdee, 77), "the tag tells journals apart");
        assert!("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse::<EventId>().is_err());
    }
}
