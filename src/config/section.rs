//! Reading a section of the tree key by key, so that every key is either understood or refused and
//! all faults are found in one pass.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::prints::{self, Prints};
use super::secret::Environment;
use super::tree::{Item, Origin, Table, Value};

/// What reading a value depends on beside the value, and where faults gather.
pub(super) struct Reader<'e> {
    pub(super) environment: &'e Environment,
    /// From where relative paths of secrets and certificates count.
    pub(super) folder: PathBuf,
    file: String,
    faults: RefCell<Vec<Fault>>,
    warnings: RefCell<Vec<String>>,
    prints: RefCell<Prints>,
    /// What the value that is being read stands for, where that is not itself.
    content: Cell<Option<u64>>,
}

impl<'e> Reader<'e> {
    pub(super) fn new(file: &str, folder: &Path, environment: &'e Environment) -> Self {
        Self {
            environment,
            folder: folder.to_owned(),
            file: file.to_owned(),
            faults: RefCell::default(),
            warnings: RefCell::default(),
            prints: RefCell::default(),
            content: Cell::default(),
        }
    }

    pub(super) fn warn(&self, warning: String) {
        self.warnings.borrow_mut().push(warning);
    }

    pub(super) fn fault(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    /// Notes what the value that is being read stands for: a secret's text, a file's content.
    pub(super) fn stands_for(&self, content: &[u8]) {
        self.content.set(Some(prints::of_content(content)));
    }

    fn print(&self, path: String, item: &Item) {
        let print = self.content.take().unwrap_or_else(|| prints::of_item(item));
        self.prints.borrow_mut().insert(path, print);
    }

    pub(super) fn finish(self) -> (Vec<Fault>, Vec<String>, Prints) {
        (self.faults.into_inner(), self.warnings.into_inner(), self.prints.into_inner())
    }
}

/// Why a value is not what its key takes.
#[derive(Debug)]
pub(super) struct Wrong {
    found: Option<String>,
    expected: String,
    advice: String,
}

impl Wrong {
    pub(super) fn new(expected: impl Into<String>) -> Self {
        Self { found: None, expected: expected.into(), advice: String::new() }
    }

    /// Says what was found, in place of the value itself.
    pub(super) fn found(mut self, found: impl Into<String>) -> Self {
        self.found = Some(found.into());
        self
    }

    pub(super) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "found {:?}; expected {}. {}", self.found, self.expected, self.advice)
    }
}

/// One table, while it is read.
pub(super) struct Section<'r, 'e> {
    reader: &'r Reader<'e>,
    path: String,
    place: String,
    items: Table,
    known: Vec<&'static str>,
}

impl<'r, 'e> Section<'r, 'e> {
    /// The whole configuration.
    pub(super) fn root(reader: &'r Reader<'e>, items: Table) -> Self {
        Self { reader, path: String::new(), place: reader.file.clone(), items, known: Vec::new() }
    }

    fn inner(&self, key: &str, place: String, items: Table) -> Self {
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
                self.note(item.origin.to_string(), key, found, wrong.expected, wrong.advice);
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
            self.note(self.place.clone(), key, "nothing".into(), expected.to_owned(), advice);
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
            Item { value: Value::Table(items), origin } => Some(self.inner(key, origin.to_string(), items)),
            Item { origin: Origin::Variable(name), .. } => {
                self.reader.warn(format!("environment variable {name} overrides nothing: {key:?} is a section"));
                None
            }
            other => {
                let advice = format!("Write a [{}] section, or {{ … }}.", self.path_of(key));
                self.note(other.origin.to_string(), key, other.kind().into(), "a table".into(), advice);
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
        let origin = item.origin.to_string();
        let mut sections = Vec::new();
        match item.value {
            Value::List(items) if items.iter().all(|item| matches!(item.value, Value::Table(_))) => {
                for item in items {
                    if let Value::Table(inner) = item.value {
                        sections.push(self.inner(key, item.origin.to_string(), inner));
                    }
                }
            }
            _ => {
                let advice = format!("Write each as its own [[{}]] section.", self.path_of(key));
                self.note(origin, key, "something else".into(), "an array of tables".into(), advice);
            }
        }
        sections
    }

    /// Takes out all that is left as named sections, such as those of `[org.NAME]`.
    pub(super) fn named_sections(&mut self) -> Vec<(String, Self)> {
        let mut named = Vec::new();
        for (name, item) in std::mem::take(&mut self.items) {
            let place = item.origin.to_string();
            match item.value {
                Value::Table(items) => named.push((name.clone(), self.inner(&name, place, items))),
                _ => {
                    let advice = format!("Write a section [{}].", self.path_of(&name));
                    self.note(place, &name, item.kind().into(), "a table".into(), advice);
                }
            }
        }
        named
    }

    /// Notes a fault that concerns a key of this section, or (empty key) the section.
    pub(super) fn fault(&self, key: &str, found: impl Into<String>, expected: impl Into<String>, advice: &str) {
        let place = self.items.get(key).map_or_else(|| self.place.clone(), |item| item.origin.to_string());
        self.note(place, key, found.into(), expected.into(), advice.into());
    }

    fn note(&self, place: String, key: &str, found: String, expected: String, advice: String) {
        let key = if key.is_empty() { self.path.clone() } else { self.path_of(key) };
        self.reader.fault(Fault { place, key, found, expected, advice });
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
                self.note(item.origin.to_string(), key, "an unknown key".into(), expected, advice);
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
    use super::super::tree;
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
