//! What the bridge stands on and may run out: the journal's disk, the public listener's certificate.

use std::path::{Path, PathBuf};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;

use crate::config::{Settings, StoreUrl};

/// What is around the bridge.
pub struct Surroundings {
    /// Where the journal's files are; none where it is a database.
    folder: Option<PathBuf>,
    min_free_bytes: u64,
    /// When the certificate expires.
    expires: ArcSwapOption<Timestamp>,
}

impl Surroundings {
    /// What these settings put the bridge on.
    pub fn of(settings: &Settings) -> Self {
        let folder = match &settings.store.url {
            StoreUrl::Sqlite(path) => {
                Some(path.parent().filter(|folder| *folder != Path::new("")).map_or(".".into(), Path::to_owned))
            }
            StoreUrl::Postgres(_) => None,
        };
        let around = Self { folder, min_free_bytes: settings.store.min_free_bytes, expires: ArcSwapOption::empty() };
        around.renewed(settings);
        around
    }

    /// Takes over the certificate that is now in force.
    pub fn renewed(&self, settings: &Settings) {
        let expires = settings.tls.as_ref().and_then(|tls| tls.certificate.expires());
        self.expires.store(expires.map(std::sync::Arc::new));
    }

    /// How many bytes are free on the journal's disk, and below how many nothing is accepted.
    pub fn disk(&self) -> Option<(u64, u64)> {
        let disk = rustix::fs::statvfs(self.folder.as_ref()?).ok()?;
        Some((disk.f_bavail * disk.f_frsize, self.min_free_bytes))
    }

    /// When the public listener's certificate expires; none where it has none.
    pub fn certificate_expires(&self) -> Option<Timestamp> {
        self.expires.load().as_deref().copied()
    }
}
