//! The room on the disk of the data.

use super::Outside;
use crate::policy::checkup::DiskFacts;

impl Outside {
    /// None where the system does not say.
    #[must_use]
    pub fn disk(&self) -> Option<DiskFacts> {
        if let Some(disk) = self.settings.probes.disk {
            return Some(disk);
        }
        let disk = rustix::fs::statvfs(&self.settings.data_dir).ok()?;
        let octets = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Some(DiskFacts { free: octets(disk.f_bavail), total: octets(disk.f_blocks) })
    }
}
