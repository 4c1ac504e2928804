//! The stream of a connection, which enforces its deadline.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Limits;
use super::deadline::{Deadline, LOOK, OPEN};

/// How many reads in a row are forgotten before others have their turn.
const MOST_FORGOTTEN: usize = 16;

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

    /// The deadline it enforces, which whoever reads the body looks at as well.
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
