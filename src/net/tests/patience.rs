//! The time for a request, changed while connections are open.

use super::*;

/// An idle connection has its timer set for a time that was long: what begins on it now must not
/// profit from that.
#[test]
fn a_connection_that_is_open_minds_the_new_time() {
    let limits = limits(LONG, LONG);
    let request = limits.request.clone();
    let (address, _) = start(limits);
    let mut client = connect(address);
    client.write_all(post("one").as_bytes()).unwrap();
    assert!(answer(&mut client).ends_with("one"));
    request.set(SHORT);
    client.write_all(b"POST /echo HTTP/1.1\r\n").unwrap();
    ends(&mut client);
    request.set(LONG);
    let mut other = connect(address);
    other.write_all(b"POST /echo HTTP/1.1\r\n").unwrap();
    thread::sleep(SHORT * 2);
    other.write_all(b"Host: x\r\nContent-Length: 2\r\n\r\nok").unwrap();
    assert!(answer(&mut other).ends_with("ok"), "and a longer one as well");
}
