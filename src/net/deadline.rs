//! A connection's deadline, and the stream that enforces it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::turns::{Awaited, Part};
use super::{DISCONNECT, Limits};

/// By when a request must have arrived whole. Every request of a served application carries it in
/// its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArrivesBy(pub Instant);

/// How much is read before a head is complete, which may have 16 KiB: what comes along with it belongs
/// to a body that perhaps nobody wants.
const MOST_HEAD: usize = 20 << 10;

/// How much is read in one go before actix looks at what there is: of a head, and of the body of one that
/// says how long it is. What nobody wants then is not held.
const HEAD_AT_ONCE: usize = 2 << 10;
const BODY_AT_ONCE: usize = 8 << 10;

/// The same of a body in chunks. actix keeps each of them apart until it is asked for, at 32 bytes more than
/// its own, and a chunk may hold a single byte.
const CHUNKS_AT_ONCE: usize = 512;

/// How often a connection is looked at that waits for something.
const LOOK: Duration = Duration::from_secs(5);

/// How long a head may take, and a body behind it, and how long a connection may be silent, while three
/// quarters of a worker's connections are taken: whoever does nothing must not keep those out who would.
const CROWDED_ARRIVAL: Duration = Duration::from_secs(5);
const CROWDED_IDLE: Duration = Duration::from_secs(2);

thread_local! {
    /// The connections of this worker.
    static OPEN: Cell<usize> = const { Cell::new(0) };
}

fn is_crowded(most: usize) -> bool {
    OPEN.get() >= most.div_ceil(4) * 3
}

/// How many reads in a row are forgotten before others have their turn.
const MOST_FORGOTTEN: usize = 16;

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
    limits: Limits,
    phase: Cell<Phase>,
    /// Whether the request that is being answered came along with the one before it.
    followed: Cell<bool>,
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
    fn new(limits: Limits) -> Self {
        Self {
            phase: Cell::new(Phase::Head(Instant::now() + limits.request.time())),
            limits,
            followed: Cell::new(false),
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
        self.followed.set(!matches!(before, Phase::Head(_)));
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
        if self.followed.get() || self.put_off.take() {
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

    fn all_is_written(&self) {
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

    /// Whether a head has become too long to go on with.
    pub(super) fn is_head_too_long(&self) -> bool {
        matches!(self.phase.get(), Phase::Head(_)) && self.head.get() >= MOST_HEAD
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
    fn something_comes(&self, count: usize) {
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
    fn next_look(&self, now: Instant) -> Option<Instant> {
        match self.ends_at() {
            Some(until) => (now < until).then_some(until.min(now + LOOK)),
            // What ends earlier than this is looked at when it begins.
            None => Some(now + LOOK.min(self.limits.request.time()).min(self.limits.idle)),
        }
    }

    /// The end of the phase, where it has one. It comes sooner while others wait for a connection.
    fn ends_at(&self) -> Option<Instant> {
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

/// A stream whose reads fail once its connection's deadline is over, and whose writes fail once
/// they stand still for too long.
///
/// One timer stays set for the life of the connection and looks at the deadline when it fires, as
/// setting it anew for each request would cost more than it could save.
#[derive(Debug)]
pub struct DeadlineStream<S> {
    stream: S,
    deadline: Rc<Deadline>,
    timer: Pin<Box<Sleep>>,
    /// Set while a write stands still.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> DeadlineStream<S> {
    /// A stream whose first head must be there within [`Limits::request`].
    pub fn new(stream: S, limits: Limits) -> Self {
        let first = Instant::now() + limits.request.time().min(limits.idle).min(LOOK);
        OPEN.set(OPEN.get() + 1);
        let deadline = Rc::new(Deadline::new(limits));
        Self { stream, deadline, timer: Box::pin(sleep_until(first)), stalled: None }
    }

    /// The deadline it enforces.
    pub fn deadline(&self) -> &Rc<Deadline> {
        &self.deadline
    }

    /// Fails once the deadline is over. It is looked at before each read, so that a steady drip does not put it
    /// off, and where none is made.
    pub(super) fn poll_in_time(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let over = self.poll_over(context).is_ready();
        Poll::Ready(if over { Err(timed_out("the request took too long to arrive")) } else { Ok(()) })
    }

    /// Whether a write stands still: whoever does not take his answers is not asked for more.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled.is_some()
    }

    /// Waits for the deadline to be over.
    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // A closing is short, and a reload may have made heads short.
        if let Some(sooner) = self.deadline.ends_at().filter(|end| *end < self.timer.deadline()) {
            self.timer.as_mut().reset(sooner);
        }
        loop {
            ready!(self.timer.as_mut().poll(context));
            match self.deadline.next_look(Instant::now()) {
                Some(next) => self.timer.as_mut().reset(next),
                None => return Poll::Ready(()),
            }
        }
    }

    /// Passes on how a write went, unless it has stood still for too long.
    fn unless_stalled<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.deadline.limits.request.time();
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(timed_out("the client does not read its answers")))
    }
}

impl<S> Drop for DeadlineStream<S> {
    fn drop(&mut self) {
        OPEN.set(OPEN.get().saturating_sub(1));
    }
}

fn timed_out(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

impl<S: AsyncRead + Unpin> DeadlineStream<S> {
    /// Waits for the client's end, and forgets what still comes: as long as it is taken from the client,
    /// the client goes on to read its answer.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..MOST_FORGOTTEN {
            let mut scratch = [0; 8 << 10];
            let mut buffer = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for DeadlineStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_in_time(context))?;
        if this.deadline.is_closing() {
            return this.poll_end(context);
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        this.deadline.something_comes(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for DeadlineStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.unless_stalled(context, written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // It is asked for once everything was handed over.
        let flushed = ready!(Pin::new(&mut this.stream).poll_flush(context));
        this.deadline.all_is_written();
        Poll::Ready(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.unless_stalled(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
