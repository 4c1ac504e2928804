//! A generator of random numbers that is the same everywhere (xorshift64*), and its seeds.

/// Says which seed it was when a check panics.
pub(crate) struct Named(pub(crate) &'static str, pub(crate) u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was {}={}", self.0, self.1);
        }
    }
}

/// The seed that this variable of the environment gives, or a new one.
pub(crate) fn seed(variable: &'static str) -> Named {
    let seed = std::env::var(variable).map_or_else(
        |_| std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 % 1_000_000,
        |seed| seed.parse().unwrap_or_else(|_| panic!("{variable} is a number")),
    );
    Named(variable, seed)
}

/// Says something that is to be seen even where a test passes, whose output is not shown.
pub(crate) fn tell(text: std::fmt::Arguments<'_>) {
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{text}\n"));
}

pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds are spread first, and none may be zero.
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len() as u64) as usize]
    }
}
