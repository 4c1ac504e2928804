//! The only place where the parts are put together: build, run, reload, drain.

mod ledger;
mod routing;
mod upkeep;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App as ActixApp, HttpServer};
use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

use self::ledger::InTime;
use self::routing::{Routing, Table};
use crate::admin::{self, Admin, Console, Surroundings, Token, Tokens};
use crate::auth::{Nonces, SignIns};
use crate::clock::{Clock, SystemClock};
use crate::config::{AdminToken, Database, Environment, Loaded, Role, Settings, Store, StoreUrl};
use crate::delivery::{Policy, Pump};
use crate::journal::embedded::{Embedded, Options, RefusedFile};
use crate::journal::postgres::Postgres;
use crate::journal::{self, Journal, Refused, Turn};
use crate::metrics::Metrics;
use crate::net;
use crate::organisation::{Directory, Organisations};
use crate::public::{self, Public, Rates};

/// How long requests under way may take to be answered once the bridge is told to stop.
const REQUESTS_GRACE: Duration = Duration::from_secs(10);

/// How long attempts under way may take then.
const ATTEMPTS_GRACE: Duration = Duration::from_secs(20);

/// When the process ends whatever still runs.
const WATCHDOG: Duration = Duration::from_secs(28);

/// Workers of the public listener: what a message costs is parsing and waiting for the disk.
const MAX_WORKERS: usize = 8;

/// File descriptors that callers cannot take, beside one for each delivery under way: the journal's
/// files, the admin listener, what the runtime needs.
const KEPT_DESCRIPTORS: usize = 256;

/// Where the configuration comes from, so that it can be read again.
#[derive(Clone)]
pub struct Origin {
    /// The file; `None`: the built-in configuration.
    pub file: Option<PathBuf>,
    /// The variables of the environment.
    pub environment: Environment,
}

impl Origin {
    /// Reads the configuration.
    ///
    /// # Errors
    /// All that is wrong with it, at once.
    pub fn load(&self) -> Result<Loaded, crate::config::Faults> {
        Settings::load(self.file.as_deref(), &self.environment)
    }
}

/// A bridge that runs.
pub struct Running {
    public: SocketAddr,
    admin: SocketAddr,
    admin_token: secrecy::SecretString,
    origin: Origin,
    settings: Settings,
    organisations: Organisations,
    routing: Arc<Routing>,
    policy: Arc<ArcSwap<Policy>>,
    journal: Arc<dyn Journal>,
    refused: Arc<dyn Refused>,
    admin_state: Arc<Admin>,
    handshakes: Option<net::Handshakes>,
    stop: watch::Sender<bool>,
    pump: Arc<Pump>,
    pumping: JoinHandle<()>,
    servers: [(actix_web::dev::ServerHandle, JoinHandle<io::Result<()>>); 2],
}

/// A journal that is open, and what is kept beside it.
struct Opened {
    journal: Arc<dyn Journal>,
    refused: Arc<dyn Refused>,
    /// Which tokens were used.
    nonces: Nonces,
}

/// Opens the journal of these settings and what is kept beside it.
///
/// # Errors
/// When it is in use, its files cannot be used, or its database does not answer.
fn open_journal(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn journal::Observer>,
) -> anyhow::Result<Opened> {
    let store = &settings.store;
    match &store.url {
        StoreUrl::Sqlite(path) => {
            let options = Options { min_free_mb: store.min_free_bytes >> 20, observer };
            let journal = Embedded::open(path, options, Arc::clone(&clock)).context("the journal cannot be opened")?;
            let refused = open_refused(path, store, clock);
            Ok(Opened { journal: Arc::new(journal), refused, nonces: Nonces::default() })
        }
        StoreUrl::Postgres(database) => {
            let journal = Postgres::open(database_options(database, store.refused, observer))
                .with_context(|| format!("the journal in {} cannot be opened", database.shown()))?;
            let refused: Arc<dyn Refused> = match journal.refused() {
                Some(table) => Arc::new(table),
                None => Arc::new(()),
            };
            let nonces = Nonces::shared(Arc::new(InTime { table: journal.nonces(), within: settings.limits.answer }));
            Ok(Opened { journal: Arc::new(journal), refused, nonces })
        }
    }
}

/// What opening a database takes.
pub(crate) fn database_options(
    database: &Database,
    keep_refused: Duration,
    observer: Arc<dyn journal::Observer>,
) -> journal::postgres::Options {
    let (url, password) = (database.url().clone(), database.password().cloned());
    journal::postgres::Options { url, password, keep_refused, observer }
}

/// Opens what keeps the refused messages. They are there to help: without them the bridge does all
/// that it promises, so that a file that cannot be used stops nothing.
fn open_refused(journal: &Path, store: &Store, clock: Arc<dyn Clock>) -> Arc<dyn Refused> {
    if store.refused.is_zero() {
        if let Err(error) = RefusedFile::remove(journal) {
            tracing::error!(%error, "the refused messages that were kept before cannot be removed");
        }
        return Arc::new(());
    }
    match RefusedFile::open(journal, store.refused, clock) {
        Ok(file) => Arc::new(file),
        Err(error) => {
            tracing::error!(%error, "refused messages are not kept");
            Arc::new(())
        }
    }
}

