//! How the embedded journal stores the keys of applications and messages, and maps by them.

use std::hash::{BuildHasherDefault, Hasher};

use crate::journal::batch::Key;
pub(super) use crate::journal::keys::Keys;

/// The halves of a key, as SQLite stores them.
pub(super) fn halves(key: Key) -> (i64, i64) {
    ((key >> 64) as i64, key as i64)
}

/// A hasher for maps by [`Key`]: the key is a hash already.
#[derive(Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

/// A map by [`Key`].
pub(super) type KeyMap<V> = std::collections::HashMap<Key, V, BuildHasherDefault<KeyHasher>>;
