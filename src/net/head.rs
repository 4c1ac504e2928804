//! How long a head may be. actix's own bound of 128 KiB is what it takes anyway; but strangers
//! could have it keep that much for each of their connections.

/// Bytes after which a head must be complete. The read in which it gets there may bring more.
const MOST: usize = 8 << 10;

/// What is said to one that is not.
pub(super) const TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// How much of a head has arrived.
#[derive(Debug, Default)]
pub(super) struct Head {
    arrived: usize,
    /// Whether the application was made to look at what there is.
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
    /// What to do next, given whether a head is still awaited.
    pub(super) fn next(&mut self, awaited: bool) -> Next {
        if !awaited {
            *self = Self::default();
        }
        match (self.arrived >= MOST, self.looked) {
            (false, _) => Next::Read,
            (true, false) => {
                self.looked = true;
                Next::Look
            }
            (true, true) => Next::Refuse,
        }
    }

    /// Notes what a read has brought, if it belongs to a head.
    pub(super) fn count(&mut self, bytes: usize, awaited: bool) {
        if awaited {
            self.arrived += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_looked_at_before_it_is_refused() {
        let mut head = Head::default();
        head.count(MOST - 1, true);
        assert_eq!(head.next(true), Next::Read);
        head.count(1, true);
        assert_eq!((head.next(true), head.next(true)), (Next::Look, Next::Refuse));
        let mut head = Head::default();
        head.count(MOST, true);
        assert_eq!((head.next(true), head.next(false)), (Next::Look, Next::Read), "it was complete");
        head.count(MOST, false);
        assert_eq!(head.next(true), Next::Read, "a body is not counted");
    }
}
