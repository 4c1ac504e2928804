//! Reading a section of the tree key by key, so that every key is either understood or refused and
//! all faults are found in one pass.

use super::fault::Fault;
pub(super) use super::reader::{Reader, Wrong};
use super::tree::{Item, Origin, Table, Value};

/// One table, while it is read.
pub(super) struct Section<'r, 'e> {
    reader: &'r Reader<'e>,
    path: String,
    place: Origin,
    items: Table,
    known: Vec<&'static str>,
}

impl<'r, 'e> Section<'r, 'e> {
    /// The whole configuration.
    pub(super) fn root(reader: &'r Reader<'e>, items: Table) -> Self {
        Self { reader, path: String::new(), place: Origin::File(reader.file.as_str().into()), items, known: Vec::new() }
    }

    fn inner(&self, key: &str, place: Origin, items: Table) -> Self {
        Self { reader: self.reader, path: self.path_of(key), place, items, known: Vec::new() }
    }

    /// The path of a key of this table, for people.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Reads a key. Nothing comes back where it is absent, and where it is faulty: the fault is noted.
    pub(super) fn value<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&Item, &Reader<'e>) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.known.push(key);
        let item = self.items.get(key)?;
        match parse(item, self.reader) {
            Ok(value) => {
                self.reader.print(self.path_of(key), item);
                Some(value)
            }
            Err(wrong) => {
                let found = wrong.found.unwrap_or_else(|| item.shown());
                self.note(&item.origin, key, found, wrong.expected, wrong.advice);
                None
            }
        }
    }

    /// Reads a key that must be there; its absence is a fault.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(&Item, &Reader<'e>) -> Result<T, Wrong>,
    ) -> Option<T> {
        if !self.has(key) {
            self.known.push(key);
            let advice = format!("Add `{key}` to this section.");
            self.note(&self.place, key, "nothing".into(), expected.to_owned(), advice);
            return None;
        }
        self.value(key, parse)
    }

    /// Whether the key is written, faulty or not.
    pub(super) fn has(&self, key: &str) -> bool {
        self.items.contains_key(key)
    }

    /// Takes a section out; nothing where it is absent or no table.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Self> {
        self.known.push(key);
        match self.items.remove(key)? {
            Item { value: Value::Table(items), origin } => Some(self.inner(key, origin, items)),
            Item { origin: Origin::Variable(name), .. } => {
                self.reader.warn(format!("environment variable {name} overrides nothing: {key:?} is a section"));
                None
            }
            other => {
                let advice = format!("Write a [{}] section, or {{ … }}.", self.path_of(key));
                self.note(&other.origin, key, other.kind().into(), "a table".into(), advice);
                None
            }
        }
    }

    /// Takes a section out, an empty one where it is absent.
    pub(super) fn section_or_empty(&mut self, key: &'static str) -> Self {
        let empty = self.inner(key, self.place.clone(), Table::new());
        self.section(key).unwrap_or(empty)
    }

    /// Takes out an array of tables, such as `[[admin.tokens]]`.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Self> {
        self.known.push(key);
        let Some(item) = self.items.remove(key) else { return Vec::new() };
        let origin = item.origin;
        let mut sections = Vec::new();
        match item.value {
            Value::List(items) if items.iter().all(|item| matches!(item.value, Value::Table(_))) => {
                for item in items {
                    if let Value::Table(inner) = item.value {
                        sections.push(self.inner(key, item.origin, inner));
                    }
                }
            }
            _ => {
                let advice = format!("Write each as its own [[{}]] section.", self.path_of(key));
                self.note(&origin, key, "something else".into(), "an array of tables".into(), advice);
            }
        }
        sections
    }

    /// Takes out all that is left as named sections, such as those of `[org.NAME]`.
    pub(super) fn named_sections(&mut self) -> Vec<(String, Self)> {
        let mut named = Vec::new();
        for (name, item) in std::mem::take(&mut self.items) {
            let kind = item.kind();
            let place = item.origin;
            match item.value {
                Value::Table(items) => named.push((name.clone(), self.inner(&name, place, items))),
                _ => {
                    let advice = format!("Write a section [{}].", self.path_of(&name));
                    self.note(&place, &name, kind.into(), "a table".into(), advice);
                }
            }
        }
        named
    }

    /// Notes a fault that concerns a key of this section, or (empty key) the section.
    pub(super) fn fault(&self, key: &str, found: impl Into<String>, expected: impl Into<String>, advice: &str) {
        let place = self.items.get(key).map_or(&self.place, |item| &item.origin);
        self.note(place, key, found.into(), expected.into(), advice.into());
    }

    fn note(&self, place: &Origin, key: &str, found: String, expected: String, advice: String) {
        let key = if key.is_empty() { self.path.clone() } else { self.path_of(key) };
        self.reader.fault(place.rank(), Fault { place: place.to_string(), key, found, expected, advice });
    }

    pub(super) fn reader(&self) -> &'r Reader<'e> {
        self.reader
    }

    /// Ends the reading: what was not asked for is unknown. From the file that is a fault, from
    /// the environment a warning.
    pub(super) fn finish(self) {
        for (key, item) in self.items.iter().filter(|(key, _)| !self.known.contains(&key.as_str())) {
            let advice = match meant(key, &self.known) {
                Some(meant) => format!("Did you mean `{}`?", self.path_of(meant)),
                None => "Remove it, or see the documentation for where it belongs.".into(),
            };
            if let Origin::Variable(name) = &item.origin {
                let path = self.path_of(key);
                self.reader.warn(format!("environment variable {name} overrides nothing: no key `{path}`. {advice}"));
            } else {
                let expected = format!("one of {}", self.known.join(", "));
                self.note(&item.origin, key, "an unknown key".into(), expected, advice);
            }
        }
    }
}

