//! The disk that the data lie on.

use super::{Finding, Severity};

/// Octets that stay free, so that databases can write their journals.
const RESERVE: u64 = 64 << 20;
/// Of a small disk one in so many.
const RESERVED_SHARE: u64 = 4;
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
    /// Octets below which mail is refused for now.
    #[must_use]
    pub fn reserve(&self) -> u64 {
        (self.total / RESERVED_SHARE).clamp(1, RESERVE)
    }

    /// Whether there is so little room that mail is refused for now.
    #[must_use]
    pub fn is_refusing(&self) -> bool {
        self.free < self.reserve()
    }

    /// Whether so many octets fit above the reserve.
    #[must_use]
    pub fn has_room_for(&self, octets: u64) -> bool {
        self.free >= self.reserve().saturating_add(octets)
    }

    /// In words, why so many octets are not written there; none if they fit above the reserve.
    #[must_use]
    pub fn why_not(&self, octets: u64) -> Option<String> {
        let [wanted, free, reserve] = [octets, self.free, self.reserve()].map(|octets| octets.div_ceil(1 << 20));
        (!self.has_room_for(octets)).then(|| {
            format!("it takes {wanted} MiB, and the disk has {free} MiB free, of which {reserve} MiB are kept for mail")
        })
    }
}

pub(super) fn judge(facts: &DiskFacts) -> Option<Finding> {
    let is_low = facts.free < LOW && facts.free < facts.total / SHARE;
    if !facts.is_refusing() && !is_low {
        return None;
    }
    let what = format!("The disk of the data has {} MiB free of {} MiB.", facts.free >> 20, facts.total >> 20);
    let remedy = format!(
        "Make room, or let the log be smaller (log.max_bytes). Below {} MiB mail is answered 452, and comes again.",
        facts.reserve() >> 20
    );
    let finding = Finding::fault("disk_low", &"data_dir", what, remedy);
    Some(if facts.is_refusing() { finding } else { finding.graded(Severity::Warning) })
}
