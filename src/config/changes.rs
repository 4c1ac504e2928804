//! What differs between two configurations: names of keys, and never what they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use secrecy::ExposeSecret;

use super::prints::Prints;
use super::{NamedToken, Settings};
use crate::domain::OrgId;

/// What another configuration changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Organisations that were not there before, sorted.
    pub organisations_added: Vec<OrgId>,
    /// Organisations that are there no more, sorted.
    pub organisations_removed: Vec<OrgId>,
    /// Those that are still there and differ, with the paths of the keys in their sections, such as
    /// `relay.api_key`; both sorted.
    pub organisations_changed: Vec<(OrgId, Vec<String>)>,
    /// Names of `[[admin.tokens]]` that were not there before, sorted.
    pub tokens_added: Vec<String>,
    /// Names that are there no more, sorted.
    pub tokens_removed: Vec<String>,
    /// Names whose token, role or organisations differ, sorted.
    pub tokens_changed: Vec<String>,
    /// The paths of all other keys that differ, sorted. A secret or a certificate in a file differs
    /// where the file's content does.
    pub keys: Vec<String>,
}

impl Changes {
    /// What `new` changes where `old` is in force.
    pub fn between(old: &Settings, new: &Settings) -> Self {
        let [before, after] = [old, new].map(|settings| {
            let ids = settings.organisations.iter().map(|organisation| organisation.id.clone());
            ids.collect::<BTreeSet<_>>()
        });
        let mut changes = Self {
            organisations_added: after.difference(&before).cloned().collect(),
            organisations_removed: before.difference(&after).cloned().collect(),
            ..Self::default()
        };
        changes.compare_tokens(&old.admin.tokens, &new.admin.tokens);
        let mut changed: BTreeMap<&OrgId, Vec<String>> = BTreeMap::new();
        for path in differing(&old.prints, &new.prints) {
            match path.strip_prefix("org.").and_then(|path| path.split_once('.')) {
                Some((id, key)) => {
                    let id = before.intersection(&after).find(|each| each.as_str() == id);
                    id.into_iter().for_each(|id| changed.entry(id).or_default().push(key.to_owned()));
                }
                None if path.starts_with("admin.tokens.") => {}
                None => changes.keys.push(path.clone()),
            }
        }
        changes.organisations_changed = changed.into_iter().map(|(id, keys)| (id.clone(), keys)).collect();
        changes
    }

    fn compare_tokens(&mut self, old: &[NamedToken], new: &[NamedToken]) {
        let by_name = |tokens: &[NamedToken]| {
            let named = tokens.iter().map(|token| (token.name.clone(), token.clone()));
            named.collect::<BTreeMap<_, _>>()
        };
        let (old, new) = (by_name(old), by_name(new));
        self.tokens_added = new.keys().filter(|name| !old.contains_key(*name)).cloned().collect();
        self.tokens_removed = old.keys().filter(|name| !new.contains_key(*name)).cloned().collect();
        let differs = |one: &NamedToken, other: &NamedToken| {
            (one.token.expose_secret(), one.role, &one.orgs) != (other.token.expose_secret(), other.role, &other.orgs)
        };
        let changed = old.iter().filter(|(name, token)| new.get(*name).is_some_and(|other| differs(token, other)));
        self.tokens_changed = changed.map(|(name, _)| name.clone()).collect();
    }
}

fn differing<'p>(old: &'p Prints, new: &'p Prints) -> impl Iterator<Item = &'p String> {
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    all.into_iter().filter(|path| old.get(*path) != new.get(*path))
}

/// In one line, for the log.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let mut list = |what: &str, names: Vec<&str>| {
            if !names.is_empty() {
                parts.push(format!("{what} {}", names.join(", ")));
            }
        };
        list("organisations added:", self.organisations_added.iter().map(OrgId::as_str).collect());
        list("organisations removed:", self.organisations_removed.iter().map(OrgId::as_str).collect());
        for (id, keys) in &self.organisations_changed {
            list(&format!("organisation {id} changed:"), keys.iter().map(String::as_str).collect());
        }
        list("tokens added:", self.tokens_added.iter().map(String::as_str).collect());
        list("tokens removed:", self.tokens_removed.iter().map(String::as_str).collect());
        list("tokens changed:", self.tokens_changed.iter().map(String::as_str).collect());
        list("changed:", self.keys.iter().map(String::as_str).collect());
        f.write_str(if parts.is_empty() { "nothing" } else { "" })?;
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::Environment;
    use super::*;

    fn read(folder: &Path, text: &str) -> Settings {
        let environment = Environment::from_iter([("KEY", "hunter1")]);
        let loaded = Settings::from_toml("f.toml", text, folder, &environment);
        loaded.unwrap_or_else(|faults| panic!("{faults}")).settings
    }

    const OLD: &str = r#"
        limits.xml_depth = 9
        admin.tokens = [{ name = "ci", token = "hunter2", role = "viewer" }, { name = "old", token = "a", role = "viewer" }]
        [org.acme]
        auth.bearer = "hunter1"
        relay = { url = "https://relay.example.com", api_key = { file = "key" } }
        [org.gone]
        auth.none = true
        handler = "in_process"
    "#;

    #[test]
    fn what_differs_is_named_and_no_secret_shown() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key"), "hunter3\n").unwrap();
        let old = read(folder.path(), OLD);
        assert_eq!(Changes::between(&old, &read(folder.path(), OLD)), Changes::default());
        let moved = OLD.replace("auth.bearer = \"hunter1\"", "auth.bearer = { env = \"KEY\" }");
        let changes = Changes::between(&old, &read(folder.path(), &moved));
        assert_eq!(changes, Changes::default(), "the same secret in another place is no change");
        assert_eq!(changes.to_string(), "nothing");
        fs::write(folder.path().join("key"), "hunter4\n").unwrap();
        let new = moved
            .replace("org.gone", "org.new")
            .replace("viewer\" }, { name = \"old\"", "operator\" }, { name = \"z\"");
        let new = new.replace("depth = 9", "depth = 10\nlimits.answer_seconds = 3");
        let changes = Changes::between(&old, &read(folder.path(), &new));
        let expected = "organisations added: new; organisations removed: gone; organisation acme changed: relay.api_key; \
                        tokens added: z; tokens removed: old; tokens changed: ci; \
                        changed: limits.answer_seconds, limits.xml_depth";
        assert_eq!(changes.to_string(), expected, "a secret in a file differs where the file's content does");
    }
}
