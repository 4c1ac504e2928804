//! What each key came to, as a number that tells nothing: two configurations are compared by it, so
//! that a secret or a certificate counts as changed when its text does, wherever that is kept.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::LazyLock;

use super::tree::{Item, Value};

/// Seeded by chance and the same for the life of the process: what is compared was read in it.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The paths of all keys that were read, with what each came to.
pub(super) type Prints = BTreeMap<String, u64>;

/// What a text or a file's content comes to.
pub(super) fn of_content(content: &[u8]) -> u64 {
    SEED.hash_one(content)
}

/// What a value comes to that stands for nothing but itself.
pub(super) fn of_item(item: &Item) -> u64 {
    let mut hasher = SEED.build_hasher();
    add(item, &mut hasher);
    hasher.finish()
}

fn add(item: &Item, hasher: &mut impl Hasher) {
    std::mem::discriminant(&item.value).hash(hasher);
    match &item.value {
        Value::Text(text) => text.hash(hasher),
        Value::Integer(number) => number.hash(hasher),
        Value::Float(number) => number.to_bits().hash(hasher),
        Value::Boolean(value) => value.hash(hasher),
        Value::Date => {}
        Value::List(items) => {
            items.len().hash(hasher);
            items.iter().for_each(|item| add(item, hasher));
        }
        Value::Table(table) => {
            table.len().hash(hasher);
            for (key, item) in table {
                key.hash(hasher);
                add(item, hasher);
            }
        }
    }
}
