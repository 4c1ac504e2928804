//! `imper-bridge send`: posts messages to a running bridge and says what became of them.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder};
use url::Url;

use super::{BAD_INPUT, FAILED, input};
use crate::config::is_loopback;
use crate::xml::{Document, Limits, Reader, Token};

/// What `send` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Messages, enveloped or bare; `-`: standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The endpoint, such as http://127.0.0.1:8080/soap/demo
    #[arg(long, value_name = "URL")]
    to: Url,
    /// The user name to show
    #[arg(long, requires = "password_env", conflicts_with = "bearer_env")]
    user: Option<String>,
    /// The variable that holds the user's password
    #[arg(long, value_name = "VARIABLE", requires = "user")]
    password_env: Option<String>,
    /// The variable that holds a Bearer token to show
    #[arg(long, value_name = "VARIABLE")]
    bearer_env: Option<String>,
}

/// Longer than a bridge takes to answer by any sensible configuration.
const PATIENCE: Duration = Duration::from_secs(60);

enum Credentials {
    None,
    Basic(String, String),
    Bearer(String),
}

impl Credentials {
    /// Secrets come from variables, as the arguments of a process can be seen by others.
    fn of(options: &Options) -> Result<Self, String> {
        let variable = |name: &String| std::env::var(name).map_err(|_| format!("the variable {name} is not set"));
        Ok(match (&options.user, &options.password_env, &options.bearer_env) {
            (Some(user), Some(name), _) => Self::Basic(user.clone(), variable(name)?),
            (_, _, Some(name)) => Self::Bearer(variable(name)?),
            _ => Self::None,
        })
    }

    fn show(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::None => request,
            Self::Basic(user, password) => request.basic_auth(user, Some(password)),
            Self::Bearer(token) => request.bearer_auth(token),
        }
    }
}

/// Posts the messages one after the other and prints a line for each.
///
/// # Errors
/// When the output cannot be written.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let credentials = match Credentials::of(options) {
        Ok(credentials) => credentials,
        Err(problem) => {
            eprintln!("imper-bridge: {problem}");
            return Ok(ExitCode::from(BAD_INPUT));
        }
    };
    if !matches!(credentials, Credentials::None) && options.to.scheme() == "http" && !is_loopback(&options.to) {
        eprintln!("imper-bridge: the credentials travel in clear, as the URL is http:");
    }
    // Messages of test files have no business with a proxy that happens to be set.
    let client = Client::builder().timeout(PATIENCE).no_proxy().build().context("no HTTP client")?;
    super::runtime()?.block_on(async {
        let mut worst = 0;
        for file in &options.files {
            let (code, line) = match input::read(file) {
                Ok(body) => send(&client, &options.to, &credentials, body).await,
                Err(error) => (BAD_INPUT, format!("cannot be read: {error}")),
            };
            worst = worst.max(code);
            tell(file, code, &line)?;
        }
        Ok(ExitCode::from(worst))
    })
}

fn tell(file: &Path, code: u8, line: &str) -> io::Result<()> {
    if code == BAD_INPUT {
        eprintln!("{}: {line}", file.display());
        return Ok(());
    }
    writeln!(io::stdout(), "{}: {line}", file.display())
}

async fn send(client: &Client, to: &Url, credentials: &Credentials, body: Vec<u8>) -> (u8, String) {
    let request = client
        .post(to.clone())
        .header(CONTENT_TYPE, input::content_type(&body))
        .header("SOAPAction", "\"TriggerCandidateStateChange\"")
        .body(body);
    let answer = async {
        let answer = credentials.show(request).send().await?;
        Ok::<_, reqwest::Error>((answer.status(), answer.bytes().await?))
    };
    match answer.await {
        Ok((status, body)) => {
            let code = if status.is_success() { 0 } else { FAILED };
            (code, format!("{} {}", status.as_u16(), outcome(&body)))
        }
        Err(error) => (FAILED, format!("not sent: {}", causes(&error))),
    }
}

/// An error with what caused it, which is where reqwest's say what happened.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// What an answer says: outcome, type and id, or the fault's code and message.
fn outcome(body: &[u8]) -> String {
    let Some(leaves) = leaves(body) else { return "(the answer is no XML)".into() };
    let leaf = |name: &str| leaves.get(name).map_or("", String::as_str);
    match leaf("Outcome") {
        "" if leaves.contains_key("Code") => format!("{}: {}", leaf("Code"), leaf("Message")),
        "" => "(the answer is not of this service)".into(),
        outcome => format!("{outcome} {} {}", leaf("Event_Type"), leaf("Event_ID")).trim_end().to_owned(),
    }
}

/// The texts of the innermost elements, by local name.
pub(super) fn leaves(body: &[u8]) -> Option<HashMap<String, String>> {
    let document = Document::decode(body, None).ok()?;
    let mut reader = Reader::new(&document, Limits::default(), &[]);
    let (mut leaves, mut open) = (HashMap::new(), None);
    loop {
        match reader.next().ok()? {
            Token::Start(name) => open = Some((name.local.to_owned(), String::new())),
            Token::Text(text) => {
                if let Some((_, all)) = &mut open {
                    all.push_str(&text);
                }
            }
            Token::End => leaves.extend(open.take()),
            Token::Eof => return Some(leaves),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_is_read_out_of_the_answer() {
        let ok = b"<e><r><Event_ID>1</Event_ID><Event_Type>interview_started</Event_Type><Outcome>Accepted</Outcome></r></e>";
        assert_eq!(outcome(ok), "Accepted interview_started 1");
        let fault = b"<e><d><Fault_Detail><Code>not_found</Code><Message>No &amp; no</Message></Fault_Detail></d></e>";
        assert_eq!(outcome(fault), "not_found: No & no");
        assert_eq!(outcome(b"<a/>"), "(the answer is not of this service)");
        assert_eq!(outcome(b"Bad Gateway"), "(the answer is no XML)");
    }
}
