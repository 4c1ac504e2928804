//! Opening the journal: the thread that holds its desks.

use std::str::FromStr;
use std::sync::mpsc as blocking;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};
use tokio_postgres::Config;
use tokio_postgres::config::TargetSessionAttrs;

use super::figures::Desk;
use super::line::Line;
use super::link::{Failure, Link};
use super::nonces::{self, Desk as NonceDesk};
use super::refused::{self, Desk as RefusedDesk};
use super::schema::{self, SchemaError, Tables};
use super::shared::Shared;
use super::upkeep::Keeper;
use super::work::Holdings;
use super::{Job, Postgres, Posts, QUEUE, Query, accept, pulse, work};
use crate::journal::Observer;

/// How many queries run at once.
const READERS: usize = 2;

/// How long a transaction of messages or deliveries may take, and a query.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long a step of upkeep may take.
const UPKEEP_PATIENCE: Duration = Duration::from_secs(60);

/// How long a host may take to answer, unless the URL says otherwise.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Which database, and who is told what.
#[derive(Clone)]
pub struct Options {
    /// `postgres://…`, with any of libpq's parameters that a connection needs.
    pub url: SecretString,
    /// The password, where the URL holds none.
    pub password: Option<SecretString>,
    /// For how long refused messages are kept; zero: they are not.
    pub keep_refused: Duration,
    /// Who is told what was taken.
    pub observer: Arc<dyn Observer>,
}

/// Why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL cannot be read. It is not shown, as it may hold a password.
    #[error("the database's URL cannot be read: {0}")]
    Url(String),
    /// The database does not answer, or its tables cannot be used.
    #[error("{0}")]
    Database(String),
    /// The machine gives no thread.
    #[error("a thread cannot be started: {0}")]
    Thread(std::io::Error),
}

impl From<SchemaError> for OpenError {
    fn from(error: SchemaError) -> Self {
        Self::Database(error.to_string())
    }
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self::Database(failure.to_string())
    }
}

/// What the thread is given and gives.
struct Desks {
    messages: mpsc::Receiver<accept::Asked>,
    work: mpsc::Receiver<work::Asked>,
    done: mpsc::Receiver<work::Done>,
    queries: mpsc::UnboundedReceiver<Query>,
    jobs: mpsc::UnboundedReceiver<Job>,
    closing: watch::Receiver<bool>,
    refused: RefusedDesk,
    nonces: NonceDesk,
}

impl Postgres {
    /// Connects, makes or updates the tables, and starts the desks.
    ///
    /// # Errors
    /// When the URL cannot be read, when no database that takes writes answers, or when its tables
    /// are of a newer version.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let line = line(&options)?;
        let ((messages, message), (work, wanted_work), (done, results)) =
            (mpsc::channel(QUEUE), mpsc::channel(QUEUE), mpsc::channel(QUEUE));
        let ((queries, asked), (jobs, wanted)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let (closing, closed) = watch::channel(false);
        let (table, refused) = refused::table(options.keep_refused);
        let (nonces, used) = nonces::table();
        let desks = Desks {
            messages: message,
            work: wanted_work,
            done: results,
            queries: asked,
            jobs: wanted,
            closing: closed,
            refused,
            nonces: used,
        };
        let (opened, opening) = blocking::channel();
        let observer = options.observer;
        let thread = std::thread::Builder::new()
            .name("journal-postgres".into())
            .spawn(move || ending_on_panic(|| run(&Arc::new(line), observer, desks, &opened)))
            .map_err(OpenError::Thread)?;
        let gone = || OpenError::Database("the journal's thread has ended".into());
        let shared = opening.recv().map_err(|_| gone())??;
        Ok(Self {
            posts: RwLock::new(Some(Posts { messages, work, done, queries, jobs })),
            shared,
            closing,
            refused: Mutex::new((!options.keep_refused.is_zero()).then_some(table)),
            nonces,
            thread: Mutex::new(Some(thread)),
        })
    }
}

