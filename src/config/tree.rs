//! The configuration before it has meaning: a tree of values, each knowing where it was written.
//!
//! The file is read into this tree rather than straight into structs because a deserialiser stops
//! at its first complaint, and a start that names one fault at a time is a poor start. Overrides
//! from the environment are laid over the tree, so that all that follows is the same for both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::fault::Fault;
use super::secret::Environment;

/// Where a value was written.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// In the file as a whole.
    File(Arc<str>),
    /// In the file, on this line (from 1).
    Line(Arc<str>, usize),
    /// In an environment variable.
    Variable(String),
}

impl Origin {
    /// By what faults are put in order: what the file lacks, its lines, then the environment.
    pub(super) fn rank(&self) -> usize {
        match self {
            Self::File(_) => 0,
            Self::Line(_, line) => *line,
            Self::Variable(_) => usize::MAX,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.write_str(file),
            Self::Line(file, line) => write!(f, "{file}, line {line}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// A value without meaning yet.
pub(super) enum Value {
    Text(String),
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Date,
    List(Vec<Item>),
    Table(Table),
}

/// A value and where it stands.
pub(super) struct Item {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

pub(super) type Table = BTreeMap<String, Item>;

impl Item {
    /// The kind of value, without the value: what may be said of something that could be a secret.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
            Value::Date => "a date",
            Value::List(_) => "an array",
            Value::Table(_) => "a table",
        }
    }

    /// The value as a message shows it.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::Text(text) if text.chars().count() > 120 => {
                format!("{:?}… ({} bytes)", text.chars().take(120).collect::<String>(), text.len())
            }
            Value::Text(text) => format!("{text:?}"),
            Value::Integer(number) => format!("the integer {number}"),
            Value::Float(number) => format!("the number {number}"),
            Value::Boolean(value) => format!("the boolean {value}"),
            _ => self.kind().into(),
        }
    }

    /// The text of a string.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of an environment variable, which has no type of its own: the parsers of numbers,
    /// booleans and lists read it.
    pub(super) fn variable(&self) -> Option<&str> {
        self.text().filter(|_| matches!(self.origin, Origin::Variable(_)))
    }
}

/// Reads a TOML document. All its syntax errors come back at once.
///
/// The messages leave the offending line out, as it may hold a secret.
pub(super) fn parse(file: &str, text: &str) -> Result<Table, Vec<Fault>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let lines = Lines { file: file.into(), text };
    if errors.is_empty() {
        return Ok(table(document.get_ref(), &lines));
    }
    let fault = |error: &toml::de::Error| Fault {
        place: lines.at(error.span().map_or(0, |span| span.start)).to_string(),
        key: String::new(),
        found: format!("what TOML does not allow ({})", error.message().replace('\n', "; ")),
        expected: "TOML 1.0".into(),
        advice: "See https://toml.io for the notation.".into(),
    };
    Err(errors.iter().map(fault).collect())
}

struct Lines<'t> {
    file: Arc<str>,
    text: &'t str,
}

impl Lines<'_> {
    fn at(&self, offset: usize) -> Origin {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        Origin::Line(Arc::clone(&self.file), 1 + before.iter().filter(|&&byte| byte == b'\n').count())
    }
}

fn table(source: &DeTable<'_>, lines: &Lines<'_>) -> Table {
    let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let key: &std::borrow::Cow<'_, str> = key.get_ref();
        (key.to_string(), item(value, lines))
    };
    source.iter().map(entry).collect()
}

fn item(source: &toml::Spanned<DeValue<'_>>, lines: &Lines<'_>) -> Item {
    let value = match source.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            // Only a number of more than 38 digits does not fit, and no key takes one.
            Value::Integer(i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(i128::MAX))
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(items) => Value::List(items.iter().map(|one| item(one, lines)).collect()),
        DeValue::Table(inner) => Value::Table(table(inner, lines)),
    };
    Item { value, origin: lines.at(source.span().start) }
}

/// The prefix of environment variables that override keys.
pub(super) const PREFIX: &str = "IMPER_BRIDGE_";

/// Lays the `IMPER_BRIDGE_…` variables over the tree. Those that cannot be placed are returned as
/// warnings: container platforms set variables of this kind for reasons of their own.
pub(super) fn overlay(root: &mut Table, environment: &Environment) -> Vec<String> {
    let mut named = BTreeSet::new();
    variables_named_by(root, &mut named);
    let mut warnings = Vec::new();
    for (name, text) in environment.iter() {
        let Some(path) = name.strip_prefix(PREFIX).filter(|_| !named.contains(name)) else { continue };
        let path = path.to_lowercase();
        let path: Vec<&str> = path.split("__").collect();
        let item = Item { value: Value::Text(text.to_owned()), origin: Origin::Variable(name.to_owned()) };
        if let Err(why) = place(root, &path, item) {
            warnings.push(format!("environment variable {name} overrides nothing: {why}"));
        }
    }
    warnings
}

