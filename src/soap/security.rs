//! WS-Security's `Security` header (UsernameToken Profile 1.1): read here, verified elsewhere.
//!
//! It is read only where UsernameTokens are checked. A `Timestamp` is read past: without a signature
//! nothing binds it to its message, and a token has its own time.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;

use super::content;
use super::vocabulary::{WSSE, WSU};
use crate::domain::Occurred;
use crate::xml::{Error, Name, Namespace, Reader, Token};

/// How a password was sent: the `Type` of `wsse:Password` (UsernameToken Profile 1.1, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordType {
    /// As it is.
    Text,
    /// `Base64(SHA-1(nonce + created + password))`.
    Digest,
}

/// A password, or its digest.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    /// Which of the two.
    pub kind: PasswordType,
    /// The text of the element, untouched.
    pub value: String,
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Password({:?}, …)", self.kind)
    }
}

/// Who a message says it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsernameToken {
    /// The name, trimmed.
    pub username: String,
    /// The password; none if it is of another type than text or digest.
    pub password: Option<Password>,
    /// The nonce, still in Base64.
    pub nonce: Option<String>,
    /// The time of creation, as it was sent.
    pub created: Option<String>,
    /// Why it is not clear what the message says of its sender.
    pub ambiguity: Option<&'static str>,
}

impl UsernameToken {
    /// The time of creation, where it is a date with a time; without a zone it is UTC, which the
    /// profile asks for.
    pub fn created_at(&self) -> Option<Timestamp> {
        Occurred::parse(self.created.as_ref()?).filter(|created| created.has_time).map(|created| created.at)
    }
}

/// What the `Security` headers of one message hold.
#[derive(Debug, Default)]
pub(super) struct Security {
    token: Option<UsernameToken>,
    ambiguity: Option<&'static str>,
    seen: bool,
}

impl Security {
    /// The token, and whether it is to be believed.
    pub(super) fn into_token(self) -> Option<UsernameToken> {
        let ambiguity = self.ambiguity;
        self.token.map(|token| UsernameToken { ambiguity, ..token })
    }

    /// Reads one `Security` header. Whether it is understood: one that must be, and holds a signature,
    /// a certificate or another token, must not be taken as if they had been looked at.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Result<bool, Error> {
        if std::mem::replace(&mut self.seen, true) {
            self.ambiguity = Some("it stands in one of two Security headers that are meant for the same receiver");
        }
        let mut understood = true;
        loop {
            match reader.next_tag()? {
                Token::Start(Name { namespace: WSSE, local: "UsernameToken" }) => self.username_token(reader)?,
                Token::Start(Name { namespace: WSU, local: "Timestamp" }) => reader.skip()?,
                Token::Start(_) => {
                    understood = false;
                    reader.skip()?;
                }
                _ => return Ok(understood),
            }
        }
    }

    fn username_token(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        let mut token =
            UsernameToken { username: String::new(), password: None, nonce: None, created: None, ambiguity: None };
        let (mut twice, mut seen) = (self.token.is_some(), [false; 4]);
        // Also what is empty, or of a type that is not known, stands there.
        let mut note = |part: usize| twice |= std::mem::replace(&mut seen[part], true);
        let mut divided = false;
        loop {
            match reader.next_tag()? {
                Token::Start(Name { namespace: WSSE, local: "Username" }) => {
                    note(0);
                    token.username = trimmed(&whole(reader, &mut divided)?);
                }
                Token::Start(Name { namespace: WSSE, local: "Password" }) => {
                    note(1);
                    let kind = password_type(reader);
                    let value = whole(reader, &mut divided)?.into_owned();
                    token.password = kind.map(|kind| Password { kind, value });
                }
                Token::Start(Name { namespace: WSSE, local: "Nonce" }) => {
                    note(2);
                    token.nonce = Some(trimmed(&whole(reader, &mut divided)?));
                }
                Token::Start(Name { namespace: WSU, local: "Created" }) => {
                    note(3);
                    token.created = Some(trimmed(&whole(reader, &mut divided)?));
                }
                Token::Start(_) => reader.skip()?,
                _ => break,
            }
        }
        if twice {
            self.ambiguity = Some("it, or a part of it, stands there twice");
        }
        if divided {
            self.ambiguity = Some("a part of it holds elements in the place of a text");
        }
        self.token = Some(token);
        Ok(())
    }
}

/// The text of a part, noting whether elements divide it: what others would read of it is then not known.
fn whole<'a>(reader: &mut Reader<'a>, divided: &mut bool) -> Result<Cow<'a, str>, Error> {
    let mut text = Cow::Borrowed("");
    loop {
        match reader.next()? {
            Token::Text(piece) => content::push(&mut text, piece),
            Token::Start(_) => {
                *divided = true;
                reader.skip()?;
            }
            Token::End | Token::Eof => return Ok(text),
        }
    }
}

fn trimmed(text: &str) -> String {
    text.trim().to_owned()
}

/// The type is text where none is said (section 3.1).
fn password_type(reader: &Reader<'_>) -> Option<PasswordType> {
    let uri: &str = reader.attribute(Namespace::NONE, "Type").map_or("", Cow::as_ref);
    match uri.trim().rsplit('#').next() {
        Some("" | "PasswordText") => Some(PasswordType::Text),
        Some("PasswordDigest") => Some(PasswordType::Digest),
        _ => None,
    }
}
