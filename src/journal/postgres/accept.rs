//! Taking messages in: one transaction for all that wait.
//!
//! The applications are locked, everything is decided in memory by the same code as in any other
//! store, and written by a statement per table. Nobody is answered before the commit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_postgres::Client;

use super::figures::{Desk, Tally};
use super::knowledge::{self, Loaded};
use super::link::{Failure, Link, together};
use super::row::text;
use super::shared::Shared;
use super::store::{self, NewRow};
use crate::domain::{EventType, Outcome, Position};
use crate::journal::batch::{Batch, Decided, EventRef, Key, Keyed, Learned, NewEvent};
use crate::journal::{Promise, Receipt, Taken, Unavailable, count};

/// How many messages may share a commit.
const BATCH: usize = 500;

/// A message and whom to answer.
pub(super) type Asked = (Keyed, Promise<Receipt>);

/// What a batch came to.
#[derive(Default)]
struct Outcomes {
    answers: Vec<Result<Receipt, Unavailable>>,
    tally: Tally,
    /// What was taken of whom, for whoever counts.
    taken: Vec<(Taken, u64)>,
    /// Whether something waits for delivery that did not before.
    pushed: bool,
}

/// Takes messages until nobody can post any more.
pub(super) async fn run(mut link: Link, shared: &Shared, mut asked: mpsc::Receiver<Asked>) {
    let desk = Desk { process: shared.process, number: 0 };
    let mut waiting = Vec::with_capacity(BATCH);
    while asked.recv_many(&mut waiting, BATCH).await > 0 {
        let (messages, promises): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
        let begun = Instant::now();
        let taken = match shared.usable() {
            Ok(()) => link.transact(async |client| take(client, shared, desk, &messages).await).await,
            Err(outgrown) => Err(outgrown),
        };
        match taken {
            Ok(outcomes) => {
                shared.trust();
                shared.counted(&outcomes.tally);
                shared.observer.committed(promises.len(), begun.elapsed());
                for (taken, count) in &outcomes.taken {
                    shared.observer.taken(taken, *count);
                }
                for (promise, answer) in promises.into_iter().zip(outcomes.answers) {
                    promise.keep(answer);
                }
                if outcomes.pushed {
                    shared.wake();
                }
            }
            Err(failure) => {
                let failure = shared.failed(failure);
                promises.into_iter().for_each(|promise| promise.keep(Err(failure.clone())));
            }
        }
    }
}

async fn take(client: &Client, shared: &Shared, desk: Desk, messages: &[Keyed]) -> Result<Outcomes, Failure> {
    let mut loaded = knowledge::load(client, messages).await?;
    let mut turn = Turn::default();
    let (numbers, at) = (std::mem::take(&mut loaded.numbers), loaded.at);
    let pending = std::mem::take(&mut loaded.pending);
    let mut touched: BTreeMap<Key, Option<(u64, Timestamp)>> =
        loaded.applications.iter().map(|(key, locked)| (*key, locked.since)).collect();
    let mut batch = Batch::new(&mut loaded, at);
    for (message, number) in messages.iter().zip(numbers) {
        let Ok(decided) = batch.decide(message);
        let since = touched.entry(message.application).or_default();
        if let Some(new) = turn.answer(shared, message, decided, number, at, &pending) {
            batch.learn(message, &new, number);
            *since = since_after(&new, *since, number, at);
        }
    }
    let learned = batch.finish();
    turn.store(client, desk, &loaded, &learned, &touched, at).await?;
    Ok(turn.outcomes)
}

/// While the application is in an interview: the event that started that.
fn since_after(
    new: &NewEvent,
    before: Option<(u64, Timestamp)>,
    number: u64,
    at: Timestamp,
) -> Option<(u64, Timestamp)> {
    match (new.outcome, new.was, new.now) {
        (Outcome::Accepted, _, Position::Out) => None,
        (Outcome::Accepted, None | Some(Position::Out), Position::In) => Some((number, at)),
        _ => before,
    }
}

/// A batch under decision.
#[derive(Default)]
struct Turn<'m> {
    outcomes: Outcomes,
    rows: Vec<NewRow<'m>>,
    duplicates: HashMap<u64, i64>,
    heard: BTreeSet<Key>,
}