/// Collects the names in every `{ env = "NAME" }`.
fn variables_named_by(table: &Table, names: &mut BTreeSet<String>) {
    for (key, item) in table {
        match &item.value {
            Value::Text(name) if key == "env" => {
                names.insert(name.clone());
            }
            Value::Table(inner) => variables_named_by(inner, names),
            Value::List(items) => {
                for item in items {
                    if let Value::Table(inner) = &item.value {
                        variables_named_by(inner, names);
                    }
                }
            }
            _ => {}
        }
    }
}

fn place(root: &mut Table, path: &[&str], item: Item) -> Result<(), String> {
    if path.iter().any(|segment| segment.is_empty()) {
        return Err("its name holds an empty part".into());
    }
    let mut table = root;
    let (last, sections) = path.split_last().expect("splitting a text gives at least one part");
    for (depth, section) in sections.iter().enumerate() {
        let key = existing(table, section).unwrap_or_else(|| (*section).to_owned());
        // Making an organisation out of a misspelt variable would end in a puzzling fault.
        if depth == 1 && sections[0] == "org" && !table.contains_key(&key) {
            return Err(format!("the file has no organisation {section:?}"));
        }
        let origin = item.origin.clone();
        let inner = table.entry(key).or_insert_with(|| Item { value: Value::Table(Table::new()), origin });
        match &mut inner.value {
            Value::Table(inner) => table = inner,
            _ => return Err(format!("{section:?} is a value, not a section")),
        }
    }
    let key = existing(table, last).unwrap_or_else(|| (*last).to_owned());
    match table.get(&key) {
        Some(Item { value: Value::Table(inner), .. }) if !is_secret(inner) => {
            Err(format!("{last:?} is a section; name a key in it, as in {PREFIX}STORE__URL"))
        }
        _ => {
            table.insert(key, item);
            Ok(())
        }
    }
}

/// The key that a part of a variable's name means. Shells take no `-` in names, so `_` stands for
/// it as well.
fn existing(table: &Table, segment: &str) -> Option<String> {
    if table.contains_key(segment) {
        return Some(segment.to_owned());
    }
    table.keys().find(|key| key.replace('-', "_").eq_ignore_ascii_case(segment)).cloned()
}

fn is_secret(table: &Table) -> bool {
    table.keys().all(|key| key == "env" || key == "file")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf<'t>(table: &'t Table, path: &[&str]) -> &'t Item {
        let (last, sections) = path.split_last().unwrap();
        let inner = sections.iter().fold(table, |table, key| match &table[*key].value {
            Value::Table(inner) => inner,
            _ => panic!("{key} is no table"),
        });
        &inner[*last]
    }

    #[test]
    fn values_know_their_lines() {
        let table = parse("f.toml", "a = 1_000\n[b]\nc = [\"x\",\n 2.5]\n").unwrap();
        assert_eq!(leaf(&table, &["a"]).shown(), "the integer 1000");
        assert_eq!(leaf(&table, &["b", "c"]).origin.to_string(), "f.toml, line 3");
    }

    #[test]
    fn all_syntax_errors_come_at_once_and_show_no_source() {
        let faults = parse("f.toml", "a = \nb = hunter2\nb = 1\n").err().unwrap();
        assert!(faults.len() >= 2, "{faults:?}");
        assert!(faults.iter().all(|fault| !fault.to_string().contains("hunter2")), "{faults:?}");
    }

    #[test]
    fn variables_override_by_path() {
        let file = "[store]\nurl = 'a'\n[org.a-b.relay]\nurl = 'b'\napi_key = { env = 'IMPER_BRIDGE_KEY' }";
        let mut table = parse("f.toml", file).unwrap();
        let environment = Environment::from_iter([
            ("IMPER_BRIDGE_STORE__URL", "c"),
            ("IMPER_BRIDGE_LIMITS__XML_DEPTH", "9"),
            ("IMPER_BRIDGE_ORG__A_B__RELAY__URL", "d"),
            ("IMPER_BRIDGE_KEY", "secret"),
            ("IMPER_BRIDGE_STORE", "tcp://10.0.0.1"),
            ("IMPER_BRIDGE_ORG__OTHER__HANDLER", "relay"),
            ("IMPER_BRIDGE_A____B", "x"),
            ("OTHER", "x"),
        ]);
        let warnings = overlay(&mut table, &environment);
        assert_eq!(leaf(&table, &["store", "url"]).text(), Some("c"));
        assert_eq!(leaf(&table, &["limits", "xml_depth"]).variable(), Some("9"));
        assert_eq!(leaf(&table, &["org", "a-b", "relay", "url"]).text(), Some("d"));
        assert!(!table.contains_key("key"), "a variable that a secret names is no override");
        assert_eq!(warnings.len(), 3, "{warnings:?}");
    }
}
