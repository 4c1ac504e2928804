//! A connection's deadline: what it is doing, until when it may, and how much is read of what comes. Its
//! stream enforces it.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::turns::{Awaited, Part};
use super::{DISCONNECT, Limits};

/// By when a request must have arrived whole. Every request of a served application carries it in
/// its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArrivesBy(pub Instant);

/// How much is read in one go before actix looks at what there is: of a head, and of the body of one that
/// says how long it is. What nobody wants then is not held.
const HEAD_AT_ONCE: usize = 2 << 10;
const BODY_AT_ONCE: usize = 8 << 10;

/// The same of a body in chunks. actix keeps each of them apart until it is asked for, at 32 bytes more than
/// its own, and a chunk may hold a single byte.
const CHUNKS_AT_ONCE: usize = 512;

/// How often a connection is looked at that waits for something.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// How long a head may take, and a body behind it, and how long a connection may be silent, while three
/// quarters of a worker's connections are taken: whoever does nothing must not keep those out who would.
const CROWDED_ARRIVAL: Duration = Duration::from_secs(5);
const CROWDED_IDLE: Duration = Duration::from_secs(2);

thread_local! {
    /// The connections of this worker.
    pub(super) static OPEN: Cell<usize> = const { Cell::new(0) };
}

fn is_crowded(most: usize) -> bool {
    OPEN.get() >= most.div_ceil(4) * 3
}

/// What a connection is doing, and until when it may.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// A head is arriving.
    Head(Instant),
    /// A request is being answered, whose head was complete then; whoever reads its body minds the time.
    Busy(Instant),
    /// Nothing, since the last answer.
    Idle(Instant),
    /// Nothing any more: the last answer said so. What still comes is not looked at.
    Closing(Instant),
}

/// The deadline of one connection: shared by its stream, which enforces it, and by what answers
/// its requests, which knows when a head is complete and an answer is over.
#[derive(Debug)]
pub struct Deadline {
    pub(super) limits: Limits,
    phase: Cell<Phase>,
    /// Whether its body is waited for.
    awaits_body: Cell<bool>,
    /// What was read of its head, and what of that stood behind the end.
    head: Cell<usize>,
    behind: Cell<usize>,
    /// What is to come of its body.
    body: Cell<Awaited>,
    /// Whether a read was put off.
    put_off: Cell<bool>,
    /// Whether all of the answer before it was taken from us, and who waits for that.
    written: Cell<bool>,
    waits: RefCell<Option<Waker>>,
}

