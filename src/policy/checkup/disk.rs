//! The disk that the data lie on.

use super::{Finding, Severity};

/// Below this mail is refused for now, as `inbound` does.
const REFUSING: u64 = 64 << 20;
/// Below this somebody should look.
const LOW: u64 = 1 << 30;
/// And where less than one in so many octets is free.
const SHARE: u64 = 20;

/// Its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskFacts {
    /// Octets that we may still write.
    pub free: u64,
    /// Octets in all.
    pub total: u64,
}

impl DiskFacts {
    /// Whether there is so little room that mail is refused for now.
    #[must_use]
    pub const fn is_refusing(&self) -> bool {
        self.free < REFUSING
    }
}

pub(super) fn judge(facts: &DiskFacts) -> Option<Finding> {
    let is_low = facts.free < LOW && facts.free < facts.total / SHARE;
    if !facts.is_refusing() && !is_low {
        return None;
    }
    let what = format!("The disk of the data has {} MiB free of {} MiB.", facts.free >> 20, facts.total >> 20);
    let remedy =
        "Make room, or let the log be smaller (log.max_bytes). Below 64 MiB mail is answered 452, and comes again.";
    let finding = Finding::fault("disk_low", &"data_dir", what, remedy);
    Some(if facts.is_refusing() { finding } else { finding.graded(Severity::Warning) })
}
