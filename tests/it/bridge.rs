//! The real binary, started on ports of its own in a folder of its own, and spoken to over HTTP.

use std::any::Any;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;

/// Long enough that only a hang exceeds it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const TOKEN: &str = "an-admin-token-of-the-tests";

/// A folder with a configuration and a journal, in which bridges are started one after the other.
pub(crate) struct Home {
    /// What is undone before the folder is removed, such as a mount.
    _guard: Option<Box<dyn Any>>,
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, OsString)>,
}

impl Home {
    /// A home whose configuration has these organisations (and other sections) in it.
    pub(crate) fn new(sections: &str) -> Self {
        let home = Self { _guard: None, folder: tempfile::tempdir().unwrap(), variables: Vec::new() };
        home.configure(sections);
        home
    }

    /// A home in a folder that `guard` has prepared and gives back when it is dropped.
    pub(crate) fn prepared(folder: tempfile::TempDir, guard: Box<dyn Any>, sections: &str) -> Self {
        let home = Self { _guard: Some(guard), folder, variables: Vec::new() };
        home.configure(sections);
        home
    }

    /// Gives the bridges that are started from now on a variable of the environment.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.unset(name);
        self.variables.push((name, value.into()));
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.variables.retain(|(each, _)| *each != name);
    }

    /// Replaces the configuration; what runs does not notice until it is told.
    pub(crate) fn configure(&self, sections: &str) {
        let text = format!(
            "listen = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\n\
             [store]\nurl = \"sqlite:{}\"\nmin_free_mb = 0\n{sections}\n",
            self.path("journal.db").display(),
        );
        std::fs::write(self.path("bridge.toml"), text).unwrap();
    }

    /// Replaces the configuration by one whose public listener is at this port.
    pub(crate) fn listen_at(&self, port: &str, sections: &str) {
        self.configure(sections);
        let text = std::fs::read_to_string(self.path("bridge.toml")).unwrap();
        let at = format!("listen = \"127.0.0.1:{port}\"");
        std::fs::write(self.path("bridge.toml"), text.replacen("listen = \"127.0.0.1:0\"", &at, 1)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the bridge and waits until it has said where it listens.
    pub(crate) fn start(&self) -> Bridge {
        self.started_by(command(self.folder.path()))
    }

    /// Starts the bridge by a command that ends in being the binary.
    pub(crate) fn started_by(&self, mut command: Command) -> Bridge {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let mut child = command
            .args(["serve", "--config", "bridge.toml"])
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |name: &str| {
            let line = lines.next().unwrap_or_else(|| panic!("the bridge did not start:\n{}", self.log())).unwrap();
            line.strip_prefix(name).expect("an address").trim().trim_end_matches('/').to_owned()
        };
        let (public, admin) = (address("public"), address("admin"));
        Bridge { child, public, admin, client: imper_bridge::delivery::relay::client(None, None).unwrap() }
    }

    /// Starts the bridge and kills it after a while, wherever it is by then.
    pub(crate) fn start_and_kill(&self, after: Duration) {
        let mut command = command(self.folder.path());
        command.args(["serve", "--config", "bridge.toml"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.envs(self.variables.iter().map(|(name, value)| (name, value))).spawn().unwrap();
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts a bridge that must not start, and gives what it says.
    pub(crate) fn start_fails(&self) -> String {
        let mut command = command(self.folder.path());
        command.args(["serve", "--config", "bridge.toml"]);
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        let output = command.envs(variables).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

/// The binary, to be run in `folder` with nothing of the tests' own environment.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imper-bridge"));
    command.current_dir(folder).env_clear().env("PATH", "/usr/bin:/bin");
    command
}

/// A bridge that runs; it is killed when dropped.
pub(crate) struct Bridge {
    child: Child,
    pub(crate) public: String,
    pub(crate) admin: String,
    client: Client,
}

impl Bridge {
    /// Posts XML to an organisation's endpoint (`acme`, or `acme?dry_run=1`).
    pub(crate) fn post(&self, endpoint: &str, content_type: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let url = format!("{}/soap/{endpoint}", self.public);
        self.client.post(url).header("Content-Type", content_type).body(body).timeout(PATIENCE)
    }

    /// Posts an application's stage, bare, and gives the answer's body.
    pub(crate) async fn change(&self, org: &str, application: &str, stage: &str) -> String {
        let answer = self.post(org, "application/xml", bare(application, stage)).send().await.unwrap();
        let status = answer.status();
        let body = answer.text().await.unwrap();
        assert_eq!(status, 200, "{body}");
        body
    }

    /// What makes posts of stages, to be moved into a task.
    pub(crate) fn poster(&self, org: &str) -> impl Fn(&str, &str) -> RequestBuilder + Send + use<> {
        let (url, client) = (format!("{}/soap/{org}", self.public), self.client.clone());
        move |application, stage| {
            let request = client.post(&url).header("Content-Type", "application/xml").timeout(PATIENCE);
            request.body(bare(application, stage))
        }
    }

    /// What asks the admin API, to be moved into a task.
    pub(crate) fn asker(&self, path: &str) -> impl Fn() -> RequestBuilder + Send + use<> {
        let (url, client) = (format!("{}/api/v1/{path}", self.admin), self.client.clone());
        move || client.get(&url).bearer_auth(TOKEN).timeout(PATIENCE)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.public)).timeout(PATIENCE).send().await.unwrap()
    }

    /// What the admin API answers.
    pub(crate) async fn api(&self, path: &str) -> Value {
        let answer = self.admin_get(&format!("/api/v1/{path}"), TOKEN).await;
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn admin_get(&self, path: &str, token: &str) -> Response {
        let url = format!("{}{path}", self.admin);
        self.client.get(url).bearer_auth(token).timeout(PATIENCE).send().await.unwrap()
    }

    /// Asks the admin API for an action.
    pub(crate) async fn post_to(&self, path: &str) -> Response {
        let client = imper_bridge::delivery::relay::client(None, None).unwrap();
        let request = client.post(format!("{}/api/v1/{path}", self.admin)).bearer_auth(TOKEN);
        request.timeout(PATIENCE).send().await.unwrap()
    }

    /// All events of the journal, oldest first.
    pub(crate) async fn events(&self, query: &str) -> Vec<Value> {
        let (mut events, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.api(&format!("events?limit=1000&{query}{cursor}")).await;
            events.extend(page["events"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        events.reverse();
        events
    }

    /// Waits until nothing waits for delivery.
    pub(crate) async fn delivered(&self) {
        self.none_pending("").await;
    }

    /// Waits until nothing of this organisation waits for delivery.
    pub(crate) async fn delivered_of(&self, org: &str) {
        self.none_pending(&format!("&orgid={org}")).await;
    }

    async fn none_pending(&self, query: &str) {
        let (begun, path) = (Instant::now(), format!("events?state=pending&limit=1{query}"));
        while !self.api(&path).await["events"].as_array().unwrap().is_empty() {
            assert!(begun.elapsed() < PATIENCE, "events are still waiting");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// SIGKILL, and nothing else.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how the process ended.
    pub(crate) fn terminate(self) -> ExitStatus {
        self.signal("TERM");
        self.ended(Duration::from_secs(30))
    }

    /// Waits until the process has ended, and how it did.
    pub(crate) fn ended(mut self, within: Duration) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < within, "the bridge must end within {within:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bare payload that says an application is at a stage.
pub(crate) fn bare(application: &str, stage: &str) -> String {
    format!(
        "<TriggerCandidateStateChange_Request xmlns=\"http://your-company.com/workday/webhooks\"><Job_Application>\
         <Job_Application_ID>{application}</Job_Application_ID>\
         <Candidate_Reference><ID type=\"Candidate_ID\">C-{application}</ID></Candidate_Reference>\
         <Requisition_Reference><ID type=\"Requisition_ID\">REQ678</ID></Requisition_Reference>\
         <Stage>{stage}</Stage></Job_Application></TriggerCandidateStateChange_Request>"
    )
}

/// What stands between the tags of an answer's element.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let start = xml.find(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {xml}")) + name.len() + 2;
    &xml[start..start + xml[start..].find('<').unwrap()]
}