/// The known word that an unknown one was probably meant to be.
pub(super) fn meant<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    let near = known.iter().map(|known| (strsim::damerau_levenshtein(word, known), *known)).min()?;
    (near.0 <= 1 + near.1.len() / 4).then_some(near.1)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Environment, tree};
    use super::*;

    #[test]
    fn unknown_keys_are_refused_with_the_likely_one() {
        let environment = Environment::default();
        let reader = Reader::new("f.toml", Path::new(""), &environment);
        let mut root = Section::root(&reader, tree::parse("f.toml", "\nlisen = 'a'\nzzzzzz = 1").unwrap());
        root.value("listen", |_, _| Ok(()));
        root.finish();
        let faults = reader.finish().0;
        assert_eq!(faults.len(), 2);
        assert_eq!((faults[0].place.as_str(), faults[0].key.as_str()), ("f.toml, line 2", "lisen"));
        assert_eq!(faults[0].advice, "Did you mean `listen`?");
        assert!(!faults[1].advice.contains("mean"));
    }

    #[test]
    fn faults_come_in_the_order_of_the_lines() {
        let environment = Environment::default();
        let reader = Reader::new("f.toml", Path::new(""), &environment);
        let text = "b.x = 1\n[org.a]\nz = 1\na = 2\n[admin]\nx = 1";
        let mut root = Section::root(&reader, tree::parse("f.toml", text).unwrap());
        root.section("admin").unwrap().finish();
        root.required("listen", "an address", |_, _| Ok(()));
        root.section("org").unwrap().named_sections().into_iter().for_each(|(_, org)| org.finish());
        root.finish();
        let keys: Vec<_> = reader.finish().0.into_iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["listen", "b", "org.a.z", "org.a.a", "admin.x"], "what is missing has no line");
    }

    #[test]
    fn a_value_where_a_section_belongs_is_a_fault_that_shows_no_value() {
        let environment = Environment::default();
        let reader = Reader::new("f.toml", Path::new(""), &environment);
        let mut root = Section::root(&reader, tree::parse("f.toml", "basic = 'hunter2'\nlist = [1]").unwrap());
        assert!(root.section("basic").is_none());
        assert!(root.sections("list").is_empty());
        root.finish();
        let faults = reader.finish().0;
        assert_eq!(faults.len(), 2);
        assert!(faults.iter().all(|fault| !fault.to_string().contains("hunter2")));
    }
}
