//! The house's rules, read off the sources: which room may use which, and which file alone knows
//! a dependency.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms of ours that it may use; the rest of the crate may use all.
const ROOMS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("xml", &[]),
    ("clock", &[]),
    ("log", &[]),
    ("certificate", &[]),
    ("credential", &["clock", "domain"]),
    ("refusal", &[]),
    ("soap", &["xml", "domain", "refusal"]),
    ("journal", &["domain", "clock"]),
    ("outbound", &[]),
    ("delivery", &["journal", "domain", "clock", "credential", "outbound"]),
    ("workday", &["xml", "credential", "outbound"]),
    ("protection", &["delivery", "journal", "domain", "workday"]),
    ("config", &["domain", "certificate"]),
    ("auth", &["refusal", "credential", "certificate", "clock", "domain", "soap"]),
    ("intake", &["domain", "refusal"]),
    ("problem", &["journal", "refusal"]),
    ("net", &["refusal", "certificate", "config"]),
    ("organisation", &["domain", "credential", "config", "soap", "auth", "journal", "refusal"]),
    ("metrics", &["delivery", "journal", "domain", "refusal"]),
    (
        "public",
        &[
            "auth",
            "clock",
            "config",
            "domain",
            "intake",
            "journal",
            "metrics",
            "net",
            "organisation",
            "problem",
            "refusal",
            "soap",
            "xml",
        ],
    ),
    (
        "admin",
        &[
            "auth",
            "clock",
            "config",
            "credential",
            "delivery",
            "domain",
            "intake",
            "journal",
            "log",
            "metrics",
            "net",
            "organisation",
            "problem",
            "protection",
            "public",
            "refusal",
            "soap",
            "xml",
        ],
    ),
    (
        "app",
        &[
            "admin",
            "auth",
            "clock",
            "config",
            "credential",
            "delivery",
            "domain",
            "journal",
            "metrics",
            "net",
            "organisation",
            "protection",
            "public",
            "workday",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "clock",
            "config",
            "credential",
            "delivery",
            "domain",
            "journal",
            "log",
            "metrics",
            "net",
            "organisation",
            "refusal",
            "soap",
            "workday",
            "xml",
        ],
    ),
    // Where the rooms are named, and where the process begins.
    ("lib", &[]),
    ("main", &["cli"]),
];

/// A dependency and the only places that may name it.
const KNOWN_BY: &[(&str, &[&str])] = &[
    ("quick_xml::", &["src/xml/pieces.rs"]),
    ("flate2::", &["src/net/inflate.rs", "src/cli/doctor/bundle.rs"]),
    ("indicatif::", &["src/cli/"]),
    ("tar::", &["src/cli/doctor/bundle.rs"]),
    ("Authenticated::vouched", &["src/admin/refused.rs"]),
    ("reqwest::", &["src/outbound.rs", "src/delivery/relay.rs", "src/workday/line.rs", "src/cli/"]),
    (
        "yaserde::",
        &["src/workday/messages.rs", "src/workday/requests.rs", "src/workday/answers.rs", "src/workday/answers/"],
    ),
    ("rusqlite::", &["src/journal/embedded/", "src/journal/embedded.rs"]),
    ("ring::", &["src/auth/token.rs", "src/certificate.rs", "src/admin/session.rs"]),
    ("siphasher::", &["src/journal/keys.rs"]),
    ("tokio_postgres_rustls::", &["src/journal/postgres/tls.rs"]),
    ("rustls_platform_verifier::", &["src/journal/postgres/tls.rs"]),
    ("tokio_postgres::", &["src/journal/postgres/", "src/journal/postgres.rs"]),
    ("tokio_rustls::", &["src/net/tls.rs"]),
    ("sd_listen_fds::", &["src/net/inherited.rs"]),
    ("governor::", &["src/public/rates.rs"]),
    ("x509_cert::", &["src/certificate.rs"]),
    ("toml::", &["src/config/"]),
    ("tracing_subscriber::", &["src/log.rs", "src/log/"]),
    ("clap::", &["src/cli.rs", "src/cli/"]),
    ("anyhow::", &["src/app.rs", "src/app/", "src/cli.rs", "src/cli/"]),
    ("prometheus_client::", &["src/metrics.rs", "src/metrics/"]),
    ("utoipa::", &["src/admin/", "src/problem.rs", "src/domain/", "src/journal/filter.rs"]),
    ("subtle::", &["src/auth.rs", "src/admin/tokens.rs", "src/admin/session.rs"]),
    ("askama::", &["src/admin/console.rs", "src/admin/console/"]),
];

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                sources.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(sources.len() > 40);
    // What stands in tests is for these to know.
    sources.retain(|(name, _)| !name.ends_with("/tests.rs") && !name.contains("/tests/"));
    sources
}

/// The code without its comments and without its tests, which stand last. The program calls the library
/// by its name.
fn code(source: &str) -> String {
    let body = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code = body.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n").replace("imper_bridge::", "crate::")
}

fn room(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap();
    inside.split(['/', '.']).next().unwrap()
}

#[test]
fn nothing_below_calls_up() {
    let (mut wrong, mut needed) = (Vec::new(), BTreeSet::new());
    for (path, source) in sources() {
        let Some((room, allowed)) = ROOMS.iter().find(|(name, _)| *name == room(&path)) else {
            wrong.push(format!("{path} stands in a room that is not listed"));
            continue;
        };
        for used in code(&source).split("crate::").skip(1) {
            let used = used.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap();
            // A group of rooms in braces would hide them: each stands in a line of its own.
            if used != *room && !allowed.contains(&used) {
                wrong.push(format!("{path} uses {used}"));
            }
            needed.insert((*room, used.to_owned()));
        }
    }
    for (room, allowed) in ROOMS {
        let unneeded = allowed.iter().filter(|used| !needed.contains(&(*room, (**used).to_owned())));
        wrong.extend(unneeded.map(|used| format!("{room} is allowed {used}, and does not use it")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn one_place_knows_each_dependency() {
    let (mut wrong, mut needed) = (Vec::new(), BTreeSet::new());
    for (path, source) in sources() {
        let code = code(&source);
        for (dependency, places) in KNOWN_BY {
            let mentions = code.match_indices(dependency).any(|(at, _)| {
                let before = code[..at].chars().next_back();
                !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
            });
            if !mentions {
                continue;
            }
            match places.iter().find(|place| path.starts_with(**place)) {
                Some(place) => drop(needed.insert((*dependency, *place))),
                None => wrong.push(format!("{path} knows {dependency}")),
            }
        }
    }
    for (dependency, places) in KNOWN_BY {
        let unneeded = places.iter().filter(|place| !needed.contains(&(*dependency, **place)));
        wrong.extend(unneeded.map(|place| format!("{place} may name {dependency}, and does not")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
