//! The configuration as it may be shown to others: what is not known to be harmless is masked, so
//! that a secret under a misspelt key stays one.

use std::path::Path;

use serde_json::Value as Json;
use url::Url;

use super::Settings;
use super::secret::Environment;
use super::tree::{self, Item, Table, Value};

/// Texts that tell nobody's secret and nobody's name.
const HARMLESS: &[&str] = &[
    "ca",
    "candidate",
    "cert",
    "client_ca",
    "closed_statuses",
    "env",
    "event_names",
    "expect_tenant",
    "fault_status",
    "file",
    "handler",
    "interview_stages",
    "job_application",
    "job_requisition",
    "listen",
    "namespace",
    "orgs",
    "payload",
    "role",
    "trusted_proxies",
];

/// Addresses, of which only the host is shown: people put keys into all the rest.
const ADDRESSES: &[&str] = &["proxy", "public_url", "soap_url", "token_url", "url"];

const MASKED: &str = "***";

impl Settings {
    /// What the file and the overrides say, without secrets; nothing where the file cannot be read
    /// or is no TOML. Whether it makes sense is not asked.
    pub fn without_secrets(file: Option<&Path>, environment: &Environment) -> Option<Json> {
        let text = file.map_or(Some(super::WITHOUT_FILE.to_owned()), |file| std::fs::read_to_string(file).ok())?;
        let mut root = tree::parse("", &text).ok()?;
        tree::overlay(&mut root, environment);
        Some(table(&root))
    }
}

fn table(table: &Table) -> Json {
    table.iter().map(|(key, item)| (key.clone(), shown(key, item))).collect::<serde_json::Map<_, _>>().into()
}

fn shown(key: &str, item: &Item) -> Json {
    match &item.value {
        Value::Text(text) if HARMLESS.contains(&key) => text.as_str().into(),
        Value::Text(text) if ADDRESSES.contains(&key) => address(text).into(),
        Value::Text(_) | Value::Date => MASKED.into(),
        Value::Integer(number) => i64::try_from(*number).map_or(MASKED.into(), Json::from),
        Value::Float(number) => (*number).into(),
        Value::Boolean(value) => (*value).into(),
        Value::List(items) => items.iter().map(|item| shown(key, item)).collect(),
        Value::Table(inner) => table(inner),
    }
}

/// Scheme, host and port; of a file, all of it.
fn address(text: &str) -> String {
    if text.starts_with("sqlite:") {
        return text.to_owned();
    }
    let host = |url: Url| {
        let port = url.port().map_or(String::new(), |port| format!(":{port}"));
        Some(format!("{}://{}{port}/{MASKED}", url.scheme(), url.host_str()?))
    };
    Url::parse(text).ok().and_then(host).unwrap_or_else(|| MASKED.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_be_harmless_is_masked() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bridge.toml");
        let text = r#"
            listen = "127.0.0.1:8080"
            [admin]
            token = { env = "TOKEN" }
            tokens = [{ name = "hunter-a", token = "hunter-b", role = "viewer", orgs = ["acme"] }]
            [store]
            url = "postgres://hunter-c:hunter-d@db.example.com:5433/bridge?password=hunter-e"
            pasword = "hunter-f"
            [org.acme]
            auth.basic = { username = "hunter-g", password = "hunter-h" }
            interview_stages = ["Interview"]
            relay = { url = "https://relay.example.com/hunter-i?key=hunter-j", api_key = "hunter-k" }
            intake.key = "hunter-l"
            [delivery]
            timeout_seconds = 2.5
            proxy = "hunter-m"
        "#;
        std::fs::write(&file, text).unwrap();
        let environment = Environment::from_iter([("IMPER_BRIDGE_ADMIN__TOKEN", "hunter-n")]);
        let shown = Settings::without_secrets(Some(&file), &environment).unwrap();
        assert!(!shown.to_string().contains("hunter"), "{shown:#}");
        assert_eq!(shown["listen"], "127.0.0.1:8080");
        assert_eq!(shown["store"]["url"], "postgres://db.example.com:5433/***");
        assert_eq!(shown["org"]["acme"]["relay"]["url"], "https://relay.example.com/***");
        assert_eq!(shown["org"]["acme"]["interview_stages"][0], "Interview");
        assert_eq!(shown["delivery"]["timeout_seconds"], 2.5);
        let given = Settings::without_secrets(Some(&file), &Environment::default()).unwrap();
        assert_eq!(given["admin"]["token"]["env"], "TOKEN");
        std::fs::write(&file, "hunter = ").unwrap();
        assert_eq!(Settings::without_secrets(Some(&file), &environment), None);
    }
}
