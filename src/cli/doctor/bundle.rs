//! The archive: gzip and tar, which every desk can open.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::Value;

/// An archive in the making.
pub(super) struct Bundle {
    archive: tar::Builder<GzEncoder<Vec<u8>>>,
    folder: String,
    at: u64,
}

impl Bundle {
    pub(super) fn new(at: Timestamp) -> Self {
        let archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        Self { archive, folder: folder(at), at: at.as_second().unsigned_abs() }
    }

    /// Adds a text.
    pub(super) fn add(&mut self, name: &str, text: String) -> anyhow::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(self.at);
        Ok(self.archive.append_data(&mut header, format!("{}/{name}", self.folder), text.as_bytes())?)
    }

    /// Adds a value, to be read by people as well.
    pub(super) fn add_json(&mut self, name: &str, value: &Value) -> anyhow::Result<()> {
        self.add(name, format!("{value:#}\n"))
    }

    /// The whole archive.
    pub(super) fn finish(self) -> anyhow::Result<Vec<u8>> {
        Ok(self.archive.into_inner()?.finish()?)
    }
}

fn folder(at: Timestamp) -> String {
    format!("imper-bridge-doctor-{}", at.strftime("%Y%m%dT%H%M%SZ"))
}

/// What a bundle of that time is called.
pub(super) fn name(at: Timestamp) -> String {
    format!("{}.tar.gz", folder(at))
}

/// Writes a file that was not there, for its owner only.
pub(super) fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?.write_all(bytes)
}
