//! The configuration: a TOML file and variables of the environment, read into types that need no
//! further checking.
//!
//! [`Settings::load`] either gives settings that can be put in force or every fault at once. What
//! needs judgement (which URLs may be called, whether an organisation lets in everyone, where a
//! secret comes from) is judged here and nowhere else.
//!
//! Relative paths: those of secrets and certificates count from the folder of the configuration
//! file, because they are part of the configuration; that of the store counts from the working
//! directory, as it does without a file, because it is data.

mod address;
mod admin_token;
mod changes;
mod fault;
mod file;
mod organisation;
mod postgres;
mod prints;
mod reader;
mod secret;
mod section;
mod shown;
mod tls;
mod tree;
mod value;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub use address::is_loopback;
pub use admin_token::AdminToken;
pub use changes::Changes;
pub use fault::{Fault, Faults};
pub use organisation::{
    Auth, FaultStatus, Handler, IdTypes, Intake, Login, OrganisationSettings, Relay, Workday, WorkdayCredentials,
};
pub use postgres::Database;
pub use secret::{Environment, secret_of};
pub use tls::Tls;
pub use value::{Network, NoNetwork};

use crate::domain::OrgId;

/// What stands in for a configuration file where there is none.
const WITHOUT_FILE: &str = "[org.demo]\nauth.none = true\nhandler = \"in_process\"\n";

/// All that can be configured, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the public listener listens.
    pub listen: SocketAddr,
    /// Under which address callers reach the public listener. `None` only where `listen` is
    /// loopback: it is then the bound address; see [`Settings::public_url_at`].
    pub public_url: Option<Url>,
    /// Whether a proxy in front of the listeners speaks TLS.
    pub behind_tls_proxy: bool,
    /// Whose `X-Forwarded-*` headers count.
    pub trusted_proxies: Vec<Network>,
    /// TLS on the public listener, where it does that itself.
    pub tls: Option<Tls>,
    /// Where health, metrics, API and console are, and for whom.
    pub admin: Admin,
    /// The journal's store.
    pub store: Store,
    /// What a message may cost.
    pub limits: Limits,
    /// How events are delivered.
    pub delivery: Delivery,
    /// The organisations, sorted by id; at least one.
    pub organisations: Vec<OrganisationSettings>,
    prints: prints::Prints,
}

/// The admin listener and who may use it.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The token of an operator of everything; `None`: [`AdminToken::load_or_create`] makes one.
    pub token: Option<SecretString>,
    /// Tokens with a name, a role and bounds, beside the one above.
    pub tokens: Vec<NamedToken>,
}

/// An admin token with a name, for the log, and bounds.
#[derive(Debug, Clone)]
pub struct NamedToken {
    /// The name under which its actions are logged.
    pub name: String,
    /// What is sent as the Bearer credential.
    pub token: SecretString,
    /// What it allows.
    pub role: Role,
    /// To which organisations it is bound; empty: to none in particular.
    pub orgs: Vec<OrgId>,
}

/// What an admin token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// To read.
    Viewer,
    /// To read and to act.
    Operator,
}

/// Where the journal is kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The store itself.
    pub url: StoreUrl,
    /// How long delivered events and applications that are out are kept.
    pub retention: Duration,
    /// How long refused messages are kept; zero: not at all.
    pub refused: Duration,
    /// Free bytes on the store's file system below which nothing is accepted.
    pub min_free_bytes: u64,
}

/// A store by its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// The embedded journal; its file, relative to the working directory or absolute.
    Sqlite(PathBuf),
    /// A PostgreSQL database, which any number of bridges share.
    Postgres(Database),
}

/// What a message may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest body, in bytes, also of what it inflates to; by default 262,144.
    pub body_bytes: usize,
    /// How deep elements may be nested; by default 64.
    pub xml_depth: usize,
    /// How many elements a message may have; by default 10,000.
    pub xml_elements: usize,
    /// How long an answer may wait for the journal before it becomes a 503; by default 10 s.
    pub answer: Duration,
    /// How long a whole request may take to arrive; by default 30 s.
    pub request: Duration,
    /// Messages per second and organisation; `None`: no limit.
    pub requests_per_second: Option<u32>,
    /// Undelivered events per organisation above which nothing is accepted; `None`: no limit.
    pub pending_events: Option<u64>,
}

