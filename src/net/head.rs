//! How long a head may be. actix's own bound of 128 KiB is what it takes anyway; but strangers
//! could have it keep that much for each of their connections.

/// Bytes after which a head must be complete. The read in which it gets there may bring more.
const MOST: usize = 8 << 10;

/// What is said to one that is not.
pub(super) const TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Whether the application was made to look at a head that is as long as it may be.
#[derive(Debug, Default)]
pub(super) struct Head {
    looked: bool,
}

/// What to do before a read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Read,
    /// Let the application look whether the head is complete.
    Look,
    /// It is not.
    Refuse,
}

impl Head {
    /// What to do next, given how much of a head has arrived; nothing where none is awaited.
    pub(super) fn next(&mut self, arrived: Option<usize>) -> Next {
        let is_long = arrived.is_some_and(|arrived| arrived >= MOST);
        match (is_long, std::mem::replace(&mut self.looked, is_long)) {
            (false, _) => Next::Read,
            (true, false) => Next::Look,
            (true, true) => Next::Refuse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_looked_at_before_it_is_refused() {
        let mut head = Head::default();
        assert_eq!((head.next(Some(0)), head.next(Some(MOST - 1))), (Next::Read, Next::Read));
        assert_eq!((head.next(Some(MOST)), head.next(Some(MOST))), (Next::Look, Next::Refuse));
        let mut head = Head::default();
        assert_eq!((head.next(Some(MOST)), head.next(None)), (Next::Look, Next::Read), "it was complete");
        assert_eq!(head.next(Some(MOST)), Next::Look, "the next one is looked at as well");
    }
}
