//! Time and chance, injected, so that days of retries are tested in milliseconds.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::oneshot;

/// What the rest of the crate knows of time.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock: may jump.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary origin that never goes back.
    fn monotonic(&self) -> Duration;

    /// A random number in `[0, 1)`.
    fn chance(&self) -> f64;

    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic origin is now.
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    fn chance(&self) -> f64 {
        // 53 random bits are what a double can hold; a machine without randomness gets no jitter.
        getrandom::u64().map_or(0.5, |bits| (bits >> 11) as f64 / (1u64 << 53) as f64)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that stands still until it is moved, for tests.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Manual>>);

#[derive(Debug)]
struct Manual {
    wall: Timestamp,
    elapsed: Duration,
    chance: f64,
    sleepers: Vec<(Duration, oneshot::Sender<()>)>,
}

impl ManualClock {
    /// A clock that shows `wall` and whose `chance` is always one half.
    pub fn at(wall: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Manual { wall, elapsed: Duration::ZERO, chance: 0.5, sleepers: Vec::new() })))
    }

    /// Lets `duration` pass, waking whoever slept until then.
    pub fn advance(&self, duration: Duration) {
        let mut inner = self.0.lock().expect("no holder panics");
        inner.elapsed += duration;
        inner.wall += duration;
        let now = inner.elapsed;
        for (_, sleeper) in inner.sleepers.extract_if(.., |(due, _)| *due <= now) {
            // Whoever no longer waits has dropped the receiver.
            let _ = sleeper.send(());
        }
    }

    /// Moves the wall clock alone, forwards or back, as an administrator or NTP may.
    pub fn jump_to(&self, wall: Timestamp) {
        self.0.lock().expect("no holder panics").wall = wall;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().expect("no holder panics").wall
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().expect("no holder panics").elapsed
    }

    fn chance(&self) -> f64 {
        self.0.lock().expect("no holder panics").chance
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.0.lock().expect("no holder panics");
        let due = inner.elapsed + duration;
        if duration.is_zero() {
            let _ = sender.send(());
        } else {
            inner.sleepers.push((due, sender));
        }
        Box::pin(async move {
            let _ = receiver.await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let day = Duration::from_secs(86_400);
        let sleep = clock.sleep(day);
        clock.advance(day);
        sleep.await;
        assert_eq!(clock.monotonic(), day);
        clock.jump_to(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.monotonic(), day, "a jump of the wall clock is no passing of time");
    }

    #[test]
    fn chance_stays_in_its_interval() {
        let clock = SystemClock::new();
        assert!((0..1000).all(|_| (0.0..1.0).contains(&clock.chance())));
    }
}
