//! Asking Workday: signed in, and page by page.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use url::Url;

use super::answers::{self, Page};
use super::failure::{Failure, answered, of_fault, of_status};
use super::line::{self, Authorization, Line, LineError};
use super::messages::{Candidate, Id, Requisition};
use super::requests::{self, Wanted};
use super::token::Tokens;
use crate::credential::Credential;

/// How many pages of one answer are asked for.
pub const MOST_PAGES: u32 = 100;

/// How the bridge signs in.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// As an integration system user, by a WS-Security UsernameToken.
    Password {
        /// The user, such as `ISU_imper@acme`.
        username: String,
        /// The password.
        password: Credential,
        /// The password that is tried when the other is refused, while it is exchanged.
        password_next: Option<Credential>,
    },
    /// By OAuth 2.0 with a refresh token.
    Refresh {
        /// The token endpoint.
        token_url: Url,
        /// The API client.
        client_id: String,
        /// Its secret.
        client_secret: Credential,
        /// The refresh token.
        refresh_token: Credential,
    },
}

/// One organisation's access to the Recruiting service.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    line: Line,
    url: Url,
    version: Option<(u32, u32)>,
    access: Access,
}

enum Access {
    Password { username: String, password: Credential, next: Option<Credential>, prefers_next: AtomicBool },
    Tokens(Tokens),
}

/// What a request was signed with.
enum Signed {
    Password { next: bool },
    Token(SecretString),
}

impl Client {
    /// A client of the service at `url`.
    ///
    /// # Errors
    /// When an address would let credentials go unencrypted.
    pub fn new(line: Line, url: Url, credentials: Credentials) -> Result<Self, LineError> {
        line::check(&url)?;
        let access = match credentials {
            Credentials::Password { username, password, password_next } => {
                Access::Password { username, password, next: password_next, prefers_next: AtomicBool::new(false) }
            }
            Credentials::Refresh { token_url, client_id, client_secret, refresh_token } => {
                line::check(&token_url)?;
                Access::Tokens(Tokens::new(token_url, &client_id, client_secret, refresh_token))
            }
        };
        let version = requests::version(url.path());
        Ok(Self(Arc::new(Inner { line, url, version, access })))
    }

    /// The candidates that have these IDs, with their applications.
    ///
    /// # Errors
    /// When Workday does not tell within `timeout`.
    pub async fn candidates(&self, ids: &[Id], timeout: Duration) -> Result<Vec<Candidate>, Failure> {
        let take = |answer| match answer {
            answers::Answer::Candidates(page) => Some(page),
            _ => None,
        };
        self.0.all(Wanted::Candidates(ids), take, timeout).await
    }

    /// The job requisitions that have these IDs.
    ///
    /// # Errors
    /// When Workday does not tell within `timeout`.
    pub async fn requisitions(&self, ids: &[Id], timeout: Duration) -> Result<Vec<Requisition>, Failure> {
        let take = |answer| match answer {
            answers::Answer::Requisitions(page) => Some(page),
            _ => None,
        };
        self.0.all(Wanted::Requisitions(ids), take, timeout).await
    }
}

impl Inner {
    async fn all<T>(
        &self,
        wanted: Wanted<'_>,
        take: impl Fn(answers::Answer) -> Option<Page<T>>,
        timeout: Duration,
    ) -> Result<Vec<T>, Failure> {
        let (begun, mut items) = (Instant::now(), Vec::new());
        // A page holds an entry at least.
        let most = MOST_PAGES.min(wanted.len());
        for page in 1..=most {
            let answer = self.ask(wanted, page, timeout.saturating_sub(begun.elapsed())).await?;
            let Some(got) = take(answer) else {
                return Err(Failure::again("Workday answered something else than was asked for".into()));
            };
            items.extend(got.items);
            if page >= got.pages {
                return Ok(items);
            }
        }
        Err(Failure::again(format!("Workday's answer has more pages than {most} entries can fill")))
    }

