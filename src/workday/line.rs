//! The line to Workday: HTTP with all the bounds that the bridge sets it. The only file of this
//! room that knows the HTTP library.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::outbound::{self, describe};

/// How much of an answer is read; a longer one is refused.
pub const MOST: usize = 4 * 1024 * 1024;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// Why the line cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The address would let credentials go unencrypted.
    #[error("{0} is not https, and not on this machine")]
    Unencrypted(String),
    /// The proxy is not usable.
    #[error("the HTTP client cannot be built: {0}")]
    Client(String),
}

/// A line that any number of requests share.
#[derive(Debug, Clone)]
pub struct Line(Client);

/// What stands in `Authorization`.
pub(super) enum Authorization<'a> {
    /// Nothing.
    None,
    /// An access token.
    Bearer(&'a SecretString),
    /// A client's id and secret.
    Basic(&'a str, &'a SecretString),
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The charset of its Content-Type. Its type is not believed: faults come as `text/html` too.
    pub(super) charset: Option<String>,
    pub(super) retry_after: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Line {
    /// A line, by way of the proxy where there is one.
    ///
    /// # Errors
    /// When the proxy is not usable.
    pub fn new(proxy: Option<&Url>) -> Result<Self, LineError> {
        let error = |error: reqwest::Error| LineError::Client(describe(&error));
        let builder = outbound::client(proxy).map_err(error)?.connect_timeout(CONNECT);
        builder.build().map(Self).map_err(error)
    }

    /// Posts and reads the answer, all within `timeout`; the error says what failed and holds
    /// neither address nor credentials.
    pub(super) async fn post(
        &self,
        url: &Url,
        content_type: &'static str,
        authorization: Authorization<'_>,
        body: String,
        timeout: Duration,
    ) -> Result<Answer, String> {
        let mut request = self.0.post(url.clone()).header(CONTENT_TYPE, HeaderValue::from_static(content_type));
        request = match authorization {
            Authorization::None => request,
            Authorization::Bearer(token) => request.header(AUTHORIZATION, bearer(token)?),
            Authorization::Basic(id, secret) => request.basic_auth(id, Some(secret.expose_secret())),
        };
        let response = request.timeout(timeout).body(body).send().await.map_err(|error| failed(&error, timeout))?;
        read(response).await.map_err(|error| error.unwrap_or_else(|error| failed(&error, timeout)))
    }
}

/// Whether credentials may travel to this address.
pub(super) fn check(url: &Url) -> Result<(), LineError> {
    let is_loopback = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() == "https" || is_loopback {
        Ok(())
    } else {
        Err(LineError::Unencrypted(url.origin().ascii_serialization()))
    }
}

fn bearer(token: &SecretString) -> Result<HeaderValue, String> {
    let value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
    let mut value = value.map_err(|_| "the access token holds characters that cannot stand in a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read(mut response: Response) -> Result<Answer, Result<String, reqwest::Error>> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (charset, retry_after) = (header(CONTENT_TYPE).and_then(|value| charset(&value)), header(RETRY_AFTER));
    let (status, mut body) = (response.status().as_u16(), Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(Err)? {
        if body.len() + chunk.len() > MOST {
            return Err(Ok(format!("the answer is longer than {} MiB", MOST >> 20)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, charset, retry_after, body })
}

fn charset(content_type: &str) -> Option<String> {
    let mut parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Some(value.trim().trim_matches('"').to_owned())
}

fn failed(error: &reqwest::Error, timeout: Duration) -> String {
    if error.is_timeout() { format!("no answer within {:.1} s", timeout.as_secs_f64()) } else { describe(error) }
}