/// Connects and looks at the tables, but makes none.
///
/// # Errors
/// As for opening.
pub fn reach(options: &Options) -> Result<Tables, OpenError> {
    let line = line(options)?;
    // Whoever asks may run futures on this thread already.
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(OpenError::Thread)?.block_on(async {
                let session = line.connect().await?;
                let looked = tokio::time::timeout(PATIENCE, schema::tables(&session.client)).await;
                Ok(looked.map_err(|_| OpenError::Database(format!("no answer within {} s", PATIENCE.as_secs())))??)
            })
        });
        looking.join().unwrap_or_else(|_| Err(OpenError::Database("the look at the database panicked".into())))
    })
}

/// A desk that panics leaves requests unanswered: the process ends, and its successor finds in the
/// database what was promised.
fn ending_on_panic(work: impl FnOnce()) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
        tracing::error!("the thread of the journal panicked; ending");
        std::process::exit(1);
    }
}

/// The way to the database that the options name.
pub(super) fn line(options: &Options) -> Result<Line, OpenError> {
    let mut config =
        Config::from_str(options.url.expose_secret()).map_err(|error| OpenError::Url(error.to_string()))?;
    if let (Some(password), None) = (&options.password, config.get_password()) {
        config.password(password.expose_secret());
    }
    if config.get_application_name().is_none() {
        config.application_name("imper-bridge");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_WITHIN);
    }
    // Whatever else would do for a query, a journal is written.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    config.keepalives_idle(Duration::from_secs(10)).tcp_user_timeout(PATIENCE);
    Line::to(config).map_err(|error| OpenError::Database(format!("TLS cannot be prepared: {error}")))
}

type Opened = blocking::Sender<Result<Arc<Shared>, OpenError>>;

fn run(line: &Arc<Line>, observer: Arc<dyn Observer>, desks: Desks, opened: &Opened) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(opened.send(Err(OpenError::Thread(error)))),
    };
    runtime.block_on(async {
        let shared = async {
            let mut session = line.connect().await?;
            let identity = schema::migrate(&mut session.client).await?;
            line.keep_to(identity.tag);
            let shared = Arc::new(Shared::new(identity, observer)?);
            pulse::look(&mut Link::new(Arc::clone(line), PATIENCE), &shared).await;
            Ok(shared)
        };
        match shared.await {
            Ok(shared) => {
                if opened.send(Ok(Arc::clone(&shared))).is_ok() {
                    attend(line, shared, desks).await;
                }
            }
            Err(error) => drop(opened.send(Err(error))),
        }
    });
}

/// Works until nobody can ask for anything any more.
async fn attend(line: &Arc<Line>, shared: Arc<Shared>, desks: Desks) {
    let link = || Link::new(Arc::clone(line), PATIENCE);
    let keeper = Keeper {
        link: Link::new(Arc::clone(line), UPKEEP_PATIENCE),
        shared: Arc::clone(&shared),
        identity: shared.identity,
        desk: Desk { process: shared.process, number: 2 },
    };
    let asked = AsyncMutex::new(desks.queries);
    let readers: [_; READERS] = std::array::from_fn(|_| answer(link(), &shared, &asked));
    let [first, second] = readers;
    tokio::join!(
        accept::run(link(), &shared, desks.messages),
        deliver(link, &shared, desks.work, desks.done),
        keep(keeper, desks.jobs),
        pulse::run(link(), &shared, desks.closing.clone()),
        desks.refused.run(link(), desks.closing.clone()),
        desks.nonces.run(link(), &shared, desks.closing),
        first,
        second,
    );
}

/// Hands out work and records what becomes of it; at the end nothing stays held.
async fn deliver(
    link: impl Fn() -> Link,
    shared: &Shared,
    work: mpsc::Receiver<work::Asked>,
    done: mpsc::Receiver<work::Done>,
) {
    let holdings = Holdings::default();
    tokio::join!(work::hand_out(link(), shared, &holdings, work), work::record(link(), shared, &holdings, done),);
    work::give_back(link(), &holdings).await;
}

async fn answer(mut link: Link, shared: &Shared, asked: &AsyncMutex<mpsc::UnboundedReceiver<Query>>) {
    loop {
        let next = asked.lock().await.recv().await;
        let Some(query) = next else { return };
        query(&mut link, shared).await;
    }
}

async fn keep(mut keeper: Keeper, mut wanted: mpsc::UnboundedReceiver<Job>) {
    while let Some(job) = wanted.recv().await {
        job(&mut keeper).await;
    }
}
