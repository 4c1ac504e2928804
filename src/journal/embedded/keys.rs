//! How the embedded journal stores the keys of applications and messages.

use crate::journal::batch::Key;
pub(super) use crate::journal::keys::Keys;

/// The halves of a key, as SQLite stores them.
pub(super) fn halves(key: Key) -> (i64, i64) {
    ((key >> 64) as i64, key as i64)
}
