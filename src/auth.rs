//! Who may post: the credentials in a request's head and the certificate of its connection, verified.
//!
//! [`Authenticated`] comes only out of [`Verifier::verify`], so that what asks for it cannot be
//! reached without a check. Secrets are compared in a time that does not depend on them, and an
//! unknown user takes the same path as a wrong password.
//!
//! Failed attempts are not slowed down yet. [`Denied`] tells missing credentials from wrong ones,
//! as only wrong ones are attempts.

mod header;

use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

use crate::certificate::{Certificate, Expected};
use crate::refusal::{Code, Refusal};
use header::Credentials;

/// A value whose sender has shown who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authenticated<T> {
    inner: T,
    way: Way,
}

impl<T> Authenticated<T> {
    /// How the sender did so.
    pub fn way(&self) -> Way {
        self.way
    }

    /// Something made of the value, from the same sender: a body read after its head was verified.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Authenticated<U> {
        Authenticated { inner: make(self.inner), way: self.way }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T> AsRef<T> for Authenticated<T> {
    fn as_ref(&self) -> &T {
        &self.inner
    }
}

/// How somebody showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// Not at all: `auth.none`.
    Open,
    /// By user name and password.
    Basic,
    /// By a Bearer token.
    Bearer,
    /// By a client certificate alone.
    Certificate,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Denied {
    /// There is no `Authorization` header.
    #[error("there are no credentials")]
    Missing,
    /// There is one that cannot be read, or more than one.
    #[error("the Authorization header is malformed")]
    Malformed,
    /// It is of a scheme that is not taken here.
    #[error("the scheme of the Authorization header is not taken here")]
    OtherScheme,
    /// The credentials are wrong. Which part of them is not said.
    #[error("the credentials are wrong")]
    Wrong,
    /// A client certificate is expected, and the connection has shown none.
    #[error("there is no client certificate")]
    NoCertificate,
    /// It has shown one that an authority vouches for, but not the expected one.
    #[error("the client certificate is another one than is expected")]
    OtherCertificate,
}

impl Denied {
    /// Whether somebody tried something, which is what counts as a failed sign-in. A certificate
    /// cannot be guessed.
    pub fn is_attempt(self) -> bool {
        matches!(self, Self::Malformed | Self::OtherScheme | Self::Wrong)
    }

    /// The refusal for the sender.
    pub fn refusal(self) -> Refusal {
        let sentence = match self {
            Self::Missing => "Credentials are required: send an Authorization header.",
            Self::Malformed => "The Authorization header cannot be read.",
            Self::OtherScheme => "The scheme of the Authorization header is not taken here; see WWW-Authenticate.",
            Self::Wrong => "The credentials are wrong.",
            Self::NoCertificate => "A client certificate is required: show it in the TLS handshake.",
            Self::OtherCertificate => "The client certificate is not the one that is expected here.",
        };
        Refusal::new(Code::Unauthorized, sentence)
    }
}

/// Checks the credentials of one organisation. Any of those it was given suffices, but a certificate
/// that it was given is needed in any case, and is enough where nothing else was given.
///
/// A new one lets nobody in.
#[derive(Debug, Clone, Default)]
pub struct Verifier {
    open: bool,
    basic: Vec<(String, SecretString)>,
    bearer: Vec<SecretString>,
    certificate: Option<Expected>,
}

impl Verifier {
    /// Lets in everyone, whatever they show.
    pub fn open() -> Self {
        Self { open: true, ..Self::default() }
    }

    /// Also takes this user name with this password.
    pub fn with_basic(mut self, username: impl Into<String>, password: SecretString) -> Self {
        self.basic.push((username.into(), password));
        self
    }

    /// Also takes this Bearer token.
    pub fn with_bearer(mut self, token: SecretString) -> Self {
        self.bearer.push(token);
        self
    }

    /// Asks for this client certificate.
    pub fn with_certificate(mut self, expected: Expected) -> Self {
        self.certificate = Some(expected);
        self
    }

