//! Why somebody is not let in, and what they are told of it.

use std::borrow::Cow;
use std::time::Duration;

use super::Way;
use crate::refusal::{Code, Refusal};

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
    /// The credentials are wrong. Which part of them is not said to whoever sent them.
    #[error("the credentials are wrong")]
    Wrong {
        /// By which way they were shown.
        way: Way,
        /// Whether the user name, where there is one, is that of a user.
        known_user: bool,
    },
    /// A client certificate is expected, and the connection has shown none.
    #[error("there is no client certificate")]
    NoCertificate,
    /// It has shown one that an authority vouches for, but not the expected one.
    #[error("the client certificate is another one than is expected")]
    OtherCertificate,
    /// There is no UsernameToken in the message either.
    #[error("there is no UsernameToken")]
    NoToken,
    /// There is one that cannot be checked, and what it lacks.
    #[error("the UsernameToken cannot be checked: {0}")]
    Unusable(&'static str),
    /// The token is right and too old.
    #[error("the UsernameToken is {seconds} s old")]
    Old {
        /// Its age.
        seconds: i64,
    },
    /// The token is right and from the future.
    #[error("the UsernameToken is {seconds} s ahead")]
    Ahead {
        /// How far the sender's clock is ahead.
        seconds: i64,
    },
    /// The token is right and its nonce was taken before.
    #[error("the UsernameToken was used before")]
    Repeated,
    /// The token is right, and nobody can say whether its nonce was taken before.
    #[error("whether the UsernameToken was used before cannot be known now")]
    Unanswered {
        /// When it makes sense to ask again.
        retry_after: Duration,
    },
}

impl Denied {
    /// Whether somebody tried something, which is what counts as a failed sign-in. A certificate
    /// cannot be guessed.
    pub fn is_attempt(self) -> bool {
        matches!(self, Self::Malformed | Self::OtherScheme | Self::Wrong { .. } | Self::Unusable(_))
    }

    /// What such a message came with, for the operator.
    pub fn came(self) -> &'static str {
        match self {
            Self::Wrong { way: Way::Bearer, .. } => "with a wrong Bearer token",
            Self::Wrong { way: Way::UsernameToken, known_user: true } => {
                "with a UsernameToken whose user name is right and whose password is wrong"
            }
            Self::Wrong { way: Way::UsernameToken, known_user: false } => {
                "with a UsernameToken of an unknown user name"
            }
            Self::Wrong { known_user: true, .. } => "with the right user name and a wrong password",
            Self::Wrong { known_user: false, .. } => "with an unknown user name",
            Self::Missing | Self::NoToken => "without credentials",
            Self::Malformed => "with credentials that cannot be read",
            Self::OtherScheme => "with credentials of a kind that is not configured",
            Self::NoCertificate => "without a client certificate",
            Self::OtherCertificate => "with another client certificate than the configured one",
            Self::Unusable(_) => "with a UsernameToken that cannot be checked",
            Self::Old { .. } => "with a UsernameToken that is too old",
            Self::Ahead { .. } => "with a UsernameToken that is ahead of the clock here",
            Self::Repeated => "with a UsernameToken that was used before",
            Self::Unanswered { .. } => "while nobody could say whether their UsernameToken was used before",
        }
    }

    /// The refusal for the sender of a head.
    pub fn refusal(self) -> Refusal {
        Refusal::new(Code::Unauthorized, self.sentence())
    }

    /// The refusal for the sender of a message, which has WS-Security's own fault code.
    pub fn token_refusal(self) -> Refusal {
        match self {
            Self::Unanswered { retry_after } => Refusal::unavailable(self.sentence(), retry_after),
            _ => Refusal::failed_authentication(self.sentence()),
        }
    }

    fn sentence(self) -> Cow<'static, str> {
        match self {
            Self::Missing => "Credentials are required: send an Authorization header.".into(),
            Self::Malformed => "The Authorization header cannot be read.".into(),
            Self::OtherScheme => {
                "The scheme of the Authorization header is not taken here; see WWW-Authenticate.".into()
            }
            Self::Wrong { .. } => "The credentials are wrong.".into(),
            Self::NoCertificate => "A client certificate is required: show it in the TLS handshake.".into(),
            Self::OtherCertificate => "The client certificate is not the one that is expected here.".into(),
            Self::NoToken => {
                "Credentials are required: send an envelope whose Security header holds a wsse:UsernameToken.".into()
            }
            Self::Unusable(why) => format!("The UsernameToken cannot be checked: {why}.").into(),
            Self::Old { seconds } => format!(
                "The UsernameToken was created {seconds} s ago, which is too long: make a new one for each message, and compare the clocks."
            )
            .into(),
            Self::Ahead { seconds } => {
                format!("The UsernameToken's Created is {seconds} s ahead of the clock here: correct the sender's clock.")
                    .into()
            }
            Self::Repeated => "The UsernameToken's Nonce was taken before: make a new one for each message.".into(),
            Self::Unanswered { .. } => "The message cannot be stored at the moment; please send it again.".into(),
        }
    }
}
