//! How much memory the bodies that are arriving may take together.
//!
//! A sender may stop short of the end of a long body and leave it at that until its time is up, and
//! where credentials stand in the body itself nobody knows yet who it is. So what such bodies hold is
//! counted, from when its length is known. The first of each is free: nearly every message is shorter
//! than that, and is taken even while others have used the rest up. Whoever has signed in shares with
//! nobody who has not.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::refusal::Refusal;

/// What a body may hold without being counted.
const FREE: usize = 16 * 1024;

/// What a head may take, which stays beside the body, without being counted.
const FREE_HEAD: usize = 12 * 1024;

/// What actix's table takes for each header.
const HEADER: usize = 256;

/// What longer ones may hold together, of each kind of sender.
const MOST: usize = 16 * 1024 * 1024;

/// By when some will have ended, for the refusal.
const RETRY_AFTER: Duration = Duration::from_secs(5);

static OF_KNOWN: AtomicUsize = AtomicUsize::new(0);
static OF_STRANGERS: AtomicUsize = AtomicUsize::new(0);

/// Who sends a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Somebody whom the head of the request has shown.
    Known,
    /// Nobody knows, before the body is read.
    Stranger,
}

/// What one body holds; given back when it is dropped.
pub(super) struct Share<'b> {
    budget: &'b AtomicUsize,
    /// What stays beside the body: the head's bytes, and what was made of them.
    beside: usize,
    held: usize,
}

impl Share<'static> {
    /// The share of a body that is about to arrive behind a head of so many bytes and headers.
    pub(super) fn new(sender: Sender, head: usize, headers: usize) -> Self {
        let budget = match sender {
            Sender::Known => &OF_KNOWN,
            Sender::Stranger => &OF_STRANGERS,
        };
        // The buffer that it came in may be twice as long.
        Self { budget, beside: (2 * head + HEADER * headers).saturating_sub(FREE_HEAD), held: 0 }
    }
}

impl Share<'_> {
    /// Lets the body hold so many bytes in all.
    ///
    /// # Errors
    /// 503 when the others hold too much for that. One alone may hold whatever its own limit allows.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), Refusal> {
        let counted = self.beside + if bytes > FREE { bytes } else { 0 };
        if counted <= self.held {
            return Ok(());
        }
        let more = counted - self.held;
        let others = self.budget.fetch_add(more, Relaxed) - self.held;
        self.held = counted;
        if others > 0 && others + counted > MOST {
            let message = "Too many long messages are arriving at once: send it again.";
            return Err(Refusal::unavailable(message, RETRY_AFTER));
        }
        Ok(())
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.fetch_sub(self.held, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Code;

    fn share(budget: &AtomicUsize) -> Share<'_> {
        Share { budget, beside: 0, held: 0 }
    }

    #[test]
    fn long_bodies_share_what_there_is_and_short_ones_are_free() {
        let budget = AtomicUsize::new(0);
        let (mut one, mut other) = (share(&budget), share(&budget));
        one.hold(MOST - 1).unwrap();
        one.hold(10).unwrap();
        other.hold(FREE).unwrap();
        assert_eq!(other.hold(FREE + 1).unwrap_err().code, Code::Unavailable);
        drop(other);
        assert_eq!(budget.load(Relaxed), MOST - 1, "what was refused is given back");
        drop(one);
        assert_eq!(budget.load(Relaxed), 0);
    }

    #[test]
    fn a_long_head_counts_beside_its_body() {
        let budget = AtomicUsize::new(0);
        let mut long = Share { budget: &budget, beside: 20_000, held: 0 };
        long.hold(0).unwrap();
        long.hold(FREE).unwrap();
        assert_eq!(budget.load(Relaxed), 20_000);
        long.hold(FREE + 1).unwrap();
        assert_eq!(budget.load(Relaxed), 20_000 + FREE + 1);
    }

    #[test]
    fn one_alone_may_be_as_long_as_its_own_limit_allows() {
        let budget = AtomicUsize::new(0);
        let mut only = share(&budget);
        only.hold(MOST).unwrap();
        only.hold(2 * MOST).unwrap();
    }
}
