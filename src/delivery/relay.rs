//! The imper.ai relay: one POST per attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response};
use secrecy::ExposeSecret;
use url::Url;

use super::{Handled, Handler, Handling, Outcome, Reason, verdict};
use crate::credential::Credential;
use crate::domain::payload::{EventNames, Payload, Shape};
use crate::journal::{Answered, Claimed, ReadBack};
use crate::outbound::{self, describe};

/// How much of an answer is kept.
const KEPT: usize = 2 * 1024;

/// How much of an answer is read, so that its connection can be used again; what is longer is cut off.
const READ: usize = 64 * 1024;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Why no connection to a relay can be prepared.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The API key cannot stand in a header.
    #[error("the API key holds characters that cannot stand in an HTTP header")]
    Key,
    /// The certificates or the proxy are not usable.
    #[error("the HTTP client cannot be built: {0}")]
    Client(String),
}

/// How relays are reached: shared by those that need nothing of their own.
///
/// # Errors
/// When a certificate of `ca` (PEM) or the proxy is not usable.
pub fn client(ca: Option<&[u8]>, proxy: Option<&Url>) -> Result<Client, RelayError> {
    let error = |error: reqwest::Error| RelayError::Client(describe(&error));
    let mut builder = outbound::client(proxy).map_err(error)?;
    if let Some(ca) = ca {
        builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(ca).map_err(error)?);
    }
    builder.build().map_err(error)
}

/// A key as it is shown, and where its uses are noted.
struct Key {
    header: HeaderValue,
    credential: Credential,
}

/// One organisation's relay.
pub struct Relay {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    url: Url,
    key: Key,
    next_key: Option<Key>,
    /// Which of the two keys was taken last.
    prefers_next: AtomicBool,
    shape: Shape,
    names: EventNames,
}

impl Relay {
    /// A relay at `url` that takes either of two keys.
    ///
    /// # Errors
    /// When a key cannot stand in a header.
    pub fn new(
        client: Client,
        url: Url,
        key: Credential,
        next_key: Option<Credential>,
        shape: Shape,
        names: EventNames,
    ) -> Result<Self, RelayError> {
        let bearer = |credential: Credential| {
            let text = format!("Bearer {}", credential.secret().expose_secret());
            let mut header = HeaderValue::from_str(&text).map_err(|_| RelayError::Key)?;
            header.set_sensitive(true);
            Ok(Key { header, credential })
        };
        let (key, next_key) = (bearer(key)?, next_key.map(bearer).transpose()?);
        let prefers_next = AtomicBool::new(false);
        Ok(Self { inner: Arc::new(Inner { client, url, key, next_key, prefers_next, shape, names }) })
    }
}

impl Handler for Relay {
    fn handle(&self, claimed: Claimed, timeout: Duration) -> Handling {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move { inner.deliver(&claimed, timeout).await })
    }
}

impl Inner {
    async fn deliver(&self, claimed: &Claimed, timeout: Duration) -> Handled {
        if !self.shape.carries(claimed.event.event_type) {
            // It was accepted when the organisation took every state change; it no longer does.
            let error = Some("not sent: the relay now takes interview boundaries only".to_owned());
            let answered = Answered { error, ..Answered::default() };
            return Handled {
                outcome: Outcome::Delivered,
                answered,
                reason: None,
                protection: None,
                read_back: ReadBack::Nothing,
            };
        }
        let begun = Instant::now();
        let response = self.post(claimed, timeout).await;
        let (outcome, mut answered, reason) = match response {
            Ok((response, refused_key)) => {
                let (outcome, answered) = answer(response, timeout.saturating_sub(begun.elapsed())).await;
                let told = refused_key.map(|key| format!("{key} was refused, and the other key tried"));
                let error = match (told, answered.error) {
                    (Some(told), Some(error)) => Some(format!("{told}: {error}")),
                    (told, error) => told.or(error),
                };
                let reason = answered.status.and_then(Reason::of_status);
                (outcome, Answered { error, ..answered }, reason)
            }
            Err(error) => {
                let (error, reason) = if error.is_timeout() {
                    (format!("no answer within {} s", timeout.as_secs_f64()), Reason::Timeout)
                } else {
                    (describe(&error), Reason::Connection)
                };
                let outcome = Outcome::Retry { retry_after: None, whole_organisation: false };
                (outcome, Answered { error: Some(error), ..Answered::default() }, Some(reason))
            }
        };
        answered.latency = begun.elapsed();
        Handled { outcome, answered, reason, protection: None, read_back: ReadBack::Nothing }
    }

    /// Posts with the key that worked last, and where that is refused, with the other; then also which
    /// one was refused.
    async fn post(&self, claimed: &Claimed, timeout: Duration) -> reqwest::Result<(Response, Option<&'static str>)> {
        let begun = Instant::now();
        let prefers_next = self.prefers_next.load(Ordering::Relaxed);
        let (first, second) = match (&self.next_key, prefers_next) {
            (Some(next), true) => (next, Some(&self.key)),
            (Some(next), false) => (&self.key, Some(next)),
            (None, _) => (&self.key, None),
        };
        let response = self.post_with(first, claimed, timeout).await?;
        let Some(second) = second.filter(|_| matches!(response.status().as_u16(), 401 | 403)) else {
            return Ok((response, None));
        };
        let retried = self.post_with(second, claimed, timeout.saturating_sub(begun.elapsed())).await?;
        if retried.status().is_success() {
            self.prefers_next.store(!prefers_next, Ordering::Relaxed);
        }
        Ok((retried, Some(if prefers_next { "api_key_next" } else { "api_key" })))
    }

    async fn post_with(&self, key: &Key, claimed: &Claimed, timeout: Duration) -> reqwest::Result<Response> {
        let payload = Payload::of(&claimed.event, self.shape, self.names);
        let body = serde_json::to_vec(&payload).expect("a payload is texts and serialises");
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(AUTHORIZATION, key.header.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let texts = [(IDEMPOTENCY_KEY, claimed.idempotency_key.clone()), (TRACEPARENT, traceparent(claimed))];
        for (name, text) in texts {
            headers.extend(HeaderValue::try_from(text).ok().map(|value| (name, value)));
        }
        let response = self.client.post(self.url.clone()).headers(headers).timeout(timeout).body(body).send().await?;
        if response.status().is_success() {
            key.credential.note_use();
        }
        Ok(response)
    }
}

/// The status line decides; the body is only looked at, as far as it comes.
async fn answer(mut response: Response, patience: Duration) -> (Outcome, Answered) {
    let status = response.status().as_u16();
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = header.and_then(|header| verdict::retry_after(header, Timestamp::now()));
    let mut body = Vec::new();
    let reading = async {
        while body.len() < READ
            && let Ok(Some(chunk)) = response.chunk().await
        {
            body.extend_from_slice(&chunk[..chunk.len().min(READ - body.len())]);
        }
    };
    // A body that stalls or breaks off changes nothing.
    let _ = tokio::time::timeout(patience, reading).await;
    body.truncate(KEPT);
    let outcome = verdict::of_status(status, retry_after);
    let error = (outcome != Outcome::Delivered).then(|| format!("the relay answered {status}"));
    let body = (!body.is_empty()).then(|| String::from_utf8_lossy(&body).into_owned());
    (outcome, Answered { status: Some(status), latency: Duration::ZERO, error, body })
}

/// A W3C `traceparent` (Trace Context, section 3.2): the event's trace with a span of the attempt.
fn traceparent(claimed: &Claimed) -> String {
    claimed.trace().child(getrandom::u64().unwrap_or(u64::from(claimed.attempt))).to_string()
}
