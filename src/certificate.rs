//! The certificate that a client shows in its TLS handshake, and the one that is expected of it.
//!
//! Whether anybody vouches for a certificate is decided in the handshake, against `tls.client_ca`.
//! Here it is only told from others of the same authority: by its subject (RFC 4514) or by its
//! SHA-256 fingerprint.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{BmpString, ObjectIdentifier};
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::name::Name;

/// A certificate that a handshake has verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    fingerprint: Fingerprint,
    /// Nothing where it has none that can be read: then only its fingerprint tells it.
    subject: Option<Subject>,
    expires: Option<Timestamp>,
}

impl Certificate {
    /// Reads a certificate in DER. What cannot be read has neither a subject nor an end.
    pub fn from_der(der: &[u8]) -> Self {
        let read = x509_cert::Certificate::from_der(der).ok();
        let subject = read.as_ref().map(|read| Subject(read.tbs_certificate().subject().clone()));
        let expires = read.map(|read| read.tbs_certificate().validity().not_after.to_unix_duration().as_secs());
        let expires = expires.and_then(|seconds| Timestamp::from_second(i64::try_from(seconds).ok()?).ok());
        Self { fingerprint: Fingerprint::of(der), subject, expires }
    }

    /// Until when it is valid, where that can be read.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }
}

/// Shows the subject as a configuration would name it.
impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Some(Subject(name)) if !name.is_empty() => name.fmt(f),
            _ => self.fingerprint.fmt(f),
        }
    }
}

/// Which certificate is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// One with exactly this subject.
    Subject(Subject),
    /// The one with this fingerprint.
    Sha256(Fingerprint),
}

impl Expected {
    /// Whether a certificate is the expected one.
    pub fn is(&self, shown: &Certificate) -> bool {
        match self {
            Self::Subject(subject) => shown.subject.as_ref().is_some_and(|shown| subject.is(shown)),
            Self::Sha256(fingerprint) => *fingerprint == shown.fingerprint,
        }
    }
}

/// A distinguished name that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject(Name);

impl Subject {
    /// Compares attribute by attribute: authorities encode the same text in different string types.
    fn is(&self, other: &Self) -> bool {
        let names = |name: &Name| name.iter_rdn().map(|part| part.iter().map(attribute).collect()).collect::<Vec<_>>();
        let ours: Vec<BTreeSet<_>> = names(&self.0);
        ours == names(&other.0)
    }
}

/// An attribute's type with its text; where it is no text that is known, with its bytes.
fn attribute(attribute: &AttributeTypeAndValue) -> (ObjectIdentifier, Result<String, (Tag, Vec<u8>)>) {
    let (tag, bytes) = (attribute.value.tag(), attribute.value.value());
    let text = match tag {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => String::from_utf8(bytes.to_vec()).ok(),
        Tag::BmpString => BmpString::from_ucs2(bytes.to_vec()).ok().map(|text| text.to_string()),
        _ => None,
    };
    (attribute.oid, text.ok_or_else(|| (tag, bytes.to_vec())))
}

/// The text is no distinguished name by RFC 4514, or an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no distinguished name by RFC 4514")]
pub struct NoName;

impl FromStr for Subject {
    type Err = NoName;

    fn from_str(text: &str) -> Result<Self, NoName> {
        let name = text.parse::<Name>().map_err(|_| NoName)?;
        if name.is_empty() { Err(NoName) } else { Ok(Self(name)) }
    }
}

/// The SHA-256 of a certificate in DER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(der: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, der);
        Self(digest.as_ref().try_into().expect("a SHA-256 has 32 bytes"))
    }
}

/// As `openssl x509 -fingerprint -sha256` writes it.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.iter().map(|byte| format!("{byte:02X}")).collect();
        f.write_str(&pairs.join(":"))
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no SHA-256 in hexadecimal digits")]
pub struct NoFingerprint;

