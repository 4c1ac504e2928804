//! The disk's faults at its syncs, made by a library that stands before the C library's.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bridge::Home;

/// Lets the bridges that this home starts sync by way of the library; with `SYNC_FAILS` and
/// `SYNC_KEEPS` set as its source says, it does something.
pub(crate) fn sync_library(home: &mut Home) {
    let library = home.path("sync.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/preload/sync.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source);
    let output = compiler.arg("-ldl").output().expect("a C compiler, which SQLite needs as well");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    home.set("LD_PRELOAD", library);
}

/// Decides which files' syncs fail; see `SYNC_FAILS`.
pub(crate) struct Syncs(PathBuf);

impl Syncs {
    pub(crate) fn of(home: &mut Home) -> Self {
        sync_library(home);
        let control = home.path("sync-fails");
        home.set("SYNC_FAILS", &control);
        Self(control)
    }

    /// From now on the syncs of files whose path ends so fail.
    pub(crate) fn fail(&self, end: &str) {
        // Renamed into place, so that no half of it is read.
        let whole = self.0.with_extension("whole");
        std::fs::write(&whole, end).unwrap();
        std::fs::rename(whole, &self.0).unwrap();
    }

    pub(crate) fn succeed(&self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}
