//! Where secrets come from: the text itself, an environment variable, or a file.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use secrecy::SecretString;

use super::section::{Reader, Wrong};
use super::tree::{Item, Table, Value};

/// The environment variables of the process, or those a test gives in their place.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

/// Shows how many there are, as their values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}

impl Environment {
    /// The process's own variables. One that is not UTF-8 counts as unset.
    pub fn of_process() -> Self {
        let texts = |(name, text): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, text.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(texts).collect())
    }

    /// The value of a variable, where it is set.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, text)| (name.into(), text.into())).collect())
    }
}

const FORMS: &str = "a secret: \"text\", { env = \"NAME\" } or { file = \"PATH\" }";

/// A secret of any characters, not empty.
pub(super) fn secret(item: &Item, reader: &Reader<'_>) -> Result<SecretString, Wrong> {
    use secrecy::ExposeSecret;
    let secret = found(item, reader)?;
    reader.stands_for(secret.expose_secret().as_bytes());
    Ok(secret)
}

fn found(item: &Item, reader: &Reader<'_>) -> Result<SecretString, Wrong> {
    match &item.value {
        Value::Text(text) if text.is_empty() => {
            Err(Wrong::new(FORMS).found("an empty string").advice("An empty secret would let everyone in."))
        }
        Value::Text(text) => Ok(text.clone().into()),
        Value::Table(table) => named(table, reader),
        _ => Err(Wrong::new(FORMS).found(item.kind()).advice("Put the secret in quotes.")),
    }
}

/// A secret that travels in an HTTP header: visible ASCII without spaces.
pub(super) fn token(item: &Item, reader: &Reader<'_>) -> Result<SecretString, Wrong> {
    use secrecy::ExposeSecret;
    let secret = secret(item, reader)?;
    if secret.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(secret);
    }
    let wrong = Wrong::new("a secret that an HTTP header can carry: visible ASCII characters without spaces");
    Err(wrong
        .found("a secret with a space, a line break or another character outside of that")
        .advice("Check that nothing but the key itself was copied."))
}

fn named(table: &Table, reader: &Reader<'_>) -> Result<SecretString, Wrong> {
    let forms = || Wrong::new(FORMS);
    let mut entries = table.iter();
    let (Some((key, source)), None) = (entries.next(), entries.next()) else {
        return Err(forms()
            .found("a table with another number of keys than one")
            .advice("Keep one of `env` and `file`."));
    };
    let Some(name) = source.text() else {
        return Err(forms().found(format!("{} for `{key}`", source.kind())).advice("Put the name in quotes."));
    };
    match key.as_str() {
        "env" => variable(name, reader),
        "file" => file(name, reader),
        _ => Err(forms().found(format!("a table with the key `{key}`")).advice("Use `env` or `file`.")),
    }
}

fn variable(name: &str, reader: &Reader<'_>) -> Result<SecretString, Wrong> {
    let wrong = |found: &str| {
        Wrong::new(format!("the environment variable {name} to hold the secret"))
            .found(format!("that {name} {found}"))
            .advice(format!("Set {name} in the environment of the process that starts the bridge."))
    };
    match reader.environment.variable(name) {
        None => Err(wrong("is not set")),
        Some("") => Err(wrong("is empty")),
        Some(text) => Ok(text.to_owned().into()),
    }
}

fn file(name: &str, reader: &Reader<'_>) -> Result<SecretString, Wrong> {
    let path = reader.folder.join(name);
    let wrong = |found: String| {
        Wrong::new(format!("a file at {} that holds the secret", path.display()))
            .found(found)
            .advice("The path counts from the configuration file's folder; the bridge's user must be able to read it.")
    };
    match secret_of(&path) {
        Ok(Some(secret)) => Ok(secret),
        Ok(None) => Err(wrong("an empty file".into())),
        Err(error) => Err(wrong(format!("no readable file ({error})"))),
    }
}

/// The secret that a file holds; nothing where it is empty. A line break at the end, as editors and `echo`
/// write it, is no part of the secret.
///
/// # Errors
/// When the file cannot be read.
pub fn secret_of(path: &Path) -> io::Result<Option<SecretString>> {
    let text = fs::read_to_string(path)?;
    let secret = text.trim_end_matches(['\r', '\n']);
    Ok((!secret.is_empty()).then(|| secret.to_owned().into()))
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;
    use secrecy::ExposeSecret;

    fn read(toml: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key"), "from file\r\n").unwrap();
        fs::write(folder.path().join("empty"), "\n").unwrap();
        let environment = Environment::from_iter([("SET", "from env"), ("EMPTY", "")]);
        let reader = Reader::new("f.toml", folder.path(), &environment);
        let table = tree::parse("f.toml", toml).unwrap();
        secret(&table["s"], &reader).map(|secret| secret.expose_secret().to_owned()).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn a_secret_comes_from_text_environment_or_file() {
        assert_eq!(read("s = 'text'").unwrap(), "text");
        assert_eq!(read("s = { env = 'SET' }").unwrap(), "from env");
        assert_eq!(read("s = { file = 'key' }").unwrap(), "from file");
    }

    #[test]
    fn a_missing_secret_says_where_it_was_looked_for() {
        for (toml, told) in [
            ("s = ''", "an empty string"),
            ("s = 12", "an integer"),
            ("s = { env = 'UNSET' }", "UNSET is not set"),
            ("s = { env = 'EMPTY' }", "EMPTY is empty"),
            ("s = { file = 'nowhere' }", "no readable file"),
            ("s = { file = 'empty' }", "an empty file"),
            ("s = { env = 'SET', file = 'key' }", "another number of keys"),
            ("s = { path = 'key' }", "the key `path`"),
            ("s = { env = 1 }", "an integer for `env`"),
        ] {
            let wrong = read(toml).unwrap_err();
            assert!(wrong.contains(told), "{toml}: {wrong}");
        }
    }

    #[test]
    fn a_token_fits_in_a_header() {
        let environment = Environment::default();
        let reader = Reader::new("f.toml", std::path::Path::new(""), &environment);
        let table = tree::parse("f.toml", "good = 'a-B_1.~'\nbad = 'a b'\nworse = \"a\\nb\"\nümlaut = 1").err();
        assert!(table.is_some(), "a bare key is ASCII");
        let table = tree::parse("f.toml", "good = 'a-B_1.~'\nbad = 'a b'\nworse = \"a\\nb\"").unwrap();
        assert!(token(&table["good"], &reader).is_ok());
        assert!(token(&table["bad"], &reader).is_err() && token(&table["worse"], &reader).is_err());
    }
}
