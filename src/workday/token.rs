//! An OAuth 2.0 access token, got by a refresh token (RFC 6749, section 6) and kept until shortly
//! before it expires.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};

use super::failure::{Denial, Failure, of_status};
use super::line::{Authorization, Line};
use crate::credential::Credential;

/// How long a token is used whose lifetime is not told.
const UNTOLD: Duration = Duration::from_secs(300);

/// A token is renewed so long before its end, or a tenth of its life before.
const MARGIN: Duration = Duration::from_secs(60);

/// Where tokens come from, and the latest.
pub(super) struct Tokens {
    url: Url,
    client_id: String,
    /// As it stands in a header.
    client_secret: SecretString,
    /// The client's secret and the refresh token, as they are configured.
    shown: [Credential; 2],
    /// Held while one is fetched: the others wait for that one.
    latest: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    access: SecretString,
    until: Instant,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
}

#[derive(Deserialize, Default)]
struct Denied {
    #[serde(default)]
    error: Option<String>,
}

impl Tokens {
    pub(super) fn new(url: Url, client_id: &str, client_secret: Credential, refresh_token: Credential) -> Self {
        // In Basic both stand encoded as in a form (RFC 6749, section 2.3.1).
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        Self {
            url,
            client_id: encoded(client_id),
            client_secret: encoded(client_secret.secret().expose_secret()).into(),
            shown: [client_secret, refresh_token],
            latest: Mutex::new(None),
        }
    }

    /// The token that is in force, or a new one.
    pub(super) async fn current(&self, line: &Line, timeout: Duration) -> Result<SecretString, Failure> {
        let mut latest = self.latest.lock().await;
        if let Some(token) = latest.as_ref().filter(|token| Instant::now() < token.until) {
            return Ok(token.access.clone());
        }
        let token = self.fetch(line, timeout).await?;
        Ok(latest.insert(token).access.clone())
    }

    /// Forgets this token, which Workday did not take.
    pub(super) async fn refused(&self, access: &SecretString) {
        let mut latest = self.latest.lock().await;
        if latest.as_ref().is_some_and(|token| token.access.expose_secret() == access.expose_secret()) {
            *latest = None;
        }
    }

    async fn fetch(&self, line: &Line, timeout: Duration) -> Result<Token, Failure> {
        let [_, refresh_token] = &self.shown;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", refresh_token.secret().expose_secret())
            .finish();
        let basic = Authorization::Basic(&self.client_id, &self.client_secret);
        let answer = line.post(&self.url, "application/x-www-form-urlencoded", basic, form, timeout).await;
        let answer = answer.map_err(|error| Failure::again(format!("the token endpoint: {error}")))?;
        match answer.status {
            200..=299 => granted(&answer.body).inspect(|_| self.shown.iter().for_each(Credential::note_use)),
            408 | 429 | 500..=599 => {
                let error = format!("the token endpoint answered {}", answer.status);
                Err(Failure::Again { error: error.into(), retry_after: answer.retry_after, whole_organisation: true })
            }
            status => {
                let denied: Denied = serde_json::from_slice(&answer.body).unwrap_or_default();
                let why = denied.error.filter(|error| error.len() < 100).unwrap_or_default();
                let told = format!("the token endpoint answered {status} {why}");
                // Whoever is told nothing but no by it has shown the wrong credentials.
                let denial = if matches!(status, 400 | 403) { Denial::Credentials } else { of_status(status) };
                Err(Failure::Denied(denial, told.trim_end().into()))
            }
        }
    }
}

fn granted(body: &[u8]) -> Result<Token, Failure> {
    let granted: Granted = serde_json::from_slice(body)
        .map_err(|_| Failure::again("the token endpoint's answer holds no access_token".into()))?;
    let told = granted.expires_in.and_then(|told| told.as_u64().or_else(|| told.as_str()?.parse().ok()));
    let life = told.map_or(UNTOLD, Duration::from_secs).min(Duration::from_secs(86_400));
    let until = Instant::now() + life.saturating_sub(MARGIN.min(life / 10));
    Ok(Token { access: granted.access_token.into(), until })
}
