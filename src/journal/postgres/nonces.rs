//! The nonces that bridges took: each is taken once, whichever of them it is shown to.
//!
//! All that wait share a statement, and its commit waits for no disk. Struck out is only what the
//! same process entered, so that a strike that comes late takes nothing from anybody else.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::gate::milliseconds;
use super::link::{Failure, Link, Values};
use super::shared::Shared;
use crate::domain::OrgId;
use crate::journal::{Promise, Ticket, Unavailable};

/// How many requests may wait.
const QUEUE: usize = 8_192;

/// How many share a transaction.
const BATCH: usize = 500;

/// How long a nonce is remembered: longer than its token is good for, by all that the bridges'
/// clocks may differ.
const KEPT: Duration = Duration::from_secs(15 * 60);

/// How often those that are too old are removed, while new ones come.
const SWEEP: Duration = Duration::from_secs(60);

/// How many of them one statement removes.
const STEP: i64 = 5_000;

/// The digest of a nonce.
type Nonce = [u8; 20];

/// What the desk is asked for.
enum Asked {
    Enter(OrgId, Nonce, Promise<bool>),
    Strike(OrgId, Nonce),
}

/// The table of nonces of a journal that is open.
#[derive(Clone)]
pub struct NonceTable(mpsc::Sender<Asked>);

/// The other end of a [`NonceTable`], for the journal's thread.
pub(super) struct Desk(mpsc::Receiver<Asked>);

/// A table, and the desk that writes it.
pub(super) fn table() -> (NonceTable, Desk) {
    let (asks, asked) = mpsc::channel(QUEUE);
    (NonceTable(asks), Desk(asked))
}

impl NonceTable {
    /// Enters a nonce; `false` where it is there already.
    pub fn enter(&self, org: OrgId, nonce: Nonce) -> Ticket<bool> {
        let (promise, ticket) = Ticket::new();
        // Of a journal that is closed the ticket says so itself.
        if let Err(TrySendError::Full(Asked::Enter(.., promise))) = self.0.try_send(Asked::Enter(org, nonce, promise)) {
            promise.keep(Err(Unavailable::Busy));
        }
        ticket
    }

    /// Strikes out a nonce that this process entered. Should there be no room, its token stays used.
    pub fn strike(&self, org: OrgId, nonce: Nonce) {
        let _ = self.0.try_send(Asked::Strike(org, nonce));
    }
}

impl Desk {
    /// Does what is asked for; once the journal closes, only what was asked for before.
    pub(super) async fn run(mut self, mut link: Link, shared: &Shared, mut closing: watch::Receiver<bool>) {
        let (mut waiting, mut swept, mut open) = (Vec::new(), Instant::now(), true);
        loop {
            tokio::select! {
                more = self.0.recv_many(&mut waiting, BATCH) => if more == 0 { return },
                _ = closing.wait_for(|closing| *closing), if open => {
                    open = false;
                    self.0.close();
                    continue;
                }
            }
            waiting = answer(&mut link, shared.process, waiting).await;
            if swept.elapsed() >= SWEEP {
                swept = Instant::now();
                sweep(&mut link).await;
            }
        }
    }
}

/// Does all that is asked for, in its order. What it gives is to be done with what comes next: what
/// could not be struck out.
async fn answer(link: &mut Link, process: Uuid, asked: Vec<Asked>) -> Vec<Asked> {
    let done = link.transact(async |client| all(client, process, &asked).await).await;
    match done {
        Ok(entered) => {
            let promises = asked.into_iter().filter_map(|asked| match asked {
                Asked::Enter(.., promise) => Some(promise),
                Asked::Strike(..) => None,
            });
            promises.zip(entered).for_each(|(promise, entered)| promise.keep(Ok(entered)));
            Vec::new()
        }
        Err(failure) => {
            let reason = Unavailable::from(failure);
            let strikes = asked.into_iter().filter_map(|asked| match asked {
                Asked::Enter(.., promise) => {
                    promise.keep(Err(reason.clone()));
                    None
                }
                strike @ Asked::Strike(..) => Some(strike),
            });
            strikes.take(QUEUE).collect()
        }
    }
}

/// Whether each that is to be entered was.
async fn all(client: &Client, process: Uuid, asked: &[Asked]) -> Result<Vec<bool>, Failure> {
    client.batch_execute("SET LOCAL synchronous_commit = off").await?;
    let mut answers = Vec::new();
    let kind = |asked: &Asked| matches!(asked, Asked::Enter(..));
    for run in asked.chunk_by(|one, other| kind(one) == kind(other)) {
        let nonces: Vec<_> = run
            .iter()
            .map(|(Asked::Enter(org, nonce, _) | Asked::Strike(org, nonce))| (org.as_str(), &nonce[..]))
            .collect();
        if kind(&run[0]) {
            let mut entered = enter(client, process, &nonces).await?;
            let new = |(org, nonce): &(&str, &[u8])| entered.remove(&((*org).to_owned(), nonce.to_vec()));
            answers.extend(nonces.iter().map(new));
        } else {
            strike(client, process, &nonces).await?;
        }
    }
    Ok(answers)
}

/// Enters those that are new, and gives them.
async fn enter(
    client: &Client,
    process: Uuid,
    nonces: &[(&str, &[u8])],
) -> Result<HashSet<(String, Vec<u8>)>, Failure> {
    let (orgs, nonces): (Vec<_>, Vec<_>) = nonces.iter().copied().unzip();
    // In one order, so that two bridges never wait for each other.
    let sql = "INSERT INTO nonce (orgid, nonce, process, until)
               SELECT u.orgid, u.nonce, $3, journal_now() + $4 FROM unnest($1, $2) AS u (orgid, nonce) ORDER BY 1, 2
               ON CONFLICT DO NOTHING RETURNING orgid, nonce";
    let values: Values<'_> = &[
        (&orgs, Type::TEXT_ARRAY),
        (&nonces, Type::BYTEA_ARRAY),
        (&process, Type::UUID),
        (&milliseconds(KEPT), Type::INT8),
    ];
    let rows = client.query_typed(sql, values).await?;
    rows.iter().map(|row: &Row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

async fn strike(client: &Client, process: Uuid, nonces: &[(&str, &[u8])]) -> Result<(), Failure> {
    let (orgs, nonces): (Vec<_>, Vec<_>) = nonces.iter().copied().unzip();
    let sql = "DELETE FROM nonce USING unnest($1, $2) AS u (orgid, nonce)
               WHERE nonce.orgid = u.orgid AND nonce.nonce = u.nonce AND process = $3";
    let values: Values<'_> = &[(&orgs, Type::TEXT_ARRAY), (&nonces, Type::BYTEA_ARRAY), (&process, Type::UUID)];
    client.execute_typed(sql, values).await?;
    Ok(())
}

/// Removes those whose tokens are too old for anybody. One that stays does no harm.
async fn sweep(link: &mut Link) {
    let sql = "DELETE FROM nonce WHERE (orgid, nonce) IN (
                   SELECT orgid, nonce FROM nonce WHERE until < journal_now() LIMIT $1 FOR UPDATE SKIP LOCKED)";
    let mut step = async || link.ask(async |client| Ok(client.execute_typed(sql, &[(&STEP, Type::INT8)]).await?)).await;
    while step().await.is_ok_and(|removed| removed == STEP as u64) {}
}
