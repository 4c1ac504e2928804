//! One request at a time. actix decodes all requests that it has been given, and keeps a few KiB for each
//! until its turn; and it begins on an answer while nobody takes the ones before. So it is given no more
//! than one request, or a part of one, before it looks at it. What came behind waits here, as bytes.

use memchr::memchr_iter;

/// What was read and is not handed on yet.
#[derive(Debug, Default)]
pub(super) struct Turns {
    held: Vec<u8>,
    /// What was handed on since the reader last had to wait.
    at_once: usize,
    /// Whether the end of a head or of a body was handed on since then.
    came_to_an_end: bool,
    /// The last two bytes that were handed on: a head may end between two reads.
    last: [u8; 2],
}

/// A part of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// How much is handed on.
    pub(super) now: usize,
    /// Where the first head ends in it, if one does.
    pub(super) head: Option<usize>,
}

/// What the bytes are of that are read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    /// A head, perhaps with what follows it.
    Head,
    /// A body of which so much is to come.
    Body(usize),
    /// A body in chunks, of which nobody knows how much is to come.
    Chunks,
}

impl Turns {
    /// How much of `most` may still be handed on before the reader is to wait.
    pub(super) fn room(&self, most: usize) -> usize {
        most.saturating_sub(self.at_once)
    }

    /// The reader waits.
    pub(super) fn waits(&mut self) {
        (self.at_once, self.came_to_an_end) = (0, false);
    }

    /// Whether the reader has something whole that it has not looked at.
    pub(super) fn came_to_an_end(&self) -> bool {
        self.came_to_an_end
    }

    /// Gives what is held, as far as there is room for it.
    pub(super) fn give(&mut self, room: &mut [u8]) -> usize {
        let count = room.len().min(self.held.len());
        room[..count].copy_from_slice(&self.held[..count]);
        self.held.drain(..count);
        if self.held.is_empty() {
            self.held = Vec::new();
        }
        count
    }

    /// Whether anything is held.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Holds what was read.
    pub(super) fn hold(&mut self, read: &[u8]) {
        self.held.extend_from_slice(read);
    }

    /// How much of what was read is handed on now; the rest is held.
    pub(super) fn hand_on(&mut self, read: &[u8], awaited: Awaited) -> Part {
        let part = self.part(read, awaited);
        self.at_once = self.at_once.saturating_add(part.now);
        self.came_to_an_end |= match awaited {
            Awaited::Head => part.head.is_some(),
            Awaited::Body(left) => part.now >= left,
            Awaited::Chunks => part.head == Some(part.now),
        };
        match read[..part.now] {
            [.., before, last] => self.last = [before, last],
            [last] => self.last = [self.last[1], last],
            [] => {}
        }
        if part.now < read.len() {
            self.held.splice(..0, read[part.now..].iter().copied());
            // The reader looks at what it got first.
            self.at_once = usize::MAX;
        }
        part
    }

    fn part(&self, read: &[u8], awaited: Awaited) -> Part {
        if let Awaited::Body(left @ 1..) = awaited {
            return Part { now: read.len().min(left), head: None };
        }
        let mut ends = self.ends_of_heads(read);
        match (ends.next(), ends.next()) {
            // The length of a chunk: the rest is read as chunks are.
            (Some(head), _) if awaited == Awaited::Head && read.get(head).is_some_and(u8::is_ascii_hexdigit) => {
                Part { now: head, head: Some(head) }
            }
            (Some(first), Some(_)) if awaited != Awaited::Chunks || begins_a_request(&read[first..]) => {
                Part { now: first, head: Some(first) }
            }
            (head, _) => Part { now: read.len(), head },
        }
    }

    /// Where heads may end: behind empty lines, which senders may write without a carriage return.
    fn ends_of_heads(&self, read: &[u8]) -> impl Iterator<Item = usize> {
        let before = move |at: usize, back: usize| match at.checked_sub(back) {
            Some(at) => read[at],
            None => self.last[2 + at - back],
        };
        let ends = memchr_iter(b'\n', read)
            .filter(move |&at| before(at, 1) == b'\n' || (before(at, 1) == b'\r' && before(at, 2) == b'\n'));
        ends.map(|at| at + 1)
    }
}

/// Whether the first line is that of a request (RFC 9112, section 3).
fn begins_a_request(bytes: &[u8]) -> bool {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// Hands on what is read in pieces of this length, until all of it is.
    fn handed_on(all: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let (mut turns, mut parts, mut rest) = (Turns::default(), Vec::new(), all);
        let mut room = vec![0; piece];
        loop {
            let mut count = turns.give(&mut room);
            if count == 0 {
                count = piece.min(rest.len());
                room[..count].copy_from_slice(&rest[..count]);
                rest = &rest[count..];
            }
            if count == 0 {
                return parts;
            }
            let part = turns.hand_on(&room[..count], Awaited::Head);
            parts.push(room[..part.now].to_vec());
        }
    }

    #[test]
    fn requests_go_on_one_by_one_and_nothing_is_lost() {
        for end in ["\r\n", "\n"] {
            let one = String::from_utf8(GET.to_vec()).unwrap().replace("\r\n", end);
            let all = one.repeat(40).into_bytes();
            for piece in 1..=3 * one.len() {
                let parts = handed_on(&all, piece);
                assert_eq!(parts.concat(), all);
                let (mut place, mut complete) = (0, 0);
                for part in &parts {
                    place += part.len();
                    assert!(place / one.len() <= complete + 1, "two requests end in one part of {piece}");
                    complete = place / one.len();
                }
            }
        }
    }

    #[test]
    fn a_request_with_its_body_goes_on_whole() {
        let message = [b"POST / HTTP/1.1\r\nContent-Length: 8\r\n\r\n", &b"<a>\n</a>"[..]].concat();
        let part = |read: &[u8], awaited| Turns::default().hand_on(read, awaited);
        assert_eq!(part(&message, Awaited::Head), Part { now: message.len(), head: Some(message.len() - 8) });
        assert_eq!(part(&b"\n\n".repeat(50), Awaited::Body(100)).now, 100);
        assert_eq!(part(&b"\n\n".repeat(50), Awaited::Body(7)).now, 7);
        assert_eq!(part(&b"\n\n".repeat(50), Awaited::Chunks).now, 100);
        assert_eq!(part(b"POST / HTTP/1.1\r\n\r\n1\r\nx\r\n", Awaited::Head), Part { now: 19, head: Some(19) });
        assert_eq!(part(&[b"0\r\n\r\n", GET, GET].concat(), Awaited::Chunks).now, 5);
    }
}
