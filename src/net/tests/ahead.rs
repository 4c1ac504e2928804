//! Requests that come before the ones ahead of them are answered.

use super::*;

/// Says how many nanoseconds the worker's thread has worked while this slept.
pub(super) async fn toil() -> String {
    let worked = || -> u64 {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let before = worked();
    actix_rt::time::sleep(SHORT * 5).await;
    (worked() - before).to_string()
}

#[test]
fn requests_that_come_without_waiting_are_all_answered_in_turn() {
    let (address, _) = start(limits(LONG, LONG));
    // One that takes its time, so that the others are there before they can be answered.
    let long = "b".repeat(900);
    for (first, each, count) in
        [("/slow", "", 3_000), ("/slow", "b", 900), ("/slow", &long[..], 300), ("/slow", &long[..613], 3_000)]
    {
        let mut client = connect(address);
        let mut writer = client.try_clone().unwrap();
        let burst: String = (0..count).map(|number| post(&format!("{number}{each}"))).collect();
        let sent = thread::spawn(move || {
            writer.write_all(format!("GET {first} HTTP/1.1\r\nHost: x\r\n\r\n{burst}").as_bytes()).unwrap();
        });
        assert!(answer(&mut client).ends_with("slept"));
        for number in 0..count {
            assert!(answer(&mut client).ends_with(&format!("\r\n\r\n{number}{each}")), "{number} of {count}");
        }
        sent.join().unwrap();
        client.write_all(post("last").as_bytes()).unwrap();
        assert!(answer(&mut client).ends_with("last"), "the connection goes on");
    }
}

#[test]
fn what_comes_before_it_is_wanted_waits_and_makes_no_work() {
    let (address, _) = start(limits(LONG, LONG));
    let mut client = connect(address);
    let mut writer = client.try_clone().unwrap();
    let long = "b".repeat(900);
    let sent = {
        let burst = format!("GET /toil HTTP/1.1\r\nHost: x\r\n\r\n{}", post(&long).repeat(2_000));
        thread::spawn(move || writer.write_all(burst.as_bytes()).unwrap())
    };
    let told = answer(&mut client);
    let nanoseconds: u64 = told.rsplit("\r\n").next().unwrap().parse().unwrap();
    assert!(nanoseconds < SHORT.as_nanos() as u64, "it worked for {nanoseconds} ns while there was nothing to do");
    (0..2_000).for_each(|_| assert!(answer(&mut client).ends_with(&long)));
    sent.join().unwrap();
}
