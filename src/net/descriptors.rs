//! How many connections there is room for. Each takes a file descriptor, and so do deliveries, the
//! admin listener and the journal: callers must not be able to take them all.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Most connections of all workers, whatever the system allows: with a head of the greatest length on
/// each, or the beginning of a long body, the process takes some 120 MiB.
const MOST: u64 = 1_536;

/// Connections of one worker that are taken in any case.
const LEAST: u64 = 16;

/// How many connections each of so many workers may hold, so that `kept` descriptors remain for
/// the rest of the process. It raises the process's limit as far as the system lets it: the usual
/// 1,024 come from times when `select` could count no further.
pub fn connections(workers: usize, kept: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    room(if raised.is_ok() { maximum } else { current }, workers as u64, kept as u64)
}

/// Of very few descriptors half are kept. `None`: there is no limit.
fn room(limit: Option<u64>, workers: u64, kept: u64) -> usize {
    let free = limit.map_or(u64::MAX, |limit| limit - kept.min(limit / 2)).min(MOST);
    usize::try_from((free / workers.max(1)).max(LEAST)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_left_for_the_rest_of_the_process() {
        assert_eq!(room(None, 2, 400), 768);
        assert_eq!(room(Some(1_048_576), 8, 400), 192);
        assert_eq!(room(Some(1_024), 2, 400), 312);
        assert_eq!(room(Some(200), 2, 400), 50, "half of very few");
        assert_eq!(room(Some(0), 0, 400), 16);
    }
}
