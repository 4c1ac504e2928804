//! A connection that is made when it is needed, and made anew after a failure.
//!
//! No named prepared statement, no setting and no lock outlives a transaction here, so that a
//! pooler which gives each transaction another session does no harm.

use std::ops::AsyncFn;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

use super::line::{Line, Session};
use crate::journal::Unavailable;

/// How often a transaction is tried again after a deadlock or a serialisation failure.
const TRIES: usize = 10;

/// The longest pause between attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Ends what a vanished bridge would hold: its host may be gone without a word. And where the server, the
/// database or the user is set not to wait for the disk, a commit here waits all the same; what else is
/// chosen, such as how far a standby must be, stays.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL idle_in_transaction_session_timeout = '15s'; \
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'";

/// The same, with a commit that waits neither for the disk nor for a standby.
const BEGIN_UNSYNCED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL idle_in_transaction_session_timeout = '15s'; SET LOCAL synchronous_commit = off";

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The database says so, or the line to it is broken.
    #[error("{}", told(.0))]
    Sql(#[from] tokio_postgres::Error),
    /// The line to the database cannot be made.
    #[error("no database that takes writes answers: {0}")]
    Line(String),
    /// A row holds what no bridge wrote.
    #[error("a row of the journal cannot be read: {0}")]
    Damaged(String),
    /// A newer bridge has changed the tables in a way that this one must not work with.
    #[error("{0}")]
    Outgrown(String),
}

/// The database's own words; the error's text alone is only "db error".
fn told(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("{}: {} ({})", error.severity(), error.message(), error.code().code()),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

impl Failure {
    /// The line could not be made.
    pub(super) fn of_line(error: &tokio_postgres::Error) -> Self {
        Self::Line(told(error))
    }

    /// Whether the same again may well succeed.
    fn passes(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        error.code().is_some_and(|code| {
            *code == SqlState::T_R_DEADLOCK_DETECTED || *code == SqlState::T_R_SERIALIZATION_FAILURE
        })
    }
}

impl From<Failure> for Unavailable {
    fn from(failure: Failure) -> Self {
        Self::Failing(failure.to_string())
    }
}

/// What a statement is given, each with its type: nothing is looked up or prepared for it.
pub(super) type Values<'v> = &'v [(&'v (dyn ToSql + Sync), Type)];

/// One connection, of one desk.
pub(super) struct Link {
    line: Arc<Line>,
    patience: Duration,
    session: Option<Session>,
    pause: Duration,
    not_before: Instant,
}

impl Link {
    /// A line that is not made yet. What takes longer than `patience` has failed.
    pub(super) fn new(line: Arc<Line>, patience: Duration) -> Self {
        Self { line, patience, session: None, pause: Duration::ZERO, not_before: Instant::now() }
    }

    /// Does `work` in a transaction and commits it. Whether a commit whose answer is lost took
    /// effect is not known: it counts as failed.
    pub(super) async fn transact<T>(
        &mut self,
        work: impl AsyncFn(&Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.transaction(BEGIN, work).await
    }

    /// The same for what may be lost again with a server that falls, and with it only what was
    /// committed later: whatever is committed with a sync afterwards keeps it as well.
    pub(super) async fn transact_unsynced<T>(
        &mut self,
        work: impl AsyncFn(&Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.transaction(BEGIN_UNSYNCED, work).await
    }

    async fn transaction<T>(
        &mut self,
        begin: &str,
        work: impl AsyncFn(&Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.attempt(async |session| within(session, begin, &work).await).await {
                Err(failure) if failure.passes() && tries < TRIES => {}
                done => return done,
            }
        }
    }

    /// Asks without a transaction.
    pub(super) async fn ask<T>(&mut self, ask: impl AsyncFn(&Client) -> Result<T, Failure>) -> Result<T, Failure> {
        self.attempt(async |session| ask(&session.client).await).await
    }

    /// After any failure the connection is given up: what it may still be busy with must not mix
    /// with what comes next, and the next one may be to another server.
    async fn attempt<T>(&mut self, work: impl AsyncFn(&Session) -> Result<T, Failure>) -> Result<T, Failure> {
        let patience = self.patience;
        let session = self.connected().await?;
        let done = match tokio::time::timeout(patience, work(&session)).await {
            Ok(done) => done,
            Err(_) => Err(Failure::Line(format!("no answer within {} s", patience.as_secs()))),
        };
        if done.is_ok() {
            self.session = Some(session);
        }
        done
    }

    async fn connected(&mut self) -> Result<Session, Failure> {
        if let Some(session) = self.session.take().filter(|session| self.line.is_current(session)) {
            return Ok(session);
        }
        if Instant::now() < self.not_before {
            return Err(Failure::Line("the last attempt failed a moment ago".into()));
        }
        match self.line.connect().await {
            Ok(session) => {
                self.pause = Duration::ZERO;
                Ok(session)
            }
            Err(failure) => {
                self.pause = (self.pause * 2).clamp(Duration::from_millis(50), LONGEST_PAUSE);
                self.not_before = Instant::now() + self.pause;
                Err(failure)
            }
        }
    }
}

async fn within<T>(
    session: &Session,
    begin: &str,
    work: &impl AsyncFn(&Client) -> Result<T, Failure>,
) -> Result<T, Failure> {
    session.client.batch_execute(begin).await?;
    let done = work(&session.client).await?;
    let warned = session.warned();
    session.client.batch_execute("COMMIT").await?;
    // A commit whose wait for a standby was broken off is told as one, beside a warning.
    if session.warned() > warned {
        return Err(Failure::Line("the database warned while it committed".into()));
    }
    Ok(done)
}
