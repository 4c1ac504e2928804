//! The way to the database: which of the servers that the URL names is worked with, and connections to
//! it.
//!
//! All desks of a process work with one server. A standby that was promoted has begun a new timeline,
//! so an old primary that comes back shows itself by its lower one, and is left alone.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config};

use super::link::Failure;
use super::tls::Tls;

/// What a server may take beyond the time for its TCP connection to encrypt it and to say who it is.
const GREETING: Duration = Duration::from_secs(2);

/// A connection, and what is known of it.
pub(super) struct Session {
    /// What statements go through.
    pub(super) client: Client,
    /// How many warnings the server has sent.
    pub(super) warnings: Arc<AtomicUsize>,
    /// The choice of server that it was made under.
    choice: u64,
}

impl Session {
    /// A connection that was just made.
    pub(super) fn new(client: Client, warnings: Arc<AtomicUsize>) -> Self {
        Self { client, warnings, choice: 0 }
    }

    /// How many warnings have come.
    pub(super) fn warned(&self) -> usize {
        self.warnings.load(Relaxed)
    }
}

/// Which data a server holds, and how recent: its system identifier and its timeline.
type Lineage = (String, u32);

/// Which server is worked with.
#[derive(Debug, Default)]
struct Choice {
    server: Option<usize>,
    /// How often it changed.
    number: u64,
    /// The newest timeline that was seen.
    newest: Option<Lineage>,
}

impl Choice {
    /// Whether a server's data goes on from what was seen: it is no older, or of another system, as after
    /// an upgrade of the database.
    fn allows(&self, lineage: Option<&Lineage>) -> bool {
        let (Some((system, timeline)), Some((known, newest))) = (lineage, &self.newest) else { return true };
        system != known || timeline >= newest
    }

    fn take(&mut self, server: usize, lineage: Option<Lineage>) {
        if self.server != Some(server) {
            self.server = Some(server);
            self.number += 1;
        }
        self.newest = lineage.or(self.newest.take());
    }
}

/// The way to the database.
pub(super) struct Line {
    /// One server each, in the order of the URL.
    servers: Vec<Config>,
    tls: Tls,
    choice: Mutex<Choice>,
    /// The tag of the journal that is worked with, once that is known.
    journal: OnceLock<u32>,
}

impl Line {
    /// The way to the servers that a configuration names.
    pub(super) fn to(mut config: Config) -> Result<Self, rustls::Error> {
        let tls = Tls::of(&mut config)?;
        Ok(Self { servers: each_server(&config), tls, choice: Mutex::default(), journal: OnceLock::new() })
    }

    /// From now on only servers that hold the journal with this tag will do.
    pub(super) fn keep_to(&self, journal: u32) {
        let _ = self.journal.set(journal);
    }

    /// Whether a connection was made to the server that is worked with now.
    pub(super) fn is_current(&self, session: &Session) -> bool {
        session.choice == self.choice().number && !session.client.is_closed()
    }

    /// Connects to the server in use, or else to the one with the newest data that takes writes. A server
    /// that says nothing keeps nobody from the others.
    ///
    /// # Errors
    /// When none answers in time and takes writes, or the one that does holds another journal.
    pub(super) async fn connect(&self) -> Result<Session, Failure> {
        let session = match &self.servers[..] {
            [only] => greet(only, &self.tls).await?,
            servers => self.choose(servers).await?,
        };
        if let Some(expected) = self.journal.get() {
            let row = session.client.query_typed_one("SELECT tag FROM journal", &[]);
            let row = timeout(GREETING, row).await.map_err(|_| silent(GREETING))??;
            let found: i32 = row.try_get(0)?;
            if found as u32 != *expected {
                let message = "the database holds another journal than before; start the bridge anew if that is meant";
                return Err(Failure::Line(message.into()));
            }
        }
        Ok(session)
    }

    async fn choose(&self, servers: &[Config]) -> Result<Session, Failure> {
        let in_use = self.choice().server;
        let mut asked = JoinSet::new();
        for (server, config) in servers.iter().cloned().enumerate() {
            let tls = self.tls.clone();
            asked.spawn(async move { (server, introduced(&config, &tls).await) });
        }
        let (mut usable, mut failures) = (Vec::new(), Vec::new());
        while let Some(answer) = asked.join_next().await {
            let Ok((server, answer)) = answer else { continue };
            match answer {
                Ok((_, lineage)) if !self.choice().allows(lineage.as_ref()) => {
                    let old =
                        Failure::Line("its data is older than what was worked with; it must not take writes".into());
                    failures.push((server, old));
                }
                Ok((session, lineage)) if Some(server) == in_use => return Ok(self.taken(server, session, lineage)),
                Ok((session, lineage)) => usable.push((server, session, lineage)),
                Err(failure) => failures.push((server, failure)),
            }
        }
        let newest = |(server, _, lineage): &(usize, Session, Option<Lineage>)| {
            (lineage.as_ref().map(|(_, timeline)| *timeline), std::cmp::Reverse(*server))
        };
        if let Some((server, session, lineage)) = usable.into_iter().max_by_key(newest) {
            return Ok(self.taken(server, session, lineage));
        }
        failures.sort_by_key(|(server, _)| *server);
        let told: Vec<_> =
            failures.iter().map(|(server, failure)| format!("{}: {failure}", name(&servers[*server]))).collect();
        Err(Failure::Line(told.join("; ")))
    }

