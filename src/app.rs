//! The only place where the parts are put together: build, run, reload, drain.

pub mod embed;
mod ledger;
mod prepared;
mod read_back;
mod reconcile;
mod reload;
mod routing;
mod store;
mod upkeep;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App as ActixApp, HttpServer};
use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

use self::prepared::{Prepared, in_force};
use self::read_back::ReadBack;
use self::reload::Reloader;
use self::routing::Routing;
pub(crate) use self::routing::client as workday_client;
use self::store::Opened;
pub(crate) use self::store::database_options;
use self::upkeep::Upkeep;
use crate::admin::{self, Admin, Console, Reload, Surroundings};
use crate::auth::{Misses, SignIns};
use crate::clock::{Clock, SystemClock};
use crate::config::{Environment, Loaded, Settings};
use crate::credential::Credentials;
use crate::delivery::Pump;
use crate::journal::{Journal, Refused};
use crate::metrics::Metrics;
use crate::net::{self, Inherited};
use crate::organisation::Organisations;
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
    journal: Arc<dyn Journal>,
    refused: Arc<dyn Refused>,
    reloader: Arc<Reloader>,
    stop: watch::Sender<bool>,
    pumping: JoinHandle<()>,
    reading: JoinHandle<()>,
    servers: [(actix_web::dev::ServerHandle, JoinHandle<io::Result<()>>); 2],
}

/// Builds everything and starts it.
///
/// It listens by what is `inherited`, and else where the configuration says.
///
/// # Errors
/// When a listener, the store or a relay's client cannot be prepared; nothing runs then.
pub async fn start(loaded: Loaded, origin: Origin, inherited: Inherited) -> anyhow::Result<Running> {
    announce(&loaded);
    let settings = loaded.settings;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let metrics = Arc::new(Metrics::new());
    let Inherited { public, admin } = inherited;
    let listeners =
        (listener(public, settings.listen, "listen")?, listener(admin, settings.admin.listen, "admin.listen")?);
    let (public_address, admin_address) = (listeners.0.local_addr()?, listeners.1.local_addr()?);
    let notes = Credentials::new(Arc::clone(&clock));
    let answer = net::Patience::new(settings.limits.answer);
    let Opened { journal, refused, nonces } =
        store::open(&settings.store, &answer, Arc::clone(&clock), metrics.clone())?;
    let Prepared { directory, table, policy, tokens, operator } = Prepared::of(&settings, &settings.store.url, &notes)?;
    let routing = Arc::new(Routing::new(table));
    let policy = Arc::new(ArcSwap::from_pointee(policy));
    let tokens = Arc::new(ArcSwap::from_pointee(tokens));
    let surroundings = Arc::new(Surroundings::of(&settings));
    metrics.expect(directory.ids().iter());

    let public = Arc::new(Public {
        journal: journal.clone(),
        organisations: Organisations::new(directory),
        metrics: Arc::clone(&metrics),
        clock: clock.clone(),
        refused: Arc::clone(&refused),
        nonces,
        rates: Rates::new(settings.limits.requests_per_second, Arc::clone(&clock)),
        sign_ins: SignIns::new(Arc::clone(&clock)),
        misses: Misses::new(Arc::clone(&clock)),
        public_url: settings.public_url.clone(),
        own_url: settings.own_url_at(public_address),
        trusted_proxies: settings.trusted_proxies.clone(),
    });
    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(MAX_WORKERS);
    let room = net::connections(workers, KEPT_DESCRIPTORS + settings.delivery.concurrency);
    let limits = net::Limits::new(settings.limits.request, room);
    let request = limits.request.clone();
    let routes = public::routes(Arc::clone(&public));
    let handshakes = settings.tls.as_ref().map(|tls| net::Handshakes::new(in_force(tls)));
    let app = move || ActixApp::new().configure(routes.clone());
    let public_server = net::serve(listeners.0, workers, limits, handshakes.clone(), app)?;
    let pump =
        Arc::new(Pump::new(journal.clone(), routing.clone(), clock.clone(), Arc::clone(&policy), metrics.clone()));
    let reading = Arc::new(ReadBack::new(&journal, &routing, &clock, &policy.load(), &metrics));
    let retention = settings.store.retention;
    let console = Arc::new(Console::new(&clock));
    let reloader = Arc::new(Reloader {
        console: Arc::clone(&console),
        origin,
        in_force: Mutex::new(settings.clone()),
        started: settings,
        public: Arc::clone(&public),
        routing: Arc::clone(&routing),
        policy: Arc::clone(&policy),
        tokens: Arc::clone(&tokens),
        handshakes,
        surroundings: Arc::clone(&surroundings),
        metrics: Arc::clone(&metrics),
        request,
        answer,
        notes,
        journal: Arc::clone(&journal),
        pump: Arc::clone(&pump),
        reading: Arc::clone(&reading),
    });
    let (stop, stopping) = watch::channel(false);
    let admin_state = Arc::new(Admin {
        journal: journal.clone(),
        metrics,
        tokens,
        console,
        started_at: clock.now(),
        clock,
        public: Arc::clone(&public),
        policy: Arc::clone(&policy),
        reload: reloader.clone(),
        stopping: stopping.clone(),
        surroundings,
        workday: Box::new({
            let routing = Arc::clone(&routing);
            move |org| routing.client(org)
        }),
    });
    let admin_server = serve_admin(listeners.1, admin_state)?;
    let servers = [public_server, admin_server].map(|server| (server.handle(), tokio::spawn(server)));

    tokio::spawn(Upkeep { public: Arc::clone(&public), policy, retention }.run(stopping.clone()));
    tokio::spawn(reconcile::run(public, routing, stopping.clone()));
    let reading = reading.run(stopping.clone(), ATTEMPTS_GRACE);
    let pumping = tokio::spawn(pump.run(stopping, ATTEMPTS_GRACE));
    tracing::info!(public = %public_address, admin = %admin_address, "listening");
    Ok(Running {
        public: public_address,
        admin: admin_address,
        admin_token: operator,
        journal,
        refused,
        reloader,
        stop,
        pumping,
        reading,
        servers,
    })
}

impl Running {
    /// Where the public listener is reached from this machine.
    pub fn public_url(&self) -> Url {
        local(if self.reloader.handshakes.is_some() { "https" } else { "http" }, self.public)
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
        // What came of it is in the log.
        let _ = self.reloader.reload();
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
        let (_, pumped, read) = tokio::join!(requests, self.pumping, self.reading);
        if let Err(error) = pumped.and(read) {
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
}

fn listener(inherited: Option<TcpListener>, address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let bind = || TcpListener::bind(address).with_context(|| format!("cannot listen on {address} (`{key}`)"));
    inherited.map_or_else(bind, Ok)
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