/// How events are delivered.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// How long one attempt may take, the answer's body included; by default 10 s.
    pub timeout: Duration,
    /// The backoff after the first failure, before jitter; by default 1 s. It doubles each time.
    pub first_retry: Duration,
    /// The longest backoff; by default an hour. What a relay asks for by `Retry-After` may be longer.
    pub max_retry: Duration,
    /// How often a paused organisation is tried; by default every 30 s.
    pub probe: Duration,
    /// How long after its first attempt an event is given up, pauses not counted; by default 72 hours.
    pub give_up_after: Duration,
    /// How late an `interview_started` may be before that is reported; by default 300 s.
    pub useful_within: Duration,
    /// How long an interview may be open before that is reported; `None`: it never is.
    pub open_interview_alert: Option<Duration>,
    /// The URL of a proxy for all deliveries; kept as a secret, as it may hold a password.
    pub proxy: Option<SecretString>,
    /// How many attempts the whole process makes at the same time; by default 64.
    pub concurrency: usize,
}

/// Settings, and what the start should say about them.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What is to be put in force.
    pub settings: Settings,
    /// Sentences about what is odd but no fault.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads the file, or without one the built-in configuration (organisation `demo`, in-process,
    /// loopback, no credentials), with the overrides of the environment.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub fn load(path: Option<&Path>, environment: &Environment) -> Result<Loaded, Faults> {
        let (name, text, folder) = source(path)?;
        Self::from_toml(&name, &text, folder, environment)
    }

    /// Reads only what leads to the admin API of the bridge that was started with this file: where
    /// it listens, the operator's token (if `with_token`), and where one is that was made. The rest
    /// may be faulty, or name secrets that only the bridge has.
    ///
    /// # Errors
    /// What is wrong with that.
    pub fn load_admin(
        path: Option<&Path>,
        environment: &Environment,
        with_token: bool,
    ) -> Result<(Admin, StoreUrl), Faults> {
        let (name, text, folder) = source(path)?;
        let mut root = tree::parse(&name, &text).map_err(Faults)?;
        tree::overlay(&mut root, environment);
        let reader = section::Reader::new(&name, folder, environment);
        let found = file::read_admin(section::Section::root(&reader, root), with_token);
        let (faults, ..) = reader.finish();
        if faults.is_empty() { Ok(found) } else { Err(Faults(faults)) }
    }

    /// Reads a configuration from text. `name` stands for the file in messages; secrets and
    /// certificates in files are looked for in `folder`.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub fn from_toml(name: &str, text: &str, folder: &Path, environment: &Environment) -> Result<Loaded, Faults> {
        let mut root = tree::parse(name, text).map_err(Faults)?;
        let mut warnings = tree::overlay(&mut root, environment);
        let reader = section::Reader::new(name, folder, environment);
        let mut settings = file::read(section::Section::root(&reader, root));
        let (faults, noticed, prints) = reader.finish();
        settings.prints = prints;
        warnings.extend(noticed);
        if faults.is_empty() { Ok(Loaded { settings, warnings }) } else { Err(Faults(faults)) }
    }

    /// The public address, given the address to which the public listener was bound.
    pub fn public_url_at(&self, bound: SocketAddr) -> Url {
        self.public_url.clone().unwrap_or_else(|| self.own_url_at(bound))
    }

    /// The public listener's own address, given the one to which it was bound.
    pub fn own_url_at(&self, bound: SocketAddr) -> Url {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Url::parse(&format!("{scheme}://{bound}")).expect("an address and a port make a URL")
    }
}

/// The name, the text and the folder of a configuration.
fn source(path: Option<&Path>) -> Result<(String, String, &Path), Faults> {
    let Some(path) = path else {
        return Ok(("the built-in configuration".into(), WITHOUT_FILE.into(), Path::new("")));
    };
    let name = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => Ok((name, text, path.parent().unwrap_or(Path::new("")))),
        Err(error) => Err(Faults(vec![Fault {
            place: name,
            key: String::new(),
            found: format!("no readable file ({error})"),
            expected: "a configuration file".into(),
            advice: "Write a starter with `imper-bridge init`, or leave --config out to try the bridge.".into(),
        }])),
    }
}

#[cfg(test)]
mod tests;