    fn taken(&self, server: usize, session: Session, lineage: Option<Lineage>) -> Session {
        let mut choice = self.choice();
        choice.take(server, lineage);
        Session { choice: choice.number, ..session }
    }

    fn choice(&self) -> MutexGuard<'_, Choice> {
        self.choice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects to one server, with a question for its lineage: what does not know of timelines has none.
async fn introduced(config: &Config, tls: &Tls) -> Result<(Session, Option<Lineage>), Failure> {
    let session = greet(config, tls).await?;
    let sql = "SELECT system_identifier::text, pg_walfile_name(pg_current_wal_lsn()) FROM pg_control_system()";
    let row = timeout(GREETING, session.client.query_typed_one(sql, &[])).await.map_err(|_| silent(GREETING))?;
    let lineage = row.ok().and_then(|row| {
        let (system, file): (String, String) = (row.try_get(0).ok()?, row.try_get(1).ok()?);
        Some((system, u32::from_str_radix(file.get(..8)?, 16).ok()?))
    });
    Ok((session, lineage))
}

/// Connects to one server, which takes writes.
async fn greet(config: &Config, tls: &Tls) -> Result<Session, Failure> {
    let within = config.get_connect_timeout().copied().unwrap_or_default() + GREETING;
    timeout(within, tls.connect(config)).await.map_err(|_| silent(within))?.map_err(|error| Failure::of_line(&error))
}

fn silent(within: Duration) -> Failure {
    Failure::Line(format!("no answer within {} s", within.as_secs()))
}

/// The same for each server alone.
fn each_server(config: &Config) -> Vec<Config> {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let alone = |nth: usize| {
        let mut one = like(config);
        match hosts.get(nth) {
            Some(Host::Tcp(host)) => _ = one.host(host),
            Some(Host::Unix(folder)) => _ = one.host_path(folder),
            None => {}
        }
        if let Some(address) = addresses.get(nth) {
            one.hostaddr(*address);
        }
        // One port is every server's.
        if let Some(port) = ports.get(nth).or(ports.first()) {
            one.port(*port);
        }
        one
    };
    (0..hosts.len().max(addresses.len()).max(1)).map(alone).collect()
}

/// The same without a server.
fn like(config: &Config) -> Config {
    let mut one = Config::new();
    one.ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .channel_binding(config.get_channel_binding())
        .target_session_attrs(config.get_target_session_attrs())
        .keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle());
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(name) = config.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    if let Some(name) = config.get_application_name() {
        one.application_name(name);
    }
    if let Some(time) = config.get_connect_timeout() {
        one.connect_timeout(*time);
    }
    if let Some(time) = config.get_tcp_user_timeout() {
        one.tcp_user_timeout(*time);
    }
    if let Some(time) = config.get_keepalives_interval() {
        one.keepalives_interval(time);
    }
    if let Some(times) = config.get_keepalives_retries() {
        one.keepalives_retries(times);
    }
    one
}

fn name(config: &Config) -> String {
    match (config.get_hosts().first(), config.get_hostaddrs().first()) {
        (Some(Host::Tcp(host)), _) => host.clone(),
        (Some(Host::Unix(folder)), _) => folder.display().to_string(),
        (None, Some(address)) => address.to_string(),
        (None, None) => "the server".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_keeps_what_the_url_says_of_all() {
        let url = "postgres://u:p@one,two:5433,%2Frun%2Fpg/x?connect_timeout=7&options=-c%20geqo%3Doff&sslmode=disable\
                   &keepalives_idle=9&target_session_attrs=read-write";
        let servers = each_server(&url.parse().unwrap());
        let alone = |host: &str, port| {
            let alone = format!("postgres://u:p@{host}:{port}/x?{}", url.split_once('?').unwrap().1);
            alone.parse::<Config>().unwrap()
        };
        assert_eq!(servers, [alone("one", 5432), alone("two", 5433), alone("%2Frun%2Fpg", 5432)]);
    }

    #[test]
    fn an_older_timeline_of_the_same_system_is_left_alone() {
        let mut choice = Choice::default();
        let lineage = |system: &str, timeline| Some((system.to_owned(), timeline));
        choice.take(0, lineage("a", 2));
        assert!(choice.allows(lineage("a", 2).as_ref()) && choice.allows(lineage("a", 3).as_ref()));
        assert!(!choice.allows(lineage("a", 1).as_ref()), "an old primary that is back");
        assert!(choice.allows(lineage("b", 1).as_ref()), "an upgraded system begins anew");
        assert!(choice.allows(None), "what knows no timelines");
        choice.take(1, None);
        assert_eq!((choice.number, choice.server), (2, Some(1)));
        assert!(!choice.allows(lineage("a", 1).as_ref()), "what was seen is not forgotten");
    }
}