    /// Whether everyone is let in.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Checks the values of a request's `Authorization` headers, and the certificate that its
    /// connection has shown, on behalf of what it asks for.
    ///
    /// # Errors
    /// Why the sender is not let in.
    pub fn verify<'h, T>(
        &self,
        headers: impl IntoIterator<Item = &'h [u8]>,
        certificate: Option<&Certificate>,
        inner: T,
    ) -> Result<Authenticated<T>, Denied> {
        let way = self.check_certificate(certificate)?.map_or_else(|| self.way(headers), Ok)?;
        Ok(Authenticated { inner, way })
    }

    /// Whether the certificate is the expected one, where one is, and says all that is asked for.
    fn check_certificate(&self, shown: Option<&Certificate>) -> Result<Option<Way>, Denied> {
        let Some(expected) = &self.certificate else { return Ok(None) };
        if !expected.is(shown.ok_or(Denied::NoCertificate)?) {
            return Err(Denied::OtherCertificate);
        }
        let alone = self.basic.is_empty() && self.bearer.is_empty();
        Ok(alone.then_some(Way::Certificate))
    }

    fn way<'h>(&self, headers: impl IntoIterator<Item = &'h [u8]>) -> Result<Way, Denied> {
        if self.open {
            return Ok(Way::Open);
        }
        let mut headers = headers.into_iter();
        let header = headers.next().ok_or(Denied::Missing)?;
        if headers.next().is_some() {
            return Err(Denied::Malformed);
        }
        match Credentials::parse(header).map_err(|header::Malformed| Denied::Malformed)? {
            Credentials::Basic { username, password } if !self.basic.is_empty() => {
                let pairs = self.basic.iter();
                let matches = pairs.map(|(user, pass)| same(user, &username) & same(pass.expose_secret(), &password));
                any(matches).then_some(Way::Basic).ok_or(Denied::Wrong)
            }
            Credentials::Bearer(token) if !self.bearer.is_empty() => {
                let matches = self.bearer.iter().map(|known| same(known.expose_secret(), &token));
                any(matches).then_some(Way::Bearer).ok_or(Denied::Wrong)
            }
            _ => Err(Denied::OtherScheme),
        }
    }

    /// The values of the `WWW-Authenticate` headers that go with a 401.
    pub fn challenges(&self, realm: &str) -> Vec<String> {
        // A quote or backslash would end or alter the quoted string.
        let realm: String =
            realm.chars().filter(|c| (c.is_ascii_graphic() || *c == ' ') && !"\"\\".contains(*c)).collect();
        let basic = (!self.basic.is_empty()).then(|| format!("Basic realm=\"{realm}\", charset=\"UTF-8\""));
        let bearer = (!self.bearer.is_empty()).then(|| format!("Bearer realm=\"{realm}\""));
        // No scheme is registered for it, but a 401 must name one (RFC 9110, section 11.6.1).
        let certificate = self.certificate.is_some().then(|| format!("Certificate realm=\"{realm}\""));
        basic.into_iter().chain(bearer).chain(certificate).collect()
    }
}

/// Whether any holds, having looked at all.
fn any(choices: impl Iterator<Item = Choice>) -> bool {
    choices.fold(Choice::from(0), |found, choice| found | choice).into()
}

