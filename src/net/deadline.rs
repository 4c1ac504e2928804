//! A connection's deadline, and the stream that enforces it.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{DISCONNECT, Limits};

/// By when a request must have arrived whole. Every request of a served application carries it in
/// its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArrivesBy(pub Instant);

/// How much is read of what follows a request while that is being answered. Whatever actix is given
/// it keeps, and once that are 128 KiB it looks at them again and again, as fast as it can.
const MOST_AHEAD: usize = 32 << 10;

/// How much is read before a head is complete, which may have 32 KiB: what comes along with it belongs
/// to a body that perhaps nobody wants.
const MOST_HEAD: usize = 48 << 10;

/// How much is read in one go. What a head or a body would not have more of need not be held then: actix
/// looks at what there is once nothing more comes for the moment.
const MOST_AT_ONCE: usize = 8 << 10;

/// How often a connection is looked at that waits for something.
const LOOK: Duration = Duration::from_secs(5);

/// How long a head may take, and how long a connection may be silent, while three quarters of a
/// worker's connections are taken: whoever does nothing must not keep those out who would.
const CROWDED_HEAD: Duration = Duration::from_secs(5);
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
    /// A request is being answered; whoever reads its body minds the time.
    Busy,
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
    /// What was read since its head began, and is not known to belong to its body.
    ahead: Cell<usize>,
}

impl Deadline {
    fn new(limits: Limits) -> Self {
        Self {
            phase: Cell::new(Phase::Head(Instant::now() + limits.request.time())),
            limits,
            followed: Cell::new(false),
            awaits_body: Cell::new(false),
            ahead: Cell::new(0),
        }
    }

    /// Notes that a head has arrived. The rest of the request must be there by what comes back.
    pub(super) fn head_is_complete(&self) -> ArrivesBy {
        let before = self.phase.replace(Phase::Busy);
        self.followed.set(!matches!(before, Phase::Head(_)));
        match before {
            Phase::Head(by) => ArrivesBy(by),
            Phase::Busy | Phase::Idle(_) | Phase::Closing(_) => ArrivesBy(Instant::now() + self.limits.request.time()),
        }
    }

    /// Notes whether a body is waited for, which is then read however much was read ahead.
    pub(super) fn awaits_body(&self, awaits: bool, waker: &Waker) {
        if !self.awaits_body.replace(awaits) && awaits && self.ahead.get() > 0 {
            waker.wake_by_ref();
        }
    }

    /// Whether a body is waited for.
    pub(super) fn is_body_awaited(&self) -> bool {
        self.awaits_body.get()
    }

    /// Has the connection looked at once more when an answer ends. Where requests come one after the
    /// other without waiting, actix may have read some that it has not begun, and what was not read on
    /// their account nobody else asks for.
    pub(super) fn look_again(&self, waker: &Waker) {
        if self.followed.get() || self.ahead.get() > 0 {
            waker.wake_by_ref();
        }
    }

    /// Whether there is room for what comes next.
    fn may_read(&self) -> bool {
        match self.phase.get() {
            Phase::Head(_) => self.ahead.get() < MOST_HEAD,
            Phase::Busy => self.awaits_body.get() || self.ahead.get() < MOST_AHEAD,
            Phase::Idle(_) | Phase::Closing(_) => {
                self.ahead.set(0);
                true
            }
        }
    }

    /// Whether nobody looks at what still comes.
    fn is_closing(&self) -> bool {
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

    fn bytes_arrived(&self, count: usize) {
        match self.phase.get() {
            Phase::Idle(_) if count > 0 => {
                self.phase.set(Phase::Head(Instant::now() + self.limits.request.time()));
                self.ahead.set(count);
            }
            Phase::Head(_) => self.ahead.set(self.ahead.get() + count),
            Phase::Busy if !self.awaits_body.get() => self.ahead.set(self.ahead.get() + count),
            _ => {}
        }
    }

    /// When to look again; nothing once the time is over.
    fn next_look(&self, now: Instant) -> Option<Instant> {
        match self.ends_at() {
            Some(until) => (now < until).then_some(until.min(now + LOOK)),
            // What ends earlier than this is looked at when it begins.
            None => Some(now + self.limits.request.time().min(self.limits.idle)),
        }
    }

    /// The end of the phase, where it has one. It comes sooner while others wait for a connection.
    fn ends_at(&self) -> Option<Instant> {
        let crowded = is_crowded(self.limits.connections);
        let sooner = |until: Instant, time: Duration, most: Duration| {
            if crowded { until - time.saturating_sub(most) } else { until }
        };
        match self.phase.get() {
            Phase::Head(until) => Some(sooner(until, self.limits.request.time(), CROWDED_HEAD)),
            Phase::Idle(until) => Some(sooner(until, self.limits.idle, CROWDED_IDLE)),
            Phase::Closing(until) => Some(until),
            Phase::Busy => None,
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
    /// What was read since the reader last had to wait.
    at_once: usize,
    /// Set while a write stands still.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> DeadlineStream<S> {
    /// A stream whose first head must be there within [`Limits::request`].
    pub fn new(stream: S, limits: Limits) -> Self {
        let first = Instant::now() + limits.request.time().min(limits.idle).min(LOOK);
        OPEN.set(OPEN.get() + 1);
        let deadline = Rc::new(Deadline::new(limits));
        Self { stream, deadline, timer: Box::pin(sleep_until(first)), at_once: 0, stalled: None }
    }

    /// The deadline it enforces.
    pub fn deadline(&self) -> &Rc<Deadline> {
        &self.deadline
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
        // Looked at before the read, so that a steady drip does not put it off.
        if this.poll_over(context).is_ready() {
            return Poll::Ready(Err(timed_out("the request took too long to arrive")));
        }
        if this.deadline.is_closing() {
            return this.poll_end(context);
        }
        if !this.deadline.may_read() {
            return Poll::Pending;
        }
        if this.at_once >= MOST_AT_ONCE {
            this.at_once = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, buffer) else {
            this.at_once = 0;
            return Poll::Pending;
        };
        read?;
        let count = buffer.filled().len() - before;
        this.at_once += count;
        this.deadline.bytes_arrived(count);
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
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
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
