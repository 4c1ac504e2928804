//! What is known without the bridge: the program, the machine, the journal's files.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::config::{Store, StoreUrl};
use crate::metrics::COMMIT;

/// The program and what it runs on.
pub(super) fn versions() -> Value {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).map(|name| name.trim_matches('"'));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).map(str::trim);
    json!({
        "imper_bridge": env!("CARGO_PKG_VERSION"),
        "commit": COMMIT,
        "architecture": std::env::consts::ARCH,
        "system": system,
        "kernel": kernel.as_deref().map(str::trim),
        "processors": std::thread::available_parallelism().map(usize::from).ok(),
        "memory": memory,
    })
}

/// The journal's files, and the room beside them; nothing of a database.
pub(super) fn files(store: &Store) -> Value {
    let StoreUrl::Sqlite(journal) = &store.url else { return json!({ "store": "a database" }) };
    let folder = journal.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let name = journal.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut files: Vec<(String, u64)> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let file = entry.file_name().to_string_lossy().into_owned();
            file.starts_with(&name).then(|| entry.metadata().ok().map(|about| (file, about.len())))?
        })
        .collect();
    files.sort();
    let files: serde_json::Map<_, _> = files.into_iter().map(|(file, bytes)| (file, bytes.into())).collect();
    let free = rustix::fs::statvfs(folder).ok().map(|disk| disk.f_bavail * disk.f_frsize);
    json!({ "store": "files", "bytes": files, "free_bytes": free, "min_free_bytes": store.min_free_bytes })
}
