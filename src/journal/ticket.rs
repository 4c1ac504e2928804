//! What a caller holds while the journal works: a future of the result.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::Unavailable;

/// A future of something that the journal was asked for. Dropping it does not take the request back.
#[derive(Debug)]
#[must_use = "a ticket is worth nothing until it is awaited"]
pub struct Ticket<T>(oneshot::Receiver<Result<T, Unavailable>>);

/// The journal's end of a [`Ticket`].
#[derive(Debug)]
pub struct Promise<T>(oneshot::Sender<Result<T, Unavailable>>);

impl<T> Ticket<T> {
    /// A ticket and the promise that redeems it.
    pub fn new() -> (Promise<T>, Self) {
        let (sender, receiver) = oneshot::channel();
        (Promise(sender), Self(receiver))
    }

    /// Waits on a thread that runs no futures.
    ///
    /// # Errors
    /// When the journal could not do what it was asked for.
    pub fn wait(self) -> Result<T, Unavailable> {
        self.0.blocking_recv().unwrap_or(Err(Unavailable::Stopped))
    }
}

impl<T> Promise<T> {
    /// Redeems the ticket; whoever dropped it is not told.
    pub fn keep(self, result: Result<T, Unavailable>) {
        let _ = self.0.send(result);
    }
}

impl<T> Future for Ticket<T> {
    type Output = Result<T, Unavailable>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|result| result.unwrap_or(Err(Unavailable::Stopped)))
    }
}
