//! Who may post: the credentials in a request's head or in its message, and the certificate of its
//! connection, verified.
//!
//! [`Authenticated`] comes only out of [`Verifier::verify`] and [`Verifier::verify_token`], so that
//! what asks for it cannot be reached without a check; what was kept, or what an
//! operator sends, is [`Authenticated::vouched`] for by the operator, at one place alone. Secrets are compared in a time that does not depend on them, and an
//! unknown user takes the same path as a wrong password.
//!
//! Failed attempts are slowed down by [`SignIns`]. [`Denied`] tells missing credentials from wrong
//! ones, as only wrong ones are attempts.
//!
//! Of several ways one suffices. What the head shows is judged first; only where it shows nothing,
//! or a scheme that is not taken, and UsernameTokens are, does the body decide. A token beside
//! credentials that were right in the head is not looked at.

mod denied;
mod header;
mod misses;
mod nonces;
mod sign_ins;
mod token;

use jiff::Timestamp;
use secrecy::ExposeSecret;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::certificate::{Certificate, Expected};
use crate::credential::Credential;
use crate::domain::OrgId;
use crate::soap::UsernameToken;
pub use denied::Denied;
use header::Credentials;
pub use misses::{Missed, Misses};
pub use nonces::{Digest, Entered, Ledger, Nonces, Unanswered};
pub use sign_ins::SignIns;
use token::Spent;

/// A value whose sender has shown who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authenticated<T> {
    inner: T,
    way: Way,
    spent: Option<Spent>,
}

impl Authenticated<()> {
    /// The sender of a message that an operator vouches for: one that was kept, whose sender was
    /// verified when it came, or one that the operator sends.
    pub fn vouched() -> Self {
        Self { inner: (), way: Way::Operator, spent: None }
    }
}

impl<T> Authenticated<T> {
    /// How the sender did so.
    pub fn way(&self) -> Way {
        self.way
    }

    /// Something made of the value, from the same sender: a body read after its head was verified.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Authenticated<U> {
        Authenticated { inner: make(self.inner), way: self.way, spent: self.spent }
    }

    /// The value, and its sender without it.
    pub fn split(self) -> (Authenticated<()>, T) {
        (Authenticated { inner: (), way: self.way, spent: self.spent }, self.inner)
    }

    /// Lets the sender show the same token again, because nothing is known to have come of its
    /// message: whoever sends the same bytes again must not be taken for a thief.
    pub fn give_back(&self, nonces: &Nonces, org: &OrgId) {
        if let Some(spent) = self.spent {
            nonces.give_back(org, spent);
        }
    }

    /// The value, for whoever stores it: that it was vouched for is not kept.
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
    /// By a WS-Security UsernameToken.
    UsernameToken,
    /// Before, and an operator vouches for it.
    Operator,
}

/// Checks the credentials of one organisation. Any of those it was given suffices, but a certificate
/// that it was given is needed in any case, and is enough where nothing else was given.
///
/// A new one lets nobody in.
#[derive(Debug, Clone, Default)]
pub struct Verifier {
    open: bool,
    basic: Vec<(String, Credential)>,
    bearer: Vec<Credential>,
    tokens: Vec<(String, Credential)>,
    certificate: Option<Expected>,
}

impl Verifier {
    /// Lets in everyone, whatever they show: `auth.none`, which only a loopback listener accepts.
    pub fn open() -> Self {
        Self { open: true, ..Self::default() }
    }

    /// Also takes this user name with this password.
    pub fn with_basic(mut self, username: impl Into<String>, password: Credential) -> Self {
        self.basic.push((username.into(), password));
        self
    }

    /// Also takes this Bearer token.
    pub fn with_bearer(mut self, token: Credential) -> Self {
        self.bearer.push(token);
        self
    }

    /// Also takes a UsernameToken with this user name and this password.
    pub fn with_username_token(mut self, username: impl Into<String>, password: Credential) -> Self {
        self.tokens.push((username.into(), password));
        self
    }