impl Deadline {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            phase: Cell::new(Phase::Head(Instant::now() + limits.request.time())),
            limits,
            awaits_body: Cell::new(false),
            head: Cell::new(0),
            behind: Cell::new(0),
            body: Cell::new(Awaited::Body(0)),
            put_off: Cell::new(false),
            written: Cell::new(true),
            waits: RefCell::new(None),
        }
    }

    /// Notes that a head has arrived, and what it says of the length of its body; nothing where that comes in
    /// chunks. The rest of the request must be there by what comes back.
    pub(super) fn head_is_complete(&self, body: Option<usize>) -> ArrivesBy {
        let before = self.phase.replace(Phase::Busy(Instant::now()));
        let left = |length: usize| Awaited::Body(length.saturating_sub(self.behind.get()));
        self.body.set(body.map_or(Awaited::Chunks, left));
        match before {
            Phase::Head(by) => ArrivesBy(by),
            Phase::Busy(_) | Phase::Idle(_) | Phase::Closing(_) => {
                ArrivesBy(Instant::now() + self.limits.request.time())
            }
        }
    }

    /// Notes whether a body is waited for, which is then read however much was read ahead.
    pub(super) fn awaits_body(&self, awaits: bool, waker: &Waker) {
        if !self.awaits_body.replace(awaits) && awaits && self.put_off.take() {
            waker.wake_by_ref();
        }
    }

    /// Whether a body is waited for.
    pub(super) fn is_body_awaited(&self) -> bool {
        self.awaits_body.get()
    }

    /// Has the connection looked at once more when an answer ends, where a read was put off: nobody else asks
    /// for it.
    pub(super) fn look_again(&self, waker: &Waker) {
        if self.put_off.take() {
            waker.wake_by_ref();
        }
    }

    /// How much was read until the head of the request was complete.
    pub(super) fn length_of_head(&self) -> usize {
        self.head.get()
    }

    /// Notes that there is an answer to be written.
    pub(super) fn answer_begins(&self) {
        self.written.set(false);
    }

    /// Waits until all of the answer before was taken from us. Where requests come without waiting, actix
    /// would answer as many as it has, and keep all that nobody reads.
    pub(super) fn poll_written(&self, context: &Context<'_>) -> Poll<()> {
        if self.written.get() {
            return Poll::Ready(());
        }
        self.waits.replace(Some(context.waker().clone()));
        Poll::Pending
    }

    pub(super) fn all_is_written(&self) {
        self.written.set(true);
        if let Some(waker) = self.waits.take() {
            waker.wake();
        }
    }

    /// How much may be read in one go.
    pub(super) fn at_once(&self) -> usize {
        match self.awaited() {
            Awaited::Head => HEAD_AT_ONCE,
            Awaited::Body(_) => BODY_AT_ONCE,
            Awaited::Chunks => CHUNKS_AT_ONCE,
        }
    }

    /// What is read next.
    pub(super) fn awaited(&self) -> Awaited {
        match self.phase.get() {
            Phase::Busy(_) if self.awaits_body.get() => self.body.get(),
            _ => Awaited::Head,
        }
    }

    /// Whether a request is being answered that asks for nothing more for the moment.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.phase.get(), Phase::Busy(_)) && !self.awaits_body.get()
    }

    /// Notes that a read was put off until something more is asked for.
    pub(super) fn put_off(&self) {
        self.put_off.set(true);
    }

    /// Whether nobody looks at what still comes.
    pub(super) fn is_closing(&self) -> bool {
        matches!(self.phase.get(), Phase::Closing(_))
    }

    /// Whether a head is arriving.
    pub(super) fn awaits_head(&self) -> bool {
        matches!(self.phase.get(), Phase::Head(_))
    }

    /// Notes that an answer is over, and whether it was the connection's last.
    pub(super) fn answer_is_over(&self, last: bool) {
        let now = Instant::now();
        self.awaits_body.set(false);
        self.phase.set(if last { Phase::Closing(now + DISCONNECT) } else { Phase::Idle(now + self.limits.idle) });
    }

    /// Notes that something comes, be it the beginning of a record of TLS.
    pub(super) fn something_comes(&self, count: usize) {
        if let (Phase::Idle(_), 1..) = (self.phase.get(), count) {
            self.phase.set(Phase::Head(Instant::now() + self.limits.request.time()));
            self.head.set(0);
        }
    }

    /// Notes what was handed on to whoever answers.
    pub(super) fn handed_on(&self, part: Part) {
        self.something_comes(part.now);
        match self.phase.get() {
            Phase::Head(_) => {
                self.head.set(self.head.get() + part.now);
                self.behind.set(part.head.map_or(0, |end| part.now - end));
            }
            Phase::Busy(_) => {
                if let Awaited::Body(left) = self.body.get() {
                    self.body.set(Awaited::Body(left.saturating_sub(part.now)));
                }
            }
            Phase::Idle(_) | Phase::Closing(_) => {}
        }
    }

    /// When to look again; nothing once the time is over.
    pub(super) fn next_look(&self, now: Instant) -> Option<Instant> {
        match self.ends_at() {
            Some(until) => (now < until).then_some(until.min(now + LOOK)),
            // What ends earlier than this is looked at when it begins.
            None => Some(now + LOOK.min(self.limits.request.time()).min(self.limits.idle)),
        }
    }

    /// The end of the phase, where it has one. It comes sooner while others wait for a connection.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        let crowded = is_crowded(self.limits.connections);
        let sooner = |until: Instant, time: Duration, most: Duration| {
            if crowded { until - time.saturating_sub(most) } else { until }
        };
        match self.phase.get() {
            Phase::Head(until) => Some(sooner(until, self.limits.request.time(), CROWDED_ARRIVAL)),
            Phase::Idle(until) => Some(sooner(until, self.limits.idle, CROWDED_IDLE)),
            Phase::Closing(until) => Some(until),
            Phase::Busy(since) => (crowded && self.awaits_body.get()).then(|| since + CROWDED_ARRIVAL),
        }
    }
}