impl<'m> Turn<'m> {
    /// Notes the answer to a message; the event that is to be stored, if it is one.
    fn answer(
        &mut self,
        shared: &Shared,
        message: &'m Keyed,
        decided: Decided,
        number: u64,
        at: Timestamp,
        pending: &HashMap<String, u64>,
    ) -> Option<NewEvent> {
        let incoming = &message.incoming;
        let id = |event: &EventRef| Some(shared.event_id(event));
        let (receipt, stored) = match decided {
            Decided::Overtaken => {
                self.outcomes.answers.push(Ok(Receipt::overtaken()));
                return None;
            }
            Decided::Duplicate(event) => {
                let outcome = if incoming.dry_run { Outcome::DryRun } else { Outcome::Duplicate };
                if !incoming.dry_run {
                    *self.duplicates.entry(event.sequence).or_default() += 1;
                }
                (Receipt { event_id: id(&event), event_type: event.event_type, outcome }, None)
            }
            Decided::New(new) if incoming.dry_run => {
                (Receipt { event_id: None, event_type: new.event_type, outcome: Outcome::DryRun }, None)
            }
            Decided::New(new) => {
                if let Some(refused) = self.backlog(message, &new, pending) {
                    self.outcomes.answers.push(Err(refused));
                    return None;
                }
                let event = EventRef { sequence: number, received_at: at, event_type: new.event_type };
                self.rows.push(NewRow { message, new, number });
                (Receipt { event_id: id(&event), event_type: new.event_type, outcome: new.outcome }, Some(new))
            }
        };
        self.count(message, &receipt, stored.as_ref(), at);
        self.outcomes.answers.push(Ok(receipt));
        stored
    }

    fn backlog(&self, message: &Keyed, new: &NewEvent, pending: &HashMap<String, u64>) -> Option<Unavailable> {
        let incoming = &message.incoming;
        if !new.deliver || incoming.pending_limit == 0 {
            return None;
        }
        let pushed = self.outcomes.tally.0.get(&incoming.org).map_or(0, |change| change.pending.max(0) as u64);
        let pending = pending.get(incoming.org.as_str()).copied().unwrap_or(0) + pushed;
        (pending >= incoming.pending_limit).then_some(Unavailable::Backlog { pending })
    }

    fn count(&mut self, message: &Keyed, receipt: &Receipt, stored: Option<&NewEvent>, at: Timestamp) {
        let incoming = &message.incoming;
        let (org, source) = (incoming.org.clone(), incoming.source);
        let taken = Taken { org, source, outcome: receipt.outcome, event_type: receipt.event_type };
        count(&mut self.outcomes.taken, taken);
        if receipt.outcome == Outcome::DryRun {
            return;
        }
        self.heard.insert(message.application);
        let change = self.outcomes.tally.of(&incoming.org);
        change.last_message_at = Some(at);
        let Some(new) = stored else { return };
        change.accepted += i64::from(new.outcome == Outcome::Accepted);
        change.pending += i64::from(new.deliver);
        self.outcomes.pushed |= new.deliver;
        if new.outcome == Outcome::Accepted && new.event_type == EventType::InterviewStarted {
            change.last_started_at = Some(at);
        }
        if let Some(stage) = &incoming.change.stage {
            let stage = (text(stage.as_str()).into_owned(), incoming.position == Position::In);
            *change.stages.entry(stage).or_default() += 1;
        }
    }

    async fn store(
        &self,
        client: &Client,
        desk: Desk,
        loaded: &Loaded,
        learned: &Learned,
        touched: &BTreeMap<Key, Option<(u64, Timestamp)>>,
        at: Timestamp,
    ) -> Result<(), Failure> {
        let known = |key: &Key| match learned.applications.get(key) {
            Some(known) => *known,
            None => loaded.applications.get(key).and_then(|locked| locked.known),
        };
        let standings: Vec<_> = self
            .heard
            .iter()
            .filter_map(|key| Some((*key, known(key)?, touched.get(key).copied().flatten())))
            .collect();
        let blank: Vec<_> = loaded.applications.keys().filter(|key| known(key).is_none()).collect();
        together!(
            store::events(client, &self.rows, at),
            store::messages(client, &self.rows, at),
            store::standings(client, &standings, at),
            store::duplicates(client, &self.duplicates, at),
            store::work(client, &self.rows, at),
            store::lanes(client, &self.rows, at),
            store::forget_blank(client, &blank),
            self.outcomes.tally.add(client, desk),
        )?;
        Ok(())
    }
}