    /// Whether a message may show in its body who it is from.
    pub fn takes_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// The ways in which somebody may sign in, with the user name where there is one.
    pub fn ways(&self) -> Vec<(Way, Option<String>)> {
        // While a password is exchanged a user stands there twice.
        let named = |way: Way, pairs: &[(String, Credential)]| {
            let mut users: Vec<_> = pairs.iter().map(|(user, _)| (way, Some(user.clone()))).collect();
            users.dedup();
            users
        };
        let mut ways = named(Way::Basic, &self.basic);
        ways.extend((!self.bearer.is_empty()).then_some((Way::Bearer, None)));
        ways.extend(named(Way::UsernameToken, &self.tokens));
        ways.extend(self.certificate.is_some().then_some((Way::Certificate, None)));
        ways.extend(self.open.then_some((Way::Open, None)));
        ways
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
        Ok(Authenticated { inner, way, spent: None })
    }

    /// Whether the certificate is the expected one, where one is, and says all that is asked for.
    fn check_certificate(&self, shown: Option<&Certificate>) -> Result<Option<Way>, Denied> {
        let Some(expected) = &self.certificate else { return Ok(None) };
        if !expected.is(shown.ok_or(Denied::NoCertificate)?) {
            return Err(Denied::OtherCertificate);
        }
        let alone = self.basic.is_empty() && self.bearer.is_empty() && self.tokens.is_empty();
        Ok(alone.then_some(Way::Certificate))
    }

    /// Checks the UsernameToken of a message whose head showed nothing, and takes its nonce.
    ///
    /// # Errors
    /// Why the sender is not let in.
    pub async fn verify_token<T>(
        &self,
        token: Option<&UsernameToken>,
        (org, nonces): (&OrgId, &Nonces),
        now: Timestamp,
        inner: T,
    ) -> Result<Authenticated<T>, Denied> {
        let (spent, password) = token::check(&self.tokens, token.ok_or(Denied::NoToken)?, now)?;
        if let Some(spent) = spent {
            nonces.take(org, spent, now).await?;
        }
        password.note_use();
        Ok(Authenticated { inner, way: Way::UsernameToken, spent })
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
                let right = |(user, known): &(String, Credential)| same(user, &username) & same_as(known, &password);
                let (_, used) = the_one(&self.basic, right).ok_or_else(|| wrong(Way::Basic, &self.basic, &username))?;
                used.note_use();
                Ok(Way::Basic)
            }
            Credentials::Bearer(token) if !self.bearer.is_empty() => {
                the_one(&self.bearer, |known| same_as(known, &token))
                    .ok_or(Denied::Wrong { way: Way::Bearer, known_user: false })?
                    .note_use();
                Ok(Way::Bearer)
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
        // HTTP asks for a challenge with every 401 (RFC 9110, section 11.6.1); no scheme of its own stands
        // for a header of SOAP's, nor for a certificate.
        let tokens = self.takes_tokens().then(|| format!("WSSE realm=\"{realm}\", profile=\"UsernameToken\""));
        let certificate = self.certificate.is_some().then(|| format!("Certificate realm=\"{realm}\""));
        basic.into_iter().chain(bearer).chain(tokens).chain(certificate).collect()
    }
}

/// What is said of a wrong password: to the operator also whether the user is a known one, which takes
/// the same time whether it is or not.
fn wrong(way: Way, known: &[(String, Credential)], username: &str) -> Denied {
    let known_user = known.iter().fold(Choice::from(0), |known, (user, _)| known | same(user, username));
    Denied::Wrong { way, known_user: known_user.into() }
}

/// The one that is right, having looked at all; the last of several.
fn the_one<T>(known: &[T], right: impl Fn(&T) -> Choice) -> Option<&T> {
    let places = 1_u32..;
    let found =
        known.iter().zip(places).fold(0, |found, (one, place)| u32::conditional_select(&found, &place, right(one)));
    known.get(found.checked_sub(1)? as usize)
}

fn same_as(known: &Credential, shown: &str) -> Choice {
    same(known.secret().expose_secret(), shown)
}

/// Compares in a time that depends on the length of what was shown only, which its sender knows.
fn same(known: &str, shown: &str) -> Choice {
    let (known, shown) = (known.as_bytes(), shown.as_bytes());
    let lengths = (known.len() as u64).ct_eq(&(shown.len() as u64)) & Choice::from(u8::from(!known.is_empty()));
    let nth = |place: usize| known.get(place % known.len().max(1)).copied().unwrap_or(0);
    shown.iter().enumerate().fold(lengths, |equal, (place, byte)| equal & byte.ct_eq(&nth(place)))
}

#[cfg(test)]
mod tests;