/// Reads 64 hexadecimal digits of either case, with or without colons between the bytes.
impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
        let mut bytes = [0; 32];
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(NoFingerprint);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| NoFingerprint)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NoFingerprint)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::{Certificate, Expected, Fingerprint, Subject};
    use rcgen::string::{BmpString, PrintableString};
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    fn certificate(attributes: Vec<(DnType, DnValue)>) -> Certificate {
        let mut parameters = CertificateParams::new([]).unwrap();
        parameters.distinguished_name = DistinguishedName::new();
        attributes.into_iter().for_each(|(kind, value)| parameters.distinguished_name.push(kind, value));
        Certificate::from_der(parameters.self_signed(&KeyPair::generate().unwrap()).unwrap().der())
    }

    fn utf8(text: &str) -> DnValue {
        DnValue::Utf8String(text.to_owned())
    }

    fn names(subject: &str, shown: &Certificate) -> bool {
        Expected::Subject(subject.parse().unwrap()).is(shown)
    }

    #[test]
    fn a_subject_is_the_whole_name_read_from_its_end() {
        let shown = certificate(vec![
            (DnType::CountryName, DnValue::PrintableString(PrintableString::try_from("DE").unwrap())),
            (DnType::OrganizationName, utf8("Müller, Söhne")),
            (DnType::CommonName, utf8("studio")),
        ]);
        assert_eq!(shown.to_string(), r"CN=studio,O=Müller\, Söhne,C=DE");
        for same in [r"CN=studio,O=Müller\, Söhne,C=DE", r"cn=studio,o=M\c3\bcller\2c Söhne,2.5.4.6=DE"] {
            assert!(names(same, &shown), "{same}");
        }
        for other in ["CN=studio", r"C=DE,O=Müller\, Söhne,CN=studio", r"CN=Studio,O=Müller\, Söhne,C=DE", "C=DE"] {
            assert!(!names(other, &shown), "{other}");
        }
    }

    #[test]
    fn the_string_type_makes_no_difference() {
        let printable = DnValue::PrintableString(PrintableString::try_from("studio").unwrap());
        let bmp = DnValue::BmpString(BmpString::try_from("studio").unwrap());
        for value in [printable, bmp, utf8("studio")] {
            assert!(names("CN=studio", &certificate(vec![(DnType::CommonName, value)])));
        }
        assert!(!names("CN=studio", &certificate(vec![(DnType::OrganizationName, utf8("studio"))])));
    }

    #[test]
    fn what_is_no_name_and_what_names_nobody_is_refused() {
        for bad in ["", "studio", "CN=a, O=b", "CN", "XX=a", "CN=#zz"] {
            assert!(bad.parse::<Subject>().is_err(), "{bad:?}");
        }
        assert!(!names("CN=studio", &certificate(vec![])), "a certificate without a subject is nobody");
    }

    #[test]
    fn it_says_when_it_expires() {
        let mut parameters = CertificateParams::new([]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2031, 2, 3);
        let certificate = parameters.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let expires = Certificate::from_der(certificate.der()).expires().unwrap();
        assert_eq!(expires.to_string(), "2031-02-03T00:00:00Z");
        assert_eq!(Certificate::from_der(b"nonsense").expires(), None);
    }

    #[test]
    fn a_fingerprint_is_read_as_openssl_writes_it() {
        let shown = certificate(vec![]);
        let written = shown.to_string();
        assert_eq!(written.len(), 95, "{written}");
        for same in [written.clone(), written.replace(':', "").to_lowercase()] {
            assert!(Expected::Sha256(same.parse().unwrap()).is(&shown), "{same}");
        }
        let other = certificate(vec![]).to_string();
        assert!(!Expected::Sha256(other.parse().unwrap()).is(&shown));
        for bad in ["", "AB", &written[1..], &format!("{written}00"), &written.replace(':', " "), &"+1".repeat(32)] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }
}
