//! What a journal is made of while it is carried from one store into another: rows of a few tables,
//! in terms that belong to neither.

use super::gate;
use super::keys::Keys;
use crate::domain::OrgId;

/// How a column's values look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Text,
    Bool,
    /// A hash under the journal's key.
    Key,
}

use Kind::{Bool, Int, Key, Text};

/// Rows of one kind: what they are called, and their columns.
#[derive(Debug)]
pub struct Table {
    /// What they are called.
    pub name: &'static str,
    pub(super) columns: &'static [(&'static str, Kind)],
}

/// All tables, in the order in which they are carried.
pub const TABLES: &[Table] = &[
    Table {
        name: "event",
        columns: &[
            ("sequence", Int),
            ("received_at", Int),
            ("application", Key),
            ("orgid", Text),
            ("job_application_id", Text),
            ("candidate_id", Text),
            ("job_requisition_id", Text),
            ("stage", Text),
            ("step", Text),
            ("status", Text),
            ("occurred_at", Int),
            ("event_type", Int),
            ("stale", Bool),
            ("was", Bool),
            ("now", Bool),
            ("reason", Int),
            ("source", Int),
            ("deliver", Bool),
            ("trace", Text),
            ("note", Text),
            ("replays", Int),
        ],
    },
    Table {
        name: "attempt",
        columns: &[
            ("sequence", Int),
            ("event", Int),
            ("at", Int),
            ("verdict", Int),
            ("status", Int),
            ("latency_ms", Int),
            ("error", Text),
            ("answer", Text),
        ],
    },
    Table { name: "message", columns: &[("key", Key), ("event", Int), ("received_at", Int), ("event_type", Int)] },
    Table { name: "duplicate", columns: &[("event", Int), ("count", Int), ("last_at", Int)] },
    Table {
        name: "work",
        columns: &[
            ("event", Int),
            ("application", Key),
            ("orgid", Text),
            ("state", Int),
            ("opened", Int),
            ("opened_at", Int),
            ("is_start", Bool),
            ("attempts", Int),
            ("first_attempt_at", Int),
        ],
    },
    Table {
        name: "lane",
        columns: &[
            ("application", Key),
            ("kind", Int),
            ("orgid", Text),
            ("head", Int),
            ("head_opened", Int),
            ("due_at", Int),
        ],
    },
    Table {
        name: "application",
        columns: &[
            ("key", Key),
            ("orgid", Text),
            ("position", Int),
            ("likeness", Key),
            ("ordered_at", Int),
            ("applied", Int),
            ("applied_at", Int),
            ("applied_as", Int),
            ("head", Int),
            ("since", Int),
            ("since_at", Int),
            ("heard_at", Int),
        ],
    },
    Table {
        name: "protection",
        columns: &[("application", Key), ("event", Int), ("orgid", Text), ("started_at", Int), ("ended_at", Int)],
    },
    Table {
        name: "details",
        columns: &[
            ("application", Key),
            ("event", Int),
            ("orgid", Text),
            ("state", Int),
            ("attempts", Int),
            ("claimed", Bool),
            ("due_at", Int),
            ("first_attempt_at", Int),
            ("error", Text),
            ("details", Text),
            ("read_at", Int),
        ],
    },
    Table { name: "details_hold", columns: &[("orgid", Text), ("until", Int), ("wrong", Bool)] },
    Table { name: "action", columns: &[("at", Int), ("what", Text), ("actor", Text), ("orgid", Text), ("event", Int)] },
    Table {
        name: "figure",
        columns: &[
            ("orgid", Text),
            ("process", Key),
            ("desk", Int),
            ("accepted", Int),
            ("delivered", Int),
            ("dead", Int),
            ("late", Int),
            ("pending", Int),
            ("passed", Int),
            ("last_message_at", Int),
            ("last_started_at", Int),
        ],
    },
    Table {
        name: "stage",
        columns: &[("orgid", Text), ("process", Key), ("stage", Text), ("interview", Bool), ("count", Int)],
    },
    Table {
        name: "erasure",
        columns: &[
            ("number", Int),
            ("at", Int),
            ("orgid", Text),
            ("candidate_id", Text),
            ("actor", Text),
            ("done_at", Int),
            ("events", Int),
        ],
    },
    Table {
        name: "refused",
        columns: &[
            ("id", Int),
            ("at", Int),
            ("orgid", Text),
            ("code", Text),
            ("message", Text),
            ("place", Text),
            ("content_type", Text),
            ("soap_action", Text),
            ("tenant", Text),
            ("query", Text),
            ("bytes", Int),
            ("whole", Bool),
            ("body", Text),
        ],
    },
];

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    None,
    Int(i64),
    Text(String),
    Bool(bool),
    Key(u128),
}

impl Value {
    /// Appends what tells it from every other value.
    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::None => bytes.push(0),
            Self::Int(value) => {
                bytes.push(1);
                bytes.extend(value.to_le_bytes());
            }
            Self::Text(value) => {
                bytes.push(2);
                bytes.extend((value.len() as u64).to_le_bytes());
                bytes.extend(value.as_bytes());
            }
            Self::Bool(value) => bytes.extend([3, u8::from(*value)]),
            Self::Key(value) => {
                bytes.push(4);
                bytes.extend(value.to_le_bytes());
            }
        }
    }
}

/// A row of one store, in the form in which `imper-bridge move` takes it to the other.
#[derive(Debug, Clone)]
pub struct Row {
    /// Rows of a table are carried in the order of their places, of which no two have the same.
    pub(super) place: i64,
    pub(super) values: Vec<Value>,
}

/// How many rows there are, and a checksum of them that does not depend on their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub rows: u64,
    /// The sum of the rows' hashes.
    pub checksum: u128,
}

impl Sum {
    pub(super) fn add(&mut self, keys: &Keys, values: &[Value]) {
        let mut bytes = Vec::new();
        values.iter().for_each(|value| value.write(&mut bytes));
        self.rows += 1;
        self.checksum = self.checksum.wrapping_add(keys.checksum(&bytes));
    }
}

/// Which journal is carried, and how far it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub(super) tag: u32,
    pub(super) hash_key: [u8; 16],
    /// Its last record.
    pub(super) last: u64,
}

/// A change of an organisation's gate, at a time in milliseconds.
#[derive(Debug, Clone)]
pub struct Gated {
    pub(super) at: i64,
    pub(super) org: OrgId,
    pub(super) change: gate::Change,
    pub(super) reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_tells_values_apart_and_not_their_order() {
        let sum = |rows: &[&[Value]]| {
            let mut sum = Sum::default();
            rows.iter().for_each(|row| sum.add(&Keys::new([7; 16]), row));
            sum
        };
        let (one, two) = ([Value::Text("a".into()), Value::Text("b".into())], [Value::Int(1), Value::None]);
        assert_eq!(sum(&[&one, &two]), sum(&[&two, &one]));
        assert_ne!(sum(&[&one]), sum(&[&[Value::Text("ab".into()), Value::Text(String::new())]]));
        assert_ne!(sum(&[&one, &one]), sum(&[&one, &two]));
        assert_ne!(sum(&[&[Value::Int(1)]]), sum(&[&[Value::Bool(true)]]));
    }
}
