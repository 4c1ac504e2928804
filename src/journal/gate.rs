//! What changes how an organisation's deliveries are stopped or let go, as any store records it.

use std::time::Duration;

/// One recorded change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// An operator lets it go; that also ends the pause of a wrong set-up and the quiet that the
    /// relay asked for.
    Resumed,
    /// An operator stops it.
    Paused,
    /// The relay calls the set-up wrong; it is probed once in a while.
    SetUpWrong { probe_every: Duration },
    /// A probe went through, or the configuration was read again.
    SetUpMended,
    /// The relay asks for quiet.
    Held { wait: Duration },
}
