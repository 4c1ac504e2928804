//! The pages that are told of changes: so many of one session, of one token and in all, so that
//! nobody keeps others from being told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::admin::session::Digest;

/// How many pages of one session are told: fewer than a browser opens connections to one host, so
/// that it can always load another page.
const OF_A_SESSION: usize = 4;

/// How many of one token, whatever its sessions.
const OF_A_TOKEN: usize = 16;

/// How many in all; further ones look by themselves.
const MOST: usize = 128;

/// The pages that are told.
#[derive(Default)]
pub(super) struct Watchers(Arc<Mutex<Seats>>);

/// Ends when the place is wanted for a newer page.
pub(super) type Leave = oneshot::Receiver<()>;

/// All that are taken, the oldest first.
#[derive(Default)]
struct Seats {
    taken: Vec<Taken>,
    next: u64,
}

struct Taken {
    number: u64,
    session: Digest,
    token: String,
    /// Dropped, it tells the page to leave.
    _stay: oneshot::Sender<()>,
}

/// A page's place, given back when it is dropped.
pub(super) struct Seat {
    seats: Arc<Mutex<Seats>>,
    number: u64,
}

impl Watchers {
    /// Takes a place for a page; where its session or token has all of its own, that of the oldest of
    /// them. `None` where none is left at all.
    pub(super) fn enter(&self, session: Digest, token: &str) -> Option<(Seat, Leave)> {
        let mut seats = lock(&self.0);
        seats.make_room(OF_A_SESSION, |taken| taken.session == session);
        seats.make_room(OF_A_TOKEN, |taken| taken.token == token);
        if seats.taken.len() >= MOST {
            return None;
        }
        let (stay, leave) = oneshot::channel();
        let number = seats.next;
        seats.next += 1;
        seats.taken.push(Taken { number, session, token: token.to_owned(), _stay: stay });
        Some((Seat { seats: Arc::clone(&self.0), number }, leave))
    }
}

impl Seats {
    /// Lets the oldest go until there is room for one more of a kind of which there may be so many.
    fn make_room(&mut self, most: usize, of_the_kind: impl Fn(&Taken) -> bool) {
        while self.taken.iter().filter(|taken| of_the_kind(taken)).count() >= most {
            let Some(oldest) = self.taken.iter().position(&of_the_kind) else { return };
            self.taken.remove(oldest);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.seats).taken.retain(|taken| taken.number != self.number);
    }
}

fn lock(seats: &Mutex<Seats>) -> MutexGuard<'_, Seats> {
    seats.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn must_leave(leave: &mut Leave) -> bool {
        leave.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn the_oldest_page_of_a_session_makes_room_and_no_other() {
        let watchers = Watchers::default();
        let (_other, mut others) = watchers.enter([9; 32], "other").unwrap();
        let mut own: Vec<_> = (0..OF_A_SESSION).map(|_| watchers.enter([1; 32], "own").unwrap()).collect();
        assert!(own.iter_mut().all(|(_, leave)| !must_leave(leave)));
        let _newest = watchers.enter([1; 32], "own").unwrap();
        let left: Vec<_> = own.iter_mut().map(|(_, leave)| must_leave(leave)).collect();
        assert_eq!(left, [true, false, false, false]);
        assert!(!must_leave(&mut others));
    }

    #[test]
    fn one_token_does_not_take_the_places_of_others() {
        let watchers = Watchers::default();
        let many: Vec<_> = (0..u8::MAX).filter_map(|session| watchers.enter([session; 32], "viewer")).collect();
        assert_eq!(many.len(), usize::from(u8::MAX), "each is let in");
        assert_eq!(lock(&watchers.0).taken.len(), OF_A_TOKEN);
        assert!(watchers.enter([1; 32], "operator").is_some());
    }

    #[test]
    fn a_place_is_given_back_and_there_are_not_ever_more() {
        let watchers = Watchers::default();
        let enter = |n: usize| watchers.enter([u8::try_from(n).unwrap(); 32], &n.to_string());
        let mut all: Vec<_> = (0..MOST).map(|n| enter(n).unwrap()).collect();
        assert!(enter(MOST).is_none());
        all.pop();
        assert!(enter(MOST).is_some());
    }
}