    /// Asks for a page. Where what it was signed with is refused, once more with what else there is:
    /// the other password, or a new token.
    async fn ask(&self, wanted: Wanted<'_>, page: u32, timeout: Duration) -> Result<answers::Answer, Failure> {
        let begun = Instant::now();
        let (first, signed) = self.ask_as(wanted, page, None, timeout).await;
        let Err(Failure::Denied(..)) = &first else { return first };
        let Some(signed) = signed else { return first };
        let other = match (&self.access, &signed) {
            (Access::Password { next: Some(_), .. }, Signed::Password { next }) => Some(!next),
            (Access::Tokens(tokens), Signed::Token(access)) => {
                tokens.refused(access).await;
                None
            }
            _ => return first,
        };
        let (second, _) = self.ask_as(wanted, page, other, timeout.saturating_sub(begun.elapsed())).await;
        if let (Access::Password { prefers_next, .. }, Some(next), true) = (&self.access, other, second.is_ok()) {
            prefers_next.store(next, Ordering::Relaxed);
        }
        second
    }

    async fn ask_as(
        &self,
        wanted: Wanted<'_>,
        page: u32,
        other: Option<bool>,
        timeout: Duration,
    ) -> (Result<answers::Answer, Failure>, Option<Signed>) {
        let begun = Instant::now();
        let (login, signed) = match &self.access {
            Access::Password { username, password, next, prefers_next } => {
                let takes_next = other.unwrap_or_else(|| prefers_next.load(Ordering::Relaxed));
                let password = next.as_ref().filter(|_| takes_next).unwrap_or(password);
                (Some((username.as_str(), password)), Signed::Password { next: takes_next })
            }
            Access::Tokens(tokens) => match tokens.current(&self.line, timeout).await {
                Ok(token) => (None, Signed::Token(token)),
                Err(failure) => return (Err(failure), None),
            },
        };
        let shown = login.map(|(username, password)| (username, password.secret()));
        let body = match requests::request(wanted, page, self.version, shown) {
            Ok(body) => body,
            Err(error) => return (Err(Failure::Refused(error.into())), None),
        };
        let authorization = match &signed {
            Signed::Token(token) => Authorization::Bearer(token),
            Signed::Password { .. } => Authorization::None,
        };
        let rest = timeout.saturating_sub(begun.elapsed());
        let answer = self.line.post(&self.url, "text/xml; charset=utf-8", authorization, body, rest).await;
        let read = match answer {
            Ok(answer) => read(answer, timeout.saturating_sub(begun.elapsed())).await,
            Err(error) => Err(Failure::again(error)),
        };
        if let (Some((_, password)), Ok(_)) = (login, &read) {
            password.note_use();
        }
        (read, Some(signed))
    }
}

/// Reads an answer within what is left of the time. It is work for another thread: on this one it
/// would hold up whatever else is waited for.
async fn read(answer: line::Answer, rest: Duration) -> Result<answers::Answer, Failure> {
    let reading = tokio::task::spawn_blocking(move || understood(answer));
    match tokio::time::timeout(rest, reading).await {
        Ok(Ok(read)) => read,
        Ok(Err(_)) => Err(Failure::again("reading Workday's answer broke off".into())),
        Err(_) => Err(Failure::again("Workday's answer could not be read in time".into())),
    }
}

/// What an answer means. A Fault is looked for whatever the status, and beats it.
fn understood(answer: line::Answer) -> Result<answers::Answer, Failure> {
    let line::Answer { status, charset, retry_after, body } = answer;
    match (status, answers::read(&body, charset.as_deref())) {
        (429, _) => Err(Failure::Again { error: answered(429).into(), retry_after, whole_organisation: true }),
        (_, Ok(answers::Answer::Fault(fault))) => Err(of_fault(&fault, retry_after)),
        (200..=299, Ok(answer)) => Ok(answer),
        (200..=299, Err(why)) => Err(Failure::again(format!("Workday's answer cannot be read: {why}"))),
        (408 | 500.., _) => {
            Err(Failure::Again { error: answered(status).into(), retry_after, whole_organisation: false })
        }
        _ => Err(Failure::Denied(of_status(status), answered(status).into())),
    }
}