/// Builds everything and starts it.
///
/// # Errors
/// When a listener, the store or a relay's client cannot be prepared; nothing runs then.
pub async fn start(loaded: Loaded, origin: Origin) -> anyhow::Result<Running> {
    announce(&loaded);
    let settings = loaded.settings;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let metrics = Arc::new(Metrics::new());
    let listeners = (bind(settings.listen, "listen")?, bind(settings.admin.listen, "admin.listen")?);
    let (public_address, admin_address) = (listeners.0.local_addr()?, listeners.1.local_addr()?);
    let Opened { journal, refused, nonces } = open_journal(&settings, Arc::clone(&clock), metrics.clone())?;
    let routing = Arc::new(Routing::new(Table::of(&settings)?));
    let organisations = Organisations::new(Directory::of(&settings));
    metrics.expect(organisations.current().ids().iter());
    let policy = Arc::new(ArcSwap::from_pointee(policy(&settings)));
    let (tokens, admin_token) = tokens(&settings)?;

    let public = Arc::new(Public {
        journal: journal.clone(),
        organisations: organisations.clone(),
        metrics: Arc::clone(&metrics),
        limits: settings.limits.clone(),
        clock: clock.clone(),
        refused: Arc::clone(&refused),
        nonces,
        rates: Rates::new(settings.limits.requests_per_second, Arc::clone(&clock)),
        sign_ins: SignIns::new(Arc::clone(&clock)),
        public_url: settings.public_url.clone(),
        own_url: settings.own_url_at(public_address),
        trusted_proxies: settings.trusted_proxies.clone(),
    });
    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(MAX_WORKERS);
    let room = net::connections(workers, KEPT_DESCRIPTORS + settings.delivery.concurrency);
    let limits = net::Limits::new(settings.limits.request, room);
    let routes = public::routes(Arc::clone(&public));
    let handshakes = settings.tls.as_ref().map(|tls| net::Handshakes::new(Arc::clone(&tls.server)));
    let app = move || ActixApp::new().configure(routes.clone());
    let public_server = net::serve(listeners.0, workers, limits, handshakes.clone(), app)?;
    let tokens = ArcSwap::from_pointee(tokens);
    let (stop, stopping) = watch::channel(false);
    let admin_state = Arc::new(Admin {
        journal: journal.clone(),
        metrics: metrics.clone(),
        tokens,
        clock: clock.clone(),
        public,
        policy: Arc::clone(&policy),
        console: Console::new(&clock),
        started_at: clock.now(),
        stopping: stopping.clone(),
        surroundings: Surroundings::of(&settings),
    });
    let admin_server = serve_admin(listeners.1, Arc::clone(&admin_state))?;
    let servers = [public_server, admin_server].map(|server| (server.handle(), tokio::spawn(server)));

    let pump = Pump::new(journal.clone(), routing.clone(), clock, Arc::clone(&policy), metrics);
    let pump = Arc::new(pump);
    tokio::spawn(upkeep::run(Arc::clone(&admin_state), settings.store.retention, stopping.clone()));
    let pumping = tokio::spawn(Arc::clone(&pump).run(stopping, ATTEMPTS_GRACE));
    tracing::info!(public = %public_address, admin = %admin_address, "listening");
    Ok(Running {
        public: public_address,
        admin: admin_address,
        admin_token,
        origin,
        settings,
        organisations,
        routing,
        policy,
        journal,
        refused,
        admin_state,
        handshakes,
        stop,
        pump,
        pumping,
        servers,
    })
}

impl Running {
    /// Where the public listener is reached from this machine.
    pub fn public_url(&self) -> Url {
        local(if self.handshakes.is_some() { "https" } else { "http" }, self.public)
    }

    /// Where the admin listener is reached from this machine.
    pub fn admin_url(&self) -> Url {
        local("http", self.admin)
    }

    /// The token of an operator of everything.
    pub fn admin_token(&self) -> &secrecy::SecretString {
        &self.admin_token
    }

    /// The records of the journal that runs.
    pub fn journal(&self) -> &dyn Journal {
        &*self.journal
    }

