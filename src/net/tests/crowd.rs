//! More connections than there is room for.

use super::*;

/// Whoever is silent, between two requests, before the first, or in the middle of a head or a body, must not
/// keep out those who are not.
#[test]
fn silent_connections_make_room_for_others() {
    let whole = post("one");
    for said in ["", &whole[..10], &whole[..whole.len() - 1], &whole] {
        let (address, _) = start(Limits { connections: 4, ..limits(LONG, LONG) });
        let mut silent: Vec<_> = (0..4).map(|_| connect(address)).collect();
        for client in &mut silent {
            client.write_all(said.as_bytes()).unwrap();
            if said == whole {
                assert!(answer(client).ends_with("one"));
            }
        }
        let mut other = connect(address);
        other.write_all(post("two").as_bytes()).unwrap();
        assert!(answer(&mut other).ends_with("two"), "within {HANGS:?}, and not after {LONG:?}");
    }
}

#[test]
fn a_silent_connection_stays_while_there_is_room() {
    let (address, _) = start(Limits { connections: 5, ..limits(LONG, LONG) });
    let mut clients: Vec<_> = (0..5).map(|_| connect(address)).collect();
    clients.truncate(2);
    thread::sleep(Duration::from_secs(8));
    for client in &mut clients {
        client.write_all(post("one").as_bytes()).unwrap();
        assert!(answer(client).ends_with("one"));
    }
}

/// What comes behind an answer that was the last is taken from the client, and nothing is kept of it.
#[test]
fn the_answer_arrives_though_the_body_is_not_wanted() {
    let (address, _) = start(limits(LONG, LONG));
    let mut client = connect(address);
    client.write_all(b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n").unwrap();
    let mut writing = client.try_clone().unwrap();
    thread::spawn(move || {
        let block = vec![b'x'; 1 << 16];
        while writing.write_all(&block).is_ok() {}
    });
    assert!(answer(&mut client).ends_with("no"));
}