/// Compares in a time that depends on the length of what was shown only, which its sender knows.
fn same(known: &str, shown: &str) -> Choice {
    let (known, shown) = (known.as_bytes(), shown.as_bytes());
    let lengths = (known.len() as u64).ct_eq(&(shown.len() as u64)) & Choice::from(u8::from(!known.is_empty()));
    let nth = |place: usize| known.get(place % known.len().max(1)).copied().unwrap_or(0);
    shown.iter().enumerate().fold(lengths, |equal, (place, byte)| equal & byte.ct_eq(&nth(place)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    fn both() -> Verifier {
        Verifier::default().with_basic("imper", "se:cret".to_owned().into()).with_bearer("tok-en".to_owned().into())
    }

    fn ask(verifier: &Verifier, header: &str) -> Result<Way, Denied> {
        verifier.verify([header.as_bytes()], None, ()).map(|authenticated| authenticated.way())
    }

    #[test]
    fn any_of_several_credentials_suffices() {
        assert_eq!(ask(&both(), &basic("imper:se:cret")), Ok(Way::Basic));
        assert_eq!(ask(&both(), "bEaReR  tok-en"), Ok(Way::Bearer));
        assert_eq!(ask(&Verifier::open(), "nonsense"), Ok(Way::Open));
        assert_eq!(Verifier::open().verify([], None, 7).map(Authenticated::into_inner), Ok(7));
        let rotated = both().with_basic("imper", "next".to_owned().into());
        assert!(ask(&rotated, &basic("imper:next")).is_ok() && ask(&rotated, &basic("imper:se:cret")).is_ok());
    }

    #[test]
    fn wrong_is_told_from_missing() {
        assert_eq!(both().verify([], None, ()), Err(Denied::Missing));
        for pair in [
            "imper:se:cre",
            "imper:se:cret ",
            "imper:",
            ":se:cret",
            "Imper:se:cret",
            "other:se:cret",
            "imper:se:cretse:cret",
        ] {
            assert_eq!(ask(&both(), &basic(pair)), Err(Denied::Wrong), "{pair}");
        }
        assert_eq!(ask(&both(), "Bearer tok-em"), Err(Denied::Wrong));
        assert_eq!(ask(&both(), "Digest username=x"), Err(Denied::OtherScheme));
        assert_eq!(
            ask(&Verifier::default().with_bearer("x".to_owned().into()), &basic("a:x")),
            Err(Denied::OtherScheme)
        );
        let twice = [b"Bearer tok-en".as_slice(), b"Bearer tok-en"];
        assert_eq!(both().verify(twice, None, ()), Err(Denied::Malformed));
    }

    #[test]
    fn a_new_verifier_and_an_empty_secret_let_nobody_in() {
        assert_eq!(ask(&Verifier::default(), "Bearer x"), Err(Denied::OtherScheme));
        let empty = Verifier::default().with_basic("", String::new().into());
        assert_eq!(ask(&empty, &basic(":")), Err(Denied::Wrong));
    }

    #[test]
    fn challenges_name_what_is_configured() {
        let challenges = both().challenges("ac\"me");
        assert_eq!(challenges, ["Basic realm=\"acme\", charset=\"UTF-8\"", "Bearer realm=\"acme\""]);
        assert_eq!(Denied::Wrong.refusal().code, Code::Unauthorized);
    }

    #[test]
    fn a_certificate_is_always_required_and_alone_enough() {
        let named = |name: &str| {
            let mut parameters = rcgen::CertificateParams::new([]).unwrap();
            parameters.distinguished_name = rcgen::DistinguishedName::new();
            parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
            Certificate::from_der(parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der())
        };
        let (studio, other) = (named("studio"), named("other"));
        let expected = Expected::Subject("CN=studio".parse().unwrap());
        let alone = Verifier::default().with_certificate(expected.clone());
        let way = |verifier: &Verifier, headers: &[&[u8]], shown| {
            verifier.verify(headers.iter().copied(), shown, ()).map(|authenticated| authenticated.way())
        };
        assert_eq!(way(&alone, &[], Some(&studio)), Ok(Way::Certificate));
        assert_eq!(way(&alone, &[], Some(&other)), Err(Denied::OtherCertificate));
        assert_eq!(way(&alone, &[b"Bearer tok-en"], None), Err(Denied::NoCertificate));
        let beside = both().with_certificate(expected);
        assert_eq!(way(&beside, &[b"Bearer tok-en"], Some(&studio)), Ok(Way::Bearer));
        assert_eq!(way(&beside, &[], Some(&studio)), Err(Denied::Missing));
        assert_eq!(way(&beside, &[b"Bearer tok-en"], Some(&other)), Err(Denied::OtherCertificate));
        assert_eq!(way(&beside, &[b"Bearer tok-en"], None), Err(Denied::NoCertificate));
        assert_eq!(alone.challenges("x"), ["Certificate realm=\"x\""]);
        assert!(Denied::Wrong.is_attempt() && !Denied::OtherCertificate.is_attempt() && !Denied::Missing.is_attempt());
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", both());
        assert!(!shown.contains("se:cret") && !shown.contains("tok-en"), "{shown}");
    }
}
