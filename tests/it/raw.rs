//! A client of single bytes: what no HTTP library sends.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};

use crate::bridge::{Bridge, PATIENCE};

/// A connection to the public listener.
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) fn to(bridge: &Bridge) -> Self {
        Self::at(bridge.public.strip_prefix("http://").unwrap())
    }

    /// A connection to what listens there.
    pub(crate) fn at(address: impl ToSocketAddrs) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        // Whoever has heard enough may have ended the connection already.
        let _ = self.0.write_all(bytes.as_ref());
        self
    }

    /// Reads one answer by its Content-Length: its status and all of it as text.
    pub(crate) fn answer(&mut self) -> (u16, String) {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&head)));
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body).unwrap();
        (head[9..12].parse().unwrap(), head + &String::from_utf8(body).unwrap())
    }

    /// Whether the other side ends the connection, having said no more than what was read.
    pub(crate) fn ends(&mut self) -> bool {
        let mut rest = Vec::new();
        // A reset ends it as well; a time-out means that it stands.
        let read = self.0.read_to_end(&mut rest);
        let stands = read
            .is_err_and(|error| matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut));
        !stands && rest.is_empty()
    }
}
