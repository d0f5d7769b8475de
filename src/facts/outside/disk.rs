//! The room on the disk of the data.

use std::path::Path;

use super::Outside;
use crate::policy::checkup::DiskFacts;

impl Outside {
    /// None where the system does not say.
    #[must_use]
    pub fn disk(&self) -> Option<DiskFacts> {
        self.settings.probes.disk.or_else(|| room_at(&self.settings.data_dir))
    }
}

/// The disk on which a folder lies; none where the system does not say.
#[must_use]
pub fn room_at(folder: &Path) -> Option<DiskFacts> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    let octets = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Some(DiskFacts { free: octets(disk.f_bavail), total: octets(disk.f_blocks) })
}
