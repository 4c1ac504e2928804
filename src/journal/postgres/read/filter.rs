//! A filter of events as SQL.

use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use crate::domain::{EventType, OrgId};
use crate::journal::postgres::row::code;
use crate::journal::{Cursor, DeliveryState, EventFilter};

/// How far apart the numbers of events may stand that bridges took in the same moment.
const SLACK: i64 = 100_000;

/// Conditions and their values.
pub(super) struct Narrowed {
    conditions: String,
    values: Vec<(Box<dyn ToSql + Sync + Send>, Type)>,
}

impl Narrowed {
    /// What the filter asks for; `keys` are those that its application has in each organisation.
    pub(super) fn by(filter: &EventFilter, before: Option<Cursor>, keys: Option<Keys>) -> Self {
        let mut narrowed = Self { conditions: String::new(), values: Vec::new() };
        if let Some(Keys { orgs, applications }) = keys {
            // Named even where the filter names none: the indexes begin with the organisation.
            narrowed.and("event.orgid = ANY (?)", orgs, Type::TEXT_ARRAY);
            if let Some(applications) = applications {
                narrowed.and("event.application = ANY (?)", applications, Type::UUID_ARRAY);
            }
        }
        if let Some(application) = &filter.application {
            narrowed.and("event.job_application_id = ?", application.as_str().to_owned(), Type::TEXT);
        }
        if let Some(candidate) = &filter.candidate {
            narrowed.and("event.candidate_id = ?", candidate.as_str().to_owned(), Type::TEXT);
        }
        if let Some(event_type) = filter.event_type {
            narrowed.and("event.event_type = ?", code(&EventType::ALL, &event_type), Type::INT2);
        }
        if let Some(Cursor(before)) = before {
            narrowed.and("event.sequence < ?", before as i64, Type::INT8);
        }
        narrowed.conditions += match filter.state {
            None => "",
            Some(DeliveryState::None) => " AND NOT event.deliver",
            Some(DeliveryState::Pending) => " AND w.state = 0",
            Some(DeliveryState::Delivered) => " AND event.deliver AND w.event IS NULL",
            Some(DeliveryState::Dead) => " AND w.state = 1",
        };
        narrowed.within(filter);
        narrowed
    }

    /// Times and numbers grow together but for a little, so that a bound of time is one of numbers
    /// as well, and the list can be read in its own order.
    fn within(&mut self, filter: &EventFilter) {
        if let Some(since) = filter.since {
            // What is received is known by the millisecond: later than one by less begins with the next.
            let at = since.as_microsecond().div_euclid(1000)
                + i64::from(since.subsec_nanosecond().rem_euclid(1_000_000) != 0);
            self.and("event.received_at >= ?", at, Type::INT8);
            let first = "(SELECT sequence FROM event WHERE received_at >= ? ORDER BY received_at LIMIT 1)";
            self.and(&format!("event.sequence >= {first} - {SLACK}"), at, Type::INT8);
        }
        if let Some(until) = filter.until {
            let at = until.as_microsecond().div_euclid(1000)
                + i64::from(until.subsec_nanosecond().rem_euclid(1_000_000) != 0);
            self.and("event.received_at < ?", at, Type::INT8);
            let last = "(SELECT sequence FROM event WHERE received_at < ? ORDER BY received_at DESC LIMIT 1)";
            self.and(&format!("event.sequence <= {last} + {SLACK}"), at, Type::INT8);
        }
    }

    fn and(&mut self, condition: &str, value: impl ToSql + Sync + Send + 'static, of: Type) {
        self.values.push((Box::new(value), of));
        let place = format!("${}", self.values.len());
        self.conditions += " AND ";
        self.conditions += &condition.replace('?', &place);
    }

    pub(super) fn conditions(&self) -> &str {
        &self.conditions
    }

    pub(super) fn values(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.values.iter().map(|(value, of)| (&**value as &(dyn ToSql + Sync), of.clone())).collect()
    }
}

/// The organisations that a filter is about and, where it names an application, its keys in them.
pub(in crate::journal::postgres) struct Keys {
    orgs: Vec<String>,
    applications: Option<Vec<Uuid>>,
}

impl Keys {
    pub(in crate::journal::postgres) fn of(orgs: &[OrgId], applications: Option<Vec<Uuid>>) -> Self {
        Self { orgs: orgs.iter().map(OrgId::to_string).collect(), applications }
    }
}
