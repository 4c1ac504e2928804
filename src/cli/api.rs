//! The admin API from the terminal, found through the configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use crate::app;
use crate::config::{Admin, AdminToken, Environment, Settings, StoreUrl, secret_of};
use crate::delivery::relay;

/// How long the bridge may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the running bridge is.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The bridge's configuration, which says where its admin listener is and what opens it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The variable that holds the admin token, if it is not where the configuration says
    #[arg(long, value_name = "VARIABLE", conflicts_with = "token_file")]
    token_env: Option<String>,
    /// The file that holds the admin token, if it is not where the configuration says
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Where the admin listener is reached, if not where the configuration says
    #[arg(long, value_name = "URL")]
    admin: Option<Url>,
}

impl Place {
    /// The bridge's configuration, where it is given.
    pub(super) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// The configuration's name, for people.
    fn file(&self) -> String {
        self.config.as_ref().map_or("the built-in configuration".into(), |file| file.display().to_string())
    }

    /// The token, and where it was found.
    fn token(&self, admin: &Admin, store: &StoreUrl) -> anyhow::Result<(SecretString, String)> {
        if let Some(name) = &self.token_env {
            let token = std::env::var(name).with_context(|| format!("the variable {name}"))?;
            return Ok((token.into(), format!("the token in the variable {name}")));
        }
        if let Some(path) = &self.token_file {
            let file = path.display();
            let token = secret_of(path).with_context(|| format!("--token-file {file}"))?;
            let token =
                token.with_context(|| format!("--token-file {file} is empty; write the admin token into it"))?;
            return Ok((token, format!("the token in {file}")));
        }
        let why = "the admin token is beside the journal, whose path counts from the bridge's working directory; \
                   --token-env names a variable that holds it, --token-file a file";
        let AdminToken { token, made_at } = AdminToken::load(admin, store).context(why)?;
        let found = made_at.map_or_else(|| format!("admin.token of {}", self.file()), |at| at.display().to_string());
        Ok((token, found))
    }
}

/// What the bridge said instead of doing what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub(super) struct Declined {
    said: String,
    /// Whether it is about what was asked, and not about how things stand.
    pub(super) is_bad_input: bool,
}

/// A bridge that runs, seen through its admin API.
pub(super) struct Api {
    client: Client,
    base: Url,
    token: SecretString,
    /// What names `base`, for people.
    named_by: String,
    /// What holds the token, for people.
    held_by: String,
}

impl Api {
    /// Finds the bridge.
    ///
    /// # Errors
    /// When the configuration is not usable, or names no token and none was made yet.
    pub(super) fn of(place: &Place) -> anyhow::Result<Self> {
        let with_token = place.token_env.is_none() && place.token_file.is_none();
        let (admin, store) = Settings::load_admin(place.config.as_deref(), &Environment::of_process(), with_token)?;
        let (token, held_by) = place.token(&admin, &store)?;
        let (base, named_by) = match &place.admin {
            Some(url) => (url.clone(), "by --admin".into()),
            None => (app::local("http", admin.listen), format!("by admin.listen of {}", place.file())),
        };
        Ok(Self { client: relay::client(None, None)?, base, token, named_by, held_by })
    }

    /// What to say where nobody answers. The file may be ahead of the bridge.
    fn nobody(&self) -> String {
        let Self { base, named_by, .. } = self;
        format!(
            "no bridge answers at {base} ({named_by}); does it run? If it was started with another admin.listen, it \
             listens there until a restart: name that by --admin URL. A reload comes by SIGHUP as well"
        )
    }

    /// What to do about a token that is refused. The file may be ahead of the bridge.
    fn stranger(&self) -> String {
        let Self { base, named_by, held_by, .. } = self;
        format!(
            "tried: {held_by}, at {base} ({named_by}). If the configuration names another token than the bridge has \
             read, show the one it has by --token-env VARIABLE or --token-file FILE; or send the process SIGHUP, on \
             which it reads the configuration without being asked for a token"
        )
    }

    /// The status and the text of a path that takes no token.
    ///
    /// # Errors
    /// When the bridge cannot be reached.
    pub(super) async fn open(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let answer = self.client.get(self.base.join(path)?).timeout(PATIENCE).send().await;
        let answer = answer.with_context(|| self.nobody())?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Calls a path under `/api/v1`, given in its segments.
    ///
    /// # Errors
    /// When the bridge cannot be reached, or what it says is wrong.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| anyhow::anyhow!("{} is no base of a path", self.base))?
            .extend(["api", "v1"].iter().chain(path));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.client.request(method, url).bearer_auth(self.token.expose_secret()).timeout(PATIENCE);
        let request = match body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body.to_string()),
            None => request,
        };
        let answer = request.send().await.with_context(|| self.nobody())?;
        let status = answer.status();
        let text = answer.text().await?;
        let body = serde_json::from_str::<Value>(&text).unwrap_or(Value::String(text));
        if !status.is_success() {
            let faults = body["faults"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let detail = body["detail"].as_str().map_or_else(|| format!("{status}: {body}"), str::to_owned);
            let advice = (status == StatusCode::UNAUTHORIZED).then(|| self.stranger());
            let lines = faults.map(str::to_owned).chain(advice);
            let said = lines.fold(detail, |told, line| format!("{told}\n  {line}"));
            return Err(Declined { said, is_bad_input: status == StatusCode::BAD_REQUEST }.into());
        }
        Ok(body)
    }
}