    /// Reads the configuration again and puts it in force in one swap; a bad one changes nothing
    /// and is logged with all its faults.
    pub fn reload(&self) {
        let loaded = match self.origin.load() {
            Ok(loaded) => loaded,
            Err(faults) => {
                tracing::error!(%faults, "the configuration is not usable; the old one stays in force");
                return;
            }
        };
        let table = match Table::of(&loaded.settings) {
            Ok(table) => table,
            Err(error) => {
                tracing::error!(%error, "the configuration is not usable; the old one stays in force");
                return;
            }
        };
        let tokens = match tokens(&loaded.settings) {
            Ok((tokens, _)) => tokens,
            Err(error) => {
                tracing::error!(%error, "the configuration is not usable; the old one stays in force");
                return;
            }
        };
        announce(&loaded);
        let new = loaded.settings;
        for (key, changed) in [
            ("listen", new.listen != self.settings.listen),
            ("public_url", new.public_url != self.settings.public_url),
            ("admin.listen", new.admin.listen != self.settings.admin.listen),
            ("store", new.store != self.settings.store),
            ("limits", new.limits != self.settings.limits),
            ("tls", new.tls.is_some() != self.handshakes.is_some()),
            ("trusted_proxies", new.trusted_proxies != self.settings.trusted_proxies),
        ] {
            if changed {
                tracing::warn!(key, "this change takes effect at the next start");
            }
        }
        self.routing.replace(table);
        if let (Some(handshakes), Some(tls)) = (&self.handshakes, &new.tls) {
            handshakes.replace(Arc::clone(&tls.server));
        }
        self.organisations.replace(Directory::of(&new));
        self.admin_state.metrics.expect(self.organisations.current().ids().iter());
        self.admin_state.surroundings.renewed(&new);
        // What failed before may have been put right by this.
        self.admin_state.public.sign_ins.forget();
        self.admin_state.console.forget_failures();
        self.policy.store(Arc::new(policy(&new)));
        self.admin_state.tokens.store(Arc::new(tokens));
        self.pump.nudge();
        // Whatever was wrong with a relay may be mended. Should the journal fail, a probe finds out.
        drop(self.journal.turn(Turn::SetUpRead, "reload".into()));
        tracing::info!(organisations = new.organisations.len(), "the configuration was reloaded");
    }

    /// Stops accepting, answers what is under way, lets attempts finish, closes the journal.
    pub async fn drain(self) {
        tracing::info!("stopping");
        // Whatever hangs then is safe to leave: what was acknowledged is on disk, and what is
        // under way is sent again.
        std::thread::spawn(|| {
            std::thread::sleep(WATCHDOG);
            tracing::error!("stopping took too long; ending");
            std::process::exit(0);
        });
        let _ = self.stop.send(true);
        let [(public, public_task), (admin, admin_task)] = self.servers;
        let requests = async {
            public.stop(true).await;
            let _ = public_task.await;
        };
        let (_, pumped) = tokio::join!(requests, self.pumping);
        if let Err(error) = pumped {
            tracing::error!(%error, "the delivery ended badly");
        }
        admin.stop(false).await;
        let _ = admin_task.await;
        let (journal, refused) = (self.journal, self.refused);
        let closing = move || {
            refused.close();
            journal.close();
        };
        let _ = tokio::task::spawn_blocking(closing).await;
        tracing::info!("stopped");
    }
}

fn announce(loaded: &Loaded) {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    for key in loaded.settings.without_effect() {
        tracing::warn!(key, "this key is read but has no effect in this release");
    }
}

fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address} (`{key}`)"))
}

/// The URL of a listener on this machine.
pub(crate) fn local(scheme: &str, address: SocketAddr) -> Url {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    let address = SocketAddr::new(ip, address.port());
    Url::parse(&format!("{scheme}://{address}")).expect("an address and a port make a URL")
}

fn serve_admin(listener: TcpListener, admin: Arc<Admin>) -> io::Result<actix_web::dev::Server> {
    let routes = admin::routes(admin);
    let server = HttpServer::new(move || ActixApp::new().configure(routes.clone()));
    Ok(server.workers(1).disable_signals().shutdown_timeout(REQUESTS_GRACE.as_secs()).listen(listener)?.run())
}

fn tokens(settings: &Settings) -> anyhow::Result<(Tokens, secrecy::SecretString)> {
    let operator = AdminToken::load_or_create(&settings.admin, &settings.store)
        .context("the admin token cannot be made beside the journal; set admin.token")?;
    if let Some(place) = &operator.made_at {
        tracing::info!(file = %place.display(), "the admin token is in this file; set admin.token to choose it");
    }
    let secret = operator.token.clone();
    let mut tokens = vec![Token { name: "admin".into(), secret: secret.clone(), orgs: None, role: Role::Operator }];
    tokens.extend(settings.admin.tokens.iter().map(|token| Token {
        name: token.name.clone(),
        secret: token.token.clone(),
        orgs: (!token.orgs.is_empty()).then(|| token.orgs.clone()),
        role: token.role,
    }));
    Ok((Tokens::new(tokens), secret))
}

fn policy(settings: &Settings) -> Policy {
    let delivery = &settings.delivery;
    Policy {
        timeout: delivery.timeout,
        first_retry: delivery.first_retry,
        max_retry: delivery.max_retry,
        give_up_after: delivery.give_up_after,
        probe: delivery.probe,
        useful_within: delivery.useful_within,
        // Without an alert no interview is open for too long.
        open_interview_alert: delivery.open_interview_alert.unwrap_or(Duration::MAX),
        concurrency: delivery.concurrency,
    }
}
